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
from collections.abc import Callable
from pathlib import Path

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
}


def _demo_scores(kept: Path) -> Scores:
    tasks = ["/".join(task) for task in DEMO.tasks()]
    return read_scores(kept / "metrics.csv", list(DEMO.runs), tasks)


def demo_gains(kept: Path, output: Path) -> None:
    """Draw the mean score of each student before and after pretraining, for the README."""
    scores = _demo_scores(kept)
    means = dict(zip(scores.runs, scores.means().mean(axis=0), strict=True))
    guess = np.mean([100 / len(json.loads(text)) for text in scores.frame["confusion"]])
    middle = {"fontsize": 10, "fontweight": "bold", "va": "center_baseline"}
    pairs = [pair for pair in DEMO.comparisons() if pair[1] in scores.controls]
    with figure_style():
        figure, axis = plt.subplots(figsize=(PAGE, 2.1), layout="constrained")
        for place, (run, control) in enumerate(pairs):
            look, before, after = looks(scores.runs)[run], means[control], means[run]
            arrow = {"arrowstyle": "-|>", "color": look.colour, "lw": 2, "shrinkA": 4, "shrinkB": 4}
            axis.annotate("", (after, place), (before, place), arrowprops=arrow)
            axis.plot(before, place, "o", ms=8, **marker_fill(look, True))
            axis.plot(after, place, "o", ms=8, **marker_fill(look, False))
            axis.text(after + 1, place, f"{after - before:+.0f}", color=look.colour, **middle)
        for run, name, side in zip(
            pairs[0], ("pretrained", "not pretrained"), ("left", "right"), strict=True
        ):
            label = axis.text(means[run], -0.33, name, fontsize=9, ha=side, va="bottom")
            label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
        for value, name in ((guess, "guessing"), (means[BASELINE], "counting k-mers")):
            axis.axvline(value, color=GREY, linewidth=0.9, linestyle=(0, (3, 2)), zorder=0)
            axis.text(value, -1.05, name, fontsize=9, ha="center", va="bottom", color=GREY)
        axis.set(ylim=(len(pairs) - 0.6, -1))
        axis.set_xlabel(f"accuracy, mean of the tasks, %{SIMULATED}", fontsize=9)
        axis.set_yticks(range(len(pairs)), [run for run, _ in pairs])
        axis.tick_params(labelsize=9, axis="both")
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
        save(figure, output)


def demo_overview(kept: Path, output: Path) -> None:
    """Draw all runs and tasks in the order of the configuration."""
    overview_figure(_demo_scores(kept), output)


def demo_losses(kept: Path, output: Path) -> None:
    """Draw the runs that learn."""
    learning = filter(DEMO.is_pretrained, DEMO.runs)
    losses_figure({run: kept / f"pretrain/{run}/history.csv" for run in learning}, output)


def demo_tsne(kept: Path, output: Path) -> None:
    """Draw frozen features of all runs on one task."""
    source = kept / "figures/tsne_simulated_lexicon"
    draw_tsne(source, kept / "tasks/simulated/lexicon", output)


def study_few_shot(kept: Path, output: Path) -> None:
    """Draw few-shot scores against training sequences: random masks, their twin, and counting."""
    runs = ["logo_scratch", "logo_random", BASELINE]
    few_shot_figure(read_scores(kept / "metrics.csv", runs), output)


FIGURES: dict[Callable[[Path, Path], None], str] = {
    demo_gains: "demo",
    demo_overview: "demo",
    demo_losses: "demo",
    demo_tsne: "demo",
    study_few_shot: "study_cmgems",
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
    """Draw every figure of a study of which numbers are kept, as PNG; return the pictures."""
    drawn = []
    with tempfile.TemporaryDirectory() as folder:
        for figure, study in FIGURES.items():
            if (kept / study).is_dir():
                figure(kept / study, Path(folder, figure.__name__))
                picture = f"{figure.__name__}.png"
                drawn.append(Path(shutil.copyfile(Path(folder, picture), output / picture)))
    return drawn


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        keep(Path(argument))
    for path in draw():
        print(path)
