# The 18 tasks of the Nucleotide Transformer benchmark, in the papers' version.


rule nucleotide_transformer:
    input:
        source("nucleotide_transformer"),
    output:
        directory(task_folder("nucleotide_transformer")),
    log:
        log_of("tasks/nucleotide_transformer/{task}"),
    benchmark:
        benchmark_of("tasks/nucleotide_transformer/{task}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        leakage=leakage("nucleotide_transformer"),
    shell:
        "python -m dnastudents benchmark nucleotide_transformer {wildcards.task:q} {input:q}"
        " --leakage {params.leakage:q} --output {output:q} 2>&1 | tee {log:q}"
