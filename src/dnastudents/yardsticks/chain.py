"""An interpolated Markov chain over bases, read from the left and from the right.

The probability of a base after its context of n bases is (c(base) + s p) / (c + s), where c counts
what followed the context and p is the probability after the context without its farthest base: the
shorter context counts as s more observations (MacKay & Peto, Nat. Lang. Eng. 1, 1995). The strength
s of each n is the one under which the counted bases, each left out of the counts in turn, are most
probable; so contexts that are seen too seldom to tell anything do no harm. Below no context at all
lies the uniform guess. From the right the same counts are read backwards.

What stands between two contexts L and R has the probability P(x | L) P(x | R) / P(x), normalised,
as if L and R were independent given x. Numbers of k-mers are those of `pmi.counting`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

STRENGTHS = tuple(4.0**n for n in range(8))  # observations
_CELLS = 1 << 20  # candidates that are scored at a time


class Chain:
    """A chain of one order in both directions.

    Parameters
    ----------
    counts : mapping of int to numpy.ndarray
        k to the counts of all k-mers (4**k,), for k from 1 to order + 1.
    order : int
        Bases of the longest context, 1 or more.
    strengths : sequence of float
        Those to choose from, above 0. Default is the powers of 4 from 1 to 16,384.
    """

    def __init__(
        self,
        counts: Mapping[int, np.ndarray],
        order: int,
        strengths: Sequence[float] = STRENGTHS,
    ) -> None:
        self.order = order
        self._left = _interpolate(counts, order, strengths, from_left=True)
        self._right = _interpolate(counts, order, strengths, from_left=False)
        # The tables of all orders lie behind one another; a context's row is its number from here.
        self._first = (4 ** np.arange(order + 1) - 1) // 3

    def log_probability(
        self,
        stretch: Integers,
        size: int,
        left: tuple[Integers, Integers],
        right: tuple[Integers, Integers],
    ) -> Floats:
        """Compute the log-probability of stretches of unknown bases between their contexts.

        Parameters
        ----------
        stretch : numpy.ndarray
            int64 (n,), numbers of the true stretches, each of `size` bases.
        size : int
            Bases of each.
        left, right : tuple of numpy.ndarray
            Numbers of the contexts and how many bases they have, at most `order`, int64 (n,).

        Returns
        -------
        numpy.ndarray
            In nats, float64 (n,).
        """
        nothing = np.zeros(1, dtype=np.int64)
        alone = self._from_right(size, nothing, nothing)
        rows = max(1, _CELLS >> 2 * size)
        parts = []
        for start in range(0, len(stretch), rows):
            part = slice(start, start + rows)
            before, after = ((number[part], length[part]) for number, length in (left, right))
            score = self._from_left(size, *before) + self._from_right(size, *after) - alone
            true = np.take_along_axis(score, stretch[part, None], 1)[:, 0]
            parts.append(true - np.logaddexp.reduce(score, axis=1))
        return np.concatenate([np.empty(0), *parts])

    def _from_left(self, size: int, context: Integers, length: Integers) -> Floats:
        """Compute log P of all stretches behind their left contexts, (n, 4**size)."""
        score, context = np.zeros((len(context), 1)), context[:, None]
        for _ in range(size):
            step = self._left[self._first[length][:, None] + context]  # (n, so far, 4)
            score = (score[..., None] + step).reshape(len(score), -1)
            length = np.minimum(length + 1, self.order)
            longer = (context[..., None] * 4 + np.arange(4)).reshape(len(score), -1)
            context = longer % 4 ** length[:, None]  # forgets the farthest base
        return score

    def _from_right(self, size: int, context: Integers, length: Integers) -> Floats:
        """Compute log P of all stretches before their right contexts, (n, 4**size)."""
        score, context = np.zeros((len(context), 1)), context[:, None]
        for _ in range(size):
            step = self._right[self._first[length][:, None] + context].swapaxes(1, 2)
            score = (score[:, None] + step).reshape(len(score), -1)  # the new base in front
            kept = np.where((length == self.order)[:, None], context // 4, context)[:, None]
            length = np.minimum(length + 1, self.order)
            place = 4 ** (length - 1)
            context = (np.arange(4)[None, :, None] * place[:, None, None] + kept).reshape(
                len(score), -1
            )
        return score


def _interpolate(
    counts: Mapping[int, np.ndarray], order: int, strengths: Sequence[float], from_left: bool
) -> NDArray[np.float32]:
    """Compute log P of the four bases after each context, all orders: float32 (contexts, 4)."""
    tables = []
    shorter = np.full((1, 4), 0.25)
    for n in range(order + 1):
        # A k-mer's number begins with its first base: rows are contexts, columns the other end.
        seen = counts[n + 1].reshape(-1, 4) if from_left else counts[n + 1].reshape(4, -1).T
        if n:
            shorter = np.tile(shorter, (4, 1)) if from_left else shorter.repeat(4, axis=0)
        total = seen.sum(1, keepdims=True)
        strength = _fit_strength(seen, total, shorter, strengths)
        shorter = (seen + strength * shorter) / (total + strength)
        tables.append(np.log(shorter).astype(np.float32))
    return np.concatenate(tables)


def _fit_strength(
    seen: np.ndarray, total: np.ndarray, shorter: Floats, strengths: Sequence[float]
) -> float:
    """Choose the strength under which the counted bases, each left out in turn, are likeliest."""
    context, base = np.nonzero(seen)
    count, total, chance = seen[context, base], total[context, 0], shorter[context, base]

    def likelihood(strength: float) -> float:
        left_out = (count - 1 + strength * chance) / (total - 1 + strength)
        return float(count @ np.log(left_out))

    return max(strengths, key=likelihood)
