# MTcDNA: mouse against turtle transcripts, from Ensembl's cDNA.


rule mtcdna:
    input:
        source("mtcdna"),
    output:
        directory(task_folder("mtcdna")),
    log:
        log_of("tasks/mtcdna/{task}"),
    benchmark:
        benchmark_of("tasks/mtcdna/{task}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        leakage=leakage("mtcdna"),
    shell:
        "python -m dnastudents benchmark mtcdna {wildcards.task:q} {input:q}"
        " --leakage {params.leakage:q} --output {output:q} 2>&1 | tee {log:q}"
