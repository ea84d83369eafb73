"""The grid: chosen on dev only, resumed cell by cell, one cell for all seeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dnastudents.benchmarks.task import write_task
from dnastudents.errors import InputError
from dnastudents.files import ANYTHING, read_json, sha256, write_json
from dnastudents.finetune.fit import Fit
from dnastudents.finetune.grid import chosen_cell
from dnastudents.finetune.on_task import WEIGHTS, Checkpoint, StudentOnTask
from dnastudents.finetune.options import Finetuning, Grid
from dnastudents.finetune.sweep import finetune
from dnastudents.results.rows import collect
from dnastudents.settings import parse

GRID = {"learning_rate": [1e-9, 1e-2], "batch_size": [8, 16]}
MEASURED = ["wall_seconds", "peak_memory_mb"]  # differ from run to run


def run(
    folder: Path, pretrained: list[Path], task: Path, seeds: Any = (0, 1), **changes: Any
) -> Path:
    """Fine-tune into `folder`/out, with the state beside it."""
    finetune(
        "mine",
        pretrained=pretrained,
        task=task,
        settings={"epochs": 3, "grid": GRID} | changes,
        seeds=seeds,
        state=folder / "state",
        output=folder / "out",
    )
    return folder / "out"


def rows(output: Path) -> list[dict[str, Any]]:
    """All rows without what is measured."""
    found = [read_json(file) for file in sorted(output.glob("seed_*.json"))]
    return [{k: v for k, v in row.items() if k not in MEASURED} for row in found]


@pytest.fixture(scope="module")
def turned_task(task: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The task with the classes of test exchanged: who learns most is worst on test."""
    splits = {name: pd.read_parquet(task / f"{name}.parquet") for name in ("train", "dev", "test")}
    splits["test"] = splits["test"].assign(label=1 - splits["test"]["label"])
    folder = tmp_path_factory.mktemp("turned") / "gc"
    write_task(folder, "made", "gc", splits, ["at", "gc"], "mcc", simulated=True)
    return folder


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, int, int]]:
    """Learning rate, batch size and seed of every training that begins."""
    calls: list[tuple[float, int, int]] = []
    train = Fit.train

    def note(self: Fit, *rest: Any) -> Any:
        calls.append((self.options.learning_rate, self.options.batch_size, self.seed))
        return train(self, *rest)

    monkeypatch.setattr(Fit, "train", note)
    return calls


