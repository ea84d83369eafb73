# All rows in one file, then the papers' tables with the published numbers beside ours. Seconds of one
# core each, with nothing left to wait for: not worth a place in a cluster's queue.


rule metrics:
    """Gather the rows of all runs, tasks and seeds."""
    input:
        task_results("finetune", CONFIG.tasks()),
        task_results("baseline", CONFIG.tasks()),
        asked=asked("metrics", [CONFIG.runs, CONFIG.tasks()]),
    output:
        in_report(f"{OUT}/metrics.csv", "Tables", "metrics", {"table": "all scores"}),
    log:
        log_of("metrics"),
    benchmark:
        benchmark_of("metrics")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        results=lambda w, output: str(Path(output[0]).parent),
        kind="finetune",
        runs=CONFIG.runs,
        tasks=["/".join(task) for task in CONFIG.tasks()],
    shell:
        command(
            "metrics {params.results:q} --kind {params.kind} --runs {params.runs:q}"
            " --tasks {params.tasks:q} --output {output:q}"
        )


# Probes of frozen features: the same tables of other rows, without published ones, which were
# fine-tuned.
use rule metrics as probe_metrics with:
    """Gather the rows of a probe of frozen features."""
    input:
        lambda w: task_results(w.probe, CONFIG.probe_tasks(w.probe)),
        lambda w: task_results("baseline", CONFIG.probe_tasks(w.probe)),
        asked=asked(
            "{probe}_metrics", lambda w: [CONFIG.runs, CONFIG.probe_tasks(w.probe)]
        ),
    output:
        in_report(
            f"{OUT}/{{probe}}.csv", "Tables", "probe", {"table": "{probe}: all scores"}
        ),
    log:
        log_of("{probe}_metrics"),
    benchmark:
        benchmark_of("{probe}_metrics")
    params:
        kind=lambda w: w.probe,
        tasks=lambda w: ["/".join(task) for task in CONFIG.probe_tasks(w.probe)],


rule table:
    """Write the table of a suite, with the published numbers."""
    input:
        metrics=f"{OUT}/metrics.csv",
        published=PUBLISHED,
        pretrainings=all_pretrainings(),
        asked=asked(
            "table/{suite}", lambda w: [CONFIG.runs, CONFIG.suites[w.suite].tasks]
        ),
    output:
        **table("{suite}", "table", "{suite}"),
    log:
        log_of("table/{suite}"),
    benchmark:
        benchmark_of("table/{suite}")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        runs=CONFIG.runs,
        tasks=lambda w: CONFIG.suites[w.suite].tasks,
    shell:
        command(
            "table {wildcards.suite:q} --metrics {input.metrics:q} --runs {params.runs:q}"
            " --published {input.published:q} --tasks {params.tasks:q}"
            " --pretrainings {input.pretrainings:q} --output {output.csv:q}"
        )


rule probe_table:
    """Write the table of a suite for a probe of frozen features."""
    input:
        metrics=f"{OUT}/{{probe}}.csv",
        asked=asked(
            "{probe}_table/{suite}",
            lambda w: [CONFIG.runs, CONFIG.suites[w.suite].tasks],
        ),
    output:
        **table("{probe}_{suite}", "probe", "{probe}: {suite}"),
    log:
        log_of("{probe}_table/{suite}"),
    benchmark:
        benchmark_of("{probe}_table/{suite}")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        runs=CONFIG.runs,
        tasks=lambda w: CONFIG.suites[w.suite].tasks,
    shell:
        command(
            "table {wildcards.suite:q} --metrics {input.metrics:q} --runs {params.runs:q}"
            " --tasks {params.tasks:q} --output {output.csv:q}"
        )


rule comparisons:
    """Write the differences between each run and its controls."""
    input:
        metrics=f"{OUT}/metrics.csv",
        asked=asked("comparisons", [CONFIG.comparisons(), CONFIG.tasks()]),
    output:
        **table("comparisons", "comparisons_table", "runs against their controls"),
    log:
        log_of("comparisons"),
    benchmark:
        benchmark_of("comparisons")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        pairs=[f"{run}:{control}" for run, control in CONFIG.comparisons()],
        tasks=["/".join(task) for task in CONFIG.tasks()],
    shell:
        command(
            "comparisons --metrics {input.metrics:q} --pairs {params.pairs:q}"
            " --tasks {params.tasks:q} --output {output.csv:q}"
        )


rule pretraining_table:
    """Write what each pretraining took and reached."""
    input:
        folders=pretrainings(),
        asked=asked("pretraining_table", pretrained_runs()),
    output:
        **table("pretraining", "pretraining", "pretraining"),
    log:
        log_of("pretraining_table"),
    benchmark:
        benchmark_of("pretraining_table")
    localrule: True
    conda:
        ENVIRONMENT
    shell:
        command("pretraining-table {input.folders:q} --output {output.csv:q}")


rule benchmarks_table:
    """Write what is in each task folder."""
    input:
        folders=[f"{OUT}/tasks/{suite}/{task}" for suite, task in CONFIG.tasks()],
        asked=asked("benchmarks_table", CONFIG.tasks()),
    output:
        **table("benchmarks", "benchmarks", "benchmarks"),
    log:
        log_of("benchmarks_table"),
    benchmark:
        benchmark_of("benchmarks_table")
    localrule: True
    conda:
        ENVIRONMENT
    shell:
        command("benchmarks-table {input.folders:q} --output {output.csv:q}")


# Last of all: it reads what Snakemake measured of every job that is done by then. Those files are no
# outputs, so they cannot be inputs; what they were measured of is.
rule cost:
    """Write the hours, memory and energy of all jobs."""
    input:
        table_files(),
        figure_files(),
        asked=asked("cost", CONFIG.cost_settings()),
    output:
        **table("cost", "cost", "cost"),
    log:
        log_of("cost"),
    benchmark:
        benchmark_of("cost")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        results=lambda w, output: str(Path(output.csv).parents[1]),
        settings=settings(CONFIG.cost_settings()),
    shell:
        command(
            "cost {params.results:q} --settings {params.settings:q} --output {output.csv:q}"
        )


rule page:
    """Show all results as one page that needs no network."""
    input:
        table_files(),
        cost_files(),
        published=PUBLISHED,
        pretrainings=all_pretrainings(),
        figures=[file for file in figure_files() if file.endswith(".svg")],
        asked=asked("page", [CONFIG.runs, CONFIG.tasks(), CONFIG.comparisons()]),
    output:
        in_report(f"{OUT}/index.html", "Page", "page", {"page": "all results"}),
    log:
        log_of("page"),
    benchmark:
        benchmark_of("page")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        results=lambda w, output: str(Path(output[0]).parent),
        runs=CONFIG.runs,
        tasks=["/".join(task) for task in CONFIG.tasks()],
        pairs=as_option("--pairs", [":".join(pair) for pair in CONFIG.comparisons()]),
        probes=as_option("--probes", CONFIG.probes()),
    shell:
        command(
            "page {params.results:q} --tasks {params.tasks:q} --runs {params.runs:q}"
            " {params.pairs} {params.probes} --pretrainings {input.pretrainings:q}"
            f" --figures {{input.figures:q}} --captions {literal(CAPTIONS)}"
            " --published {input.published:q} --output {output:q}"
        )
