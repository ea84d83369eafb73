"""Counts that the PMI tests share."""

from __future__ import annotations

import numpy as np
import pytest
from plain_kmers import random_text

from dnastudents.genome.codes import encode
from dnastudents.pmi import count_kmers


@pytest.fixture(scope="session")
def corpus() -> dict[int, np.ndarray]:
    """Counts of up to six bases in a random sequence without N."""
    return count_kmers([encode(random_text(60_000, n_share=0.0))], 6)
