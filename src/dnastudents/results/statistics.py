"""The intervals and tests that tables and figures show.

Seeds are the sample: an interval says what another seed would give, not what another test set
would. Where a run was pretrained several times, pretrainings are: the fine-tuning seeds of one are
averaged first, since they share its luck. Student's t is used throughout, because three to ten
seeds are usual.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
_ROUNDING = 1e-12  # of a difference of scores, which are fractions of a number of sequences


class Estimate(NamedTuple):
    """A mean with the half width of its confidence interval.

    `half_width` is NaN where one value alone gives none. `p_value` is two-sided, for a true mean
    of zero; it is meaningful for differences only, and NaN where all values are equal but not zero,
    which gives t no scale.
    """

    mean: float
    half_width: float
    n: int
    p_value: float = math.nan


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Mean and t interval of independent values."""
    if len(values) == 0:
        raise ValueError("no values to average")
    return _t_test(confidence, values)


def independent(values: Mapping[int, float], units: Mapping[int, int] | None = None) -> list[float]:
    """Return the values of a run, given as seed -> value, that count as independent.

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
    return _t_test(confidence, independent(ours, units), independent(theirs, their_units))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number (Holm 1979); NaN stays NaN and is not counted."""
    adjusted = np.array(p_values, dtype=float)
    order = np.argsort(adjusted)[: int(np.isfinite(adjusted).sum())]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(adjusted[order] * factors), 1.0)
    return [float(value) for value in adjusted]


def mean_ranks(scores: Sequence[Sequence[float]]) -> list[float]:
    """Rank methods on each task and average over tasks.

    Parameters
    ----------
    scores : (methods, tasks)
        Higher is better. NaN where nobody measured.

    Returns
    -------
    list of float, (methods,)
        1 is best, equal scores share their ranks; only methods with a score on every task are
        ranked, the others are NaN.
    """
    table = np.array(scores, dtype=float)
    whole = ~np.isnan(table).any(axis=1)
    ranks = np.full(len(table), math.nan)
    ranks[whole] = stats.rankdata(-table[whole], axis=0).mean(axis=1)
    return [float(rank) for rank in ranks]


class Ranks(NamedTuple):
    """How runs rank over tasks, the best first on average at 1.

    Attributes
    ----------
    means : ndarray of float (runs,)
        Mean ranks; ties share theirs.
    p_value : float
        Of Friedman's test that all runs are alike; NaN where all scores are.
    critical : float
        Nemenyi's critical difference: mean ranks that are nearer are not told apart.
    """

    means: NDArray[np.float64]
    p_value: float
    critical: float


def ranked(scores: NDArray[np.float64], confidence: float = CONFIDENCE) -> Ranks:
    """Rank runs on every task, and test whether they differ (Demšar 2006).

    Parameters
    ----------
    scores : ndarray of float (tasks, runs)
        Higher is better; no NaN; at least two tasks and three runs.
    confidence : float
        Of the critical difference. Default is `CONFIDENCE`.
    """
    tasks, runs = scores.shape
    if tasks < 2 or runs < 3:
        raise ValueError(f"{runs} runs on {tasks} tasks cannot be ranked; 3 on 2 can")
    with np.errstate(invalid="ignore"):  # all equal: 0/0
        p_value = float(stats.friedmanchisquare(*scores.T).pvalue)
    quantile = stats.studentized_range.ppf(confidence, runs, math.inf) / math.sqrt(2)
    critical = float(quantile * math.sqrt(runs * (runs + 1) / (6 * tasks)))
    return Ranks(np.array(mean_ranks(scores.T.tolist())), p_value, critical)


def _t_test(confidence: float, ours: Sequence[float], theirs: Sequence[float] = ()) -> Estimate:
    """Estimate the mean of one sample, or by how much that of two differs (Welch)."""
    samples = [sample for sample in (ours, theirs) if len(sample)]
    n, mean = min(map(len, samples)), float(np.mean(ours))
    if len(samples) == 2:
        mean -= float(np.mean(theirs))
    if n < 2:
        return Estimate(mean, math.nan, n)
    if all(np.ptp(sample) <= _ROUNDING for sample in samples):  # equal: t is 0/0 or infinite
        return Estimate(mean, 0.0, n, 1.0 if abs(mean) <= _ROUNDING else math.nan)
    with warnings.catch_warnings():
        # Nearly equal values, as of seeds that end at one metric, are not worth a line in the log.
        warnings.simplefilter("ignore", RuntimeWarning)
        if len(samples) == 2:
            result = stats.ttest_ind(ours, theirs, equal_var=False)
        else:
            result = stats.ttest_1samp(ours, 0.0)
    low, high = result.confidence_interval(confidence)
    return Estimate(mean, float(high - low) / 2, n, float(result.pvalue))
