"""All runs on the tasks of a suite at a glance: one panel per task, a line per run.

Dots, not bars: the scores' zero is no natural start for accuracies. Controls (un-pretrained twins
and the k-mer baseline) are hollow, and a line carries the baseline through every panel, so that
"better than counting k-mers" can be read without a legend.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from dnastudents.benchmarks.facts import METRICS
from dnastudents.figures.scores import MARKS, Scores, half_width, marks_of
from dnastudents.figures.style import (
    GREY,
    PAGE,
    SIMULATED,
    Series,
    figure_style,
    grid,
    headline,
    looks,
    save,
    wrapped,
)
from dnastudents.results.jobs import BASELINE
from dnastudents.results.rows import estimate


def overview_figure(scores: Scores, output: str | Path) -> None:
    """Draw the overview and write `<output>.svg`, `.png` and `.pdf`.

    Parameters
    ----------
    scores : Scores
    output : path
        A suffix of these is taken off first.
    """
    with figure_style():
        columns = 4 if len(scores.tasks) <= 12 else 6
        figure, axes = grid(
            len(scores.tasks), columns, PAGE, max(1.3, 0.65 + 0.11 * len(scores.runs)), sharey=True
        )
        panels = dict(zip(scores.tasks, axes, strict=True))
        of_task = dict(list(scores.frame.groupby(["suite", "task"])))
        of_run, marks = looks(scores.runs), ""
        for task, axis in panels.items():
            marks += _panel(axis, of_task[task], scores, of_run)
            axis.set_title(wrapped(task[1], 72 // columns), fontsize=6.5 if columns > 4 else None)
        axes[0].set(yticks=range(len(scores.runs)), ylim=(len(scores.runs) - 0.4, -0.6))
        axes[0].set_yticklabels(scores.runs, fontsize=6)
        meanings = "".join(f"; {mark}: {text}" for mark, text in MARKS.items() if mark in marks)
        headline(
            figure,
            f"{', '.join(scores.suites)}: test-set scores \u00d7 100"
            f"{SIMULATED * scores.simulated}; small: one seed, large: mean, line: 95 % interval\n"
            f"filled: pretrained; hollow: not pretrained; dashed: {BASELINE}{meanings}",
        )
        save(figure, output)


def _panel(axis: Axes, rows: pd.DataFrame, scores: Scores, of_run: Mapping[str, Series]) -> str:
    """Draw one task; return the marks that were set."""
    metric = str(rows["metric"].iloc[0])
    least = -100.0 if metric == "mcc" else 0.0
    places = {run: place for place, run in enumerate(scores.runs)}
    colours = rows["run"].map(lambda run: of_run[run].colour)
    below = rows["run"].map(places) + 0.3  # the mean, which would hide them
    axis.scatter(rows["value"], below, s=2, c=colours, alpha=0.6, linewidth=0)
    intervals, drawn, marks = [], [], ""
    for run, own in rows.groupby("run"):
        name = str(run)
        score, place, look = estimate(own), places[name], of_run[name]
        if name == BASELINE:
            axis.axvline(score.mean, color=GREY, linewidth=0.7, linestyle=(0, (3, 2)), zorder=0)
        width = half_width(score)  # drawn to the ends of the scale, where it is wider
        intervals.append(
            [(max(score.mean - width, least), place), (min(score.mean + width, 100), place)]
        )
        drawn.append((score.mean, place, look.colour, name in scores.controls))
        if mark := marks_of(own):
            marks += mark
            axis.annotate(
                mark, (score.mean, place), (5, 0), textcoords="offset points", va="center"
            )
    means, heights, edges, hollow = zip(*drawn, strict=True)
    axis.add_collection(LineCollection(intervals, colors=edges, linewidths=0.9))
    faces = np.where(hollow, "white", edges)
    axis.scatter(means, heights, s=13, c=faces, edgecolors=edges, linewidths=0.9, zorder=3)
    axis.grid(axis="y", color="#ECECEC", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    axis.locator_params(axis="x", nbins=3)
    axis.set_xlabel(METRICS[metric], labelpad=1)
    return marks
