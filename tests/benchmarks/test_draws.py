"""Dev splits that each seed draws: which tasks have them, and what they are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dnastudents.benchmarks.draws import POOL, dev_origin, draw, split_labels
from dnastudents.benchmarks.facts import OFFICIAL, DevRule
from dnastudents.benchmarks.task import Task, load_task, write_task
from dnastudents.errors import InputError
from dnastudents.randomness import numpy_generator

COUNTS = [130, 47, 3]  # sequences of each class


def frame(start: int) -> pd.DataFrame:
    """Sequences that differ, of three classes in turn as far as they reach."""
    labels = np.repeat([0, 1, 2], COUNTS)
    numbers = range(start, start + len(labels))
    sequences = ["".join("ACGT"[n >> 2 * digit & 3] for digit in range(8)) for n in numbers]
    return pd.DataFrame(
        {"sequence": sequences, "label": np.random.default_rng(0).permutation(labels)}
    )


def task(folder: Path, dev: bool = False, **options: Any) -> Task:
    splits = {"train": frame(0), "test": frame(1000)} | ({"dev": frame(2000)} if dev else {})
    write_task(folder, "suite", "task", splits, ["a", "b", "c"], "mcc", **options)
    return load_task(folder)


@pytest.mark.parametrize("fraction", [0.1, 0.25])
def test_each_seed_draws_dev_from_train_and_dev_together(tmp_path: Path, fraction: float) -> None:
    read = task(tmp_path / "t", dev_rule=DevRule(origin="drawn", fraction=fraction, seed=0))
    assert dev_origin(read, "best_dev", "by_seed") == "by_seed"
    pool = pd.concat([read.train, read.dev], ignore_index=True)
    assert split_labels(read, POOL).tolist() == pool["label"].tolist()
    seen = set()
    for seed in range(5):
        drawn = draw(read, seed, "best_dev", dev="by_seed")
        assert (drawn.train_of, drawn.dev_of) == (POOL, POOL)
        rows = [*drawn.train.tolist(), *drawn.dev.tolist()]
        assert sorted(rows) == list(range(len(pool)))  # disjoint, and nothing is lost
        assert sorted(pool["sequence"].iloc[rows]) == sorted(frame(0)["sequence"])
        assert not set(pool["sequence"].iloc[rows]) & set(read.test["sequence"])
        held = np.bincount(pool["label"].iloc[drawn.dev], minlength=3).tolist()
        assert held == [max(1, round(fraction * count)) for count in COUNTS]
        assert len(drawn.dev) == len(read.dev)
        again = draw(read, seed, "best_dev", dev="by_seed")
        assert again.dev.tolist() == drawn.dev.tolist()
        seen.add(tuple(drawn.dev.tolist()))
    assert len(seen) == 5


def test_by_default_all_seeds_have_the_dev_split_of_the_task(tmp_path: Path) -> None:
    read = task(tmp_path / "t")
    for seed in (0, 1):
        drawn = draw(read, seed, "best_dev")
        assert (drawn.train_of, drawn.dev_of) == ("train", "dev")
        assert drawn.dev.tolist() == list(range(len(read.dev)))
        assert drawn.train.tolist() == list(range(len(read.train)))


@pytest.mark.parametrize("rule", [OFFICIAL, DevRule(origin="split", chromosomes=("sim3",))])
def test_dev_splits_that_were_not_drawn_stay(tmp_path: Path, rule: DevRule) -> None:
    read = task(tmp_path / "t", dev=True, dev_rule=rule)
    assert dev_origin(read, "best_dev", "by_seed") == "task"
    by_seed, own = (draw(read, 3, "best_dev", 50, dev) for dev in ("by_seed", "task"))
    assert by_seed.train_of == own.train_of == "train"
    assert by_seed.dev_of == own.dev_of == "dev"
    assert by_seed.train.tolist() == own.train.tolist()
    assert by_seed.dev.tolist() == own.dev.tolist()


def test_a_limit_takes_from_train_only(tmp_path: Path) -> None:
    read = task(tmp_path / "t")
    whole, part = (draw(read, 2, "best_dev", most, "by_seed") for most in (None, 40))
    assert len(part.train) == 40
    assert set(part.train.tolist()) < set(whole.train.tolist())
    assert part.dev.tolist() == whole.dev.tolist()


@pytest.mark.parametrize("selection", ["best_dev", "last"])
@pytest.mark.parametrize("dev", ["task", "by_seed"])
def test_a_limit_leaves_some_of_each_class(tmp_path: Path, selection: str, dev: str) -> None:
    """Of 180 sequences three are of class c: 20 drawn at random often have none."""
    read = task(tmp_path / "t")
    changed = 0
    for seed in range(20):
        whole = draw(read, seed, selection, dev=dev)
        labels = split_labels(read, whole.train_of)
        for most in (3, 20, 100):
            drawn = draw(read, seed, selection, most, dev).train.tolist()
            assert len(drawn) == len(set(drawn)) == most
            assert drawn == sorted(drawn)
            assert set(labels[drawn]) == {0, 1, 2}
            plain = plain_subset(whole.train, seed, most)
            if set(labels[plain]) == {0, 1, 2}:
                assert drawn == plain  # as ever, where all classes are drawn anyway
            else:
                changed += 1
                assert len(set(drawn) & set(plain)) >= most - 2  # what is missing, and no more
    assert changed > 20
    with pytest.raises(
        InputError, match=r"suite/task: max_train_sequences is 2, and there are 3 cl"
    ):
        draw(read, 0, selection, 2, dev)


def plain_subset(rows: np.ndarray, seed: int, most: int) -> list[int]:
    """The first of a random order, whatever their classes."""
    order = numpy_generator(seed, "subset").permutation(len(rows))
    return sorted(int(row) for row in rows[order[:most]])


def test_few_shot_tasks_have_always_drawn_by_seed(tmp_path: Path) -> None:
    read = task(tmp_path / "t", shots=3)
    assert dev_origin(read, "best_dev") == dev_origin(read, "best_dev", "by_seed") == "by_seed"
    assert dev_origin(read, "last") == "none"
    one, other = (draw(read, 1, "best_dev", dev=dev) for dev in ("task", "by_seed"))
    assert one.train.tolist() == other.train.tolist()
    assert one.dev.tolist() == other.dev.tolist()
