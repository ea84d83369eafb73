# The suites that come with the workflow, and your own CSV files (`csv:` in the configuration). What
# is neither has a rule of its own in workflow/rules/benchmarks/.


rule task:
    """Write the task folder of one benchmark task."""
    input:
        files=task_files,
        asked=asked("tasks/{suite}/{task}", task_options, own_task_files),
    output:
        directory(task_folder("{suite}")),
    log:
        log_of("tasks/{suite}/{task}"),
    benchmark:
        benchmark_of("tasks/{suite}/{task}")
    wildcard_constraints:
        suite=one_of(set(CONFIG.suites) - set(OWN_RULES)),
    retries: 0
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        options=task_options,
    shell:
        command(
            "benchmark {wildcards.suite:q} {wildcards.task:q} {input.files:q} {params.options}"
            " --output {output:q}"
        )
