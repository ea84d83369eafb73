"""Subcommands that train, and those that prepare a teacher to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dnastudents.cli.parsing import (
    Execution,
    Output,
    RunName,
    SettingsOption,
    StateFolder,
    command,
)
from dnastudents.garbage import quick_imports

app = typer.Typer()
teacher = typer.Typer(name="teacher", help="Import, check and cache a teacher.")
app.add_typer(teacher)


@command(
    app,
    "launch",
    "--processes 4 -- pretrain had --settings had.json --state state --output had",
    context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True},
)
def launch(
    arguments: Annotated[
        list[str], typer.Argument(metavar="SUBCOMMAND", help="and its arguments, after --")
    ],
    *,
    nodes: Annotated[int, typer.Option(help="nodes of a Slurm job")] = 1,
    processes: Annotated[int, typer.Option(help="processes on each node")] = 1,
    threads: Annotated[int, typer.Option(help="CPU threads on each node")] = 1,
) -> int:
    """Run a training in several processes, one on each GPU."""
    from dnastudents.launch import launch

    return launch(nodes, processes, threads, arguments)


@command(
    app,
    "pretrain",
    "findna --reference results/reference/hg38 --settings findna.json --state state "
    "--output results/pretrain/findna",
)
def pretrain(
    run: RunName,
    *,
    reference: Annotated[Path | None, typer.Option(help="reference folder")] = None,
    pmi: Annotated[Path | None, typer.Option(help="PMI folder, for masks that follow it")] = None,
    teacher: Annotated[Path | None, typer.Option(help="teacher folder, for distillation")] = None,
    intervals: Annotated[
        Path | None, typer.Option(help="BED file, for windows in intervals")
    ] = None,
    features: Annotated[
        Path | None, typer.Option(help="folder of `teacher cache`, for distillation")
    ] = None,
    settings: SettingsOption,
    execution: Execution,
    state: StateFolder,
    output: Output,
) -> int:
    """Pretrain one run, or resume it.

    Exit status 75: a signal stopped it and its state is saved; call again.
    """
    with quick_imports():
        from dnastudents.training.identity import merge_settings
        from dnastudents.training.pretrain import pretrain

    return pretrain(
        merge_settings(settings, execution),
        run=run,
        output=output,
        state=state,
        reference=reference,
        pmi=pmi,
        teacher=teacher,
        intervals=intervals,
        features=features,
    )


@command(teacher, "import", "nucleotide-transformer-v2-50m --output results/teacher/nt_v2_50m")
def teacher_import(
    files: Annotated[
        list[Path],
        typer.Argument(help="folder with config.json, model.safetensors, vocab.txt; or these"),
    ],
    *,
    output: Output,
) -> None:
    """Check and join the files of a teacher.

    As they are downloaded from the hub.
    """
    from dnastudents.teachers.checkpoint import import_teacher

    import_teacher(files, output)


@command(
    teacher, "check", "results/teacher/nt_v2_500m --fasta results/downloads/reference/hg38.fa.gz"
)
def teacher_check(
    folder: Annotated[
        Path,
        typer.Argument(help="teacher folder, or files as downloaded from the hub"),
    ],
    *,
    fasta: Annotated[Path, typer.Option(help="FASTA, FASTA.gz, or reference folder")],
    sequences: Annotated[int, typer.Option(help="windows that are scored")] = 64,
    length: Annotated[int, typer.Option(help="bases of a window")] = 1020,
    seed: Annotated[int, typer.Option(help="of windows and masks")] = 0,
    json: Annotated[Path | None, typer.Option(help="file for the same as JSON")] = None,
) -> int:
    """Score how well a teacher predicts masked 6-mers.

    Exit status 1: it is not usable.
    """
    with quick_imports():
        from dnastudents.files import check_file, write_json
        from dnastudents.teachers.check import LIKE, check_teacher

    if json is not None:
        check_file(json, LIKE)  # before what takes long
    check = check_teacher(folder, fasta, sequences=sequences, length=length, seed=seed)
    print(check)
    if json is not None:
        write_json(json, check.as_json(), LIKE)
    return 0 if check.usable else 1


@command(
    teacher,
    "cache",
    "--reference results/reference/hg38 --teacher results/teacher/nt_v2_500m --settings had.json "
    "--output results/teacher_cache/had",
)
def teacher_cache(
    *,
    reference: Annotated[Path, typer.Option(help="reference folder")],
    teacher: Annotated[Path, typer.Option(help="teacher folder")],
    settings: SettingsOption,
    execution: Execution,
    output: Output,
) -> None:
    """Write a teacher's features of a run's fixed windows and masks."""
    with quick_imports():
        from dnastudents.teachers.cache import write_cache
        from dnastudents.training.identity import merge_settings

    write_cache(
        merge_settings(settings, execution), reference=reference, teacher=teacher, output=output
    )
