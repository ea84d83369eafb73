"""Did pretraining help: each run minus its controls, a column per suite (a forest plot).

A dot is a task, filled where Holm's test over all comparisons tells it from zero; a diamond with
its line is the mean over the suite's tasks and its 95 % interval.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from dnastudents.errors import InputError
from dnastudents.figures.scores import FEWEST
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
from dnastudents.files import read_csv
from dnastudents.tables.comparisons import ALL_TASKS, COMPARISON_COLUMNS, LEVEL

FEW_TASKS = 6  # of which each has an interval of its own; more would be a thicket


def comparisons_figure(comparisons_csv: str | Path, output: str | Path) -> None:
    """Draw the differences and write `<output>.svg`, `.png` and `.pdf`.

    Parameters
    ----------
    comparisons_csv : path
        What `tables.comparisons.write_comparisons` wrote; its order is kept.
    output : path
        A suffix of these is taken off first.

    Raises
    ------
    InputError
        The CSV is absent, lacks a column or has no row.
    """
    path = Path(comparisons_csv)
    if not path.is_file():
        raise InputError(f"{path}: no such file; write the comparisons first")
    frame = read_csv(path, ("suite", "run", "control", "task", "verdict"))
    if missing := [name for name in COMPARISON_COLUMNS if name not in frame]:
        raise InputError(f"{path}: no column {', '.join(missing)}")
    if frame.empty:
        raise InputError(f"{path}: no row")
    pairs = list(dict.fromkeys(zip(frame["run"], frame["control"], strict=True)))
    of_run = looks([run for run, _ in pairs])
    suites = list(dict.fromkeys(frame["suite"]))
    with figure_style():
        columns = min(len(suites), 3)
        height = 0.75 + len(pairs) * (0.14 if len(pairs) > 10 else 0.3)
        figure, axes = grid(len(suites), columns, PAGE, height, sharey=True)
        for axis, suite in zip(axes, suites, strict=True):
            _panel(axis, frame[frame["suite"] == suite], pairs, of_run)
            axis.set_title(wrapped(str(suite)))
        axes[0].set(yticks=range(len(pairs)), ylim=(len(pairs) - 0.45, -0.55))
        axes[0].set_yticklabels([f"{run} \u2212 {control}" for run, control in pairs], fontsize=6)
        figure.legend(handles=_legend(), loc="outside lower center", ncols=4)
        headline(
            figure,
            "Difference of test-set scores \u00d7 100, run \u2212 control; right of 0 the run is "
            f"better{SIMULATED * bool(frame['simulated'].any())}\n"
            "tasks from top to bottom; 95 % intervals: of a task over seeds or pretrainings, of a "
            "mean over tasks",
        )
        save(figure, output)


def _panel(
    axis: Axes, rows: pd.DataFrame, pairs: list[tuple[str, str]], of_run: dict[str, Series]
) -> None:
    axis.axvline(0, color=GREY, linewidth=0.7)
    for place, (run, control) in enumerate(pairs):
        own = rows[(rows["run"] == run) & (rows["control"] == control)]
        tasks, means = own[own["task"] != ALL_TASKS], own[own["task"] == ALL_TASKS]
        colour = of_run[run].colour
        few = len(tasks) <= FEW_TASKS
        heights = place + np.linspace(-0.34, 0.04 if few else 0.34, len(tasks))
        middle = place + 0.26 * few  # below intervals that it would hide
        if few:
            drawn = tasks["seeds"].to_numpy() >= FEWEST
            axis.hlines(
                heights[drawn],
                *_ends(tasks[drawn]),
                color=colour,
                linewidth=0.7,
                alpha=0.7,
            )
        decided = (tasks["p_holm"] < LEVEL).to_numpy()
        axis.scatter(
            tasks["difference"],
            heights,
            s=8,
            c=np.where(decided, colour, "white"),
            edgecolors=colour,
            linewidths=0.6,
            zorder=2,
        )
        if len(tasks) >= FEWEST:
            axis.hlines(
                [middle] * len(means), *_ends(means), color="black", linewidth=1.3, zorder=3
            )
        axis.plot(means["difference"], [middle] * len(means), "D", ms=3.6, color="black", zorder=4)
    axis.grid(axis="y", color="#ECECEC", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)


def _ends(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    return rows["difference"] - rows["ci95"], rows["difference"] + rows["ci95"]


def _legend() -> list[Line2D]:
    """Explain the marks, whose colours are those of the recipes."""
    plain = {"linestyle": "none", "color": GREY}
    return [
        Line2D([], [], marker="o", ms=3, label=f"task, Holm p < {LEVEL}", **plain),  # type: ignore[arg-type]
        Line2D([], [], marker="o", ms=3, mfc="white", label="task, unclear or untested", **plain),  # type: ignore[arg-type]
        Line2D([], [], marker="D", ms=3.6, color="black", lw=1.3, label="mean over tasks"),
    ]
