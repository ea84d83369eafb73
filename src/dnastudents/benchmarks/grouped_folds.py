"""Folds of about equal size and class shares that tear no group apart, by an explicit generator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ABSOLUTE, RELATIVE = 1e-8, 1e-5  # differences that count as none, as those of numpy.isclose


def stratified_groups(
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    folds: int,
    generator: np.random.RandomState,
) -> NDArray[np.int64]:
    """Assign each sequence to a fold, all of one group to the same.

    Groups are shuffled, and those come first whose classes differ most in number. Each goes to the
    fold that leaves the shares of the classes most equal among the folds; of equal ones to the
    smallest, then to the first. This is the rule of scikit-learn's StratifiedGroupKFold.

    Parameters
    ----------
    labels, groups : numpy.ndarray
        int64 (n,), each from 0 on without gaps.
    folds : int
    generator : numpy.random.RandomState
        Shuffles the groups.

    Returns
    -------
    numpy.ndarray
        int64 (n,), the fold of each sequence.
    """
    counts = np.zeros((groups.max() + 1, labels.max() + 1))
    np.add.at(counts, (groups, labels), 1)
    order = np.arange(len(counts))
    generator.shuffle(order)
    order = order[np.argsort(-np.std(counts[order], axis=1), kind="stable")]
    totals, filled = counts.sum(axis=0), np.zeros((folds, counts.shape[1]))
    fold_of_group = np.empty(len(counts), dtype=np.int64)
    for group in order:
        best = _best_fold(filled, counts[group], totals)
        filled[best] += counts[group]
        fold_of_group[group] = best
    return fold_of_group[groups]


def _best_fold(
    filled: NDArray[np.float64], group: NDArray[np.float64], totals: NDArray[np.float64]
) -> int:
    """The fold to which a group of so many sequences a class is added best."""
    each = np.eye(len(filled))[:, :, None] * group  # the group in one fold after the other
    unequal = np.std((filled + each) / totals, axis=1).mean(axis=1).tolist()
    sizes, best = filled.sum(axis=1).tolist(), 0
    for fold in range(1, len(filled)):
        tied = abs(unequal[fold] - unequal[best]) <= ABSOLUTE + RELATIVE * unequal[best]
        if unequal[fold] < unequal[best] or (tied and sizes[fold] < sizes[best]):
            best = fold
    return best
