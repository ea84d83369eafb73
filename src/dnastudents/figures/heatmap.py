"""Which run is good where: runs as columns, tasks as rows, all suites on one page.

Numbers are scores; the colour is what a run has above or below the k-mer baseline on the same task,
so that easy tasks do not outshine hard ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from dnastudents.errors import InputError
from dnastudents.figures.scores import Scores
from dnastudents.figures.style import PAGE, SIMULATED, figure_style, headline, looks, save
from dnastudents.results.jobs import BASELINE

MAP = "PuOr"  # orange below, violet above; apart for all forms of colour blindness
ROW, COLUMN = 0.115, 0.3  # inches
STRONG = 0.65  # share of the scale beyond which white letters are read better


def heatmap_figure(scores: Scores, output: str | Path) -> None:
    """Draw the map and write `<output>.svg`, `.png` and `.pdf`.

    Parameters
    ----------
    scores : Scores
    output : path
        A suffix of these is taken off first.

    Raises
    ------
    InputError
        The k-mer baseline has no row.
    """
    if BASELINE not in scores.runs:
        raise InputError(f"{scores.source}: no row of {BASELINE}, with which runs are compared")
    means = scores.means()
    gains = means - means[:, [scores.runs.index(BASELINE)]]
    # The few that are far off must not leave the others without colour.
    limit = max(1.0, float(np.nanpercentile(np.abs(gains), 95)))
    with figure_style():
        rows = len(scores.tasks) + 1.6 * len(scores.suites)
        width = float(np.clip(2.6 + COLUMN * len(scores.runs), 4.2, PAGE))
        figure, axis = plt.subplots(figsize=(width, 1.9 + ROW * rows), layout="constrained")
        places = _places(scores)
        for suite in scores.suites:
            chosen = [n for n, task in enumerate(scores.tasks) if task[0] == suite]
            top, bottom = places[chosen[0]] - 0.5, places[chosen[-1]] + 0.5
            image = axis.imshow(
                gains[chosen],
                cmap=MAP,
                vmin=-limit,
                vmax=limit,
                aspect="auto",
                interpolation="nearest",
                extent=(-0.5, len(scores.runs) - 0.5, bottom, top),
            )
            axis.text(-0.5, top - 0.2, suite, fontweight="bold", fontsize=6.5)
        _numbers(axis, means, gains / limit, places)
        _name(axis, scores, places)
        bar = figure.colorbar(image, ax=axis, location="bottom", shrink=0.5, aspect=40, pad=0.01)
        bar.set_label(f"score \u2212 {BASELINE}, \u00d7 100", labelpad=2)
        bar.outline.set_visible(False)
        headline(
            figure,
            f"Test-set scores \u00d7 100, means{SIMULATED * scores.simulated}\n"
            f"colour: above (violet) or below (orange) {BASELINE}; bold: best of the task",
        )
        save(figure, output)


def _places(scores: Scores) -> list[float]:
    """Return the height of each task, with room for the name of its suite above the first."""
    gaps = [1.6 * (scores.suites.index(suite) + 1) for suite, _ in scores.tasks]
    return [n + gap for n, gap in enumerate(gaps)]


def _numbers(
    axis: Axes, means: NDArray[np.float64], shares: NDArray[np.float64], places: Sequence[float]
) -> None:
    """Write each score into its cell; one decimal where there is room."""
    best = np.nanmax(means, axis=1)
    digits = 1 if means.shape[1] <= 12 else 0
    for (row, column), mean in np.ndenumerate(means):
        if np.isnan(mean):
            continue
        axis.text(
            column,
            places[row],
            f"{mean:.{digits}f}",
            fontsize=5 if digits else 4.5,
            ha="center",
            va="center_baseline",
            color="white" if abs(shares[row, column]) > STRONG else "black",
            fontweight="bold" if mean == best[row] else "normal",
        )


def _name(axis: Axes, scores: Scores, places: Sequence[float]) -> None:
    """Name rows and columns; runs in the colour of their recipe, controls in italics."""
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0, pad=1)
    axis.set(xlim=(-0.5, len(scores.runs) - 0.5), ylim=(places[-1] + 0.5, 0))
    axis.set_yticks(places, [task for _, task in scores.tasks], fontsize=5.5)
    axis.xaxis.tick_top()
    axis.set_xticks(range(len(scores.runs)), scores.runs, fontsize=6, rotation=55, ha="left")
    for label, look in zip(axis.get_xticklabels(), looks(scores.runs).values(), strict=True):
        label.set(color=look.colour, rotation_mode="anchor")
        label.set_fontstyle("italic" if label.get_text() in scores.controls else "normal")
