# Four tasks made from the annotation of the simulated genome.


rule simulated:
    input:
        f"{OUT}/simulated/{CONFIG['genome']}",
    output:
        directory(task_folder("simulated")),
    log:
        log_of("tasks/simulated/{task}"),
    benchmark:
        benchmark_of("tasks/simulated/{task}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        leakage=leakage("simulated"),
    shell:
        "python -m dnastudents benchmark simulated {wildcards.task:q} {input:q}"
        " --leakage {params.leakage:q} --output {output:q} 2>&1 | tee {log:q}"
