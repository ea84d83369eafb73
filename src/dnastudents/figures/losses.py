"""Training and validation curves of pretraining, all runs on the same steps.

A row of panels per vocabulary, since the loss of a base and that of a 6-mer are of different size:
training loss, a running mean over the raw line; validation loss; and the cross-entropy of hidden
tokens in validation, in nats a token. The losses of different recipes are sums of different parts:
a curve is to be compared with its own past and with runs of the same objective. The cross-entropy
compares runs of one row, and beside it stand plain models on the same masks, as lines of the run's
colour.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from dnastudents.errors import InputError
from dnastudents.figures.style import (
    GREY,
    PAGE,
    SIMULATED,
    Series,
    figure_style,
    handles_of,
    headline,
    looks,
    save,
    says_simulated,
)
from dnastudents.files import read_json, reading
from dnastudents.genome import tokenizers
from dnastudents.models import STUDENTS
from dnastudents.results.jobs import run_of

HIDDEN = "perplexity"  # of hidden tokens; its logarithm is their cross-entropy
PANELS = (  # split, metric, title, unit
    ("train", "loss", "training loss", "loss of the recipe"),
    ("validation", "loss", "validation loss", "loss of the recipe"),
    ("validation", HIDDEN, "hidden tokens in validation", "nats a token"),
)
SMOOTHING = 0.05  # width of the running mean, as a share of the logged steps
MARKERS = 8  # marks on a curve: enough to tell curves apart, too few to hide them
YARDSTICKS: dict[str, tuple[str, Any]] = {
    "frequency_perplexity": ("token frequencies", (0, (6, 3))),
    "markov_perplexity": ("Markov chain", (0, (2, 2))),
    "oracle_perplexity": ("oracle", (0, (1, 1))),
}
SWITCH: dict[str, Any] = {
    "marker": "D",
    "markersize": 5,
    "markeredgecolor": GREY,
    "markerfacecolor": "white",
    "markeredgewidth": 1.1,
    "linestyle": "none",
    "zorder": 3,
}


def losses_figure(histories: Mapping[str, str | Path], output: str | Path) -> None:
    """Draw the curves of several runs and write `<output>.svg`, `.png` and `.pdf`.

    Parameters
    ----------
    histories : mapping of run -> path
        Each run's `history.csv`: `step`, `split` (train or validation), `loss`, and optionally
        `perplexity`, those of `YARDSTICKS` (the last counts) and `stage` (the curriculum's; a
        change is marked by a diamond). A run without rows, as one that was never pretrained, is
        left out. Further pretrainings of a run, `run@1`, `run@2`, have its look. A
        `settings.json` beside it tells the student, for the row of its vocabulary, and
        `simulated`, which labels the figure.
    output : path
        A suffix of these is taken off first.

    Raises
    ------
    InputError
        When a file is absent or lacks a column, or no run has a row.
    """
    frames = {run: _read(Path(path)) for run, path in histories.items()}
    frames = {run: frame for run, frame in frames.items() if len(frame)}
    if not frames:
        raise InputError("loss curves: no run has been trained for a step")
    of_run = looks(frames)
    bases = {run: _bases_of_token(Path(histories[run])) for run in frames}
    rows = list(dict.fromkeys(bases.values()))
    with figure_style():
        legend_rows = -(-(len(set(map(run_of, frames))) + len(YARDSTICKS)) // 4)
        size = (PAGE, 0.3 + 1.9 * len(rows) + 0.15 * legend_rows)
        figure, axes = plt.subplots(
            len(rows), len(PANELS), figsize=size, squeeze=False, layout="constrained"
        )
        for row, tokens in zip(axes, rows, strict=True):
            runs = {run: frame for run, frame in frames.items() if bases[run] == tokens}
            named = {None: "", 1: ", bases"}.get(tokens, f", {tokens}-mers")
            for axis, (split, metric, title, unit) in zip(row, PANELS, strict=True):
                _panel(axis, runs, of_run, split, metric)
                axis.set_title(f"{title}{named}")
                axis.set_ylabel(unit, labelpad=1)
            if not row[-1].lines:  # no run of this row has it
                row[-1].remove()
        for axis in axes[-1]:
            axis.set_xlabel("step")
        handles = handles_of(axes.flat)
        for name, (label, dash) in YARDSTICKS.items():
            if any(len(_curve(frame, "validation", name)) for frame in frames.values()):
                handles[label] = Line2D([], [], color=GREY, linewidth=0.8, linestyle=dash)
        if any(_switches(frame) for frame in frames.values()):
            handles["curriculum switch"] = Line2D([], [], **SWITCH)
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=4)
        simulated = any(
            says_simulated(Path(path).with_name("settings.json")) for path in histories.values()
        )
        title = f"Pretraining{SIMULATED * simulated}"
        headline(figure, title)
        save(figure, output)


def _panel(
    axis: Axes,
    runs: Mapping[str, pd.DataFrame],
    of_run: Mapping[str, Series],
    split: str,
    metric: str,
) -> None:
    """Draw one metric of the runs that have it."""
    for run, frame in runs.items():
        curve = _curve(frame, split, metric)
        if metric == HIDDEN:
            curve["value"] = np.log(curve["value"])
        _draw(axis, curve, run_of(run), of_run[run], split == "train")
    if metric == HIDDEN:
        _draw_yardsticks(axis, runs, of_run)
    elif axis.lines:
        _scale(axis)


def _bases_of_token(history: Path) -> int | None:
    """Count the bases of a token of the run's student; None where nothing says."""
    file = history.with_name("settings.json")
    student = read_json(file).get("student") if file.is_file() else None
    return None if student is None else tokenizers.build(STUDENTS.parse(student).tokenizer).k


