"""The grouped folds against a plain twin, against what they must be, and against what they were."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from dnastudents.benchmarks.grouped_folds import stratified_groups


def example(seed: int, count: int = 300, groups: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """Labels of two classes, and groups of one to about ten, each group with its own leaning."""
    generator = np.random.default_rng(seed)
    owner = np.concatenate([np.arange(groups), generator.integers(0, groups, count - groups)])
    labels = (generator.random(count) < generator.random(groups)[owner]).astype(np.int64)
    return labels, owner


def plain_folds(labels: np.ndarray, owner: np.ndarray, folds: int, seed: int) -> list[int]:
    """One group after the other, each tried in every fold."""
    order = np.arange(owner.max() + 1)
    np.random.RandomState(seed).shuffle(order)
    counts = {int(g): [int(((owner == g) & (labels == c)).sum()) for c in (0, 1)] for g in order}
    totals = [sum(count[c] for count in counts.values()) for c in (0, 1)]
    ordered = sorted(counts, key=lambda group: -abs(counts[group][0] - counts[group][1]))
    filled, placed = [[0, 0] for _ in range(folds)], {}
    for group in ordered:

        def unequal(fold: int, group: int = group) -> float:
            tried = [
                [n + (f == fold) * m for n, m in zip(filled[f], counts[group], strict=True)]
                for f in range(folds)
            ]
            return np.mean([np.std([each[c] / totals[c] for each in tried]) for c in (0, 1)])

        scores = [unequal(fold) for fold in range(folds)]
        best = 0
        for fold in range(1, folds):
            tied = math.isclose(scores[fold], scores[best], rel_tol=1e-5, abs_tol=1e-8)
            if scores[fold] < scores[best] or (tied and sum(filled[fold]) < sum(filled[best])):
                best = fold
        placed[group] = best
        filled[best] = [n + m for n, m in zip(filled[best], counts[group], strict=True)]
    return [placed[int(group)] for group in owner]


@pytest.mark.parametrize("seed", range(5))
def test_folds_are_those_of_a_plain_twin(seed: int) -> None:
    labels, owner = example(seed, 120, 40)
    found = stratified_groups(labels, owner, 5, np.random.RandomState(seed))
    assert found.tolist() == plain_folds(labels, owner, 5, seed)


def test_no_group_is_torn_and_folds_are_alike() -> None:
    labels, owner = example(0)
    folds = stratified_groups(labels, owner, 5, np.random.RandomState(1))
    assert all(len(set(folds[owner == group])) == 1 for group in range(90))
    for fold in range(5):
        assert (folds == fold).sum() == pytest.approx(60, abs=6)
        assert labels[folds == fold].mean() == pytest.approx(labels.mean(), abs=0.05)


def test_folds_are_those_of_scikit_learn_1_9() -> None:
    """Whatever its version here: the rows of published tasks must not change."""
    digests = []
    for seed in range(3):
        labels, owner = example(seed)
        folds = stratified_groups(labels, owner, 5, np.random.RandomState(1))
        digests.append(hashlib.sha256(folds.astype(np.uint8).tobytes()).hexdigest()[:16])
    assert digests == ["162fefe855392c81", "73be4374e9f698df", "3f13e5f060272852"]
