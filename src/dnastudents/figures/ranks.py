"""Which run is best overall: mean ranks over tasks, and what cannot be told apart.

The diagram is Demšar's (2006): runs along an axis of mean ranks, and bars that join the runs whose
mean ranks differ by less than Nemenyi's critical difference. Tasks are the sample.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from dnastudents.errors import InputError
from dnastudents.figures.scores import Scores
from dnastudents.figures.style import (
    PAGE,
    SIMULATED,
    figure_style,
    grid,
    headline,
    looks,
    marker_fill,
    save,
)
from dnastudents.results.statistics import CONFIDENCE, Ranks, ranked

FEWEST_TASKS = 2
FEWEST_RUNS = 3
BAR = 0.55  # a bar's height, in lines of text


def ranks_figure(scores: Scores, output: str | Path) -> None:
    """Draw a panel for each suite, the first for all, and write `<output>.svg`, `.png` and `.pdf`.

    Parameters
    ----------
    scores : Scores
        Only tasks on which every run has a score are ranked.
    output : path
        A suffix of these is taken off first.

    Raises
    ------
    InputError
        There are fewer than three runs, or fewer than two tasks have all of them.
    """
    means = scores.means()
    complete = ~np.isnan(means).any(axis=1)
    if len(scores.runs) < FEWEST_RUNS or complete.sum() < FEWEST_TASKS:
        found = f"{len(scores.runs)} runs, and {complete.sum()} tasks with a score of each of them"
        raise InputError(f"{scores.source}: {found}; ranks take three and two")
    of_suite = np.array([suite for suite, _ in scores.tasks])
    groups = {suite: complete & (of_suite == suite) for suite in scores.suites}
    groups = {name: chosen for name, chosen in groups.items() if chosen.sum() >= FEWEST_TASKS}
    if len(groups) != 1 or len(scores.suites) > 1:
        groups = {"all suites": complete, **groups}
    panels = {name: (chosen, ranked(means[chosen])) for name, chosen in groups.items()}
    lines = (len(scores.runs) + 1) // 2 + BAR * max(
        len(_alike(np.sort(ranks.means), ranks.critical)) for _, ranks in panels.values()
    )
    with figure_style():
        figure, axes = grid(len(panels), 1, PAGE, 0.62 + 0.125 * lines)
        for axis, (name, (chosen, ranks)) in zip(axes, panels.items(), strict=True):
            _panel(axis, scores, ranks)
            p_value = "p < 0.001" if ranks.p_value < 0.001 else f"p = {ranks.p_value:.3f}"
            axis.set_title(f"{name}: {chosen.sum()} tasks, Friedman {p_value}", pad=8)
        left_out = len(scores.tasks) - int(complete.sum())
        more = f"; {left_out} tasks lack a run and are left out" if left_out else ""
        headline(
            figure,
            f"Mean rank over tasks, 1 is best{SIMULATED * scores.simulated}\n"
            f"bars join runs that differ by less than the critical difference (CD, Nemenyi, "
            f"{100 * CONFIDENCE:g} %){more}",
        )
        save(figure, output)


def _alike(ranks: NDArray[np.float64], critical: float) -> list[tuple[int, int]]:
    """Find the longest rows of sorted mean ranks that differ by less than `critical`.

    Returns
    -------
    list of (first, last)
        Positions of their ends; rows within others are left out, and so are single runs.
    """
    rows: list[tuple[int, int]] = []
    for first, rank in enumerate(ranks):
        last = int(np.searchsorted(ranks, rank + critical, side="left")) - 1
        if last > first and (not rows or last > rows[-1][1]):
            rows.append((first, last))
    return rows


def _panel(axis: Axes, scores: Scores, ranks: Ranks) -> None:
    """Draw one diagram: the better half is named on the left, the other on the right."""
    order = np.argsort(ranks.means, kind="stable")
    means = ranks.means[order]
    runs = len(order)
    left = (runs + 1) // 2
    bars = _alike(means, ranks.critical)
    below = BAR * (len(bars) + 1)
    of_run = looks(scores.runs)
    axis.set(xlim=(1 - 0.3 * runs, runs + 0.3 * runs), ylim=(below + left, -2.3))
    axis.axis("off")
    axis.plot([1, runs], [0, 0], color="black", linewidth=0.6)
    for tick in range(1, runs + 1):
        axis.plot([tick, tick], [0, -0.3], color="black", linewidth=0.6)
        axis.text(tick, -0.4, str(tick), ha="center", va="bottom", fontsize=5.5)
    for level, (first, last) in enumerate(bars, start=1):
        ends = [means[first] - 0.08, means[last] + 0.08]
        axis.plot(ends, [BAR * level] * 2, color="black", linewidth=2.2, solid_capstyle="butt")
    for place, column in enumerate(order):
        run, is_left = scores.runs[column], place < left
        line = below + (place if is_left else runs - 1 - place) + 0.3
        end = 1 - 0.03 * runs if is_left else runs + 0.03 * runs
        colour = of_run[run].colour
        axis.plot([means[place], means[place], end], [0, line, line], color=colour, linewidth=0.7)
        fill = marker_fill(of_run[run], run in scores.controls)
        axis.plot(means[place], 0, "o", ms=3.4, zorder=3, clip_on=False, **fill)
        axis.text(
            end + (-0.1 if is_left else 0.1),
            line,
            f"{run}  {means[place]:.1f}" if is_left else f"{means[place]:.1f}  {run}",
            ha="right" if is_left else "left",
            va="center",
            color=colour,
            fontsize=6,
        )
    width = min(ranks.critical, runs - 1.0)
    axis.plot([1, 1 + width], [-1.5, -1.5], color="black", linewidth=1.4)
    axis.text(1.1 + width, -1.5, f"CD {ranks.critical:.1f}", va="center", fontsize=6)
