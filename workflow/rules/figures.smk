# Figures, each as SVG for the paper and PNG for the screen.


rule tsne:
    input:
        embeddings=lambda w: [
            f"{OUT}/embed{w.cls}/{place}/{w.suite}/{w.task}.npz"
            for place in tsne_panels(w.cls).values()
        ],
        task=f"{OUT}/tasks/{{suite}}/{{task}}",
    output:
        svg=f"{OUT}/figures/tsne{{cls}}_{{suite}}_{{task}}.svg",
        numbers=f"{OUT}/figures/tsne{{cls}}_{{suite}}_{{task}}.csv",
        points=f"{OUT}/figures/tsne{{cls}}_{{suite}}_{{task}}_points.csv",
        png=report(
            f"{OUT}/figures/tsne{{cls}}_{{suite}}_{{task}}.png",
            caption=str(ROOT / "workflow/report/tsne.rst"),
            category="Figures",
            labels={"figure": "t-SNE{cls} of {suite}/{task}"},
        ),
    log:
        log_of("tsne{cls}/{suite}/{task}"),
    benchmark:
        benchmark_of("tsne{cls}/{suite}/{task}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        panels=lambda w: list(tsne_panels(w.cls)),
    shell:
        "python -m dnastudents figure tsne {input.embeddings:q} --runs {params.panels:q}"
        " --task {input.task:q} --output {output.png:q} 2>&1 | tee {log:q}"


rule losses:
    input:
        pretrainings(),
    output:
        svg=f"{OUT}/figures/losses.svg",
        png=report(
            f"{OUT}/figures/losses.png",
            caption=str(ROOT / "workflow/report/losses.rst"),
            category="Figures",
            labels={"figure": "pretraining losses"},
        ),
    log:
        log_of("losses"),
    benchmark:
        benchmark_of("losses")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    shell:
        "python -m dnastudents figure losses {input:q} --output {output.png:q} 2>&1 | tee {log:q}"


rule overview:
    input:
        f"{OUT}/metrics.csv",
    output:
        svg=f"{OUT}/figures/overview.svg",
        png=report(
            f"{OUT}/figures/overview.png",
            caption=str(ROOT / "workflow/report/overview.rst"),
            category="Figures",
            labels={"figure": "all results"},
        ),
    log:
        log_of("overview"),
    benchmark:
        benchmark_of("overview")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        runs=CONFIG.runs,
    shell:
        "python -m dnastudents figure overview {input:q} --runs {params.runs:q}"
        " --output {output.png:q} 2>&1 | tee {log:q}"


rule pmi_figure:
    input:
        f"{OUT}/pmi",
    output:
        svg=f"{OUT}/figures/pmi.svg",
        png=report(
            f"{OUT}/figures/pmi.png",
            caption=str(ROOT / "workflow/report/pmi.rst"),
            category="Figures",
            labels={"figure": "PMI ranking"},
        ),
    log:
        log_of("pmi_figure"),
    benchmark:
        benchmark_of("pmi_figure")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    shell:
        "python -m dnastudents figure pmi {input:q} --output {output.png:q} 2>&1 | tee {log:q}"
