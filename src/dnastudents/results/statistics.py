"""The intervals and tests that tables and figures show.

Seeds are the sample: an interval says what another seed would give, not what another test set
would. Where a run was pretrained several times, pretrainings are: the fine-tuning seeds of one are
averaged first, since they share its luck. Student's t is used throughout, because three to ten
seeds are usual.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A mean with the half width of its confidence interval.

    `half_width` is NaN where one value alone gives none. `p_value` is two-sided, for a true mean
    of zero; it is meaningful for differences only.
    """

    mean: float
    half_width: float
    n: int
    p_value: float = math.nan


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Mean and t interval of independent values."""
    n = len(values)
    if n == 0:
        raise ValueError("no values to average")
    error = float(np.std(values, ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    return _t_estimate(float(np.mean(values)), error, n - 1, n, confidence)


def independent(values: Mapping[int, float], units: Mapping[int, int] | None = None) -> list[float]:
    """The values of a run, given as seed -> value, that count as independent.

    One a seed; where `units` (seed -> number of the pretraining) names several pretrainings, the
    mean of each.
    """
    if units is None or len(set(units.values())) < 2:
        return [values[seed] for seed in sorted(values)]
    groups: dict[int, list[float]] = {}
    for seed in sorted(values):
        groups.setdefault(units[seed], []).append(values[seed])
    return [float(np.mean(groups[unit])) for unit in sorted(groups)]


def difference(
    ours: Mapping[int, float],
    theirs: Mapping[int, float],
    units: Mapping[int, int] | None = None,
    their_units: Mapping[int, int] | None = None,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Mean difference of two runs on one task, each given as seed -> value.

    Equal seeds mean equal data order, head initialisation and few-shot draw, so runs with the same
    seeds are compared pair by pair (paired t), others by Welch's t with its own degrees of freedom.
    The values of one pretraining are averaged (see `independent`); of pairs, those of the run that
    has fewer pretrainings, but several.
    """
    if set(ours) == set(theirs):
        gains = {seed: ours[seed] - theirs[seed] for seed in ours}
        several = [u for u in (units, their_units) if u and len(set(u.values())) > 1]
        fewest = min(several, key=lambda u: len(set(u.values())), default=None)
        return mean_interval(independent(gains, fewest), confidence)
    a, b = np.array(independent(ours, units)), np.array(independent(theirs, their_units))
    mean, n = float(a.mean() - b.mean()), min(a.size, b.size)
    if n < 2:
        return Estimate(mean, math.nan, n)
    variances = np.array([a.var(ddof=1) / a.size, b.var(ddof=1) / b.size])
    spread = float((variances**2 / np.array([a.size - 1, b.size - 1])).sum())
    freedom = float(variances.sum() ** 2) / spread if spread > 0 else n - 1
    return _t_estimate(mean, math.sqrt(float(variances.sum())), freedom, n, confidence)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm 1979); NaN stays NaN and is not counted."""
    adjusted = np.array(p_values, dtype=float)
    order = np.argsort(adjusted)[: int(np.isfinite(adjusted).sum())]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(adjusted[order] * factors), 1.0)
    return [float(value) for value in adjusted]


def _t_estimate(mean: float, error: float, freedom: float, n: int, confidence: float) -> Estimate:
    if math.isnan(error):
        return Estimate(mean, math.nan, n)
    if error == 0.0:  # identical values: t is 0/0 or infinite
        return Estimate(mean, 0.0, n, 1.0 if mean == 0.0 else 0.0)
    half_width = float(stats.t.ppf((1 + confidence) / 2, freedom)) * error
    return Estimate(mean, half_width, n, float(2 * stats.t.sf(abs(mean) / error, freedom)))
