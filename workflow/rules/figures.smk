# Figures, each as SVG and PDF for the paper and PNG for the screen.


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
    """Draw every run on every task of a suite, with confidence intervals."""
    input:
        metrics=f"{OUT}/metrics.csv",
        asked=asked("overview/{suite}", lambda w: [CONFIG.runs, tasks_of(w)]),
    output:
        **figure("overview_{suite}", "overview", "{suite}: all results"),
    log:
        log_of("overview/{suite}"),
    benchmark:
        benchmark_of("overview/{suite}")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        runs=CONFIG.runs,
        tasks=lambda w: in_words(tasks_of(w)),
    shell:
        command(
            "figure overview {input.metrics:q} --runs {params.runs:q} --tasks {params.tasks:q}"
            " --output {output.png:q}"
        )


rule confusion:
    """Draw what the best run of each task of a suite takes a class for."""
    input:
        metrics=f"{OUT}/metrics.csv",
        tasks=lambda w: [f"{OUT}/tasks/{task}" for task in in_words(tasks_of(w))],
        asked=asked("confusion/{suite}", lambda w: [CONFIG.runs, tasks_of(w)]),
    output:
        **figure("confusion_{suite}", "confusion", "{suite}: confusion of classes"),
    log:
        log_of("confusion/{suite}"),
    benchmark:
        benchmark_of("confusion/{suite}")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        runs=CONFIG.runs,
    shell:
        command(
            "figure confusion {input.metrics:q} --runs {params.runs:q} --tasks {input.tasks:q}"
            " --output {output.png:q}"
        )


rule heatmap:
    """Draw the scores of all runs on all tasks, coloured."""
    input:
        metrics=f"{OUT}/metrics.csv",
        asked=asked("heatmap", [CONFIG.runs, CONFIG.tasks()]),
    output:
        **figure("heatmap", "heatmap", "scores of all runs and tasks"),
    log:
        log_of("heatmap"),
    benchmark:
        benchmark_of("heatmap")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        runs=CONFIG.runs,
        tasks=in_words(CONFIG.tasks()),
    shell:
        command(
            "figure heatmap {input.metrics:q} --runs {params.runs:q} --tasks {params.tasks:q}"
            " --output {output.png:q}"
        )


rule ranks:
    """Draw the mean ranks of all runs."""
    input:
        metrics=f"{OUT}/metrics.csv",
        asked=asked("ranks", [CONFIG.runs, CONFIG.tasks()]),
    output:
        **figure("ranks", "ranks", "mean ranks"),
    log:
        log_of("ranks"),
    benchmark:
        benchmark_of("ranks")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        runs=CONFIG.runs,
        tasks=in_words(CONFIG.tasks()),
    shell:
        command(
            "figure ranks {input.metrics:q} --runs {params.runs:q} --tasks {params.tasks:q}"
            " --output {output.png:q}"
        )


rule comparisons_figure:
    """Draw the differences between each run and its controls."""
    input:
        table=f"{OUT}/tables/comparisons.csv",
        asked=asked("comparisons_figure", CONFIG.comparisons()),
    output:
        **figure("comparisons", "comparisons", "what pretraining changed"),
    log:
        log_of("comparisons_figure"),
    benchmark:
        benchmark_of("comparisons_figure")
    localrule: True
    conda:
        ENVIRONMENT
    shell:
        command("figure comparisons {input.table:q} --output {output.png:q}")


rule few_shot_figure:
    """Draw learning curves over the few-shot tasks."""
    input:
        metrics=f"{OUT}/metrics.csv",
        asked=asked("few_shot_figure", CONFIG.runs),
    output:
        **figure("few_shot", "few_shot", "few-shot learning curves"),
    log:
        log_of("few_shot_figure"),
    benchmark:
        benchmark_of("few_shot_figure")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        runs=CONFIG.runs,
    shell:
        command(
            "figure few-shot {input.metrics:q} --runs {params.runs:q} --output {output.png:q}"
        )


rule against_cost:
    """Draw mean scores against what each run takes."""
    input:
        metrics=f"{OUT}/metrics.csv",
        pretrainings=all_pretrainings(),
        asked=asked("against_cost", [CONFIG.runs, CONFIG.tasks()]),
    output:
        **figure("against_cost", "against_cost", "scores against size, bases and hours"),
    log:
        log_of("against_cost"),
    benchmark:
        benchmark_of("against_cost")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        runs=CONFIG.runs,
        tasks=in_words(CONFIG.tasks()),
    shell:
        command(
            "figure against-cost {input.metrics:q} --pretrained {input.pretrainings:q}"
            " --runs {params.runs:q} --tasks {params.tasks:q} --output {output.png:q}"
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
