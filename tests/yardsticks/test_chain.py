"""The chain against values by hand and its plain twin."""

from __future__ import annotations

import numpy as np
import pytest
from plain_chain import PlainChain

from dnastudents.genome.codes import encode
from dnastudents.pmi import count_kmers
from dnastudents.yardsticks.chain import Chain


def number(letters: str) -> int:
    return int("".join(map(str, encode(letters))) or "0", 4)


def probability(chain: Chain, stretch: str, left: str, right: str) -> float:
    contexts = [(np.array([number(c)]), np.array([len(c)])) for c in (left, right)]
    found = chain.log_probability(np.array([number(stretch)]), len(stretch), *contexts)
    return float(np.exp(found[0]))


def test_by_hand() -> None:
    """AACAAC: A 4, C 2; AA 2, AC 2, CA 1. A shorter context counts as two observations."""
    chain = Chain(count_kmers([encode("AACAAC")], 2), 1, strengths=[2.0])
    none = {"A": 4.5 / 8, "C": 2.5 / 8, "G": 0.5 / 8, "T": 0.5 / 8}
    behind_a = {"A": 3.125 / 6, "C": 2.625 / 6, "G": 0.125 / 6, "T": 0.125 / 6}
    before_a = {"A": 3.125 / 5, "C": 1.625 / 5, "G": 0.125 / 5, "T": 0.125 / 5}
    both = {base: behind_a[base] * before_a[base] / none[base] for base in none}
    for base in "ACGT":
        assert probability(chain, base, "", "") == pytest.approx(none[base])
        assert probability(chain, base, "A", "") == pytest.approx(behind_a[base])
        assert probability(chain, base, "", "A") == pytest.approx(before_a[base])
        assert probability(chain, base, "A", "A") == pytest.approx(both[base] / sum(both.values()))
        assert probability(chain, base, "G", "G") == pytest.approx(none[base])  # never seen
    assert probability(chain, "AC", "", "") == pytest.approx(none["A"] * behind_a["C"])
    assert probability(chain, "CA", "A", "") == pytest.approx(
        behind_a["C"] * (1 + 2 * none["A"]) / 3  # C is seen once with a base behind it
    )


def test_the_likeliest_strength_by_hand() -> None:
    """Of A 4, C 2, each left out: 4 log((3 + s/4) / (5 + s)) + 2 log((1 + s/4) / (5 + s))."""
    counts = count_kmers([encode("AACAAC")], 2)
    # -5.59 at 1, -6.25 at 4; with a context of one base the more the better, up to -3.27 - 0.50
    chain = Chain(counts, 1, strengths=[4.0, 1.0])
    none = {"A": 5 / 7 - 0.75 / 7, "C": 2.25 / 7, "G": 0.25 / 7}
    for base, share in none.items():
        assert probability(chain, base, "", "") == pytest.approx(share)
    assert probability(chain, "A", "A", "") == pytest.approx((2 + 4 * none["A"]) / (4 + 4))


def test_contexts_that_tell_nothing_do_no_harm() -> None:
    """On random bases the chain of a high order is no worse than their frequencies."""
    generator = np.random.default_rng(0)
    codes = generator.choice(4, 40_000, p=[0.4, 0.1, 0.2, 0.3]).astype(np.uint8)
    chain = Chain(count_kmers([codes], 8), 7)
    fresh = generator.choice(4, (3000, 15), p=[0.4, 0.1, 0.2, 0.3])
    powers = 4 ** np.arange(7)[::-1]
    contexts = [(fresh[:, part] @ powers, np.full(3000, 7)) for part in (slice(7), slice(8, 15))]
    nats = -chain.log_probability(fresh[:, 7], 1, *contexts).mean()
    known = np.array([0.4, 0.1, 0.2, 0.3])
    assert nats < -np.log(known[fresh[:, 7]]).mean() + 0.01


def test_as_the_plain_twin() -> None:
    generator = np.random.default_rng(0)
    text = "".join(generator.choice(list("ACGTN"), 400, p=[0.4, 0.25, 0.2, 0.13, 0.02]))
    order = 3
    chain = Chain(count_kmers([encode(text)], order + 1), order)
    plain = PlainChain([text], order)
    for size in (1, 2, 4):
        stretches, lefts, rights = (
            ["".join(generator.choice(list("ACGT"), length)) for length in lengths]
            for lengths in ([size] * 8, [0, 0, 1, 2, 3, 3, 3, 1], [0, 3, 0, 1, 3, 2, 0, 3])
        )
        found = chain.log_probability(
            np.array([number(stretch) for stretch in stretches]),
            size,
            *(
                (np.array([number(c) for c in contexts]), np.array([len(c) for c in contexts]))
                for contexts in (lefts, rights)
            ),
        )
        expected = [plain.between(*each) for each in zip(stretches, lefts, rights, strict=True)]
        np.testing.assert_allclose(np.exp(found), expected, rtol=1e-5)
