"""Random sequences and tables for the readers' tests."""

from __future__ import annotations

import numpy as np
import pandas as pd


def random_bases(count: int, length: int, seed: int = 0) -> list[str]:
    letters = np.random.default_rng(seed).choice(list("ACGT"), size=(count, length))
    return ["".join(row) for row in letters]


def table(count: int, length: int, seed: int, classes: int = 2) -> pd.DataFrame:
    labels = [index % classes for index in range(count)]
    return pd.DataFrame({"sequence": random_bases(count, length, seed), "label": labels})


def kmers(bases: str, k: int = 6) -> str:
    return " ".join(bases[start : start + k] for start in range(len(bases) - k + 1))


def rows_of(frame: pd.DataFrame) -> list[tuple[str, int]]:
    return sorted(zip(frame["sequence"], frame["label"], strict=True))
