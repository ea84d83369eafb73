"""Subcommands that make data: downloads, the reference, PMI, task folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dnastudents.cli.parsing import JSON, Mirror, Output, SettingsOption, command, json_option

app = typer.Typer()

Manifest = Annotated[Path, typer.Option(help="datasets.csv")]
Lock = Annotated[Path | None, typer.Option(help="JSON file of hashes recorded at first download")]
NEEDS = 'what needs which data: {"SUITE/TASK": {"datasets": [IDS]}, NAME: {"files": [PATHS]}, ...}'


@command(
    app,
    "download",
    "reference/hg38.fa.gz --manifest workflow/resources/datasets.csv --output hg38.fa.gz",
)
def download(
    dataset: Annotated[str, typer.Argument(help="id in the manifest")],
    *,
    manifest: Manifest,
    lock: Lock = None,
    mirror: Mirror = None,
    output: Output,
) -> None:
    """Fetch one file of the manifest and check it."""
    from dnastudents.downloads.fetch import fetch

    fetch(dataset, manifest=manifest, output=output, mirror=mirror, lock=lock)


@command(
    app,
    "data-check",
    "--settings needs.json --manifest workflow/resources/datasets.csv "
    "--downloads results/downloads",
)
def data_check(
    *,
    settings: Annotated[JSON, json_option(NEEDS)],
    downloads: Annotated[Path, typer.Option(help="folder of the downloaded files")],
    manifest: Manifest,
    lock: Lock = None,
    mirror: Mirror = None,
) -> int:
    """Say which data are present, missing or wrong.

    Exit status 1: some are wrong. Those that are missing are only listed.
    """
    from dnastudents.downloads.check import check_data, show

    check = check_data(settings, manifest=manifest, downloads=downloads, mirror=mirror, lock=lock)
    show(check)
    return check.status


@command(app, "simulate", """--settings '{"length": 100000, "seed": 1}' --output simulated""")
def simulate(*, settings: SettingsOption, output: Output) -> None:
    """Write a simulated genome with annotated words."""
    from dnastudents.benchmarks.simulator import simulate

    simulate(output, settings)


@command(app, "reference", "hg38.fa.gz --output results/reference/hg38")
def reference(
    fasta: Annotated[
        list[Path],
        typer.Argument(help="FASTA or FASTA.gz, several too; or the folder of a simulated genome"),
    ],
    *,
    output: Output,
) -> None:
    """Turn FASTA into memory-mapped codes."""
    from dnastudents.genome.reference import build

    simulated = len(fasta) == 1 and fasta[0].is_dir()
    files = [fasta[0] / "genome.fa"] if simulated else fasta
    reference = build(files, output, simulated)
    total = sum(reference.lengths)
    unknown = ", ".join(
        f"{reference.letters[key] / total:.2%} {what}"
        for key, what in {"n": "N", "other": "other letters (read as N)"}.items()
    )
    shown = " ".join(map(str, files))
    print(f"{shown}: {len(reference.names)} sequences, {total:,} bases: {unknown}")


@command(app, "pmi", "results/reference/hg38 --output results/pmi")
def pmi(
    reference: Annotated[Path, typer.Argument(help="reference folder")],
    *,
    threads: Annotated[int, typer.Option(help="processes that count")] = 1,
    settings: SettingsOption,
    output: Output,
) -> None:
    """Rank k-mers by pointwise mutual information."""
    from dnastudents import pmi
    from dnastudents.genome.reference import Reference
    from dnastudents.settings import parse

    spec = parse(list[str], settings.pop("sequences", ["all"]), "pmi.sequences")
    pmi.write(Reference.open(reference), output, spec, settings, threads)


@command(
    app, "benchmark", "mine enhancers train.csv test.csv --output results/tasks/mine/enhancers"
)
def benchmark(
    suite: Annotated[str, typer.Argument(help="gue, few_shot, genomic_benchmarks, ...")],
    task: Annotated[str, typer.Argument(help="the task's name")],
    sources: Annotated[list[Path], typer.Argument(help="the official files or folders")],
    *,
    leakage: Annotated[str, typer.Option(help="report or remove what is in test too")] = "report",
    metric: Annotated[
        str | None, typer.Option(help="of your own CSV files; default: accuracy")
    ] = None,
    route: Annotated[
        str | None, typer.Option(help="of tasks.csv; few_shot has substitutes for two tests")
    ] = None,
    output: Output,
) -> None:
    """Turn the files of a benchmark into one task folder."""
    from dnastudents.benchmarks import write_task

    write_task(suite, task, sources, output, leakage, metric, route)
