import math
import warnings

import numpy as np
import pytest
from scipy import stats

from dnastudents.results.statistics import difference, holm, mean_interval, mean_ranks


def test_mean_interval_is_the_t_interval():
    values = [0.70, 0.74, 0.69, 0.75, 0.72]
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    estimate = mean_interval(values)
    assert estimate.mean == pytest.approx(0.72)
    assert estimate.half_width == pytest.approx((high - low) / 2)
    assert estimate.n == 5


def test_one_value_has_no_interval():
    estimate = mean_interval([0.7])
    assert estimate.mean == 0.7
    assert math.isnan(estimate.half_width)
    with pytest.raises(ValueError, match="no values"):
        mean_interval([])


def test_equal_seeds_are_paired_whatever_their_order():
    ours, theirs = {2: 0.9, 0: 0.5, 1: 0.7}, {0: 0.45, 1: 0.66, 2: 0.84}
    expected = stats.ttest_rel([0.5, 0.7, 0.9], [0.45, 0.66, 0.84])
    estimate = difference(ours, theirs)
    assert estimate.mean == pytest.approx(0.05)
    assert estimate.p_value == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert estimate.half_width == pytest.approx((interval.high - interval.low) / 2)
    # unpaired, the seeds' own spread would drown the difference
    assert estimate.p_value < 0.02 < stats.ttest_ind([0.5, 0.7, 0.9], [0.45, 0.66, 0.84]).pvalue


def test_other_seeds_are_compared_by_welch():
    ours, theirs = {0: 0.8, 1: 0.82, 2: 0.79}, {0: 0.7, 1: 0.75, 2: 0.65, 3: 0.72}
    expected = stats.ttest_ind(list(ours.values()), list(theirs.values()), equal_var=False)
    estimate = difference(ours, theirs)
    interval = expected.confidence_interval()
    assert estimate.n == 3
    assert estimate.p_value == pytest.approx(expected.pvalue)
    assert estimate.half_width == pytest.approx((interval.high - interval.low) / 2)


def test_it_is_scipys_t_test_to_the_last_bit():
    generator = np.random.default_rng(0)
    for turn in range(200):
        ours = generator.normal(generator.normal(), 10 ** generator.uniform(-6, 1), turn % 9 + 2)
        theirs = generator.normal(size=turn % 5 + 2)
        for expected, estimate in (
            (stats.ttest_1samp(ours, 0.0), mean_interval(ours.tolist())),
            (
                stats.ttest_ind(ours, theirs, equal_var=False),
                difference(dict(enumerate(ours)), dict(enumerate(theirs, start=-1))),
            ),
        ):
            interval = expected.confidence_interval()
            assert estimate.half_width == (interval.high - interval.low) / 2
            assert estimate.p_value == expected.pvalue


def plain(ours: list[float], theirs: list[float] | None = None) -> tuple[float, float, float]:
    """Mean, half width and p-value by the formulas of Student and of Welch."""
    a, b = np.array(ours), np.array(theirs or [0.0])
    of_a, of_b = a.var(ddof=1) / a.size, b.var(ddof=1) / b.size if theirs else 0.0
    freedom = (of_a + of_b) ** 2 / (
        of_a**2 / (a.size - 1) + (of_b**2 / (b.size - 1) if theirs else 0.0)
    )
    mean, error = a.mean() - b.mean(), math.sqrt(of_a + of_b)
    return mean, stats.t.ppf(0.975, freedom) * error, 2 * stats.t.sf(abs(mean) / error, freedom)


