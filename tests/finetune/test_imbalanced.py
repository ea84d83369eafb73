"""A limit on a task of which one class is rare: student and baseline learn of every class."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from dnastudents.benchmarks.draws import draw
from dnastudents.benchmarks.task import load_task, write_task
from dnastudents.errors import InputError
from dnastudents.finetune.sweep import finetune
from dnastudents.probes.kmer_logistic import kmer_logistic

LIMIT = {"max_train_sequences": 10}


@pytest.fixture
def imbalanced(task: Path, tmp_path: Path) -> Path:
    """200 sequences of class at in train, and two of class gc behind them."""
    splits = {name: pd.read_parquet(task / f"{name}.parquet") for name in ("train", "dev", "test")}
    of_class = [splits["train"][splits["train"]["label"] == label] for label in (0, 1)]
    splits["train"] = pd.concat([*[of_class[0]] * 5, of_class[1][:2]])
    write_task(tmp_path / "task", "mine", "imbalanced", splits, ["at", "gc"], "mcc")
    return tmp_path / "task"


@pytest.mark.parametrize("seed", [0, 1])
def test_student_and_baseline(
    imbalanced: Path, students: dict[str, Path], tmp_path: Path, seed: int
) -> None:
    task = load_task(imbalanced)
    drawn = draw(task, seed, "best_dev", **LIMIT)
    assert sorted(task.train["label"].iloc[drawn.train]) == [0] * 9 + [1]
    kmer_logistic(imbalanced, tmp_path / "baseline", [seed], {"k": [1, 2], **LIMIT})
    finetune(
        "mine",
        pretrained=[students["bert"]],
        task=imbalanced,
        settings={"epochs": 1, "batch_size": 4, **LIMIT},
        seeds=[seed],
        state=tmp_path / "state",
        output=tmp_path / "student",
    )
    for name in ("baseline", "student"):
        row = json.loads((tmp_path / name / f"seed_{seed}.json").read_text())
        assert (row["n_train"], row["n_dev"], row["n_test"]) == (10, 20, 40)


def test_a_baseline_without_dev_says_what_it_needs(imbalanced: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a class has 1 training sequences; cross-validation"):
        kmer_logistic(imbalanced, tmp_path / "t", [0], {"k": [1], "selection": "last", **LIMIT})
