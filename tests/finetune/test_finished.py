"""Finished seeds belong to what made them: nothing else is taken, however old or new its files."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from dnastudents.benchmarks.task import write_task
from dnastudents.finetune import finished
from dnastudents.finetune.job import Job
from dnastudents.finetune.sweep import finetune

Change = Callable[[Path, Path], None]


def other_test_labels(task: Path, _: Path) -> None:
    """Counts, lengths and classes stay, and so do the times of the files."""
    times = [file.stat() for file in sorted(task.iterdir())]
    splits = {name: pd.read_parquet(task / f"{name}.parquet") for name in ("train", "dev", "test")}
    splits["test"]["label"] = 1 - splits["test"]["label"]
    write_task(task, "made", "gc", splits, ["at", "gc"], "mcc", simulated=True)
    for file, time in zip(sorted(task.iterdir()), times, strict=True):
        os.utime(file, ns=(time.st_atime_ns, time.st_mtime_ns))


def edited_split(task: Path, _: Path) -> None:
    """By hand, beside a task.json that knows nothing of it."""
    test = pd.read_parquet(task / "test.parquet")
    test.assign(label=1 - test["label"]).to_parquet(task / "test.parquet", index=False)


def other_weights(_: Path, start: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    file = start / "model/model.safetensors"
    weights = {name: torch.zeros_like(value) for name, value in load_file(file).items()}
    save_file(weights, file, {"format": "pt"})
    file.with_name("provenance.json").unlink()  # whose SHA-256 is of those before


def other_heads(_: Path, start: Path) -> None:
    """Equal weights, another network."""
    file = start / "model/config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"num_attention_heads": 1}))


def made_up_genome(_: Path, start: Path) -> None:
    """Rows tell of it, though no number does."""
    file = start / "settings.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"simulated": True}))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds that are trained, in order."""
    done: list[int] = []
    run_seed = Job.run_seed

    def note(self: Job, seed: int, folder: Path) -> None:
        done.append(seed)
        run_seed(self, seed, folder)

    monkeypatch.setattr(Job, "run_seed", note)
    return done


@pytest.fixture
def tune(students: dict[str, Path], task: Path, tmp_path: Path) -> Callable[[], dict[str, object]]:
    """Fine-tune copies of a student and a task that a test may change; returns the row."""
    shutil.copytree(students["bert"], tmp_path / "start")
    shutil.copytree(task, tmp_path / "task")

    def run() -> dict[str, object]:
        finetune(
            "mine",
            pretrained=[tmp_path / "start"],
            task=tmp_path / "task",
            settings={"epochs": 1, "batch_size": 16},
            seeds=[0],
            state=tmp_path / "state",
            output=tmp_path / "out",
        )
        row: dict[str, object] = json.loads((tmp_path / "out/seed_0.json").read_text())
        return row

    return run


@pytest.mark.parametrize(
    "change", [other_test_labels, edited_split, other_weights, other_heads, made_up_genome]
)
def test_a_seed_of_other_content_is_trained_again(
    change: Change, tune: Callable[[], dict[str, object]], trained: list[int], tmp_path: Path
) -> None:
    first = tune()
    shutil.rmtree(tmp_path / "out")
    assert tune() == first
    assert trained == [0]
    change(tmp_path / "task", tmp_path / "start")
    second = tune()
    assert trained == [0, 0]
    assert (second["task_digest"] != first["task_digest"]) == (
        change in (other_test_labels, edited_split)
    )
    assert (second["weights"] != first["weights"]) == (change is other_weights)


def test_a_seed_of_other_code_is_kept_and_said(
    tune: Callable[[], dict[str, object]],
    trained: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "dnastudents")
    first = tune()
    tune()
    assert not caplog.messages
    monkeypatch.setattr(finished, "code_digest", lambda: "other")
    assert tune() == first
    assert trained == [0]
    (message,) = caplog.messages
    assert f"{tmp_path}/state/seed_0: kept, though the code has changed since" in message
    assert "remove it to make it again" in message


def test_the_result_has_its_settings(tune: Callable[[], dict[str, object]], tmp_path: Path) -> None:
    tune()
    settings = json.loads((tmp_path / "out/settings.json").read_text())
    assert (settings["epochs"], settings["batch_size"], settings["warmup_fraction"]) == (1, 16, 0.1)
