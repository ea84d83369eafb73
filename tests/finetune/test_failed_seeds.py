"""A seed that cannot be trained: the others stay, it is tried again, and nobody can overlook it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from dnastudents.errors import InputError
from dnastudents.finetune.fit import Diverged, Fit
from dnastudents.finetune.sweep import finetune
from dnastudents.results.rows import collect
from dnastudents.tables.results import write_table

OUT_OF_MEMORY = {
    "CUDA out of memory. Tried to allocate 2.00 GiB": torch.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total of 1 GiB."
    ),
    "err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes": (
        RuntimeError(
            "err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes. "
            "Error code 12 (Cannot allocate memory)"
        )
    ),
}
GRID = {"learning_rate": [1e-3, 1e-2], "batch_size": [8]}
Fail = Callable[..., list[int]]


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Let the training of a seed fail so many times; returns the seeds that begin, in order."""
    train = Fit.train

    def install(seed: int, error: Exception, times: int = 99) -> list[int]:
        began: list[int] = []

        def failing(self: Fit, *rest: Any) -> Any:
            began.append(self.seed)
            if self.seed == seed and began.count(seed) <= times:
                raise error
            return train(self, *rest)

        monkeypatch.setattr(Fit, "train", failing)
        return began

    return install


def run(folder: Path, student: Path, task: Path, workers: int = 1, **changes: Any) -> Path:
    """Fine-tune with seeds 0, 1 and 2."""
    finetune(
        "mine",
        pretrained=[student],
        task=task,
        settings={"epochs": 1, "batch_size": 16, "learning_rate": 1e-2, **changes},
        seeds=(0, 1, 2),
        state=folder / "state",
        output=folder / "out",
        workers=workers,
    )
    return folder / "out"


def names(output: Path) -> list[str]:
    return sorted(file.name for file in output.glob("*seed_*.json"))


@pytest.mark.parametrize("frozen", [False, True])
def test_the_other_seeds_are_the_result(
    frozen: bool, students: dict[str, Path], task: Path, tmp_path: Path, fail: Fail
) -> None:
    whole = run(tmp_path / "whole", students["hybrid"], task, frozen=frozen)
    began = fail(1, Diverged("finetuning: the loss is nan in epoch 1"))
    output = run(tmp_path / "part", students["hybrid"], task, frozen=frozen)
    assert began == [0, 1, 2]  # a loss is not drawn twice
    assert names(output) == ["failed_seed_1.json", "seed_0.json", "seed_2.json"]
    record = json.loads((output / "failed_seed_1.json").read_text())
    assert record.pop("wall_seconds") >= 0
    assert record == {
        "run": "mine",
        "suite": "made",
        "task": "gc",
        "seed": 1,
        "kind": "diverged",
        "reason": "finetuning: the loss is nan in epoch 1",
        "device": "cpu",
    }
    for table in ("history.csv", "predictions.parquet"):
        read = pd.read_csv if table.endswith("csv") else pd.read_parquet
        expected = read(whole / table)
        expected = expected[expected["seed"] != 1].reset_index(drop=True)
        pd.testing.assert_frame_equal(read(output / table), expected, check_exact=True)


def test_it_is_tried_again_and_nothing_else_is(
    students: dict[str, Path], task: Path, tmp_path: Path, fail: Fail
) -> None:
    whole = run(tmp_path / "whole", students["hybrid"], task)
    began = fail(1, Diverged("the loss is nan"), times=1)
    run(tmp_path / "part", students["hybrid"], task)
    output = run(tmp_path / "part", students["hybrid"], task)
    assert began == [0, 1, 2, 1]
    assert names(output) == names(whole)
    frames = [pd.read_parquet(path / "predictions.parquet") for path in (whole, output)]
    pd.testing.assert_frame_equal(*frames, check_exact=True)


