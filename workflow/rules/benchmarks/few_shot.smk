# Few-shot tasks of GeneMask and CM-GEMS; two official test files never appeared, see the reader.


rule few_shot:
    input:
        source("few_shot"),
    output:
        directory(task_folder("few_shot")),
    log:
        log_of("tasks/few_shot/{task}"),
    benchmark:
        benchmark_of("tasks/few_shot/{task}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        leakage=leakage("few_shot"),
    shell:
        "python -m dnastudents benchmark few_shot {wildcards.task:q} {input:q}"
        " --leakage {params.leakage:q} --output {output:q} 2>&1 | tee {log:q}"
