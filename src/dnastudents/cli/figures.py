"""Subcommands that draw figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dnastudents.cli.parsing import AllRuns, Output, Runs, TaskFolder, command

app = typer.Typer(name="figure", help="Draw a figure as SVG and PNG.")


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
    """Draw a t-SNE of frozen features, one panel per run or teacher."""
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


@command(app, "overview", "results/metrics.csv --output results/figures/overview.png")
def overview(
    metrics: Annotated[Path, typer.Argument(help="metrics.csv")],
    *,
    runs: AllRuns = None,
    output: Output,
) -> None:
    """Draw every run on every task, with confidence intervals."""
    from dnastudents.figures.results import overview_figure

    overview_figure(metrics, output, runs)


@command(app, "pmi", "results/pmi --output results/figures/pmi.png")
def pmi(
    folder: Annotated[Path, typer.Argument(help="folder of `dnastudents pmi`")],
    *,
    output: Output,
) -> None:
    """Draw the PMI ranking, its extremes named."""
    from dnastudents.figures.pmi import pmi_figure

    pmi_figure(folder, output)
