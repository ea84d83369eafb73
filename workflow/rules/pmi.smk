# How much the bases of each k-mer belong together: the ranking behind the PMI masks.


rule pmi:
    """Rank k-mers by pointwise mutual information."""
    input:
        reference=f"{OUT}/reference/{CONFIG.settings.genome}",
        asked=asked("pmi", CONFIG.settings.pmi),
    output:
        directory(f"{OUT}/pmi"),
    log:
        log_of("pmi"),
    benchmark:
        benchmark_of("pmi")
    retries: 0
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        settings=settings(CONFIG.settings.pmi),
    shell:
        command(
            "pmi {input.reference:q} --threads {threads} --settings {params.settings:q} --output {output:q}"
        )
