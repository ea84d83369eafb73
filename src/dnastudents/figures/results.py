"""All runs on all tasks at a glance: one panel per task, one dot per run, 95 % t intervals.

Dots, not bars: the scores' zero is no natural start for accuracies. Controls (un-pretrained twins
and the k-mer baseline) are hollow, and a line carries the baseline through every panel, so that
"better than counting k-mers" can be read without a legend.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dnastudents.benchmarks.facts import METRICS
from dnastudents.figures.style import COLOURS, GREY, PAGE, figure_style, grid, save, wrapped
from dnastudents.results.failures import MARK, incomplete
from dnastudents.results.jobs import BASELINE
from dnastudents.results.rows import estimate, read_metrics, require_runs, runs_in_order


def overview_figure(
    metrics_csv: str | Path, output: str | Path, runs: Sequence[str] | None = None
) -> None:
    """Draw the overview and write `<output>.svg` and `.png`.

    Parameters
    ----------
    metrics_csv : path
        What `results.rows.collect` wrote.
    output : path
        A suffix .png or .svg is taken off first.
    runs : sequence of str, optional
        In their order. Default is all, sorted. Controls are always shown.

    Raises
    ------
    InputError
        The CSV is absent or broken, or one of `runs` has no row.
    """
    frame = read_metrics(metrics_csv)
    require_runs(frame, runs or (), metrics_csv)
    names = [run for run in runs_in_order(frame, runs) if (frame["run"] == run).any()]
    frame = frame[frame["run"].isin(names)]
    panels = list(frame.groupby(["suite", "task"]))
    lost = any(incomplete(rows) for _, rows in frame.groupby(["suite", "task", "run"]))
    with figure_style():
        height = 0.9 + 0.13 * len(names)
        figure, axes = grid(len(panels), 4, PAGE, height, sharey=True)
        for axis, ((suite, task), rows) in zip(axes, panels, strict=True):
            _panel(axis, rows, names)
            axis.set_title(f"{suite}\n{wrapped(str(task))}")
        axes[0].set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.4, -0.6))
        label = " (simulated data)" if frame["simulated"].any() else ""
        title = (
            f"Test-set scores \u00d7 100, 95 % intervals over seeds{label}\n"
            f"filled: pretrained; hollow: not pretrained; dashed: {BASELINE}"
        )
        if lost:
            title += f"; {MARK}: without the seeds that failed"
        figure.suptitle(title, fontsize=7.5, x=0.01, ha="left")
        save(figure, output)


def _panel(axis: Axes, rows: pd.DataFrame, names: list[str]) -> None:
    estimates = {
        str(run): estimate(group.assign(value=100 * group["value"]))
        for run, group in rows.groupby("run")
    }
    if BASELINE in estimates:
        axis.axvline(estimates[BASELINE].mean, color=GREY, linewidth=0.7, linestyle=(0, (3, 2)))
    controls = set(rows.loc[~rows["pretrained"], "run"])
    metric = rows["metric"].iloc[0]
    least = -100.0 if metric == "mcc" else 0.0
    for name, score in estimates.items():
        height, control = names.index(name), name in controls
        colour = "#404040" if control else COLOURS[0]
        width = 0.0 if np.isnan(score.half_width) else score.half_width
        # An interval from two seeds can be wider than the scale; it is drawn to the scale's ends.
        below, above = min(width, score.mean - least), min(width, 100 - score.mean)
        axis.errorbar(
            score.mean,
            height,
            xerr=[[below], [above]],
            fmt="o",
            color=colour,
            ms=3.6,
            elinewidth=0.9,
            mew=0.9,
            mfc="white" if control else colour,
        )
        if incomplete(rows[rows["run"] == name]):
            axis.annotate(
                MARK,
                (score.mean, height),
                (3, 0),
                textcoords="offset points",
                fontsize=6,
                va="center",
            )
    axis.grid(axis="y", color="#ECECEC", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel(METRICS[metric], labelpad=1)
