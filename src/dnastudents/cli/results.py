"""Subcommands that gather results into CSV files and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from dnastudents.cli.parsing import AllRuns, Metrics, Output, Runs, SettingsOption, command

app = typer.Typer()

Results = Annotated[Path, typer.Argument(help="the workflow's results folder")]
Kind = Annotated[Literal["finetune", "knn", "linear"], typer.Option(help="which results")]


@command(
    app,
    "metrics",
    "results --runs had findna --tasks gue/mouse_0 gue/mouse_1 --output results/metrics.csv",
)
def metrics(
    results: Results,
    *,
    tasks: Annotated[list[str], typer.Option(metavar="SUITE/TASK...", help="tasks")],
    kind: Kind = "finetune",
    runs: Runs,
    output: Output,
) -> None:
    """Gather all metrics rows into one CSV file."""
    from dnastudents.results.rows import collect

    # Folders by name, not by path: the papers' run has more of them than a command line can hold.
    folders = [results / kind / run / task for run in runs for task in tasks]
    folders += [results / "baseline" / "kmer_logistic" / task for task in tasks]
    collect(folders, output)


@command(app, "explain", "results gue/mouse_0 had")
def explain(
    results: Results,
    task: Annotated[str, typer.Argument(metavar="SUITE/TASK", help="the task")],
    run: Annotated[str, typer.Argument(help="a run, or kmer_logistic")],
    *,
    kind: Kind = "finetune",
) -> None:
    """Tell what made a cell of a table, and how to remake it."""
    from dnastudents.results.explain import explain

    print(explain(results, task, run, kind))


@command(
    app,
    "table",
    "gue --metrics results/metrics.csv --tasks mouse_0 mouse_1 --output results/tables/gue.csv",
)
def table(
    suite: Annotated[str, typer.Argument(help="the suite's name")],
    *,
    published: Annotated[Path | None, typer.Option(help="published_results.csv")] = None,
    tasks: Annotated[list[str], typer.Option(metavar="TASK...", help="tasks in their order")],
    runs: AllRuns = None,
    metrics: Metrics,
    output: Output,
) -> None:
    """Write one suite's table beside published numbers.

    As csv, md and tex.
    """
    from dnastudents.tables.results import write_table

    write_table(metrics, suite, published, output, runs, tasks)


@command(
    app,
    "comparisons",
    "--metrics results/metrics.csv --pairs had:had_scratch --output results/tables/comparisons.csv",
)
def comparisons(
    *,
    pairs: Annotated[
        list[str], typer.Option(metavar="RUN:CONTROL...", help="runs, each with its control")
    ],
    metrics: Metrics,
    output: Output,
) -> None:
    """Compare each run with its controls."""
    from dnastudents.tables.comparisons import write_comparisons

    named = [(run, control) for run, _, control in (pair.partition(":") for pair in pairs)]
    write_comparisons(metrics, named, output)


@command(app, "benchmarks-table", "results/tasks/gue/* --output results/tables/benchmarks.csv")
def benchmarks_table(
    tasks: Annotated[list[Path], typer.Argument(help="task folders")], *, output: Output
) -> None:
    """Show what is in each task folder, as one table."""
    from dnastudents.tables.benchmarks import write_benchmarks_table

    write_benchmarks_table(tasks, output)


@command(app, "pretraining-table", "results/pretrain/* --output results/tables/pretraining.csv")
def pretraining_table(
    folders: Annotated[list[Path], typer.Argument(help="folders of `dnastudents pretrain`")],
    *,
    output: Output,
) -> None:
    """Show what each pretraining took and reached."""
    from dnastudents.tables.pretraining import write_pretraining_table

    write_pretraining_table(folders, output)


@command(app, "cost", "results --settings cost.json --output results/tables/cost.csv")
def cost(results: Results, *, settings: SettingsOption, output: Output) -> None:
    """Sum hours, memory and energy of all jobs, as one table."""
    from dnastudents.tables.cost import write_cost_table

    write_cost_table(results, settings, output)
