# HAD's teacher: downloaded, or trained here like any other run.
DOWNLOADED = [name for name, block in CONFIG["teachers"].items() if "dataset" in block]
TRAINED = [name for name, block in CONFIG["teachers"].items() if "train" in block]


rule download_teacher:
    input:
        teacher_files,
    output:
        directory(f"{OUT}/teacher/{{teacher}}"),
    log:
        log_of("teacher/{teacher}"),
    benchmark:
        benchmark_of("teacher/{teacher}")
    wildcard_constraints:
        teacher=one_of(DOWNLOADED),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=8000,
        runtime=30,
    shell:
        "python -m dnastudents teacher import {input:q} --output {output:q} 2>&1 | tee {log:q}"


rule train_teacher:
    input:
        reference=f"{OUT}/reference/{CONFIG['genome']}",
    output:
        directory(f"{OUT}/teacher/{{teacher}}"),
    log:
        log_of("teacher/{teacher}"),
    benchmark:
        benchmark_of("teacher/{teacher}")
    wildcard_constraints:
        teacher=one_of(TRAINED),
    priority: 20
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        nodes=1,
        processes=1,
        mem_mb=32000,
        runtime=2880,
    params:
        settings=lambda w: settings(
            split_settings(CONFIG.teacher_settings(w.teacher))[0]
        ),
        execution=lambda w, threads: settings(
            split_settings(CONFIG.teacher_settings(w.teacher))[1]
        ),
        state=f"{OUT}/state/teacher/{{teacher}}",
    shell:
        "python -m dnastudents launch --nodes {resources.nodes}"
        " --processes {resources.processes} --threads {threads} --"
        " pretrain {wildcards.teacher:q} --settings {params.settings:q}"
        " --execution {params.execution:q} --reference {input.reference:q}"
        " --state {params.state:q} --output {output:q} 2>&1 | tee {log:q}"


# For runs with fixed windows and masks: what the teacher says of them, computed once. It takes
# windows x tokens x width x 2 bytes, and the command says so before it writes.
rule teacher_cache:
    input:
        reference=f"{OUT}/reference/{CONFIG['genome']}",
        teacher=lambda w: f"{OUT}/teacher/{CONFIG.needs(w.run)['teacher']}",
    output:
        directory(f"{OUT}/teacher_cache/{{run}}"),
    log:
        log_of("teacher_cache/{run}"),
    benchmark:
        benchmark_of("teacher_cache/{run}")
    wildcard_constraints:
        run=one_of(
            name
            for run in CONFIG.runs
            for name in CONFIG.replicas(run)
            if "features" in CONFIG.needs(name)
        ),
    priority: 15
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=32000,
        runtime=2880,
    params:
        settings=lambda w: settings(split_settings(CONFIG.pretrain_settings(w.run))[0]),
        execution=lambda w, threads: settings(
            split_settings(CONFIG.pretrain_settings(w.run))[1]
        ),
    shell:
        "python -m dnastudents teacher cache --settings {params.settings:q}"
        " --execution {params.execution:q}"
        " --reference {input.reference:q} --teacher {input.teacher:q}"
        " --output {output:q} 2>&1 | tee {log:q}"
