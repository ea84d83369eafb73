# Downloads, the simulated genome, and every FASTA as memory-mapped codes.


localrules:
    download,
    data_check,


rule download:
    output:
        f"{OUT}/downloads/{{dataset}}",
    log:
        log_of("download/{dataset}"),
    benchmark:
        benchmark_of("download/{dataset}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=720,
    shell:
        "python -m dnastudents download {wildcards.dataset:q} --output {output:q}"
        f" {DOWNLOAD_OPTIONS} 2>&1 | tee {{log:q}}"


# `snakemake data_check`: which data are present, missing or wrong. Without outputs, so it always
# runs; it reads every file there is and asks nothing of the network.
rule data_check:
    log:
        log_of("data_check"),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=120,
    params:
        data=lambda w: settings(CONFIG.data()),
    shell:
        "python -m dnastudents data-check --settings {params.data:q}"
        f" --downloads {shlex.quote(OUT)}/downloads {DOWNLOAD_OPTIONS} 2>&1 | tee {{log:q}}"


rule simulate:
    output:
        directory(f"{OUT}/simulated/{{reference}}"),
    log:
        log_of("simulate/{reference}"),
    benchmark:
        benchmark_of("simulate/{reference}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        settings=lambda w: settings(CONFIG["references"][w.reference]["simulate"]),
    shell:
        "python -m dnastudents simulate --settings {params.settings:q}"
        " --output {output:q} 2>&1 | tee {log:q}"


rule reference:
    input:
        fasta,
    output:
        directory(f"{OUT}/reference/{{reference}}"),
    log:
        log_of("reference/{reference}"),
    benchmark:
        benchmark_of("reference/{reference}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    shell:
        "python -m dnastudents reference {input:q} --output {output:q} 2>&1 | tee {log:q}"
