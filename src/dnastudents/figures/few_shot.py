"""How scores grow with labels: few-shot tasks, a column per data set, a row per recipe.

The recipe's own run without pretraining stands in each row, and the k-mer baseline in all, so the
distance between filled and hollow lines is what pretraining is worth at that number of labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from dnastudents.benchmarks.facts import METRICS
from dnastudents.benchmarks.few_shot import SUITE
from dnastudents.benchmarks.few_shot import TASKS as FEW_SHOT
from dnastudents.errors import InputError
from dnastudents.figures.scores import FEWEST, Scores, half_width
from dnastudents.figures.style import (
    PAGE,
    SIMULATED,
    Series,
    figure_style,
    handles_of,
    headline,
    looks,
    marker_fill,
    recipe,
    save,
)
from dnastudents.results.jobs import BASELINE
from dnastudents.results.rows import estimate


def few_shot_figure(scores: Scores, output: str | Path) -> None:
    """Draw the learning curves and write `<output>.svg`, `.png` and `.pdf`.

    Parameters
    ----------
    scores : Scores
        With tasks of the suite few_shot; others are passed over.
    output : path
        A suffix of these is taken off first.

    Raises
    ------
    InputError
        There is no few-shot task.
    """
    frame = scores.frame[scores.frame["suite"] == SUITE]
    frame = frame[frame["task"].isin(FEW_SHOT)]
    if frame.empty:
        raise InputError(f"{scores.source}: no row of a task of {SUITE}")
    data_sets = frame["task"].map(lambda task: FEW_SHOT[task][0])
    frame = frame.assign(data=data_sets, shots=frame["task"].map(lambda task: FEW_SHOT[task][1]))
    known = dict.fromkeys(name for name, _ in FEW_SHOT.values())
    columns = [name for name in known if name in set(data_sets)]
    of_run = looks(scores.runs)
    own = [run for run in scores.runs if run != BASELINE]
    rows = list(dict.fromkeys(map(recipe, own)))
    with figure_style():
        figure, axes = plt.subplots(
            len(rows),
            len(columns),
            figsize=(min(PAGE, 2.2 + 1.3 * len(columns)), 0.8 + 1.5 * len(rows)),
            sharex="col",
            sharey="col",
            squeeze=False,
            layout="constrained",
        )
        for row, name in enumerate(rows):
            shown = [run for run in own if recipe(run) == name] + [BASELINE]
            for column, data in enumerate(columns):
                axis = axes[row, column]
                _panel(axis, frame[frame["data"] == data], shown, of_run, scores.controls)
                if row == 0:
                    axis.set_title(data)
            metric = METRICS[str(frame["metric"].iloc[0])]
            axes[row, 0].set_ylabel(f"{metric} \u00d7 100")
            handles, beside = handles_of(axes[row]), {"loc": "center left", "fontsize": 5.5}
            axes[row, -1].legend(handles.values(), handles, bbox_to_anchor=(1.02, 0.5), **beside)
        figure.supxlabel("training sequences a class", fontsize=7)
        headline(
            figure,
            f"Few-shot scores on the whole test set{SIMULATED * scores.simulated}\n"
            "hollow, dotted: never pretrained; bands: 95 % intervals over draws or pretrainings",
        )
        save(figure, output)


def _panel(
    axis: Axes,
    rows: pd.DataFrame,
    runs: Sequence[str],
    of_run: Mapping[str, Series],
    controls: set[str],
) -> None:
    """Draw one data set for the runs of one recipe."""
    for run in runs:
        own = rows[rows["run"] == run]
        points = [
            (shots, estimate(own[own["shots"] == shots])) for shots in sorted(set(own["shots"]))
        ]
        if not points:
            continue
        shots = [number for number, _ in points]
        means = [score.mean for _, score in points]
        look, control = of_run[run], run in controls
        axis.plot(
            shots,
            means,
            color=look.colour,
            linestyle=(0, (1, 1.2)) if control and run != BASELINE else look.dash,
            marker=look.marker,
            markersize=2.8,
            linewidth=0.9,
            label=run,
            **marker_fill(look, control),
        )
        if all(score.n >= FEWEST for _, score in points):
            widths = [half_width(score) for _, score in points]
            below = [mean - width for mean, width in zip(means, widths, strict=True)]
            above = [mean + width for mean, width in zip(means, widths, strict=True)]
            axis.fill_between(shots, below, above, color=look.colour, alpha=0.12, linewidth=0)
    ticks = sorted(rows["shots"].unique())
    axis.set_xscale("log")
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks], rotation=45)
    axis.minorticks_off()