@pytest.mark.parametrize("message", OUT_OF_MEMORY, ids=["gpu", "cpu"])
def test_a_device_without_memory_is_asked_once_more(
    message: str, students: dict[str, Path], task: Path, tmp_path: Path, fail: Fail
) -> None:
    began = fail(0, OUT_OF_MEMORY[message], times=1)
    output = run(tmp_path / "once", students["hybrid"], task)
    assert began == [0, 1, 2, 0]
    assert names(output) == ["seed_0.json", "seed_1.json", "seed_2.json"]
    began = fail(0, OUT_OF_MEMORY[message])
    output = run(tmp_path / "twice", students["hybrid"], task)
    assert began == [0, 1, 2, 0]
    record = json.loads((output / "failed_seed_0.json").read_text())
    assert record["kind"] == "out_of_memory"
    assert record["reason"] == f"{message}, for one sequence at a time"


def test_other_errors_fail_the_job_and_keep_what_is_done(
    students: dict[str, Path], task: Path, tmp_path: Path, fail: Fail
) -> None:
    fail(1, OSError(28, "No space left on device"))
    with pytest.raises(OSError, match="No space left"):
        run(tmp_path, students["hybrid"], task)
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "state/seed_0/row.json").is_file()


def test_no_seed_at_all_is_an_error_with_all_reasons(
    students: dict[str, Path], task: Path, tmp_path: Path
) -> None:
    settings = {"learning_rate": 1e30, "gradient_clip": 1e30}
    with pytest.raises(InputError, match=r"mine made/gc: no seed could.*seed 0: .*seed 2: ") as e:
        run(tmp_path, students["bert"], task, **settings)
    assert str(e.value).count("lower finetuning.learning_rate") == 3
    assert not (tmp_path / "out").exists()


def test_of_a_grid_the_others_choose_the_cell(
    students: dict[str, Path], task: Path, tmp_path: Path, fail: Fail
) -> None:
    began = fail(1, Diverged("the loss is nan"), times=2)
    output = run(tmp_path, students["hybrid"], task, grid=GRID)
    assert names(output) == ["failed_seed_1.json", "seed_0.json", "seed_2.json"]
    assert "in no cell" in json.loads((output / "failed_seed_1.json").read_text())["reason"]
    assert sorted(pd.read_csv(output / "grid.csv")["seed"].unique()) == [0, 2]
    began.clear()
    fail(7, Diverged(""))
    found = names(run(tmp_path, students["hybrid"], task, grid=GRID))
    assert found == ["seed_0.json", "seed_1.json", "seed_2.json"]


def test_the_table_says_so(
    students: dict[str, Path], task: Path, tmp_path: Path, fail: Fail
) -> None:
    fail(1, Diverged("the loss is nan in epoch 1"))
    output = run(tmp_path, students["hybrid"], task)
    frame = collect([output], tmp_path / "metrics.csv")
    assert frame["seed"].tolist() == [0, 2]
    write_table(tmp_path / "metrics.csv", "made", None, tmp_path / "table")
    text = (tmp_path / "table.md").read_text()
    assert "† n = 2/3 |" in text.replace("**", "")
    assert "- † mine on gc, seed 1: the loss is nan in epoch 1" in text
    assert r"$\dagger$ n = 2/3" in (tmp_path / "table.tex").read_text()
    assert (
        pd.read_csv(tmp_path / "table.csv").set_index("method")["gc failed seeds"][
            "mine (simulated)"
        ]
        == 1
    )


def test_an_infinite_gradient_of_a_finite_loss_is_a_failure_too(
    students: dict[str, Path], task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the last step of all, no loss would show that the weights are lost."""
    gradients, calls = Fit._gradients, []

    def spoiled(self: Fit, *arguments: Any) -> torch.Tensor:
        loss = gradients(self, *arguments)
        calls.append(loss)
        if len(calls) == 5:  # the last batch of the first seed
            self.parameters[0].grad.view(-1)[0] = torch.inf  # type: ignore[union-attr]
        return loss

    monkeypatch.setattr(Fit, "_gradients", spoiled)
    output = run(tmp_path, students["bert"], task)
    record = json.loads((output / "failed_seed_0.json").read_text())
    assert record["kind"] == "diverged" and "its gradient is nan in epoch 1" in record["reason"]