def _read(path: Path) -> pd.DataFrame:
    with reading(path):
        try:
            frame = pd.read_csv(path)
            for name in frame.columns.difference(["split", "stage"]):
                pd.to_numeric(frame[name])
        except pd.errors.EmptyDataError:
            return pd.DataFrame(columns=["step", "split", "loss"])
    if missing := {"step", "split"} - set(frame.columns):
        raise InputError(f"{path}: no column {', '.join(sorted(missing))}")
    return frame


def _curve(frame: pd.DataFrame, split: str, metric: str) -> pd.DataFrame:
    """Select rows of one split that have the metric, by step; `stage` where the run has one."""
    if metric not in frame:
        return pd.DataFrame(columns=["step", "value"])
    columns = ["step", metric] + (["stage"] if "stage" in frame else [])
    rows = frame.loc[frame["split"] == split, columns].dropna(subset=[metric])
    return rows.rename(columns={metric: "value"}).sort_values("step")


def _draw(axis: Axes, curve: pd.DataFrame, run: str, look: Series, smooth: bool) -> None:
    if curve.empty:
        return
    steps, values = curve["step"].to_numpy(), curve["value"].to_numpy(dtype=float)
    if smooth and len(values) > 10:
        axis.plot(steps, values, color=look.colour, alpha=0.15, linewidth=0.5)
        width = max(3, round(SMOOTHING * len(values)))
        values = curve["value"].rolling(width, center=True, min_periods=1).mean().to_numpy()
    every = max(1, len(values) // MARKERS)
    axis.plot(
        steps,
        values,
        color=look.colour,
        linestyle=look.dash,
        label=run,
        marker=look.marker,
        markersize=2.8,
        markevery=every,
    )
    for position in _switches(curve):
        axis.plot(steps[position], values[position], **SWITCH | {"markeredgecolor": look.colour})


def _draw_yardsticks(
    axis: Axes, frames: Mapping[str, pd.DataFrame], of_run: Mapping[str, Series]
) -> None:
    """Draw a line across the panel for each plain model of each run; its pretrainings share one."""
    drawn = set()
    for run, frame in frames.items():
        for name, (_, dash) in YARDSTICKS.items():
            for value in _curve(frame, "validation", name)["value"].tail(1):
                if (run_of(run), name) not in drawn:
                    colour = of_run[run].colour
                    axis.axhline(
                        np.log(value), color=colour, linewidth=0.8, linestyle=dash, zorder=1
                    )
                    drawn.add((run_of(run), name))


def _switches(curve: pd.DataFrame) -> list[int]:
    """Find positions at which the curriculum's stage differs from the row before."""
    if "stage" not in curve:
        return []
    stages = curve["stage"].ffill()
    before = stages.shift()
    return [int(position) for position in np.flatnonzero((stages != before) & before.notna())]


def _scale(axis: Axes) -> None:
    """Make the axis logarithmic where values span more than a factor of ten."""
    values = np.concatenate([np.asarray(line.get_ydata(), float) for line in axis.get_lines()])
    values = values[np.isfinite(values)]
    if values.size and values.min() > 0 and values.max() > 10 * values.min():
        axis.set_yscale("log")
