"""Background sequence: a Markov chain of order 5 whose conditionals are peaked and structured.

The log-probabilities of the next base are a sum of two random tables. The first reads the last
three bases and is shared by both species; it carries most of the information, so that a small
network learns masked prediction from a few hundred thousand bases. The second reads the bases 5, 4
and 1 back, is weaker, and differs between species: their 3-mer counts stay close, their 6-mers do
not.
CpG is rare outside CpG islands, as in vertebrates.

A chain is sequential, but many chains are not: all rows of a sample advance together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint8]
ORDER = 5
CONTEXTS = 4**ORDER
C, G = 1, 2  # codes, see dnastudents.genome.codes


@dataclass(frozen=True)
class Background:
    """A Markov chain over A C G T.

    Parameters
    ----------
    probabilities : (4**5, 4) array
        Next-base probabilities by context; a context is the base-4 number of the last five bases,
        the oldest most significant.
    """

    probabilities: NDArray[np.float64]

    def sample(self, rows: int, length: int, generator: np.random.Generator) -> Codes:
        """Draw `rows` independent sequences: (rows, length) codes, from the stationary regime."""
        cumulative = np.cumsum(self.probabilities, axis=1)[:, :3]
        context = generator.integers(CONTEXTS, size=rows)
        sequences = np.empty((rows, length), dtype=np.uint8)
        burn_in = 20
        for position in range(-burn_in, length):
            draw = generator.random(rows)
            base = (draw[:, None] > cumulative[context]).sum(axis=1)
            context = (context * 4 + base) % CONTEXTS
            if position >= 0:
                sequences[:, position] = base
        return sequences


def _chain(near: NDArray[np.float64], far: NDArray[np.float64], prior: list[float]) -> Background:
    """Combine a table on the last three bases, one on bases 5, 4 and 1 back, and a composition."""
    # axes: the bases 5, 4, 3, 2 and 1 back, then the next one
    logits = near[None, None] + far[:, :, None, None] + np.log(prior)
    weights = np.exp(logits.reshape(CONTEXTS, 4))
    return Background(weights / weights.sum(axis=1, keepdims=True))


def backgrounds(
    generator: np.random.Generator, peakedness: float = 1.1, divergence: float = 0.3
) -> dict[str, Background]:
    """Make the chains of one simulated world: `host`, `foreign` and `cpg_island`.

    Parameters
    ----------
    generator : numpy.random.Generator
        Source of the random tables.
    peakedness : float
        Standard deviation of the shared log-probabilities. Default is 1.1: about 1.5 bits per base.
    divergence : float
        Standard deviation of each species' own log-probabilities. Default is 0.3.
    """
    near = peakedness * generator.standard_normal((4, 4, 4, 4))
    depleted = near.copy()
    depleted[:, :, C, G] -= 1.5
    prior = [0.28, 0.22, 0.22, 0.28]
    own = [divergence * generator.standard_normal((4, 4, 4, 4)) for _ in range(2)]
    island = 0.5 * near
    island[:, :, C, G] += 0.7
    return {
        "host": _chain(depleted, own[0], prior),
        "foreign": _chain(depleted, own[1], prior),
        "cpg_island": _chain(island, np.zeros((4, 4, 4, 4)), [0.15, 0.35, 0.35, 0.15]),
    }
