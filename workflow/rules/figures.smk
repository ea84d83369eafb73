# Figures, each as SVG for the paper and PNG for the screen.


rule tsne:
    """Draw the t-SNE of frozen features on a task, one panel for each run or teacher."""
    input:
        embeddings=lambda w: [
            f"{OUT}/embed{w.cls}/{place}/{w.suite}/{w.task}.npz"
            for place in tsne_panels(w.cls).values()
        ],
        task=f"{OUT}/tasks/{{suite}}/{{task}}",
        asked=asked("tsne{cls}/{suite}/{task}", lambda w: tsne_panels(w.cls)),
    output:
        **figure("tsne{cls}_{suite}_{task}", "tsne", "t-SNE{cls} of {suite}/{task}"),
        numbers=f"{OUT}/figures/tsne{{cls}}_{{suite}}_{{task}}.csv",
        points=f"{OUT}/figures/tsne{{cls}}_{{suite}}_{{task}}_points.csv",
    log:
        log_of("tsne{cls}/{suite}/{task}"),
    benchmark:
        benchmark_of("tsne{cls}/{suite}/{task}")
    retries: 0
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        panels=lambda w: list(tsne_panels(w.cls)),
    shell:
        command(
            "figure tsne {input.embeddings:q} --runs {params.panels:q} --task {input.task:q}"
            " --output {output.png:q}"
        )


rule losses:
    """Draw the pretraining losses of all runs."""
    input:
        folders=pretrainings(),
        asked=asked("losses", pretrained_runs()),
    output:
        **figure("losses", "losses", "pretraining losses"),
    log:
        log_of("losses"),
    benchmark:
        benchmark_of("losses")
    localrule: True
    conda:
        ENVIRONMENT
    shell:
        command("figure losses {input.folders:q} --output {output.png:q}")


rule overview:
    """Draw every run on every task, with confidence intervals."""
    input:
        metrics=f"{OUT}/metrics.csv",
        asked=asked("overview", CONFIG.runs),
    output:
        **figure("overview", "overview", "all results"),
    log:
        log_of("overview"),
    benchmark:
        benchmark_of("overview")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        runs=CONFIG.runs,
    shell:
        command(
            "figure overview {input.metrics:q} --runs {params.runs:q} --output {output.png:q}"
        )


rule pmi_figure:
    """Draw the PMI ranking."""
    input:
        f"{OUT}/pmi",
    output:
        **figure("pmi", "pmi", "PMI ranking"),
    log:
        log_of("pmi_figure"),
    benchmark:
        benchmark_of("pmi_figure")
    localrule: True
    conda:
        ENVIRONMENT
    shell:
        command("figure pmi {input:q} --output {output.png:q}")
