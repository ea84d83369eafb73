# Downloads, the simulated genome, and every FASTA as memory-mapped codes.


rule download:
    """Download one file of the manifest and check it."""
    output:
        f"{OUT}/downloads/{{dataset}}",
    log:
        log_of("download/{dataset}"),
    benchmark:
        benchmark_of("download/{dataset}")
    localrule: True
    conda:
        ENVIRONMENT
    shell:
        command(
            f"download {{wildcards.dataset:q}} --output {{output:q}} {literal(DOWNLOAD_OPTIONS)}"
        )


# Without outputs, so it always runs; it reads every file there is and asks nothing of the network.
rule data_check:
    """Tell which data are present, missing or wrong."""
    log:
        log_of("data_check"),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        data=lambda w: settings(CONFIG.data()),
        downloads=f"{OUT}/downloads",
    shell:
        command(
            "data-check --settings {params.data:q} --downloads {params.downloads:q}"
            f" {literal(DOWNLOAD_OPTIONS)}"
        )


rule simulate:
    """Write a simulated genome with annotated words."""
    input:
        asked=asked("simulate/{reference}", simulation),
    output:
        directory(f"{OUT}/simulated/{{reference}}"),
    log:
        log_of("simulate/{reference}"),
    benchmark:
        benchmark_of("simulate/{reference}")
    retries: 0
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        settings=lambda w: settings(simulation(w)),
    shell:
        command("simulate --settings {params.settings:q} --output {output:q}")


rule reference:
    """Turn FASTA into memory-mapped codes."""
    input:
        fasta=fasta,
        asked=asked("reference/{reference}", several_files, own_fasta),
    output:
        directory(f"{OUT}/reference/{{reference}}"),
    log:
        log_of("reference/{reference}"),
    benchmark:
        benchmark_of("reference/{reference}")
    retries: 0
    conda:
        ENVIRONMENT
    resources:
        mem_mb=8000,
        runtime=60,
    shell:
        command("reference {input.fasta:q} --output {output:q}")
