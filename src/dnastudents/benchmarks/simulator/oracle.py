"""The best that can be said of hidden bases: exact inference by a reader who knows the world.

The text is a hidden Markov chain. Its states, for each strand: every place of every word; and for
every word the places of the spacer that follows it, counted by what is left. One more state is the
text between passages. A window begins in the stationary regime, and a hidden base is a missing
observation, so the forward and backward sums give the probability of any hidden bases given
everything that the window shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnastudents.benchmarks.simulator.world import (
    BASES_BETWEEN,
    SPACERS,
    SUBSTITUTIONS,
    WORDS_OF_PASSAGE,
    Codes,
    Index,
    World,
)
from dnastudents.files import read_json
from dnastudents.genome.codes import encode, reverse_complement
from dnastudents.genome.reference import TRUTH
from dnastudents.yardsticks.reading import Hidden

Floats = NDArray[np.float64]
WINDOWS_AT_ONCE = 32  # tens of megabytes


@dataclass(frozen=True)
class Chain:
    """A hidden Markov chain over bases.

    Parameters
    ----------
    transitions : (states, states) array
        From row to column.
    emissions : (states, 4) array
        Probability of each base.
    stationary : (states,) array
        Share of the bases in each state.
    """

    transitions: Floats
    emissions: Floats
    stationary: Floats


def oracle_of(reference: Path) -> Callable[[Hidden], Floats] | None:
    """Return what computes the losses of hidden tokens, in nats, (tokens,); None: nothing knows.

    Parameters
    ----------
    reference : Path
        Folder of the genome; one that is simulated has a `truth.json`.
    """
    truth = reference / TRUTH
    if not truth.is_file():
        return None
    chain = chain_of(world_of(read_json(truth)))
    return partial(token_losses, chain)


def world_of(truth: Mapping[str, Any]) -> World:
    """Read the world of a simulated genome from its `truth.json`."""
    lexicon = np.stack([encode(word) for word in truth["lexicon"]])
    return World(lexicon, np.array(truth["grammar"]), np.array(truth["spacing"]))


def chain_of(world: World) -> Chain:
    """Write a world as a hidden Markov chain."""
    words, width = world.lexicon.shape
    longest = int(world.spacing.max()) + SPACERS - 1
    state = np.arange(2 * words * (width + longest)).reshape(2, words, width + longest)
    between = state.size
    first, last = state[..., 0], state[..., width - 1]
    spacer = state[..., width:]  # counted by the bases that are left, the last one first
    transitions = np.zeros((between + 1, between + 1))
    transitions[state[..., : width - 1], state[..., 1:width]] = 1
    transitions[spacer[..., 1:], spacer[..., :-1]] = 1
    transitions[between, between] = 1 - 1 / BASES_BETWEEN
    transitions[between, first] = 1 / BASES_BETWEEN / first.size
    transitions[last, between] = 1 / WORDS_OF_PASSAGE
    goes_on = (1 - 1 / WORDS_OF_PASSAGE) / SPACERS
    for word, shortest in enumerate(world.spacing):
        begun = spacer[:, word, shortest - 1 : shortest - 1 + SPACERS]
        # A spacer belongs to the word before it. Read from the other strand that is the word after
        # it, which is drawn first: how often the grammar leads from there to where one comes from.
        transitions[last[0, word], begun[0]] = goes_on
        transitions[spacer[0, word, 0], first[0]] = world.grammar[word]
        transitions[last[1][:, None], begun[1]] = goes_on * world.grammar[word][:, None]
        transitions[spacer[1, word, 0], first[1, word]] = 1
    emissions = np.full((between + 1, 4), 0.25)
    for strand, lexicon in enumerate((world.lexicon, reverse_complement(world.lexicon))):
        emissions[state[strand, :, :width]] = SUBSTITUTIONS / 3
        emissions[state[strand, :, :width], lexicon] = 1 - SUBSTITUTIONS
    return Chain(transitions, emissions, _stationary(transitions))


def hidden_probabilities(
    chain: Chain, seen: Codes, row: Index, start: Index, bases: Codes
) -> Floats:
    """Compute which probability the oracle gave to true k-mers of which bases are hidden.

    Parameters
    ----------
    chain : Chain
        Of the world.
    seen : (windows, length) uint8 array
        The bases that are shown, N where one is hidden.
    row, start : (k-mers,) int arrays
        Window and first base of each k-mer.
    bases : (k-mers, k) uint8 array
        The true bases, without N.

    Returns
    -------
    (k-mers,) array
        Given all that is shown of its window; 1 where that is the whole k-mer.
    """
    said = _likelihoods(chain, seen)
    forward, backward = _forward(chain, said), _backward(chain, said)
    known = unknown = forward[start, row]
    for offset, base in enumerate(bases.T):
        known = (known * chain.emissions[:, base].T) @ chain.transitions
        unknown = (unknown * said[row, start + offset]) @ chain.transitions
    after = backward[start + bases.shape[1], row]
    return (known * after).sum(axis=1) / (unknown * after).sum(axis=1)


def token_losses(chain: Chain, hidden: Hidden) -> Floats:
    """Compute -log of those probabilities for hidden tokens of any size, in nats, (tokens,).

    A token of which not all bases are known is nan.
    """
    losses = np.full(len(hidden.row), np.nan)
    known = hidden.known
    for first in range(0, len(hidden.seen), WINDOWS_AT_ONCE):
        seen = hidden.seen[first : first + WINDOWS_AT_ONCE]
        here = known & (hidden.row >= first) & (hidden.row < first + len(seen))
        for size in np.unique(hidden.size[here]).tolist():
            chosen = np.flatnonzero(here & (hidden.size == size))
            row, start = hidden.row[chosen] - first, hidden.start[chosen]
            true = hidden.bases[chosen, :size]
            losses[chosen] = -np.log(hidden_probabilities(chain, seen, row, start, true))
    return losses


def _likelihoods(chain: Chain, seen: Codes) -> Floats:
    """Tell each state what a base says about it, (windows, length, states): 1 where hidden."""
    return np.concatenate([chain.emissions.T, np.ones((1, len(chain.stationary)))])[seen]


def _forward(chain: Chain, said: Floats) -> Floats:
    """Sum over all states before each base, (length + 1, windows, states), scaled to sum to 1."""
    windows, length, states = said.shape
    sums = np.empty((length + 1, windows, states))
    sums[0] = chain.stationary
    for at in range(length):
        joint = (sums[at] * said[:, at]) @ chain.transitions
        sums[at + 1] = joint / joint.sum(axis=1, keepdims=True)
    return sums


def _backward(chain: Chain, said: Floats) -> Floats:
    """Sum over all states from each base on, (length + 1, windows, states), scaled likewise."""
    windows, length, states = said.shape
    sums = np.empty((length + 1, windows, states))
    sums[length] = 1.0
    for at in reversed(range(length)):
        joint = said[:, at] * (sums[at + 1] @ chain.transitions.T)
        sums[at] = joint / joint.sum(axis=1, keepdims=True)
    return sums


def _stationary(transitions: Floats) -> Floats:
    """Solve for the shares of the states that a transition leaves as they are."""
    states = len(transitions)
    equations = np.vstack([transitions.T - np.eye(states), np.ones(states)])
    shares: Floats = np.linalg.lstsq(equations, np.r_[np.zeros(states), 1.0], rcond=None)[0]
    return shares.clip(min=0)
