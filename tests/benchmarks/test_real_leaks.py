"""Leaks of the official files, against a comparison of every pair of sequences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dnastudents.benchmarks import few_shot, gue
from dnastudents.benchmarks.leaks import IDENTITY, read_leaks
from dnastudents.benchmarks.task import load_task

COMPLEMENT = str.maketrans("ACGT", "TGCA")


def one_hot(sequences: list[str]) -> NDArray[np.float32]:
    letters = np.frombuffer("".join(sequences).encode(), dtype=np.uint8)
    return np.stack([letters == ord(base) for base in "ACGT"], axis=-1).astype(np.float32)


def near_by_every_pair(train: list[str], test: list[str]) -> NDArray[np.bool_]:
    """Compare each test sequence with each of train, on both strands and at every shift."""
    (length,) = {len(sequence) for sequence in train + test}
    most = length - int(np.ceil(IDENTITY * length))
    ours = one_hot(test).reshape(len(test), length, 4)
    near = np.zeros(len(test), dtype=bool)
    for strand in (train, [sequence[::-1].translate(COMPLEMENT) for sequence in train]):
        theirs = one_hot(strand).reshape(len(strand), length, 4)
        for shift in range(-most, most + 1):
            left, right = max(0, shift), max(0, -shift)
            one = ours[:, right : length - left].reshape(len(test), -1)
            other = theirs[:, left : length - right].reshape(len(train), -1)
            near |= (one @ other.T).max(axis=1) > IDENTITY * length - 0.5
    return near


@pytest.mark.parametrize(
    ("task", "exact", "reverse", "near"),
    [
        ("mouse_3", 0, 0, 1),
        ("prom_core_tata", 16, 0, 38),
        ("splice_40_50", 1, 0, 6),
        ("prom_core_100", 0, 0, 0),
    ],
)
def test_counts_are_those_of_every_pair(
    shared: Path, tmp_path: Path, task: str, exact: int, reverse: int, near: int
) -> None:
    if task in few_shot.TASKS:
        few_shot.write([shared / "data/few_shot"], task, tmp_path / "t")
    else:
        gue.write(shared / "data/gue/GUE.zip", task, tmp_path / "t")
    read, leaks = load_task(tmp_path / "t"), read_leaks(tmp_path / "t")
    train, test = (read.split(name)["sequence"].tolist() for name in ("train", "test"))
    assert leaks is not None
    counts = (leaks.tested, leaks.exact, leaks.reverse_complement, leaks.near)
    assert counts == (len(test), exact, reverse, near)
    known = set(train)
    assert exact == sum(sequence in known for sequence in test)
    assert reverse == sum(sequence[::-1].translate(COMPLEMENT) in known for sequence in test)
    assert near == near_by_every_pair(train, test).sum()
