"""How many test sequences a model has seen, or nearly, in train.

A dev split that is drawn from train counts as train: every seed may draw another.

Exact: the sequence itself. Reverse complement: its other strand. Near: a training sequence, on
either strand and at some shift without gaps, has the same base as at least 90 % of the test
sequence; the other two are near as well.

Near ones are found by shared 13-mers, at about 64 places of each sequence that its own letters
choose, and then compared base by base, so none is counted wrongly. Two kinds are missed: those
whose differences break all of these 13-mers, as may happen at the very edge of 90 %, and those that
share nothing but a repeat, whose 13-mers occur too often to be looked up. Against a comparison of
every pair, these are none of 79 in four tasks of GUE, and two of three in mouse_2, all of (GA)n.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from dnastudents.files import read_json
from dnastudents.genome.codes import N, encode, kmer_codes, reverse_complement
from dnastudents.settings import Settings, parse

FILE = "leaks.json"
IDENTITY = 0.9
K = 13
PLACES = 64  # of a sequence of median length
MOST = 50  # times that a 13-mer may occur in test: those of repeats say little
CHUNK = 4096  # training sequences at a time
_PAIRS = 20_000_000  # bases that are compared at a time
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Leaks(Settings):
    """Test sequences that are in train, in three senses; each row of test counts."""

    tested: int = Field(description="All test sequences.")
    exact: int = Field(description="Those that are in train.")
    reverse_complement: int = Field(description="Those whose other strand is in train.")
    near: int = Field(description="Those that are in train but for a tenth of their bases.")


class _Side(NamedTuple):
    """Sequences end to end, with an N between two, and where each begins and how long it is."""

    codes: NDArray[np.uint8]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


def read_leaks(folder: str | Path) -> Leaks | None:
    """Read what a task folder says of its leaks; None where it was written without."""
    file = Path(folder) / FILE
    if not file.is_file():
        return None
    leaks: Leaks = parse(Leaks, read_json(file), str(file))
    return leaks


def find_leaks(train: Sequence[str], test: Sequence[str]) -> Leaks:
    """Count the test sequences that are in train.

    Parameters
    ----------
    train, test : sequence of str
        Upper case; letters other than A, C, G and T are equal to none.
    """
    counts = pd.Series(test).value_counts()
    different = [str(sequence) for sequence in counts.index]
    rows = counts.to_numpy()
    known = set(train)
    exact = np.array([sequence in known for sequence in different], dtype=bool)
    other = np.array([_other_strand(sequence) in known for sequence in different], dtype=bool)
    near = _near(sorted(known), different, exact | other)
    exact_rows, other_rows, near_rows = (int(rows[found].sum()) for found in (exact, other, near))
    return Leaks(tested=len(test), exact=exact_rows, reverse_complement=other_rows, near=near_rows)


def _other_strand(sequence: str) -> str:
    return sequence[::-1].translate(str.maketrans("ACGT", "TGCA"))


def _near(train: list[str], test: list[str], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which test sequences are near a training sequence, besides the known ones."""
    near = known.copy()
    tested = _side([encode(sequence) for sequence in test])
    every = np.uint64(max(1, int(np.median(tested.lengths)) // PLACES))
    code, owner, place = _seeds(tested, every)
    order = np.argsort(code, kind="stable")
    index = code[order], owner[order], place[order]
    for start in range(0, len(train), CHUNK):
        forward = [encode(sequence) for sequence in train[start : start + CHUNK]]
        for strand in (forward, [reverse_complement(codes) for codes in forward]):
            learnt = _side(strand)
            for pairs in _candidates(index, _seeds(learnt, every), tested, learnt, near):
                near[pairs[0][_identity(tested, learnt, *pairs) >= IDENTITY]] = True
    return near


def _side(sequences: list[NDArray[np.uint8]]) -> _Side:
    lengths = np.array([len(codes) for codes in sequences], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths + 1)[:-1]])
    codes = np.full(int((lengths + 1).sum()) + K, N, dtype=np.uint8)
    for start, sequence in zip(starts, sequences, strict=True):
        codes[start : start + len(sequence)] = sequence
    return _Side(codes, starts, lengths)


def _seeds(
    side: _Side, every: np.uint64
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """Return one of `every` 13-mers, the sequence that it is of, and its place there."""
    kmers = kmer_codes(side.codes, K)
    places = np.flatnonzero(kmers >= 0)
    code = kmers[places].astype(np.uint64)
    chosen = (code * _MIX >> np.uint64(32)) % every == 0
    places, code = places[chosen], code[chosen]
    owner = np.searchsorted(side.starts, places, side="right") - 1
    return code, owner, places - side.starts[owner]


Index = tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]
Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def _candidates(
    index: Index, seeds: Index, tested: _Side, learnt: _Side, near: NDArray[np.bool_]
) -> Iterator[Pairs]:
    """Give test sequences, training sequences and shifts that have a 13-mer in common.

    Only those that are not near yet, and overlap enough to be; in portions that fit in memory.
    """
    low = np.searchsorted(index[0], seeds[0], side="left")
    count = np.searchsorted(index[0], seeds[0], side="right") - low
    count[count > MOST] = 0
    which = np.repeat(low - np.cumsum(count) + count, count) + np.arange(int(count.sum()))
    test, train = index[1][which], np.repeat(seeds[1], count)
    shift = np.repeat(seeds[2], count) - index[2][which]
    ends = np.minimum(tested.lengths[test], learnt.lengths[train] - shift)
    overlap = ends - np.maximum(0, -shift)
    wanted = (overlap >= IDENTITY * tested.lengths[test]) & ~near[test]
    found = np.unique(np.stack([test[wanted], train[wanted], shift[wanted]]), axis=1)
    portions = np.cumsum(tested.lengths[found[0]]) // _PAIRS
    for portion in np.unique(portions):
        test, train, shift = found[:, portions == portion]
        yield test, train, shift


def _identity(
    tested: _Side,
    learnt: _Side,
    test: NDArray[np.int64],
    train: NDArray[np.int64],
    shift: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the share of each test sequence's bases that are the training sequence's, shifted."""
    lengths = tested.lengths[test]
    edges = np.cumsum(lengths) - lengths
    place = np.arange(int(lengths.sum())) - np.repeat(edges, lengths)
    there = place + np.repeat(shift, lengths)
    inside = (there >= 0) & (there < np.repeat(learnt.lengths[train], lengths))
    ours = tested.codes[np.repeat(tested.starts[test], lengths) + place]
    theirs = learnt.codes[np.repeat(learnt.starts[train], lengths) + np.where(inside, there, 0)]
    equal = inside & (ours == theirs) & (ours != N)
    return np.add.reduceat(equal, edges, dtype=np.int64) / lengths
