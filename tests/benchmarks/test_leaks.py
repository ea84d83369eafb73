"""Leaks from train into test, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from dnastudents.benchmarks.leaks import IDENTITY, find_leaks

BASES = np.array(list("ACGT"))
COMPLEMENT = dict(zip("ACGTN", "TGCAN", strict=True))


def sequence(generator: np.random.Generator, length: int) -> str:
    return "".join(generator.choice(BASES, length))


def other(text: str) -> str:
    return "".join(COMPLEMENT[base] for base in reversed(text))


def changed(generator: np.random.Generator, text: str, count: int) -> str:
    letters = list(text)
    for place in generator.choice(len(text), count, replace=False):
        letters[place] = str(generator.choice([b for b in "ACGT" if b != letters[place]]))
    return "".join(letters)


def plain(train: list[str], test: list[str]) -> tuple[int, int, int, int]:
    """Every test sequence against every training sequence at every shift, letter by letter."""

    def near(ours: str, theirs: str) -> bool:
        for shift in range(-len(ours), len(theirs)):
            equal = sum(
                0 <= place + shift < len(theirs) and base == theirs[place + shift] != "N"
                for place, base in enumerate(ours)
            )
            if equal >= IDENTITY * len(ours):
                return True
        return False

    exact = sum(ours in train for ours in test)
    reverse = sum(other(ours) in train for ours in test)
    both = [*train, *map(other, train)]
    found = sum(
        ours in train or other(ours) in train or any(near(ours, t) for t in both) for ours in test
    )
    return len(test), exact, reverse, found


@pytest.mark.parametrize("seed", range(3))
def test_it_counts_as_plain_loops_do(seed: int) -> None:
    generator = np.random.default_rng(seed)
    train = [sequence(generator, int(generator.integers(60, 90))) for _ in range(8)]
    own = sequence(generator, 70)
    test = [
        *(train[0], train[0]),  # twice: both count
        other(train[1]),
        changed(generator, train[2], len(train[2]) // 20),
        other(changed(generator, train[3], len(train[3]) // 20)),
        changed(generator, train[4], len(train[4]) // 4),  # too many differences
        sequence(generator, 4) + train[5][:-4],  # shifted
        train[6][20:],  # a part is seen whole
        train[6][:30] + own[:40],  # less than half is
        train[7][:40] + "N" * 20 + train[7][60:],  # N is no base
        own,
    ]
    leaks = find_leaks(train, test)
    counts = (leaks.tested, leaks.exact, leaks.reverse_complement, leaks.near)
    assert counts == plain(train, test)
    assert counts[:3] == (11, 2, 1)
    assert counts[3] >= 7


def test_a_repeat_in_all_sequences_is_no_leak() -> None:
    generator = np.random.default_rng(0)
    repeat = sequence(generator, 40)
    train, test = ([repeat + sequence(generator, 60) for _ in range(200)] for _ in range(2))
    assert find_leaks(train, test).near == 0


def test_sequences_shorter_than_a_seed_are_compared_whole() -> None:
    leaks = find_leaks(["ACGTT", "AAAA"], ["ACGTT", "AACGT", "CCCC"])
    assert (leaks.exact, leaks.reverse_complement, leaks.near) == (1, 1, 2)
