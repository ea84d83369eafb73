# Genomic Benchmarks: an archive of sequences a task, or coordinates and their references.


rule genomic_benchmarks:
    input:
        source("genomic_benchmarks"),
    output:
        directory(task_folder("genomic_benchmarks")),
    log:
        log_of("tasks/genomic_benchmarks/{task}"),
    benchmark:
        benchmark_of("tasks/genomic_benchmarks/{task}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        leakage=leakage("genomic_benchmarks"),
    shell:
        "python -m dnastudents benchmark genomic_benchmarks {wildcards.task:q} {input:q}"
        " --leakage {params.leakage:q} --output {output:q} 2>&1 | tee {log:q}"
