# All rows in one file, then the papers' tables with the published numbers beside ours.


rule metrics:
    input:
        task_results("finetune", CONFIG.tasks()),
        task_results("baseline", CONFIG.tasks()),
    output:
        report(
            f"{OUT}/metrics.csv",
            caption=str(ROOT / "workflow/report/metrics.rst"),
            category="Tables",
        ),
    log:
        log_of("metrics"),
    benchmark:
        benchmark_of("metrics")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        results=lambda w, output: str(Path(output[0]).parent),
        runs=CONFIG.runs,
        tasks=["/".join(task) for task in CONFIG.tasks()],
    shell:
        "python -m dnastudents metrics {params.results:q} --runs {params.runs:q}"
        " --tasks {params.tasks:q} --output {output:q} 2>&1 | tee {log:q}"


rule table:
    input:
        metrics=f"{OUT}/metrics.csv",
        published=PUBLISHED,
    output:
        csv=report(
            f"{OUT}/tables/{{suite}}.csv",
            caption=str(ROOT / "workflow/report/table.rst"),
            category="Tables",
            labels={"table": "{suite}"},
        ),
        md=f"{OUT}/tables/{{suite}}.md",
        tex=f"{OUT}/tables/{{suite}}.tex",
    log:
        log_of("table/{suite}"),
    benchmark:
        benchmark_of("table/{suite}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        runs=CONFIG.runs,
        tasks=lambda w: CONFIG.suites[w.suite]["tasks"],
    shell:
        "python -m dnastudents table {wildcards.suite:q} --metrics {input.metrics:q}"
        " --published {input.published:q} --runs {params.runs:q} --tasks {params.tasks:q}"
        " --output {output.csv:q} 2>&1 | tee {log:q}"


# Probes of frozen features: the same tables of other rows, without published ones, which were
# fine-tuned.
rule probe_metrics:
    input:
        lambda w: task_results(w.probe, CONFIG.probe_tasks(w.probe)),
        lambda w: task_results("baseline", CONFIG.probe_tasks(w.probe)),
    output:
        report(
            f"{OUT}/{{probe}}.csv",
            caption=str(ROOT / "workflow/report/probe.rst"),
            category="Tables",
        ),
    log:
        log_of("{probe}_metrics"),
    benchmark:
        benchmark_of("{probe}_metrics")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        results=lambda w, output: str(Path(output[0]).parent),
        runs=CONFIG.runs,
        tasks=lambda w: ["/".join(task) for task in CONFIG.probe_tasks(w.probe)],
    shell:
        "python -m dnastudents metrics {params.results:q} --kind {wildcards.probe} --runs {params.runs:q}"
        " --tasks {params.tasks:q} --output {output:q} 2>&1 | tee {log:q}"


rule probe_table:
    input:
        f"{OUT}/{{probe}}.csv",
    output:
        csv=report(
            f"{OUT}/tables/{{probe}}_{{suite}}.csv",
            caption=str(ROOT / "workflow/report/probe.rst"),
            category="Tables",
            labels={"table": "{probe}: {suite}"},
        ),
        md=f"{OUT}/tables/{{probe}}_{{suite}}.md",
        tex=f"{OUT}/tables/{{probe}}_{{suite}}.tex",
    log:
        log_of("{probe}_table/{suite}"),
    benchmark:
        benchmark_of("{probe}_table/{suite}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        runs=CONFIG.runs,
        tasks=lambda w: CONFIG.suites[w.suite]["tasks"],
    shell:
        "python -m dnastudents table {wildcards.suite:q} --metrics {input:q}"
        " --runs {params.runs:q} --tasks {params.tasks:q}"
        " --output {output.csv:q} 2>&1 | tee {log:q}"


rule comparisons:
    input:
        f"{OUT}/metrics.csv",
    output:
        csv=report(
            f"{OUT}/tables/comparisons.csv",
            caption=str(ROOT / "workflow/report/comparisons.rst"),
            category="Tables",
            labels={"table": "pretrained against scratch"},
        ),
        md=f"{OUT}/tables/comparisons.md",
        tex=f"{OUT}/tables/comparisons.tex",
    log:
        log_of("comparisons"),
    benchmark:
        benchmark_of("comparisons")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        pairs=[f"{run}:{control}" for run, control in CONFIG.comparisons()],
    shell:
        "python -m dnastudents comparisons --metrics {input:q} --pairs {params.pairs:q}"
        " --output {output.csv:q} 2>&1 | tee {log:q}"


rule pretraining_table:
    input:
        pretrainings(),
    output:
        csv=report(
            f"{OUT}/tables/pretraining.csv",
            caption=str(ROOT / "workflow/report/pretraining.rst"),
            category="Tables",
            labels={"table": "pretraining"},
        ),
        md=f"{OUT}/tables/pretraining.md",
        tex=f"{OUT}/tables/pretraining.tex",
    log:
        log_of("pretraining_table"),
    benchmark:
        benchmark_of("pretraining_table")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    shell:
        "python -m dnastudents pretraining-table {input:q} --output {output.csv:q} 2>&1 | tee {log:q}"


rule benchmarks_table:
    input:
        [f"{OUT}/tasks/{suite}/{task}" for suite, task in CONFIG.tasks()],
    output:
        csv=report(
            f"{OUT}/tables/benchmarks.csv",
            caption=str(ROOT / "workflow/report/benchmarks.rst"),
            category="Tables",
            labels={"table": "benchmarks"},
        ),
        md=f"{OUT}/tables/benchmarks.md",
        tex=f"{OUT}/tables/benchmarks.tex",
    log:
        log_of("benchmarks_table"),
    benchmark:
        benchmark_of("benchmarks_table")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    shell:
        "python -m dnastudents benchmarks-table {input:q} --output {output.csv:q} 2>&1 | tee {log:q}"


# Last of all: it reads what Snakemake measured of every job that is done by then. Those files are no
# outputs, so they cannot be inputs; what they were measured of is.
rule cost:
    input:
        measured_results(),
    output:
        csv=report(
            f"{OUT}/tables/cost.csv",
            caption=str(ROOT / "workflow/report/cost.rst"),
            category="Tables",
            labels={"table": "cost"},
        ),
        md=f"{OUT}/tables/cost.md",
        tex=f"{OUT}/tables/cost.tex",
    log:
        log_of("cost"),
    benchmark:
        benchmark_of("cost")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        results=lambda w, output: str(Path(output.csv).parents[1]),
        settings=settings(CONFIG.cost_settings()),
    shell:
        "python -m dnastudents cost {params.results:q} --settings {params.settings:q}"
        " --output {output.csv:q} 2>&1 | tee {log:q}"
