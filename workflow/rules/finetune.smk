# Every run meets every task. One job does all seeds of a run and task: importing torch takes seconds.


rule finetune:
    """Fine-tune a run on a task, with every seed."""
    input:
        run=lambda w: [f"{OUT}/pretrain/{name}" for name in CONFIG.replicas(w.run)],
        task=f"{OUT}/tasks/{{suite}}/{{task}}",
        asked=asked_with_seeds(
            "finetune/{run}/{suite}/{task}", CONFIG.finetune_settings
        ),
    output:
        directory(f"{OUT}/finetune/{{run}}/{{suite}}/{{task}}"),
    log:
        log_of("finetune/{run}/{suite}/{task}"),
    benchmark:
        benchmark_of("finetune/{run}/{suite}/{task}")
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=16000,
        runtime=1440,
        workers=1,  # seeds side by side
    params:
        settings=settings_of(CONFIG.finetune_settings),
        seeds=seeds,
        state=f"{OUT}/state/finetune/{{run}}/{{suite}}/{{task}}",
    shell:
        command(
            "finetune {wildcards.run:q} --pretrained {input.run:q} --task {input.task:q}"
            " --settings {params.settings:q} --seeds {params.seeds}"
            " --workers {resources.workers} --state {params.state:q} --output {output:q}"
        )


# The rows of probes are of other protocols and stay out of metrics.csv.
use rule finetune as linear with:
    """Probe the frozen features of a run by a linear head, with every seed."""
    input:
        run=lambda w: [f"{OUT}/pretrain/{name}" for name in CONFIG.replicas(w.run)],
        task=f"{OUT}/tasks/{{suite}}/{{task}}",
        asked=asked_with_seeds("linear/{run}/{suite}/{task}", CONFIG.linear_settings),
    output:
        directory(f"{OUT}/linear/{{run}}/{{suite}}/{{task}}"),
    log:
        log_of("linear/{run}/{suite}/{task}"),
    benchmark:
        benchmark_of("linear/{run}/{suite}/{task}")
    resources:
        mem_mb=16000,
        runtime=240,
        workers=1,
    params:
        settings=settings_of(CONFIG.linear_settings),
        state=f"{OUT}/state/linear/{{run}}/{{suite}}/{{task}}",


rule knn:
    """Probe the frozen features of a run by nearest neighbours, as FinDNA does."""
    input:
        run=lambda w: [f"{OUT}/pretrain/{name}" for name in CONFIG.replicas(w.run)],
        task=f"{OUT}/tasks/{{suite}}/{{task}}",
        asked=asked_with_seeds("knn/{run}/{suite}/{task}", CONFIG.knn_settings),
    output:
        directory(f"{OUT}/knn/{{run}}/{{suite}}/{{task}}"),
    log:
        log_of("knn/{run}/{suite}/{task}"),
    benchmark:
        benchmark_of("knn/{run}/{suite}/{task}")
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=16000,
        runtime=240,
    params:
        settings=settings_of(CONFIG.knn_settings),
        seeds=seeds,
    shell:
        command(
            "knn {wildcards.run:q} --pretrained {input.run:q} --task {input.task:q}"
            " --settings {params.settings:q} --seeds {params.seeds} --output {output:q}"
        )


rule baseline:
    """Fit a logistic regression on the k-mers of a task."""
    input:
        task=f"{OUT}/tasks/{{suite}}/{{task}}",
        asked=asked_with_seeds("baseline/{suite}/{task}", CONFIG.baseline_settings),
    output:
        directory(f"{OUT}/baseline/kmer_logistic/{{suite}}/{{task}}"),
    log:
        log_of("baseline/{suite}/{task}"),
    benchmark:
        benchmark_of("baseline/{suite}/{task}")
    retries: 0
    conda:
        ENVIRONMENT
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        settings=settings_of(CONFIG.baseline_settings),
        seeds=seeds,
    shell:
        command(
            "baseline --task {input.task:q} --settings {params.settings:q} --seeds {params.seeds}"
            " --output {output:q}"
        )


rule embed:
    """Compute features for the t-SNE figures, pooled (embed) or of CLS tokens (embed_cls)."""
    input:
        run=f"{OUT}/pretrain/{{run}}",
        task=f"{OUT}/tasks/{{suite}}/{{task}}",
        asked=asked("embed{cls}/{run}/{suite}/{task}", drawn_features),
    output:
        f"{OUT}/embed{{cls}}/{{run}}/{{suite}}/{{task}}.npz",
    log:
        log_of("embed{cls}/{run}/{suite}/{task}"),
    benchmark:
        benchmark_of("embed{cls}/{run}/{suite}/{task}")
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        features=drawn_features,
    shell:
        command(
            "embed {input.run:q} {input.task:q}/test.parquet --output {output:q}"
            " {params.features}"
        )


use rule embed as embed_teacher with:
    """Compute features of a teacher for the t-SNE figures."""
    input:
        run=f"{OUT}/teacher/{{teacher}}",
        task=f"{OUT}/tasks/{{suite}}/{{task}}",
        asked=asked("embed/teacher/{teacher}/{suite}/{task}", drawn_features),
    output:
        f"{OUT}/embed/teacher/{{teacher}}/{{suite}}/{{task}}.npz",
    log:
        log_of("embed/teacher/{teacher}/{suite}/{task}"),
    benchmark:
        benchmark_of("embed/teacher/{teacher}/{suite}/{task}")