def test_dev_chooses_though_another_cell_is_better_on_test(
    students: dict[str, Path],
    turned_task: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tested = []
    predict = Fit.predict

    def note(self: Fit, split: Any) -> np.ndarray:
        if len(split) == 40:
            tested.append((self.options.learning_rate, self.seed))
        return predict(self, split)

    with monkeypatch.context() as patch:
        patch.setattr(Fit, "predict", note)
        output = run(tmp_path, [students["hybrid"]], turned_task)
    assert tested == [(1e-2, 0), (1e-2, 1)]  # test is seen by the chosen cell alone
    grid = pd.read_csv(output / "grid.csv")
    assert list(grid) == [
        "learning_rate",
        "batch_size",
        "pooling",
        "epochs",
        "seed",
        "metric",
        "dev",
        "dev_loss",
        "best_epoch",
        "wall_seconds",
        "chosen",
    ]
    assert len(grid) == 2 * 2 * 2
    means = grid.groupby(["learning_rate", "batch_size"])[["dev", "dev_loss"]].mean()
    best = means.sort_values(["dev", "dev_loss"], ascending=[False, True]).index[0]
    chosen = grid[grid["chosen"]].set_index("seed")
    found = rows(output)
    for row in found:
        assert (row["learning_rate"], row["batch_size"], row["grid_cells"]) == (*best, 4)
        assert (row["grid"], row["pooling"], row["epochs"]) == (
            "learning_rate, batch_size",
            "mean",
            3,
        )
        assert row["best_dev"] == chosen["dev"][row["seed"]] > 0.3
    assert list(zip(chosen["learning_rate"], chosen["batch_size"], strict=True)) == [best] * 2
    plain = {"grid": None, "learning_rate": 1e-9, "batch_size": found[0]["batch_size"]}
    other = run(tmp_path / "other", [students["hybrid"]], turned_task, **plain)
    assert np.mean([row["value"] for row in rows(other)]) > np.mean([r["value"] for r in found])
    assert len(collect([output], tmp_path / "metrics.csv")) == 2


@pytest.mark.parametrize(
    ("start", "frozen", "grid"),
    [
        ("scratch", False, GRID),
        ("pretrained", True, GRID),
        ("pretrained", False, {"pooling": ["mean", "parts"], "epochs": [1, 2]}),
        ("scratch", True, {"pooling": ["mean", "parts"], "epochs": [1, 2]}),
        ("pretrained", True, {"learning_rate": [1e-9], "pooling": ["parts", "mean"]}),
    ],
)
def test_the_chosen_cell_is_what_its_settings_alone_give(
    start: str,
    frozen: bool,
    grid: dict[str, Any],
    students: dict[str, Path],
    replicas: list[Path],
    task: Path,
    tmp_path: Path,
) -> None:
    """The plain twin: no grid, the chosen settings."""
    changes = {"frozen": frozen, "learning_rate": 1e-2, "batch_size": 8, "epochs": 2}
    pretrained = [students["hybrid"] if start == "scratch" else replicas[0]]
    output = run(tmp_path / "grid", pretrained, task, **changes, grid=grid)
    cells = pd.read_csv(output / "grid.csv")
    for name in ("learning_rate", "batch_size", "pooling", "epochs"):
        assert list(cells[name].unique()) == grid.get(name, [changes.get(name, "mean")])
    chosen = cells[cells["chosen"]].iloc[0]
    settings = {name: chosen[name].item() if name != "pooling" else chosen[name] for name in grid}
    plain = run(tmp_path / "plain", pretrained, task, **{**changes, **settings, "grid": None})
    frames = [pd.read_parquet(folder / "predictions.parquet") for folder in (output, plain)]
    pd.testing.assert_frame_equal(*frames, check_exact=True)
    assert (output / "history.csv").read_text() == (plain / "history.csv").read_text()
    assert not (plain / "grid.csv").exists()
    for ours, theirs in zip(rows(output), rows(plain), strict=True):
        differ = {"config_digest", "grid_cells", "grid"}
        assert {k for k in ours if ours[k] != theirs[k]} == differ
        assert ours["grid"] == ", ".join(name for name in grid if len(grid[name]) > 1)


@pytest.mark.parametrize(("step", "call"), [("train_seed", 6), ("test_seed", 2)])
def test_killed_and_resumed(
    step: str,
    call: int,
    students: dict[str, Path],
    task: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trained: list[tuple[float, int, int]],
) -> None:
    whole = run(tmp_path / "whole", [students["hybrid"]], task, epochs=1)
    assert len(trained) == len(set(trained)) == 8
    trained.clear()
    original, calls = getattr(StudentOnTask, step), []

    def die(self: StudentOnTask, *arguments: Any) -> None:
        calls.append(arguments)
        original(self, *arguments)  # all is done but the move into place
        if len(calls) == call:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StudentOnTask, step, die)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, [students["hybrid"]], task, epochs=1)
    assert not (tmp_path / "out").exists()
    output = run(tmp_path, [students["hybrid"]], task, epochs=1)
    repeated = [cell for cell in set(trained) if trained.count(cell) > 1]
    assert len(set(trained)) == 8
    assert len(trained) == 8 + len(repeated) == 8 + (step == "train_seed")
    assert rows(output) == rows(whole)
    for name in ("predictions.parquet", "history.csv"):
        assert (output / name).read_bytes() == (whole / name).read_bytes()
    grids = [pd.read_csv(folder / "grid.csv") for folder in (output, whole)]
    pd.testing.assert_frame_equal(*(grid.drop(columns="wall_seconds") for grid in grids))


def test_weights_go_and_come_back_where_the_choice_changes(
    students: dict[str, Path], task: Path, tmp_path: Path, trained: list[tuple[float, int, int]]
) -> None:
    output = run(tmp_path, [students["hybrid"]], task, epochs=1)
    state = tmp_path / "state"
    found = {folder.parent.name for folder in state.glob("lr_*/trained.json")}
    pairs = [f"lr_{rate}_batch_{size}" for rate in (1e-9, 1e-2) for size in (8, 16)]
    assert found == {f"{pair}_seed_{seed}" for pair in pairs for seed in (0, 1)}
    assert not list(state.glob(f"lr_*/{WEIGHTS}"))
    before = rows(output)
    trained.clear()
    run(tmp_path, [students["hybrid"]], task, seeds=(0, 1, 2), epochs=1)
    assert sorted(trained) == [(rate, size, 2) for rate in (1e-9, 1e-2) for size in (8, 16)]
    assert rows(output)[:2] == before
    trained.clear()
    for file in state.glob("lr_1e-09_batch_8_*/trained.json"):  # as if it had been the best on dev
        write_json(file, json.loads(file.read_text()) | {"value": 2.0}, ANYTHING)
        record = json.loads((file.parent / "identity.json").read_text())
        record["files"][file.name] = sha256(file)
        write_json(file.parent / "identity.json", record, ANYTHING)
    run(tmp_path, [students["hybrid"]], task, seeds=(0, 1, 2), epochs=1)
    assert trained == [(1e-9, 8, seed) for seed in (0, 1, 2)]
    assert {(row["learning_rate"], row["batch_size"]) for row in rows(output)} == {(1e-9, 8)}


