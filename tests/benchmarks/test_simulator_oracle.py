"""The oracle against enumeration, and against the text that the simulator writes."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from dnastudents.benchmarks.simulator.oracle import (
    Chain,
    chain_of,
    hidden_probabilities,
    oracle_of,
    token_losses,
)
from dnastudents.benchmarks.simulator.world import World, make_world, write_text
from dnastudents.genome.codes import N
from dnastudents.yardsticks.reading import Hidden

TOY = World(
    lexicon=np.array([[0, 1, 3], [2, 2, 0]], dtype=np.uint8),
    grammar=np.array([[0.2, 0.8], [0.8, 0.2]]),
    spacing=np.array([1, 2]),
)


@pytest.fixture(scope="module")
def toy() -> Chain:
    return chain_of(TOY)


def base_posterior(chain: Chain, seen: np.ndarray) -> np.ndarray:
    """Probability of each base, (windows, length, 4), given what else a window shows."""
    windows, length = seen.shape
    row, start = np.divmod(np.arange(seen.size), length)
    one_base = np.ones((seen.size, 1), dtype=np.uint8)
    found = [hidden_probabilities(chain, seen, row, start, base * one_base) for base in range(4)]
    return np.stack(found, axis=1).reshape(windows, length, 4)


def log_likelihood(chain: Chain, codes: np.ndarray) -> np.ndarray:
    """Log-probability of each window of (windows, length) codes, in nats."""
    state = np.broadcast_to(chain.stationary, (len(codes), len(chain.stationary)))
    total = np.zeros(len(codes))
    for bases in codes.T:
        joint = state * chain.emissions[:, bases].T
        scale = joint.sum(axis=1, keepdims=True)
        total += np.log(scale[:, 0])
        state = (joint / scale) @ chain.transitions
    return total


def enumerated(chain: Chain, codes: list[int | None]) -> float:
    """Sum over all paths of states, one after the other; None is a hidden base."""

    def rest(state: int, at: int) -> float:
        base = codes[at]
        emitted = 1.0 if base is None else chain.emissions[state, base]
        if at + 1 == len(codes):
            return emitted
        following = np.flatnonzero(chain.transitions[state])
        return emitted * sum(chain.transitions[state, to] * rest(to, at + 1) for to in following)

    states = range(len(chain.stationary))
    return float(sum(chain.stationary[state] * rest(state, 0) for state in states))


def test_likelihoods_are_sums_over_all_paths(toy: Chain) -> None:
    codes = np.array([[0, 1, 3, 2, 0, 1, 2], [2, 2, 2, 0, 3, 3, 1]], dtype=np.uint8)
    expected = [np.log(enumerated(toy, row)) for row in codes.tolist()]
    assert log_likelihood(toy, codes) == pytest.approx(expected)


@pytest.mark.parametrize("hidden", [[0], [3], [2, 3, 4], [0, 5, 6]])
def test_posteriors_are_ratios_of_such_sums(toy: Chain, hidden: list[int]) -> None:
    codes = np.array([[0, 1, 3, 2, 0, 1, 2]], dtype=np.uint8)
    shown = [None if at in hidden else base for at, base in enumerate(codes[0].tolist())]
    seen = np.where(np.isin(np.arange(7), hidden), N, codes).astype(np.uint8)

    def filled(at: int, bases: tuple[int, ...]) -> float:
        return enumerated(toy, [*shown[:at], *bases, *shown[at + len(bases) :]])

    total = enumerated(toy, shown)
    posterior = base_posterior(toy, seen)
    for at in hidden:
        expected = [filled(at, (base,)) / total for base in range(4)]
        assert posterior[0, at] == pytest.approx(expected)
    start = np.arange(5)
    bases = codes[0, start[:, None] + np.arange(3)]
    expected = [filled(at, tuple(bases[at].tolist())) / total for at in start.tolist()]
    got = hidden_probabilities(toy, seen, np.zeros(5, dtype=int), start, bases)
    assert got == pytest.approx(expected)


def test_losses_of_tokens_of_several_sizes_in_many_windows(toy: Chain) -> None:
    text = write_text(TOY, 700, np.random.default_rng(3)).codes.reshape(100, 7)
    seen = text.copy()
    seen[:, 2:5] = N
    row = np.repeat(np.arange(100), 2)
    start, size = np.tile([2, 3], 100), np.tile([3, 1], 100)
    bases = text[row[:, None], start[:, None] + np.arange(3)]
    bases[size == 1, 1:] = N
    bases[0, 1] = N  # is not known
    losses = token_losses(toy, Hidden(seen, row, start, size, bases))
    assert np.isnan(losses).tolist() == [True] + [False] * 199
    for token in (1, 70, 151, 198):
        at, length = start[token], size[token]
        true = bases[token, :length][None]
        here = hidden_probabilities(toy, seen[row[token]][None], np.zeros(1, int), at[None], true)
        assert losses[token] == pytest.approx(-np.log(here[0]))


def test_a_reference_that_is_not_simulated_has_no_oracle(tmp_path: Path) -> None:
    assert oracle_of(tmp_path) is None
    truth = {"lexicon": ["ACT", "GGA"], "grammar": TOY.grammar.tolist(), "spacing": [1, 2]}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    text = write_text(TOY, 70, np.random.default_rng(3)).codes.reshape(10, 7)
    row, start = np.arange(10), np.full(10, 2)
    seen = np.where(np.arange(7) == 2, N, text).astype(np.uint8)
    hidden = Hidden(seen, row, start, np.ones(10, int), text[:, 2:3])
    oracle = oracle_of(tmp_path)
    assert oracle is not None
    assert oracle(hidden) == pytest.approx(token_losses(chain_of(TOY), hidden))


def test_the_chain_is_the_text_that_is_written(toy: Chain) -> None:
    """The probability of every 5-mer, either strand and all boundaries, against its frequency."""
    text = write_text(TOY, 3_000_000, np.random.default_rng(0)).codes.astype(int)
    numbers = sum(text[i : len(text) - 4 + i] * 4 ** (4 - i) for i in range(5))
    frequency = np.bincount(numbers, minlength=4**5) / len(numbers)
    every = np.array(list(product(range(4), repeat=5)), dtype=np.uint8)
    expected = np.exp(log_likelihood(toy, every))
    assert expected.sum() == pytest.approx(1)
    assert frequency == pytest.approx(expected, rel=0.1, abs=3e-5)


def test_the_oracle_is_as_sure_as_it_is_right() -> None:
    """With the world of the demo: a wrong word, order or spacing would make it too sure."""
    world = make_world(5)
    chain = chain_of(world)
    assert chain.transitions.sum(axis=1) == pytest.approx(np.ones(len(chain.transitions)))
    text = write_text(world, 60_000, np.random.default_rng(1)).codes
    codes = text[: 126 * 400].reshape(400, 126)
    hidden = np.random.default_rng(2).random(codes.shape) < 0.15
    posterior = base_posterior(chain, np.where(hidden, N, codes).astype(np.uint8))[hidden]
    right = posterior.argmax(axis=1) == codes[hidden]
    assert right.mean() == pytest.approx(posterior.max(axis=1).mean(), abs=0.015)
    given = np.take_along_axis(posterior, codes[hidden][:, None].astype(int), axis=1)
    surprise = -np.log(given).mean()
    entropy = -(posterior * np.log(posterior)).sum(axis=1).mean()
    assert surprise == pytest.approx(entropy, abs=0.03)
    assert np.exp(surprise) < 2
