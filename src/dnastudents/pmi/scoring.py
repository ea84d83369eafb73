"""Pointwise mutual information of k-mers: how much more often one occurs than its pieces foretell.

Scores are computed for all k-mers at once: the best segmentation of every prefix grows by one piece
at a time, and with base-4 numbers "prefix + piece" is an outer sum.

Three scores, with f the count and lp(s) = ln(f(s) / T):
naive    lp(w) - sum of lp(base) over the bases of w.
true     lp(w) - the largest sum of lp(piece) over all segmentations of w (Levine et al. 2021).
genemask the same over segmentations into pieces of 1 and 2 bases, with T twice the number of bases,
         times the discount ln f / (ln f + ln threshold). It gives back the ranking published with
         GeneMask (ECAI 2023); why T is doubled there is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dnastudents.errors import InputError

Kind = Literal["genemask", "true", "naive"]
Counts = Mapping[int, np.ndarray]

PUBLISHED_THRESHOLD = 101.0  # GeneMask's notebook: rarer n-grams are dropped
PUBLISHED_BASES = 669_129_375  # known bases of GRCh38 chr1-3, for which it was chosen


@dataclass(frozen=True)
class PmiSettings:
    """How k-mers are scored.

    Attributes
    ----------
    k : int
        Bases of the k-mers that are scored. Default is 6.
    kind : {"genemask", "true", "naive"}
        The score that ranks. Default is "genemask".
    threshold : float or "scaled"
        Of the genemask score: discounts, and drops k-mers that are rarer. "scaled" shrinks 101 with
        the corpus, down to 2. Default is 101, the published value.
    total_scale : float
        Of the genemask score: T over the number of bases. Default is 2.
    max_n : int or None
        The table also holds the n-grams of 2 to `max_n` bases, k to 10. Default is None: only k.
    """

    k: int = 6
    kind: Kind = "genemask"
    threshold: float | Literal["scaled"] = PUBLISHED_THRESHOLD
    total_scale: float = 2.0
    max_n: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.k, int) or not 2 <= self.k <= 10:
            raise InputError(f"pmi.k is {self.k}; give 2 to 10")
        if self.kind not in ("genemask", "true", "naive"):
            raise InputError(f"pmi.kind: no score '{self.kind}'; give genemask, true or naive")
        is_number = isinstance(self.threshold, int | float) and self.threshold > 1
        if self.threshold != "scaled" and not is_number:
            raise InputError(f"pmi.threshold is {self.threshold}; give 'scaled' or more than 1")
        if self.max_n is not None and not (
            isinstance(self.max_n, int) and self.k <= self.max_n <= 10
        ):
            raise InputError(f"pmi.max_n is {self.max_n}; give {self.k} to 10, or null for only k")

    @property
    def sizes(self) -> range:
        """Bases of the n-grams of the table."""
        return range(self.k, self.k + 1) if self.max_n is None else range(2, self.max_n + 1)

    def minimum_count(self, bases: int) -> float:
        """The threshold for a corpus of so many known bases."""
        if self.threshold != "scaled":
            return float(self.threshold)
        return max(2.0, PUBLISHED_THRESHOLD * bases / PUBLISHED_BASES)


def scores(
    counts: Counts,
    k: int = 6,
    kind: Kind = "genemask",
    threshold: float = PUBLISHED_THRESHOLD,
    total_scale: float = 2.0,
) -> np.ndarray:
    """Score all k-mers, see the module's text.

    Parameters
    ----------
    counts : mapping of int to numpy.ndarray
        From `count_kmers`; naive needs 1 and k, genemask also 2, true all up to k.
    k : int
        Default is 6.
    kind : {"genemask", "true", "naive"}
        Default is "genemask".
    threshold, total_scale : float
        Of the genemask score. Default is 101 and 2.

    Returns
    -------
    numpy.ndarray
        float64 (4**k,); -inf for k-mers that are absent or, for genemask, rarer than `threshold`.
    """
    longest = {"naive": 1, "genemask": min(2, k - 1), "true": k - 1}[kind]
    total = counts[1].sum() * (total_scale if kind == "genemask" else 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = {size: np.log(counts[size] / total) for size in {*range(1, longest + 1), k}}
        score = logs[k] - _best_segmentation(logs, k, longest)
        if kind == "genemask":
            log_count = np.log(counts[k])
            score *= log_count / (log_count + np.log(threshold))
    least = threshold if kind == "genemask" else 1
    return np.where(counts[k] >= least, score, -np.inf)


def _best_segmentation(logs: Mapping[int, np.ndarray], k: int, longest: int) -> np.ndarray:
    """The largest sum of logs over the segmentations of each k-mer, float64 (4**k,).

    Pieces have at most `longest` bases, fewer than k.
    """
    best = {0: np.zeros(1)}
    for size in range(1, k + 1):
        candidates = [
            (best[size - piece][:, None] + logs[piece]).ravel()
            for piece in range(1, min(longest, size) + 1)
        ]
        best[size] = np.maximum.reduce(candidates)
    return best[k]
