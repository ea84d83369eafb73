"""Training and validation curves of pretraining, all runs on the same steps.

Left: training loss, a running mean over the raw line. Then validation loss and, where a run has
one, validation perplexity. Losses of different recipes are different quantities: a curve is to be
compared with its own past and with runs of the same objective, never across objectives. Beside
perplexities stand those of plain models on the same masks, as dashed lines of the run's colour.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from dnastudents.errors import InputError
from dnastudents.figures.style import (
    GREY,
    PAGE,
    Series,
    figure_style,
    grid,
    save,
    says_simulated,
    series,
)
from dnastudents.files import read_json, reading
from dnastudents.genome import tokenizers
from dnastudents.models import STUDENTS

PANELS = (
    ("train", "loss", "training loss"),
    ("validation", "loss", "validation loss"),
    ("validation", "perplexity", "validation perplexity"),
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
    """Draw the curves of several runs and write `<output>.svg` and `.png`.

    Parameters
    ----------
    histories : mapping of run -> path
        Each run's `history.csv`: `step`, `split` (train or validation), `loss`, and optionally
        `perplexity`, those of `YARDSTICKS` (the last counts) and `stage` (the curriculum's; a
        change is marked by a diamond). A run without rows, as one that was never pretrained, is
        left out. Further pretrainings of a run, `run@1`, `run@2`, have its look. A
        `settings.json` beside it tells the student, for the panel of its perplexity, and
        `simulated`, which labels the figure.
    output : path
        A suffix .png or .svg is taken off first.

    Raises
    ------
    InputError
        When a file is absent or lacks a column, or no run has a row.
    """
    frames = {run: _read(Path(path)) for run, path in histories.items()}
    frames = {run: frame for run, frame in frames.items() if len(frame)}
    if not frames:
        raise InputError("loss curves: no run has been trained for a step")
    panels = _panels(frames, {run: _bases_of_token(Path(histories[run])) for run in frames})
    looks = {run: series(n) for n, run in enumerate(dict.fromkeys(map(_base, frames)))}
    with figure_style():
        columns = 4
        legend_rows = -(-(len(looks) + len(YARDSTICKS)) // columns)
        figure, axes = grid(len(panels), 3, PAGE, 2.3 + 0.15 * legend_rows)
        for axis, (split, metric, label, shown) in zip(axes, panels, strict=True):
            for run, frame in shown.items():
                curve, base = _curve(frame, split, metric), _base(run)
                _draw(axis, curve, base, looks[base], split == "train")
            if metric == "perplexity":
                _draw_yardsticks(axis, shown, looks)
            axis.set(xlabel="step", title=label)
            _scale(axis)
        handles = {run: handle for axis in axes for run, handle in _handles(axis).items()}
        for name, (label, dash) in YARDSTICKS.items():
            if any(len(_curve(frame, "validation", name)) for frame in frames.values()):
                handles[label] = Line2D([], [], color=GREY, linewidth=0.8, linestyle=dash)
        if any(_switches(frame) for frame in frames.values()):
            handles["curriculum switch"] = Line2D([], [], **SWITCH)
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=columns)
        if any(
            says_simulated(Path(path).with_name("settings.json")) for path in histories.values()
        ):
            figure.suptitle("simulated data", fontsize=7.5, x=0.01, ha="left")
        save(figure, output)


def _panels(
    frames: Mapping[str, pd.DataFrame], bases: Mapping[str, int | None]
) -> list[tuple[str, str, str, dict[str, pd.DataFrame]]]:
    """List split, metric, title and runs of each panel that has a curve.

    Perplexities of bases and of 6-mers differ a thousandfold, so each has a panel of its own.
    """
    panels = []
    for split, metric, title in PANELS:
        drawn = {run: f for run, f in frames.items() if len(_curve(f, split, metric))}
        sizes = list(dict.fromkeys(bases[run] for run in drawn))
        if drawn and (metric != "perplexity" or len(sizes) == 1):
            panels.append((split, metric, title, drawn))
            continue
        for size in sizes:
            named = {None: "", 1: " of bases"}.get(size, f" of {size}-mers")
            runs = {run: frame for run, frame in drawn.items() if bases[run] == size}
            panels.append((split, metric, title + named, runs))
    return panels


def _bases_of_token(history: Path) -> int | None:
    """Count the bases of a token of the run's student; None where nothing says."""
    file = history.with_name("settings.json")
    student = read_json(file).get("student") if file.is_file() else None
    return None if student is None else tokenizers.build(STUDENTS.parse(student).tokenizer).k


def _base(run: str) -> str:
    """Return the run of which `run` is a further pretraining, or itself."""
    return run.partition("@")[0]


def _handles(axis: Axes) -> dict[str, Artist]:
    handles, labels = axis.get_legend_handles_labels()
    return dict(zip(labels, handles, strict=True))


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
    axis: Axes, frames: Mapping[str, pd.DataFrame], looks: Mapping[str, Series]
) -> None:
    """Draw a line across the panel for each plain model of each run; its pretrainings share one."""
    drawn = set()
    for run, frame in frames.items():
        for name, (_, dash) in YARDSTICKS.items():
            for value in _curve(frame, "validation", name)["value"].tail(1):
                if (_base(run), name) not in drawn:
                    colour = looks[_base(run)].colour
                    axis.axhline(value, color=colour, linewidth=0.8, linestyle=dash, zorder=1)
                    drawn.add((_base(run), name))


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
