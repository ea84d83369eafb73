"""The pictures in docs/figures are those that the code draws from the numbers kept beside them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from dnastudents.config import load_config
from dnastudents.figures import style
from dnastudents.results.jobs import BASELINE
from metrics_rows import metrics_row
from small_students import BERT, CHORDMIXER

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs/figures"
SPEC = importlib.util.spec_from_file_location("draw", FOLDER / "draw.py")
assert SPEC and SPEC.loader
draw = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(draw)
STUDIES_OF = {figure.__name__: studies for figure, studies in draw.FIGURES.items()}


def differing(first: Path, second: Path) -> float:
    """The share of pixels that differ visibly; 1 where the sizes do."""
    one, two = matplotlib.image.imread(first), matplotlib.image.imread(second)
    if one.shape != two.shape:
        return 1.0
    return float((np.abs(one - two).max(axis=-1) > 0.04).mean())


def test_every_picture_has_what_draws_it() -> None:
    pictures = {path.stem for path in FOLDER.glob("*.png")}
    assert pictures == STUDIES_OF.keys()
    assert {path.name for path in FOLDER.glob("*.svg")} == {"workflow.svg"}  # drawn by hand
    assert {path.name for path in (FOLDER / "drawn_from").glob("*")} <= draw.STUDIES.keys()


@pytest.mark.parametrize("name", STUDIES_OF)
def test_pictures_are_those_of_the_code(name: str, tmp_path: Path) -> None:
    (figure,) = (each for each in draw.FIGURES if each.__name__ == name)
    figure(draw.KEPT, tmp_path / name)
    changed = differing(tmp_path / f"{name}.png", FOLDER / f"{name}.png")
    assert changed < 1e-4, f"{name}.png is not what the code draws: run docs/figures/draw.py"


def made_up_demo(folder: Path) -> Path:
    """What the pictures of the demo are drawn from."""
    demo = load_config(ROOT, {"extends": "demo/demo.yaml"})
    random = np.random.default_rng(0)
    runs = [run for run in demo.runs if demo.is_pretrained(run)]
    rows = [
        metrics_row(run=run, suite=suite, task=task, seed=seed, value=random.uniform(0.5, 0.9),
                    pretrained=run in runs, versions="{}", confusion="[[1, 0], [0, 1]]")
        for run in [*demo.runs, BASELINE] for suite, task in demo.tasks() for seed in range(3)
    ]  # fmt: skip
    for run in runs:
        (folder / "pretrain" / run).mkdir(parents=True)
        steps = pd.DataFrame({"step": range(1, 9), "split": ["train", "validation"] * 4})
        losses = random.uniform(1, 2, (8, 2))
        steps.assign(loss=losses[:, 0], perplexity=losses[:, 1]).to_csv(
            folder / f"pretrain/{run}/history.csv", index=False
        )
        student = BERT if run.startswith("logo") else CHORDMIXER
        (folder / f"pretrain/{run}/settings.json").write_text(json.dumps({"student": student}))
    pd.DataFrame(rows).to_csv(folder / "metrics.csv", index=False)
    numbers = {"n": 20, "equal": False, "silhouette": 0.1, "probe_accuracy": 0.5, "probe_sd": 0.1}
    base = folder / "figures/tsne_simulated_lexicon"
    base.parent.mkdir()
    frame = pd.DataFrame([{"run": run} | numbers for run in runs])
    frame.assign(majority=0.3, pooling="mean").to_csv(f"{base}.csv", index=False)
    points = pd.concat(
        pd.DataFrame(random.normal(size=(20, 2)), columns=["x", "y"]).assign(
            run=run, index=range(20), label=np.arange(20) % 4
        )
        for run in runs
    )
    points.to_csv(f"{base}_points.csv", index=False)
    task = folder / "tasks/simulated/lexicon/task.json"
    task.parent.mkdir(parents=True)
    names = {"suite": "simulated", "task": "lexicon", "classes": [*"abcd"], "simulated": True}
    task.write_text(json.dumps(names))
    return folder


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    draw.keep(made_up_demo(tmp_path_factory.mktemp("results") / "demo"), folder)
    return folder


def test_a_change_of_the_drawing_is_noticed(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "changed"):
        (tmp_path / name).mkdir()
        if name == "changed":
            monkeypatch.setitem(style.RECIPES, "had", "#A02000")
            monkeypatch.setattr(style, "COLOURS", ("#A02000", *style.COLOURS[1:]))
        draw.draw(kept, tmp_path / name)
    for name in (name for name, studies in STUDIES_OF.items() if studies == ("demo",)):
        assert differing(tmp_path / f"first/{name}.png", tmp_path / f"changed/{name}.png") > 1e-4


def test_what_a_study_lacks_is_named(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    with pytest.raises(SystemExit, match=r"demo: no metrics\.csv; run the study first"):
        draw.keep(tmp_path / "demo", kept.parent / "other")