@pytest.mark.parametrize("seed", range(20))
def test_scipy_gives_what_the_formulas_give(seed):
    """Also for seeds that hardly differ, without a warning."""
    generator = np.random.default_rng(seed)
    sizes, spread = generator.integers(2, 11, 2), 10.0 ** -generator.integers(1, 11)
    ours, theirs = ((0.7 + spread * generator.random(size)).tolist() for size in sizes)
    pairs = dict(enumerate(ours)), dict(enumerate(ours[::-1]))
    gains = [pairs[0][i] - pairs[1][i] for i in pairs[0]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = [
            (mean_interval(ours), plain(ours)),
            (difference(dict(enumerate(ours, 100)), dict(enumerate(theirs))), plain(ours, theirs)),
        ]
        if any(gains):
            found.append((difference(*pairs), plain(gains)))
    for estimate, (mean, half_width, p_value) in found:
        assert estimate.mean == pytest.approx(mean, rel=1e-12, abs=1e-15)
        assert estimate.half_width == pytest.approx(half_width, rel=1e-12)
        assert estimate.p_value == pytest.approx(p_value, rel=1e-9, abs=1e-12)


def test_values_of_one_pretraining_are_one_value_on_either_side():
    ours = {0: 0.80, 1: 0.84, 2: 0.90, 3: 0.86}
    theirs = {0: 0.70, 1: 0.70, 2: 0.70, 3: 0.78}
    two, once = {0: 5, 1: 6, 2: 5, 3: 6}, dict.fromkeys(range(4), 9)
    expected = stats.ttest_1samp([(0.10 + 0.20) / 2, (0.14 + 0.08) / 2], 0)
    for units in ((two, None), (two, once), (None, two), (once, two), (two, two)):
        estimate = difference(ours, theirs, *units)
        assert estimate.n == 2, units
        assert estimate.p_value == pytest.approx(expected.pvalue)
    assert difference(ours, theirs, once, once).n == 4
    # of two and four pretrainings, the two
    assert difference(ours, theirs, {s: s for s in range(4)}, two).n == 2
    # unpaired: two values of theirs, (0.70 + 0.70) / 2 and (0.70 + 0.78) / 2
    apart = difference({**ours, 4: 0.8}, theirs, None, two)
    welch = stats.ttest_ind([*ours.values(), 0.8], [0.70, 0.74], equal_var=False)
    assert apart.p_value == pytest.approx(welch.pvalue)


def test_degenerate_differences():
    assert math.isnan(difference({0: 0.8}, {0: 0.7}).p_value)
    assert math.isnan(difference({0: 0.8}, {1: 0.7, 2: 0.6}).half_width)
    same = difference({0: 0.5, 1: 0.25}, {0: 0.5, 1: 0.25})
    assert (same.mean, same.half_width, same.p_value) == (0.0, 0.0, 1.0)
    constant = difference({0: 0.75, 1: 0.5}, {0: 0.5, 1: 0.25})
    assert (constant.mean, constant.half_width) == (0.25, 0.0)
    assert math.isnan(constant.p_value)  # t has no scale, and chance makes differences equal
    one_more = [
        {seed: n / 400 for seed, n in enumerate(of)} for of in ((321, 318, 325), (320, 317, 324))
    ]
    assert math.isnan(difference(*one_more).p_value)  # equal but for rounding
    assert difference(*one_more).half_width == 0.0


def test_holm_by_hand():
    adjusted = holm([0.01, math.nan, 0.04, 0.03, 0.5])
    assert adjusted[0] == pytest.approx(0.04)  # 0.01 x 4
    assert adjusted[3] == pytest.approx(0.09)  # 0.03 x 3
    assert adjusted[2] == pytest.approx(0.09)  # 0.04 x 2 is smaller, so the one before holds
    assert adjusted[4] == pytest.approx(0.5)
    assert math.isnan(adjusted[1])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_mean_ranks_by_hand():
    scores = [[0.9, 0.5, 0.7], [0.8, 0.5, 0.9], [0.9, math.nan, 1.0], [0.1, 0.2, 0.3]]
    ranks = mean_ranks(scores)  # without the third: 1, 1.5, 2 and 2, 1.5, 1 and 3, 3, 3
    assert ranks[:2] == [1.5, 1.5]
    assert math.isnan(ranks[2])
    assert ranks[3] == 3


@pytest.mark.parametrize("seed", range(3))
def test_a_rank_counts_those_that_are_better(seed):
    scores = np.random.default_rng(seed).integers(0, 5, (6, 8)).astype(float)
    better = (scores[None] > scores[:, None]).sum(axis=1)
    equal = (scores[None] == scores[:, None]).sum(axis=1)
    expected = (1 + better + (equal - 1) / 2).mean(axis=1)
    assert mean_ranks(scores.tolist()) == pytest.approx(expected.tolist())
