"""Which classes are taken for which: the best run of each task, one panel per task."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from dnastudents.benchmarks.class_names import shown_classes
from dnastudents.benchmarks.facts import METRICS, read_protocol
from dnastudents.errors import InputError
from dnastudents.figures.scores import Scores
from dnastudents.figures.style import PAGE, SIMULATED, figure_style, grid, headline, save, wrapped

MAP = "Blues"
STRONG = 0.6  # shares above which white letters are read better


def confusion_figure(scores: Scores, folders: Sequence[str | Path], output: str | Path) -> None:
    """Draw the confusion of each task and write `<output>.svg`, `.png` and `.pdf`.

    Parameters
    ----------
    scores : Scores
        A run's counts are summed over its seeds; the best run is
        the one of the highest mean score.
    folders : sequence of path
        Task folders, in the order of the panels; their `task.json` name the classes.
    output : path
        A suffix of these is taken off first.

    Raises
    ------
    InputError
        A folder is absent or broken, its task has no row, or counts are of other classes than those
        of the folder.
    """
    protocols = {f"{p.suite}/{p.task}": p for p in map(read_protocol, folders)}
    scores = scores.only(list(protocols))
    means = scores.means()
    of_task = dict(list(scores.frame.groupby(["suite", "task"])))
    with figure_style():
        figure, axes = grid(len(protocols), 4, PAGE, 1.5)
        for axis, task, row in zip(axes, scores.tasks, means, strict=True):
            run = scores.runs[int(np.nanargmax(row))]
            rows = of_task[task]
            protocol = protocols["/".join(task)]
            counts = _counts(rows[rows["run"] == run], scores.source)
            if len(counts) != len(protocol.classes):
                raise InputError(
                    f"{scores.source}: {run} on {'/'.join(task)} has counts of {len(counts)} "
                    f"classes, the task folder has {len(protocol.classes)}; run it again"
                )
            _panel(axis, counts, shown_classes(*task, protocol.classes))
            metric = METRICS[str(rows["metric"].iloc[0])]
            score = f"{run}\n{metric} {np.nanmax(row):.1f}"
            axis.set_title(f"{wrapped(task[1])}\n{score}", fontsize=5.5)
        headline(
            figure,
            f"{', '.join(scores.suites)}: what the best run of each task takes a class for, %"
            f"{SIMULATED * scores.simulated}\n"
            "rows: true class; columns: predicted, in the same order; rows sum to 100",
        )
        save(figure, output)


def _counts(rows: pd.DataFrame, source: str | Path) -> NDArray[np.int64]:
    """Sum the counts of all seeds."""
    try:
        return np.sum([json.loads(text) for text in rows["confusion"]], axis=0, dtype=np.int64)
    except (TypeError, ValueError):
        raise InputError(f"{source}: a confusion is no table of counts; collect it again") from None


def _panel(axis: Axes, counts: NDArray[np.int64], classes: Sequence[str]) -> None:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axis.imshow(shares, cmap=MAP, vmin=0, vmax=1, aspect="auto")
    axis.set_xticks([])
    axis.set_yticks(range(len(classes)), [wrapped(name, 12) for name in classes], fontsize=5)
    axis.tick_params(length=0, pad=1)
    axis.spines[:].set_visible(False)
    for (row, column), share in np.ndenumerate(shares):
        axis.text(
            column,
            row,
            f"{100 * share:.0f}",
            ha="center",
            va="center_baseline",
            fontsize=min(6.0, 36 / len(classes)),
            color="white" if share > STRONG else "black",
        )
