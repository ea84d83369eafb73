"""Plain twins and helpers of the PMI tests."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np

from dnastudents.genome.codes import encode, kmer_codes


def number(kmer: str) -> int:
    """The base-4 number of a k-mer."""
    return int(kmer_codes(encode(kmer), len(kmer))[0])


def kmers(k: int) -> list[str]:
    """All k-mers in the order of their numbers."""
    return ["".join(bases) for bases in product("ACGT", repeat=k)]


def random_text(length: int, seed: int = 0, n_share: float = 0.02) -> str:
    """Random bases, a share of them N."""
    rng = np.random.default_rng(seed)
    weights = np.array([0.35, 0.15, 0.15, 0.35]) * (1 - n_share)
    return "".join(rng.choice(list("ACGTN"), length, p=[*weights, n_share]))


def plain_counts(texts: list[str], k: int) -> Counter[str]:
    """Counts of all k-mers by a window of text that moves by one base."""
    windows = (text[i : i + k] for text in texts for i in range(len(text) - k + 1))
    return Counter(window for window in windows if "N" not in window)
