"""Draw the pictures of this folder, each from numbers that are kept beside them.

    python docs/figures/draw.py                 # from what is kept
    python docs/figures/draw.py results/demo    # keep what the demo gave, then draw

`tests/figures/test_committed.py` draws them again and compares, so whoever changes how a figure is
drawn draws these again. `workflow.svg` is drawn by hand.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np

from dnastudents.config import load_config
from dnastudents.figures.few_shot import few_shot_figure
from dnastudents.figures.losses import losses_figure
from dnastudents.figures.results import overview_figure
from dnastudents.figures.scores import Scores, read_scores
from dnastudents.figures.style import GREY, PAGE, SIMULATED, figure_style, looks, marker_fill, save
from dnastudents.figures.tsne import draw_tsne
from dnastudents.results.jobs import BASELINE
from dnastudents.tables.render import MINUS

HERE = Path(__file__).resolve().parent
DEMO = load_config(HERE.parents[1], {"extends": "demo/demo.yaml"})
KEPT = HERE / "drawn_from"  # a folder each, laid out as below results/
STUDIES = {
    "demo": (
        "metrics.csv",
        "pretrain/*/history.csv",
        "pretrain/*/settings.json",
        "figures/tsne_simulated_lexicon*.csv",
        "tasks/simulated/lexicon/task.json",
    ),
    "study_cmgems": ("metrics.csv",),
    "study_had": ("metrics.csv",),
    "study_findna": ("metrics.csv",),
}
RECIPES = {  # twin and run of each study
    "study_had": ("had_scratch", "had"),
    "study_findna": ("findna_scratch", "findna"),
    "study_cmgems": ("logo_scratch", "logo_random"),
}
FEW_LABELS = [  # what the studies of all recipes have in common
    f"few_shot/{task}_{shots}"
    for task, few, many in (("prom_core", 10, 100), ("prom_300", 10, 100), ("silencer", 10, 50))
    for shots in (few, many)
]


class Gain(NamedTuple):
    """Mean scores of a student before and after a pretraining."""

    run: str
    before: float
    after: float


def _demo_scores(kept: Path) -> Scores:
    tasks = ["/".join(task) for task in DEMO.tasks()]
    return read_scores(kept / "demo/metrics.csv", list(DEMO.runs), tasks)


def _means(scores: Scores) -> dict[str, float]:
    return dict(zip(scores.runs, scores.means().mean(axis=0), strict=True))


def _yardsticks(scores: Scores) -> dict[str, float]:
    guess = np.mean([100 / len(json.loads(text)) for text in scores.frame["confusion"]])
    return {"guessing": float(guess), "counting k-mers": _means(scores)[BASELINE]}


def _draw_gains(gains: Sequence[Gain], lines: dict[str, float], tasks: str, output: Path) -> None:
    """Draw an arrow a student, and a line for each score that it is to be held against."""
    middle = {"fontsize": 10, "fontweight": "bold", "va": "center_baseline"}
    found = looks([gain.run for gain in gains])
    with figure_style():
        figure, axis = plt.subplots(figsize=(PAGE, 2.1), layout="constrained")
        for place, (run, before, after) in enumerate(gains):
            look = found[run]
            arrow = {"arrowstyle": "-|>", "color": look.colour, "lw": 2, "shrinkA": 4, "shrinkB": 4}
            axis.annotate("", (after, place), (before, place), arrowprops=arrow)
            axis.plot(before, place, "o", ms=8, **marker_fill(look, True))
            axis.plot(after, place, "o", ms=8, **marker_fill(look, False))
            side = 1 if after >= before else -1
            axis.annotate(
                f"{after - before:+.0f}".replace("-", MINUS),
                *((after, place), (side * 9, 0)),
                textcoords="offset points",
                ha="left" if side > 0 else "right",
                **middle,
                color=look.colour,
            )
        most = max(
            range(len(gains)), key=lambda place: abs(gains[place].after - gains[place].before)
        )
        for value, name, side in zip(
            gains[most][1:], ("not pretrained", "pretrained"), ("right", "left"), strict=True
        ):
            label = axis.text(value, most - 0.33, name, fontsize=9, ha=side, va="bottom")
            label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
        for name, value in lines.items():
            axis.axvline(value, color=GREY, linewidth=0.9, linestyle=(0, (3, 2)), zorder=0)
            axis.text(value, -1.05, name, fontsize=9, ha="center", va="bottom", color=GREY)
        axis.set(ylim=(len(gains) - 0.6, -1))
        axis.set_xlabel(f"accuracy, mean of {tasks}, %", fontsize=9)
        axis.set_yticks(range(len(gains)), [gain.run for gain in gains])
        axis.tick_params(labelsize=9, axis="both")
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
        save(figure, output)


def demo_gains(kept: Path, output: Path) -> None:
    """Draw the mean score of each student before and after pretraining, for the README."""
    scores = _demo_scores(kept)
    means = _means(scores)
    pairs = [pair for pair in DEMO.comparisons() if pair[1] in scores.controls]
    gains = [Gain(run, means[control], means[run]) for run, control in pairs]
    _draw_gains(gains, _yardsticks(scores), f"three tasks{SIMULATED}", output)


def study_gains(kept: Path, output: Path) -> None:
    """Draw the same of all recipes on real tasks with few labels."""
    gains = []
    for study, (control, run) in RECIPES.items():
        scores = read_scores(kept / study / "metrics.csv", [control, run], FEW_LABELS)
        means = _means(scores)
        gains.append(Gain(run, means[control], means[run]))
    tasks = "six tasks of the human genome with 10 to 100 labels a class"
    _draw_gains(gains, _yardsticks(scores), tasks, output)  # of any study: they share the tasks


def demo_overview(kept: Path, output: Path) -> None:
    """Draw all runs and tasks in the order of the configuration."""
    overview_figure(_demo_scores(kept), output)


def demo_losses(kept: Path, output: Path) -> None:
    """Draw the runs that learn."""
    learning = filter(DEMO.is_pretrained, DEMO.runs)
    histories = {run: kept / f"demo/pretrain/{run}/history.csv" for run in learning}
    losses_figure(histories, output)


def demo_tsne(kept: Path, output: Path) -> None:
    """Draw frozen features of all runs on one task."""
    source = kept / "demo/figures/tsne_simulated_lexicon"
    draw_tsne(source, kept / "demo/tasks/simulated/lexicon", output)


def study_few_shot(kept: Path, output: Path) -> None:
    """Draw few-shot scores against training sequences: random masks, their twin, and counting."""
    runs = ["logo_scratch", "logo_random", BASELINE]
    few_shot_figure(read_scores(kept / "study_cmgems/metrics.csv", runs), output)


FIGURES: dict[Callable[[Path, Path], None], tuple[str, ...]] = {
    study_gains: tuple(RECIPES),
    demo_gains: ("demo",),
    demo_overview: ("demo",),
    demo_losses: ("demo",),
    demo_tsne: ("demo",),
    study_few_shot: ("study_cmgems",),
}


def keep(results: Path, kept: Path = KEPT) -> None:
    """Copy what the figures of a study are drawn from, in place of what was kept of it."""
    target = kept / results.name
    shutil.rmtree(target, ignore_errors=True)
    for pattern in STUDIES[results.name]:
        files = sorted(results.glob(pattern))
        if not files:
            sys.exit(f"{results}: no {pattern}; run the study first")
        for file in files:
            place = target / file.relative_to(results)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)


def draw(kept: Path = KEPT, output: Path = HERE) -> list[Path]:
    """Draw every figure of which all numbers are kept, as PNG; return the pictures."""
    drawn = []
    with tempfile.TemporaryDirectory() as folder:
        for figure, studies in FIGURES.items():
            if all((kept / study).is_dir() for study in studies):
                figure(kept, Path(folder, figure.__name__))
                picture = f"{figure.__name__}.png"
                drawn.append(Path(shutil.copyfile(Path(folder, picture), output / picture)))
    return drawn


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        keep(Path(argument))
    for path in draw():
        print(path)
