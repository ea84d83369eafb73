"""Pointwise mutual information of k-mers: counts, scores, and the ranking behind the PMI masks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dnastudents.pmi.counting import count_kmers, marginalise
    from dnastudents.pmi.ranking import agreement, load_ranks, rank_table, table, write
    from dnastudents.pmi.scoring import PmiSettings, scores

__all__ = [
    "PmiSettings",
    "agreement",
    "count_kmers",
    "load_ranks",
    "marginalise",
    "rank_table",
    "scores",
    "table",
    "write",
]


def __getattr__(name: str) -> Any:
    """Import at first use: a process that only counts must not wait for torch and pandas."""
    if name in __all__:
        for part in ("counting", "scoring", "ranking"):
            module = import_module(f"{__name__}.{part}")
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
