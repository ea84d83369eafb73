"""Subcommands that gather results into CSV files and tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer

from dnastudents.cli.parsing import AllRuns, Metrics, Output, Runs, SettingsOption, command

app = typer.Typer()

Results = Annotated[Path, typer.Argument(help="the workflow's results folder")]
Published = Annotated[Path | None, typer.Option(help="published_results.csv")]
Pretrainings = Annotated[
    list[Path] | None,
    typer.Option(metavar="FOLDER...", help="outputs of `pretrain`, of which sizes are shown"),
]
AllTasks = Annotated[
    list[str] | None, typer.Option(metavar="SUITE/TASK...", help="tasks in their order")
]
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
    published: Published = None,
    tasks: Annotated[list[str], typer.Option(metavar="TASK...", help="tasks in their order")],
    runs: AllRuns = None,
    pretrainings: Pretrainings = None,
    metrics: Metrics,
    output: Output,
) -> None:
    """Write one suite's table beside published numbers.

    As csv, md and tex.
    """
    from dnastudents.tables.results import write_table

    write_table(metrics, suite, published, output, runs, tasks, pretrainings or ())


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
    tasks: AllTasks = None,
    metrics: Metrics,
    output: Output,
) -> None:
    """Compare each run with its controls."""
    from dnastudents.tables.comparisons import write_comparisons

    write_comparisons(metrics, _pairs(pairs), output, tasks)


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


@command(
    app,
    "page",
    "results --runs had had_scratch --pairs had:had_scratch --output results/index.html",
)
def page(
    results: Results,
    *,
    tasks: AllTasks = None,
    runs: AllRuns = None,
    pairs: Annotated[
        list[str] | None, typer.Option(metavar="RUN:CONTROL...", help="runs, each with its control")
    ] = None,
    pretrainings: Pretrainings = None,
    probes: Annotated[
        list[str] | None, typer.Option(metavar="PROBE...", help="knn and linear, if they were done")
    ] = None,
    figures: Annotated[
        list[Path] | None, typer.Option(metavar="SVG...", help="figures in their order")
    ] = None,
    captions: Annotated[Path | None, typer.Option(help="folder of FIGURE.rst")] = None,
    published: Published = None,
    output: Output,
) -> None:
    """Show all results as one HTML page."""
    from dnastudents.page.page import Sources, write_page

    sources = Sources(
        results,
        tasks or (),
        runs,
        _pairs(pairs or ()),
        pretrainings or (),
        probes or (),
        figures or (),
        captions,
        published,
    )
    write_page(sources, output)


def _pairs(texts: Iterable[str]) -> list[tuple[str, str]]:
    """Read RUN:CONTROL."""
    return [(run, control) for run, _, control in (text.partition(":") for text in texts)]
