"""Draw the pictures of this folder, each from numbers that are kept beside them.

    python docs/figures/draw.py                                   # from what is kept
    python docs/figures/draw.py results/demo results/study_had    # keep what these gave, then draw

`tests/figures/test_committed.py` draws them again and compares, so whoever changes how a figure is
drawn draws these again. `workflow.svg` is drawn by hand.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from dnastudents.config import load_config
from dnastudents.figures.losses import losses_figure
from dnastudents.figures.results import overview_figure
from dnastudents.figures.tsne import draw_tsne

HERE = Path(__file__).resolve().parent
KEPT = HERE / "drawn_from"  # a folder each, laid out as below results/
STUDIES = {
    "demo": (
        "metrics.csv",
        "pretrain/*/history.csv",
        "pretrain/*/settings.json",
        "figures/tsne_simulated_lexicon*.csv",
        "tasks/simulated/lexicon/task.json",
    ),
    "study_had": ("metrics.csv",),
}


def demo_overview(kept: Path, output: Path) -> None:
    """Draw all runs and tasks in the order of the configuration."""
    demo = load_config(HERE.parents[1], {"extends": "demo/demo.yaml"})
    overview_figure(
        kept / "metrics.csv", output, list(demo.runs), list(map("/".join, demo.tasks()))
    )


def demo_losses(kept: Path, output: Path) -> None:
    """Draw the runs that learn."""
    demo = load_config(HERE.parents[1], {"extends": "demo/demo.yaml"})
    learning = [name for run in demo.runs if demo.is_pretrained(run) for name in demo.replicas(run)]
    losses_figure({run: kept / f"pretrain/{run}/history.csv" for run in learning}, output)


def demo_tsne(kept: Path, output: Path) -> None:
    """Draw frozen features of all runs on one task."""
    source = kept / "figures/tsne_simulated_lexicon"
    draw_tsne(source, kept / "tasks/simulated/lexicon", output)


def study_had_overview(kept: Path, output: Path) -> None:
    """Draw the three runs and tasks that docs/study.md speaks of."""
    runs = ["had_scratch", "had_reconstruction_only", "had", "kmer_logistic"]
    tasks = ["gue/prom_core_tata", "gue/mouse_2", "few_shot/prom_core_100"]
    overview_figure(kept / "metrics.csv", output, runs, tasks)


FIGURES: dict[Callable[[Path, Path], None], str] = {
    demo_overview: "demo",
    demo_losses: "demo",
    demo_tsne: "demo",
    study_had_overview: "study_had",
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
