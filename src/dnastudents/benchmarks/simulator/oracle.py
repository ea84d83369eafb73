"""The best that can be said of hidden bases: exact inference by a reader who knows the world.

The text is a hidden Markov chain. Its states, for each strand: every place of every word; and for
every word the places of the spacer that follows it, counted by what is left. One more state is the
text between passages. A window begins in the stationary regime, and a hidden base is a missing
observation, so the forward and backward sums give the probability of any hidden bases given
everything that the window shows.
"""

from __future__ import annotations

from dataclasses import dataclass

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
from dnastudents.genome.codes import reverse_complement

Floats = NDArray[np.float64]


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
    chain: Chain, codes: Codes, visible: NDArray[np.bool_], starts: Index, k: int
) -> Floats:
    """Compute what each k-mer was given as its probability by the oracle.

    Parameters
    ----------
    chain : Chain
        Of the world.
    codes : (windows, length) uint8 array
        The true bases.
    visible : (windows, length) bool array
        Which of them are shown.
    starts : (k-mers, 2) int array
        Window and first base of each k-mer.
    k : int
        Its bases; those that are visible are certain.

    Returns
    -------
    (k-mers,) array
        Probability of the true k-mer given all visible bases of its window.
    """
    seen = _likelihoods(chain, codes, visible)
    forward, backward = _forward(chain, seen), _backward(chain, seen)
    window, first = starts.T
    # forward[t] is what comes before base t, backward[t] what comes from base t on; both scaled.
    known = forward[first, window]
    unknown = known
    for offset in range(k):
        at = (window, first + offset)
        emitted = chain.emissions[:, codes[at]].T
        known = (known * emitted) @ chain.transitions
        unknown = (unknown * seen[at]) @ chain.transitions
    after = backward[first + k, window]
    return (known * after).sum(axis=1) / (unknown * after).sum(axis=1)


def base_posterior(chain: Chain, codes: Codes, visible: NDArray[np.bool_]) -> Floats:
    """Compute the probability of each base, (windows, length, 4), given all visible ones.

    Parameters as of `hidden_probabilities`; of a visible base it is what the others say.
    """
    seen = _likelihoods(chain, codes, visible)
    forward, backward = _forward(chain, seen), _backward(chain, seen)
    after = backward[1:] @ chain.transitions.T
    joint = (forward[:-1] * after) @ chain.emissions
    posterior: Floats = (joint / joint.sum(axis=2, keepdims=True)).transpose(1, 0, 2)
    return posterior


def log_likelihood(chain: Chain, codes: Codes) -> Floats:
    """Compute the log-probability of each window of (windows, length) codes, in nats."""
    state = np.broadcast_to(chain.stationary, (len(codes), len(chain.stationary)))
    total = np.zeros(len(codes))
    for bases in codes.T:
        joint = state * chain.emissions[:, bases].T
        scale = joint.sum(axis=1, keepdims=True)
        total += np.log(scale[:, 0])
        state = (joint / scale) @ chain.transitions
    return total


def _likelihoods(chain: Chain, codes: Codes, visible: NDArray[np.bool_]) -> Floats:
    """Tell each state what a base says about it, (windows, length, states): 1 where hidden."""
    table = np.concatenate([chain.emissions.T, np.ones((1, len(chain.stationary)))])
    return table[np.where(visible, codes, 4)]


def _forward(chain: Chain, seen: Floats) -> Floats:
    """Sum over the states before each base, (length + 1, windows, states), scaled to sum to 1."""
    windows, length, states = seen.shape
    sums = np.empty((length + 1, windows, states))
    sums[0] = chain.stationary
    for at in range(length):
        joint = (sums[at] * seen[:, at]) @ chain.transitions
        sums[at + 1] = joint / joint.sum(axis=1, keepdims=True)
    return sums


def _backward(chain: Chain, seen: Floats) -> Floats:
    """Sum over the states from each base on, (length + 1, windows, states), scaled likewise."""
    windows, length, states = seen.shape
    sums = np.empty((length + 1, windows, states))
    sums[length] = 1.0
    for at in reversed(range(length)):
        joint = seen[:, at] * (sums[at + 1] @ chain.transitions.T)
        sums[at] = joint / joint.sum(axis=1, keepdims=True)
    return sums


def _stationary(transitions: Floats) -> Floats:
    """Solve for the shares of the states that a transition leaves as they are."""
    states = len(transitions)
    equations = np.vstack([transitions.T - np.eye(states), np.ones(states)])
    shares: Floats = np.linalg.lstsq(equations, np.r_[np.zeros(states), 1.0], rcond=None)[0]
    return shares.clip(min=0)
