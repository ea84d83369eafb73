# GUE (DNABERT-2): 28 tasks in one archive of CSV files, or table by table.


rule gue:
    input:
        source("gue"),
    output:
        directory(task_folder("gue")),
    log:
        log_of("tasks/gue/{task}"),
    benchmark:
        benchmark_of("tasks/gue/{task}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        leakage=leakage("gue"),
    shell:
        "python -m dnastudents benchmark gue {wildcards.task:q} {input:q}"
        " --leakage {params.leakage:q} --output {output:q} 2>&1 | tee {log:q}"