def test_a_larger_grid_keeps_its_old_cells(
    students: dict[str, Path], task: Path, tmp_path: Path, trained: list[tuple[float, int, int]]
) -> None:
    run(tmp_path, [students["hybrid"]], task, seeds=(0,), epochs=1)
    trained.clear()
    larger = {"learning_rate": [1e-9, 1e-8, 1e-2], "batch_size": [8, 16]}
    run(tmp_path, [students["hybrid"]], task, seeds=(0,), grid=larger, epochs=1)
    assert {cell[0] for cell in trained[:2]} == {1e-8}
    assert len(trained) == 3  # and the chosen cell once more, for its weights
    trained.clear()
    other = GRID | {"pooling": ["mean", "parts"], "epochs": [1, 2]}
    output = run(tmp_path, [students["hybrid"]], task, seeds=(0,), grid=other, epochs=1)
    old = rows(output)[0]["pooling"] == "mean" and rows(output)[0]["epochs"] == 1
    assert len(trained) == 4 * 4 - 4 + old
    assert (tmp_path / "state/lr_0.01_batch_8_pooling_parts_epochs_2_seed_0").is_dir()


def test_one_cell_for_the_seeds_of_all_pretrainings(
    replicas: list[Path],
    task: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = []
    load = Checkpoint.load
    monkeypatch.setattr(Checkpoint, "load", lambda f: loaded.append(f.name) or load(f))
    output = run(tmp_path, replicas[:2], task, seeds=(0, 1, 2), epochs=1)
    assert loaded == ["5", "6", "5", "6"]  # to train, then to test
    found = rows(output)
    assert [row["pretraining_seed"] for row in found] == [5, 6, 5]
    assert len({(row["learning_rate"], row["batch_size"]) for row in found}) == 1
    grid = pd.read_csv(output / "grid.csv")
    assert grid.groupby("chosen")["seed"].apply(set).to_dict()[True] == {0, 1, 2}


def test_a_cell_that_diverges_is_not_chosen(
    students: dict[str, Path], task: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = {"learning_rate": [1e30, 1e-3], "batch_size": [8]}
    output = run(tmp_path / "a", [students["bert"]], task, grid=bad, gradient_clip=1e30, epochs=2)
    assert {row["learning_rate"] for row in rows(output)} == {1e-3}
    grid = pd.read_csv(output / "grid.csv").set_index("learning_rate")
    assert grid["dev"].isna().to_dict() == {1e30: True, 1e-3: False}
    assert "lower finetuning.learning_rate; not chosen" in caplog.text
    bad = {"learning_rate": [1e30], "batch_size": [8, 16]}
    with pytest.raises(InputError, match=r"finetuning\.grid: in no cell is the loss finite"):
        run(tmp_path / "b", [students["bert"]], task, grid=bad, gradient_clip=1e30, epochs=2)


def cell(*pairs: tuple[float | None, float | None]) -> list[dict[str, float | None]]:
    return [{"value": value, "loss": loss} for value, loss in pairs]


@pytest.mark.parametrize(
    ("cells", "best"),
    [
        ([cell((0.9, 1), (0.1, 1)), cell((0.6, 9), (0.5, 9))], 1),  # the mean, not the best seed
        ([cell((0.5, 3)), cell((0.5, 2)), cell((0.4, 1))], 1),  # of equals the lower loss
        ([cell((0.5, 2)), cell((0.5, 2))], 0),  # then the first
        ([cell((0.1, 1), (0.2, 2), (0.3, 4)), cell((0.3, 4), (0.2, 2), (0.1, 1))], 0),
        ([cell((0.9, 1), (None, None)), cell((0.1, 3), (0.1, 3))], 1),  # diverged with one seed
    ],
)
def test_how_a_cell_is_chosen(cells: Any, best: int) -> None:
    assert chosen_cell(cells) == best


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"selection": "last"}, r"finetuning\.grid: a cell is chosen on dev, and with `selection"),
        ({"grid": {}}, r"finetuning\.grid: leaves dev nothing to choose; give several values of"),
        ({"grid": {"learning_rate": [1e-3], "batch_size": [8]}}, r"grid: leaves dev nothing to"),
        ({"grid": {"pooling": None}}, r"grid: leaves dev nothing to choose"),
        ({"grid": {"pooling": ["mean", "max"]}}, r"grid\.pooling\.1: unknown value 'max'; known: "),
        ({"grid": {"epochs": [5, 0]}}, r"grid\.epochs\.1: must be at least 1, not 0"),
        ({"grid": GRID | {"batch": [1]}}, r"unknown key 'batch'; did you mean 'batch_size'"),
        ({"grid": GRID | {"batch_size": []}}, r"grid\.batch_size: must be a list of at least 1"),
        ({"grid": GRID | {"batch_size": [8, 8]}}, r"grid\.batch_size: holds the same twice"),
        ({"grid": GRID | {"batch_size": [8.5]}}, r"grid\.batch_size\.0: must be an integer, not"),
        ({"grid": GRID | {"learning_rate": [0]}}, r"grid\.learning_rate\.0: must be above 0"),
        ({"grid": GRID | {"learning_rate": 1e-3}}, r"grid\.learning_rate: must be a list"),
    ],
)
def test_bad_grids(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(Finetuning, {"grid": GRID, **settings}, "finetuning")


def test_settings_hold_what_a_grid_was_given_alone() -> None:
    """Else the identities of what is kept would change with the settings that grids may vary."""
    assert Finetuning(grid=parse(Grid, GRID)).as_json()["grid"] == GRID
    assert parse(Finetuning, {"grid": GRID | {"pooling": None}}).as_json()["grid"] == GRID
