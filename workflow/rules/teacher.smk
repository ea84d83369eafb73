# HAD's teacher: downloaded, or trained here like any other run.
TEACHERS = CONFIG.settings.teachers
DOWNLOADED = [name for name in TEACHERS if TEACHERS[name].dataset is not None]
TRAINED = [name for name in TEACHERS if TEACHERS[name].train is not None]
WITH_CACHE = [
    name
    for run in CONFIG.runs
    for name in CONFIG.replicas(run)
    if "features" in CONFIG.needs(name)
]


rule download_teacher:
    """Join the downloaded files of a teacher and check them."""
    input:
        files=teacher_files,
        asked=asked("teacher/{teacher}", lambda w: CONFIG.teacher_datasets(w.teacher)),
    output:
        directory(f"{OUT}/teacher/{{teacher}}"),
    log:
        log_of("teacher/{teacher}"),
    benchmark:
        benchmark_of("teacher/{teacher}")
    wildcard_constraints:
        teacher=one_of(DOWNLOADED),
    retries: 0
    conda:
        ENVIRONMENT
    resources:
        mem_mb=8000,
        runtime=30,
    shell:
        command("teacher import {input.files:q} --output {output:q}")


use rule pretrain as train_teacher with:
    """Pretrain a teacher."""
    input:
        reference=f"{OUT}/reference/{CONFIG.settings.genome}",
        asked=asked("teacher/{teacher}", deciding),
    output:
        directory(f"{OUT}/teacher/{{teacher}}"),
    log:
        log_of("teacher/{teacher}"),
    benchmark:
        benchmark_of("teacher/{teacher}")
    wildcard_constraints:
        teacher=one_of(TRAINED),
    priority: 20
    params:
        state=f"{OUT}/state/teacher/{{teacher}}",


# It takes windows x tokens x width x 2 bytes, and the command says so before it writes.
rule teacher_cache:
    """Write what the teacher says of the fixed windows and masks of a run, computed once."""
    input:
        reference=f"{OUT}/reference/{CONFIG.settings.genome}",
        teacher=lambda w: f"{OUT}/teacher/{CONFIG.needs(w.run)['teacher']}",
        asked=asked("teacher_cache/{run}", deciding),
    output:
        directory(f"{OUT}/teacher_cache/{{run}}"),
    log:
        log_of("teacher_cache/{run}"),
    benchmark:
        benchmark_of("teacher_cache/{run}")
    wildcard_constraints:
        run=one_of(WITH_CACHE),
    priority: 15
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=32000,
        runtime=2880,
    params:
        settings=deciding,
        execution=execution,
    shell:
        command(
            "teacher cache --settings {params.settings:q} --execution {params.execution:q}"
            " --reference {input.reference:q} --teacher {input.teacher:q} --output {output:q}"
        )
