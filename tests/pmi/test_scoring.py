from math import log

import numpy as np
import pytest
from plain_kmers import kmers, number

from dnastudents.pmi import scores


def plain_score(word: str, f: dict[str, int], total: float, longest: int) -> float:
    """ln p(w) less the best segmentation, by trying each."""

    def best(rest: str) -> float:
        sizes = range(1, min(longest, len(rest)) + 1)
        return max((log(f[rest[:n]] / total) + best(rest[n:]) for n in sizes), default=0.0)

    return log(f[word] / total) - best(word)


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize(("kind", "longest"), [("naive", 1), ("true", 4), ("genemask", 2)])
def test_scores_equal_the_plain_twin(corpus, k, kind, longest):
    longest = min(longest, k - 1)
    f = {kmer: int(n) for k in range(1, 6) for kmer, n in zip(kmers(k), corpus[k], strict=True)}
    total = float(corpus[1].sum()) * (2 if kind == "genemask" else 1)
    values = scores(corpus, k, kind, threshold=30)
    for kmer in kmers(k)[::7]:
        expected = plain_score(kmer, f, total, longest)
        if kind == "genemask":
            expected *= log(f[kmer]) / (log(f[kmer]) + log(30))
        if kind == "genemask" and f[kmer] < 30:
            assert values[number(kmer)] == -np.inf
        else:
            assert values[number(kmer)] == pytest.approx(expected, abs=1e-12)
