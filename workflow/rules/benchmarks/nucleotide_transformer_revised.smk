# The 18 tasks of the Nucleotide Transformer benchmark as revised: other data than the papers'.


rule nucleotide_transformer_revised:
    input:
        source("nucleotide_transformer_revised"),
    output:
        directory(task_folder("nucleotide_transformer_revised")),
    log:
        log_of("tasks/nucleotide_transformer_revised/{task}"),
    benchmark:
        benchmark_of("tasks/nucleotide_transformer_revised/{task}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        leakage=leakage("nucleotide_transformer_revised"),
    shell:
        "python -m dnastudents benchmark nucleotide_transformer_revised {wildcards.task:q} {input:q}"
        " --leakage {params.leakage:q} --output {output:q} 2>&1 | tee {log:q}"
