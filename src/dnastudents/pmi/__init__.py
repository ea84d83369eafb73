"""Pointwise mutual information of k-mers: counts, scores, and the ranking behind the PMI masks."""

from dnastudents.lazy import lazy

__getattr__, __all__ = lazy(
    __name__,
    {
        "counting": ["count_kmers", "marginalise"],
        "scoring": ["PmiSettings", "scores"],
        "ranking": ["load_ranks", "rank_table", "table", "write"],
    },
)
