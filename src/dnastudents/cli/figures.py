"""Subcommands that draw figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dnastudents.cli.parsing import AllRuns, Output, Runs, TaskFolder, command

MetricsFile = Annotated[Path, typer.Argument(help="metrics.csv")]
AllTasks = Annotated[
    list[str] | None, typer.Option(metavar="SUITE/TASK...", help="tasks in their order")
]

app = typer.Typer(name="figure", help="Draw a figure as SVG, PNG and PDF.")


@command(
    app,
    "tsne",
    "had.npz findna.npz --runs had findna --task results/tasks/gue/mouse_0 --output tsne.png",
)
def tsne(
    embeddings: Annotated[list[Path], typer.Argument(help="files of `dnastudents embed`")],
    *,
    runs: Runs,
    task: TaskFolder,
    output: Output,
) -> None:
    """Draw a t-SNE of the frozen features of runs and teachers."""
    from dnastudents.figures.tsne import tsne_figure

    tsne_figure(embeddings, runs, task, output)


@command(app, "losses", "results/pretrain/* --output results/figures/losses.png")
def losses(
    folders: Annotated[list[Path], typer.Argument(help="folders of `dnastudents pretrain`")],
    *,
    output: Output,
) -> None:
    """Draw the pretraining losses of runs."""
    from dnastudents.figures.losses import losses_figure

    losses_figure({folder.name: folder / "history.csv" for folder in folders}, output)


@command(
    app,
    "overview",
    "results/metrics.csv --tasks gue/mouse_0 gue/mouse_1 --output results/figures/overview_gue.png",
)
def overview(
    metrics: MetricsFile, *, runs: AllRuns = None, tasks: AllTasks = None, output: Output
) -> None:
    """Draw every run on every task, with confidence intervals."""
    from dnastudents.figures.results import overview_figure
    from dnastudents.figures.scores import read_scores

    overview_figure(read_scores(metrics, runs, tasks), output)


@command(app, "heatmap", "results/metrics.csv --output results/figures/heatmap.png")
def heatmap(
    metrics: MetricsFile, *, runs: AllRuns = None, tasks: AllTasks = None, output: Output
) -> None:
    """Draw all scores, coloured against the k-mer baseline."""
    from dnastudents.figures.heatmap import heatmap_figure
    from dnastudents.figures.scores import read_scores

    heatmap_figure(read_scores(metrics, runs, tasks), output)


@command(app, "ranks", "results/metrics.csv --output results/figures/ranks.png")
def ranks(
    metrics: MetricsFile, *, runs: AllRuns = None, tasks: AllTasks = None, output: Output
) -> None:
    """Draw mean ranks and their critical difference."""
    from dnastudents.figures.ranks import ranks_figure
    from dnastudents.figures.scores import read_scores

    ranks_figure(read_scores(metrics, runs, tasks), output)


@command(
    app, "comparisons", "results/tables/comparisons.csv --output results/figures/comparisons.png"
)
def comparisons(
    table: Annotated[Path, typer.Argument(help="CSV of `dnastudents comparisons`")],
    *,
    output: Output,
) -> None:
    """Draw each run minus its controls, as a forest plot."""
    from dnastudents.figures.comparisons import comparisons_figure

    comparisons_figure(table, output)


@command(app, "few-shot", "results/metrics.csv --output results/figures/few_shot.png")
def few_shot(metrics: MetricsFile, *, runs: AllRuns = None, output: Output) -> None:
    """Draw learning curves over the few-shot tasks."""
    from dnastudents.figures.few_shot import few_shot_figure
    from dnastudents.figures.scores import read_scores

    few_shot_figure(read_scores(metrics, runs), output)


@command(
    app,
    "against-cost",
    "results/metrics.csv --pretrained results/pretrain/had --runs had --output against_cost.png",
)
def against_cost(
    metrics: MetricsFile,
    *,
    pretrained: Annotated[
        list[Path], typer.Option(metavar="PATH...", help="folders of `dnastudents pretrain`")
    ],
    runs: AllRuns = None,
    tasks: AllTasks = None,
    output: Output,
) -> None:
    """Draw mean scores against size, bases and hours."""
    from dnastudents.figures.against_cost import against_cost_figure
    from dnastudents.figures.scores import read_scores

    against_cost_figure(read_scores(metrics, runs, tasks), pretrained, output)


@command(
    app, "confusion", "results/metrics.csv --tasks results/tasks/gue/* --output confusion_gue.png"
)
def confusion(
    metrics: MetricsFile,
    *,
    tasks: Annotated[list[Path], typer.Option(metavar="FOLDER...", help="task folders")],
    runs: AllRuns = None,
    output: Output,
) -> None:
    """Draw what the best runs take each class for."""
    from dnastudents.figures.confusion import confusion_figure
    from dnastudents.figures.scores import read_scores

    confusion_figure(read_scores(metrics, runs), tasks, output)


@command(app, "pmi", "results/pmi --output results/figures/pmi.png")
def pmi(
    folder: Annotated[Path, typer.Argument(help="folder of `dnastudents pmi`")],
    *,
    output: Output,
) -> None:
    """Draw the PMI ranking, its extremes named."""
    from dnastudents.figures.pmi import pmi_figure

    pmi_figure(folder, output)
