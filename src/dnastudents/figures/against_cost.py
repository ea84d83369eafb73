"""Is it worth its cost: mean score of a suite against parameters, pretraining tokens and hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator

from dnastudents.errors import InputError
from dnastudents.figures.scores import Scores
from dnastudents.figures.style import (
    GREY,
    PAGE,
    SIMULATED,
    Series,
    figure_style,
    handles_of,
    headline,
    looks,
    marker_fill,
    save,
)
from dnastudents.results.costs import read_sizes
from dnastudents.results.jobs import BASELINE

LABELS = {
    "parameters": "parameters",
    "tokens": "pretraining bases",
    "hours": "device hours of pretraining",
}


def against_cost_figure(
    scores: Scores, pretrainings: Sequence[str | Path], output: str | Path
) -> None:
    """Draw a row per suite, a column per kind of cost; write `<output>.svg`, `.png` and `.pdf`.

    Parameters
    ----------
    scores : Scores
        A run that lacks a task of a suite is not in its row.
    pretrainings : sequence of path
        Outputs of `dnastudents pretrain`, also of runs that were never pretrained. Of several
        pretrainings of a run it shows the means, as a table does.
    output : path
        A suffix of these is taken off first.

    Raises
    ------
    InputError
        A folder is absent or broken, or that of a run was not given.
    """
    costs = read_sizes(pretrainings)
    if missing := [run for run in scores.runs if run not in costs and run != BASELINE]:
        raise InputError(
            f"{scores.source}: no pretraining folder of {', '.join(missing)} was given, only of "
            f"{', '.join(costs)}"
        )
    of_run, means = looks(scores.runs), scores.means()
    of_suite = np.array([suite for suite, _ in scores.tasks])
    with figure_style():
        figure, axes = plt.subplots(
            len(scores.suites),
            len(LABELS),
            figsize=(PAGE, 1.6 + 1.35 * len(scores.suites)),
            sharex="col",
            sharey="row",
            squeeze=False,
            layout="constrained",
        )
        for line, suite in zip(axes, scores.suites, strict=True):
            heights = dict(zip(scores.runs, means[of_suite == suite].mean(axis=0), strict=True))
            for kind, axis in zip(LABELS, line, strict=True):
                places = {run: getattr(cost, kind) or np.nan for run, cost in costs.items()}
                _panel(axis, places, heights, of_run, scores.controls)
            count = int((of_suite == suite).sum())
            line[0].set_ylabel(f"mean of {count} task{'s' * (count > 1)}")
            line[0].set_title(suite)
        for axis, label in zip(axes[-1], LABELS.values(), strict=True):
            axis.set_xlabel(label)
        handles = handles_of(axes.flat)
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=4)
        headline(
            figure,
            "Mean test-set score \u00d7 100 against what a run takes"
            f"{SIMULATED * scores.simulated}\n"
            "hollow: never pretrained, at the left edge where it has no cost; "
            f"dashed: {BASELINE}",
        )
        save(figure, output)


def _panel(
    axis: Axes,
    places: Mapping[str, float],
    heights: Mapping[str, float],
    of_run: Mapping[str, Series],
    controls: set[str],
) -> None:
    if BASELINE in heights:
        axis.axhline(heights[BASELINE], color=GREY, linewidth=0.7, linestyle=(0, (3, 2)), zorder=0)
    for run, height in heights.items():
        if run == BASELINE or np.isnan(height):
            continue
        look, place = of_run[run], places[run]
        edge = np.isnan(place)
        axis.plot(
            0.0 if edge else place,
            height,
            transform=axis.get_yaxis_transform() if edge else axis.transData,
            clip_on=False,
            linestyle="none",
            marker=look.marker,
            markersize=4.5,
            label=run,
            **marker_fill(look, run in controls),
        )
    axis.set_xscale("log")
    known = [place for place in places.values() if not np.isnan(place)]
    low, high = min(known, default=1.0), max(known, default=10.0)
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 3)) if high > 10 * low else MaxNLocator(4))
    axis.xaxis.set_major_formatter(EngFormatter(sep="") if low >= 1000 else "{x:g}")
    axis.minorticks_off()
    axis.grid(color="#ECECEC", linewidth=0.6)
    axis.set_axisbelow(True)
