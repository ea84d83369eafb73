"""Finished seeds belong to what made them: nothing else is taken, however old or new its files."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dnastudents.benchmarks.task import write_task
from dnastudents.errors import InputError
from dnastudents.finetune import finished
from dnastudents.finetune.on_task import StudentOnTask
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
    run_seed = StudentOnTask.run_seed

    def note(self: StudentOnTask, seed: int, *places: Any) -> None:
        done.append(seed)
        run_seed(self, seed, *places)

    monkeypatch.setattr(StudentOnTask, "run_seed", note)
    return done


@pytest.fixture
def tune(students: dict[str, Path], task: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Fine-tune copies of a student and a task that a test may change; returns the row."""
    shutil.copytree(students["bert"], tmp_path / "start")
    shutil.copytree(task, tmp_path / "task")

    def run(**settings: Any) -> dict[str, Any]:
        finetune(
            "mine",
            pretrained=[tmp_path / "start"],
            task=tmp_path / "task",
            settings={"epochs": 1, "batch_size": 16, **settings},
            seeds=[0],
            state=tmp_path / "state",
            output=tmp_path / "out",
        )
        row: dict[str, Any] = json.loads((tmp_path / "out/seed_0.json").read_text())
        return row

    return run


@pytest.mark.parametrize(
    "change", [other_test_labels, edited_split, other_weights, other_heads, made_up_genome]
)
def test_a_seed_of_other_content_is_trained_again(
    change: Change, tune: Callable[..., dict[str, Any]], trained: list[int], tmp_path: Path
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


def rewritten_at_random(task: Path) -> None:
    """The same sequences, counts and classes, and labels of test that nothing can tell."""
    splits = {name: pd.read_parquet(task / f"{name}.parquet") for name in ("train", "dev", "test")}
    generator = np.random.default_rng(0)
    splits["test"]["label"] = generator.permutation(splits["test"]["label"].to_numpy())
    write_task(task, "made", "gc", splits, ["at", "gc"], "accuracy", simulated=True)


def test_a_task_rewritten_with_the_same_counts_has_its_own_result(
    tune: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    settings = {"epochs": 8, "batch_size": 8, "learning_rate": 2e-3}
    first = tune(**settings)
    rewritten_at_random(tmp_path / "task")
    second = tune(**settings)
    assert first["n_test"] == second["n_test"]
    assert first["accuracy"] > 0.9
    assert second["accuracy"] < 0.7


def no_record(folder: Path) -> None:
    (folder / "identity.json").unlink()


def no_json(folder: Path) -> None:
    (folder / "identity.json").write_bytes(b"\0" * 40)


def another_json(folder: Path) -> None:
    (folder / "identity.json").write_text('"0123456789abcdef"')


def another_row(folder: Path) -> None:
    (folder / "row.json").write_text((folder / "row.json").read_text().replace("1", "0"))


def cut_predictions(folder: Path) -> None:
    content = (folder / "predictions.parquet").read_bytes()
    (folder / "predictions.parquet").write_bytes(content[:-9])


def no_history(folder: Path) -> None:
    (folder / "history.csv").unlink()


def empty_provenance(folder: Path) -> None:
    (folder / "provenance.json").write_text("{}")


def cut_classifier(folder: Path) -> None:
    weights = folder / "classifier/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def classifier_without_config(folder: Path) -> None:
    (folder / "classifier/config.json").unlink()


@pytest.mark.parametrize(
    "breaking",
    [
        *(no_record, no_json, another_json, another_row, cut_predictions, no_history),
        *(empty_provenance, cut_classifier, classifier_without_config),
    ],
)
def test_a_broken_seed_is_made_again(
    breaking: Callable[[Path], None],
    tune: Callable[..., dict[str, Any]],
    trained: list[int],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "dnastudents")
    first = tune()
    breaking(tmp_path / "state/seed_0")
    second = tune()
    assert trained == [0, 0]
    timed = ("wall_seconds", "peak_memory_mb")
    assert {k: v for k, v in second.items() if k not in timed} == {
        k: v for k, v in first.items() if k not in timed
    }
    (message,) = caplog.messages
    assert message.startswith(f"{tmp_path}/state/seed_0: broken (")
    assert message.endswith("; it is made again")
    tune()
    assert trained == [0, 0]


def a_file(place: Path) -> Path:
    place.write_text("no folder")
    return place


def notes(place: Path) -> Path:
    place.mkdir()
    (place / "row.json").write_text("{}")
    (place / "notes.txt").write_text("of somebody")
    return place / "notes.txt"


@pytest.mark.parametrize("make", [a_file, notes])
def test_what_is_no_seed_stays_in_its_place(
    make: Callable[[Path], Path], tune: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    other = make(tmp_path / "state/seed_0")
    content = other.read_bytes()
    with pytest.raises(InputError, match=f"{tmp_path}/state/seed_0: .*name another place"):
        tune()
    assert other.read_bytes() == content


def test_a_seed_of_an_older_revision_is_trained_again(
    tune: Callable[..., dict[str, Any]], trained: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    tune()
    monkeypatch.setattr(finished, "REVISION", finished.REVISION + 1)
    tune()
    assert trained == [0, 0]


def test_a_seed_of_other_code_is_kept_and_said(
    tune: Callable[..., dict[str, Any]],
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


def test_the_result_has_its_settings(tune: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    tune()
    settings = json.loads((tmp_path / "out/settings.json").read_text())
    assert (settings["epochs"], settings["batch_size"], settings["warmup_fraction"]) == (1, 16, 0.1)
