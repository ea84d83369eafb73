# One job per run. Resume state is not an output, because Snakemake deletes the outputs of a failed job.


rule pretrain:
    """Pretrain one run."""
    input:
        unpack(pretrain_input),
        asked=asked("pretrain/{run}", deciding),
    output:
        directory(f"{OUT}/pretrain/{{run}}"),
    log:
        log_of("pretrain/{run}"),
    benchmark:
        benchmark_of("pretrain/{run}")
    wildcard_constraints:
        run=one_of(replica for run in CONFIG.runs for replica in CONFIG.replicas(run)),
    priority: 10  # the long jobs first
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        nodes=1,
        processes=1,
        mem_mb=32000,
        runtime=2880,
    params:
        settings=deciding,
        execution=execution,
        state=f"{OUT}/state/pretrain/{{run}}",
        given=as_options,
    shell:  # the only wildcard is the name of the run, or of the teacher that inherits this
        command(
            "launch --nodes {resources.nodes} --processes {resources.processes}"
            " --threads {threads} -- pretrain {wildcards[0]:q} --settings {params.settings:q}"
            " --execution {params.execution:q} {params.given}"
            " --state {params.state:q} --output {output:q}"
        )
