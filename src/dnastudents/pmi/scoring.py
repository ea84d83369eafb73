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
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from dnastudents.settings import Positive, Settings, Wrong

Kind = Literal["genemask", "true", "naive"]
Counts = Mapping[int, np.ndarray]

PUBLISHED_THRESHOLD = 101.0  # GeneMask's notebook: rarer n-grams are dropped
PUBLISHED_BASES = 669_129_375  # known bases of GRCh38 chr1-3, for which it was chosen


class PmiSettings(Settings):
    """How k-mers are scored."""

    k: int = Field(6, ge=2, le=10, description="Bases of the k-mers that are scored.")
    kind: Kind = Field("genemask", description="The score that ranks, see `pmi.scoring`.")
    threshold: Annotated[float, Field(gt=1)] | Literal["scaled"] = Field(
        PUBLISHED_THRESHOLD,
        description="Of the genemask score: discounts, and drops k-mers that are rarer; `scaled` "
        "shrinks 101 with the corpus, down to 2.",
    )
    total_scale: Positive = Field(
        2.0, description="Of the genemask score: T over the number of bases."
    )
    max_n: int | None = Field(
        None,
        ge=2,
        le=10,
        description="The table holds all n-grams of 2 to this many bases; null: k-mers only.",
    )

    @model_validator(mode="after")
    def _check_sizes(self) -> PmiSettings:
        if self.max_n is not None and self.max_n < self.k:
            raise Wrong("max_n", f"is {self.max_n}; give {self.k} to 10, or null for only k")
        return self

    @property
    def sizes(self) -> range:
        """Bases of the n-grams of the table."""
        return range(self.k, self.k + 1) if self.max_n is None else range(2, self.max_n + 1)

    def minimum_count(self, bases: int) -> float:
        """Return the threshold for a corpus of this many known bases."""
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
    """Compute the largest sum of logs over the segmentations of each k-mer, float64 (4**k,).

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
