"""Batches of sequence drawn from a reference, addressed by (seed, step).

Neither sampler has a state: a resumed run asks for the step it stopped at. `Windows` draws windows
of one length uniformly over all their valid starts, hence in proportion to the length of the
sequences, or draws a sequence first, as FinDNA does. `Pieces` cuts the sequences into the variable
pieces that DNABERT and GeneMask pretrain on and goes through all of them in a new order each epoch.
Both keep an index of places only; the bases stay in the reference's memory map.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np

from dnastudents.errors import InputError
from dnastudents.genome.codes import PAD, N
from dnastudents.randomness import numpy_generator

if TYPE_CHECKING:
    from dnastudents.genome.reference import Reference

_BLOCK = 1 << 24  # starts examined at a time while an index is made
_ROWS = 1 << 12  # pieces in memory at a time while duplicates are searched


class Sampler(Protocol):
    """What pretraining needs of a source of sequence.

    Attributes
    ----------
    length : int
        The columns L of a batch.
    """

    length: int

    def __len__(self) -> int: ...

    def batch(self, seed: int, step: int, batch_size: int) -> np.ndarray:
        """The codes of one training step, uint8 (batch_size, L), padded with PAD."""

    def spans(self, seed: int, step: int, batch_size: int) -> np.ndarray:
        """Where in the reference's codes these rows lie, int64 (batch_size, 2), [first, last)."""

    def fixed(self, count: int, seed: int) -> np.ndarray:
        """A validation subset that never changes, uint8 (count, L), padded with PAD."""


class EpochOrder:
    """Goes through items 0 .. total - 1, in a new order each epoch.

    A batch may hold the end of one epoch and the begin of the next.

    Parameters
    ----------
    total : int
        Number of items.
    purpose : str
        Names the generator of the orders.
    """

    def __init__(self, total: int, purpose: str) -> None:
        self._total, self._purpose = total, purpose
        self._orders: dict[tuple[int, int], np.ndarray] = {}

    def indices(self, seed: int, step: int, batch_size: int) -> np.ndarray:
        """Items of one step, int64 (batch_size,)."""
        place = np.arange(step * batch_size, (step + 1) * batch_size)
        epoch, item = np.divmod(place, self._total)
        numbers = np.empty(batch_size, dtype=np.int64)
        for each in np.unique(epoch).tolist():
            here = epoch == each
            numbers[here] = self._order(seed, each)[item[here]]
        return numbers

    def _order(self, seed: int, epoch: int) -> np.ndarray:
        key = (seed, epoch)
        if key not in self._orders:
            if len(self._orders) > 1:  # a batch needs two epochs, unless it holds several
                self._orders.pop(next(iter(self._orders)))
            order = numpy_generator(seed, self._purpose, epoch).permutation(self._total)
            self._orders[key] = order
        return self._orders[key]


def valid_runs(codes: np.ndarray, start: int, end: int, length: int, most_n: int = 0) -> np.ndarray:
    """Find where windows of codes[start:end] may begin.

    Parameters
    ----------
    codes : numpy.ndarray
        uint8 (bases,).
    start, end : int
        Windows lie inside [start, end).
    length : int
        Bases of a window.
    most_n : int
        A window holds at most so many N. Default is 0.

    Returns
    -------
    numpy.ndarray
        int64 (R, 2): all positions of each [first, last) are valid starts; runs do not touch.
    """
    edges = []
    for first in range(start, end - length + 1, _BLOCK):
        last = min(first + _BLOCK, end - length + 1)
        unknown = codes[first : last + length - 1] == N
        if unknown.any():
            before = np.concatenate(([0], np.cumsum(unknown)))
            valid = before[length:] - before[:-length] <= most_n
            edges.append(first + np.flatnonzero(np.diff(valid, prepend=False, append=False)))
        else:
            edges.append(np.array([first, last]))
    if not edges:
        return np.empty((0, 2), dtype=np.int64)
    # A run over the border of two blocks has an end and a start there; both go.
    values, counts = np.unique(np.concatenate(edges), return_counts=True)
    return values[counts == 1].reshape(-1, 2)


class Windows:
    """All windows of one length in some sequences.

    Parameters
    ----------
    reference : Reference
        The genome.
    spec : iterable of str
        Sequences to draw from, as for `Reference.intervals`.
    length : int
        Bases of a window.
    max_n_fraction : float
        Windows with a larger share of N do not exist. Default is 0.
    sampling : {"by_length", "by_name"}
        Windows are drawn uniformly over all starts; or, as FinDNA released, first a record,
        uniformly over those that hold a window, then a start in it. Default is "by_length".
    count : int, optional
        So many windows, which may repeat, are drawn once by the seed and gone through in a new
        order each epoch. Default is fresh windows at each step.

    Raises
    ------
    InputError
        No window fits, or an argument is impossible.
    """

    def __init__(
        self,
        reference: Reference,
        spec: Iterable[str],
        length: int,
        max_n_fraction: float = 0.0,
        sampling: str = "by_length",
        count: int | None = None,
    ) -> None:
        if sampling not in ("by_length", "by_name") or (count is not None and count < 1):
            raise InputError(
                f"{count} windows sampled {sampling!r}: sampling is by_length or by_name, "
                "count at least 1 or none"
            )
        if length < 1 or not 0 <= max_n_fraction <= 1:
            raise InputError(
                f"windows of {length} bases with an N fraction of {max_n_fraction}: "
                "length is at least 1, max_n_fraction from 0 to 1"
            )
        spec = list(spec)
        intervals = reference.intervals(spec)
        spans = [reference.span(interval) for interval in intervals]
        most_n = int(max_n_fraction * length + 1e-9)
        found = [valid_runs(reference.codes, *span, length, most_n) for span in spans]
        runs = np.concatenate(found)
        if not len(runs):
            raise InputError(
                f"no window of {length:,} bases with at most {max_n_fraction:.0%} N in "
                f"{', '.join(spec)}; shorten the windows or allow more N"
            )
        self.length = length
        self._codes = reference.codes
        self._first = runs[:, 0]
        self._total = np.cumsum(runs[:, 1] - runs[:, 0])
        names = np.repeat([interval.name for interval in intervals], [len(each) for each in found])
        last = np.append(names[1:] != names[:-1], True)  # runs of one record are neighbours
        self._borders = np.append(0, self._total[last])
        self._by_name = sampling == "by_name"
        self._count = count
        self._drawn: dict[int, np.ndarray] = {}
        self._epochs = EpochOrder(count or 0, "order of windows")

    def __len__(self) -> int:
        return int(self._total[-1])

    def sample(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """Draw windows by the rule of `sampling`, uint8 (count, length)."""
        return self._read(self._draw(count, generator))

    def batch(self, seed: int, step: int, batch_size: int) -> np.ndarray:
        """The windows of one step, uint8 (batch_size, length)."""
        return self._read(self._numbers(seed, step, batch_size))

    def spans(self, seed: int, step: int, batch_size: int) -> np.ndarray:
        """Where they lie in the reference's codes, int64 (batch_size, 2), [first, last)."""
        starts = self._starts(self._numbers(seed, step, batch_size))
        return np.stack([starts, starts + self.length], axis=1)

    def fixed(self, count: int, seed: int) -> np.ndarray:
        """Evenly spaced windows, uint8 (count, length), by any sampling; `seed` shifts them."""
        return self._read(evenly_spaced(count, len(self), seed))

    def _numbers(self, seed: int, step: int, batch_size: int) -> np.ndarray:
        """Numbers of the windows of one step, int64 (batch_size,)."""
        if self._count is None:
            return self._draw(batch_size, numpy_generator(seed, "windows", step))
        if seed not in self._drawn:
            self._drawn = {seed: self._draw(self._count, numpy_generator(seed, "drawn windows"))}
        return self._drawn[seed][self._epochs.indices(seed, step, batch_size)]

    def _draw(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """Numbers of windows, int64 (count,)."""
        if not self._by_name:
            return generator.integers(len(self), size=count)
        record = generator.integers(len(self._borders) - 1, size=count)
        return generator.integers(self._borders[record], self._borders[record + 1])

    def _read(self, numbers: np.ndarray) -> np.ndarray:
        """The windows with these numbers in 0 .. len(self) - 1."""
        windows = np.lib.stride_tricks.sliding_window_view(self._codes, self.length)
        return windows[self._starts(numbers)]

    def _starts(self, numbers: np.ndarray) -> np.ndarray:
        """Where in the codes the windows with these numbers begin."""
        run = np.searchsorted(self._total, numbers, side="right")
        last = self._total[run] - 1
        run_end = self._first[run] + last - np.concatenate(([0], self._total))[run]
        return run_end - (last - numbers)


class Pieces:
    """The corpus of DNABERT and GeneMask: sequences cut without overlap into variable pieces.

    From a random start of at most 1,000 bases, a piece has `max_length` bases with probability one
    half, else a length drawn uniformly from min_length .. max_length - 1. What is left before the
    end is a piece when it has min_length bases.

    Parameters
    ----------
    reference : Reference
        The genome.
    spec : iterable of str
        Sequences to cut, as for `Reference.intervals`.
    max_length, min_length : int
        Default is 511 and 6 bases, 506 and 1 tokens of 6-mers.
    seed : int
        Of the cuts. Default is 12345, the authors' NumPy seed.
    unknown : {"split", "delete"}
        Pieces end at N; or, as released, N are deleted and the sides joined, which makes pieces
        that no genome holds. Default is "split".
    duplicates : {"drop", "keep"}
        Of equal pieces only the first in the order of the genome stays, or all do. Default is
        "drop".

    Raises
    ------
    InputError
        No piece fits, or an argument is impossible.

    Notes
    -----
    roysoumya/GeneMask @c761446, Code-A; facts in its numbers: a mean step of 384.5 bases.
    Pieces lie in coordinates of known bases, as if all N were deleted, which the runs of known
    bases map back; the index takes 12 bytes a piece, finding duplicates some 30 more for a while.
    """

    def __init__(
        self,
        reference: Reference,
        spec: Iterable[str],
        max_length: int = 511,
        min_length: int = 6,
        seed: int = 12345,
        unknown: str = "split",
        duplicates: str = "drop",
    ) -> None:
        if not 1 <= min_length < max_length:
            raise InputError(f"pieces of {min_length} to {max_length} bases: 1 <= min < max")
        if unknown not in ("split", "delete") or duplicates not in ("drop", "keep"):
            raise InputError(
                f"pieces with unknown {unknown!r} and duplicates {duplicates!r}: "
                "unknown is split or delete, duplicates drop or keep"
            )
        spec = list(spec)
        spans = [reference.span(interval) for interval in reference.intervals(spec)]
        runs = [valid_runs(reference.codes, *span, length=1) for span in spans]
        self.length = max_length
        self._codes = reference.codes
        self._runs = _Runs(np.concatenate(runs))
        sizes = [each[:, 1] - each[:, 0] for each in runs]
        if unknown == "delete":
            sizes = [each.sum(keepdims=True) for each in sizes]
        self._starts, self._lengths = _cut_all(sizes, min_length, max_length, seed)
        if duplicates == "drop":
            keep = ~self._repeats()
            self._starts, self._lengths = self._starts[keep], self._lengths[keep]
        if not len(self):
            raise InputError(f"no piece of {min_length} bases in {', '.join(spec)}")
        self._epochs = EpochOrder(len(self), "pieces")

    def __len__(self) -> int:
        return len(self._starts)

    def batch(self, seed: int, step: int, batch_size: int) -> np.ndarray:
        """The pieces of one step, uint8 (batch_size, max_length), padded with PAD."""
        return self._read(self._epochs.indices(seed, step, batch_size))

    def spans(self, seed: int, step: int, batch_size: int) -> np.ndarray:
        """Where they lie in the reference's codes, int64 (batch_size, 2), [first, last)."""
        first, last = self._ends(self._epochs.indices(seed, step, batch_size))
        return np.stack([first, last + 1], axis=1)

    def fixed(self, count: int, seed: int) -> np.ndarray:
        """Evenly spaced pieces, uint8 (count, max_length); `seed` shifts where the first lies."""
        return self._read(evenly_spaced(count, len(self), seed))

    def _read(self, numbers: np.ndarray) -> np.ndarray:
        starts, lengths = self._starts[numbers], self._lengths[numbers]
        first, last = self._ends(numbers)
        batch = np.full((len(numbers), self.length), PAD, dtype=np.uint8)
        # A copy for each row is faster here than one gather of all bases.
        for row, start, length in zip(batch, first.tolist(), lengths.tolist(), strict=True):
            row[:length] = self._codes[start : start + length]
        for each in np.flatnonzero(last - first >= lengths).tolist():  # over deleted N
            known = np.arange(starts[each], starts[each] + lengths[each])
            batch[each, : len(known)] = self._codes[self._runs.places(known)]
        return batch

    def _ends(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where in the codes the first and the last base of these pieces lie."""
        starts, lengths = self._starts[numbers], self._lengths[numbers]
        return self._runs.places(starts), self._runs.places(starts + lengths - 1)

    def _rows(self, numbers: np.ndarray) -> Iterator[bytes]:
        """Padded pieces one by one, few of them in memory."""
        for first in range(0, len(numbers), _ROWS):
            for row in self._read(numbers[first : first + _ROWS]):
                yield row.tobytes()

    def _repeats(self) -> np.ndarray:
        """Whether a piece equals an earlier one, bool (pieces,).

        A hash finds the few candidates, so that all pieces need never be in memory; then bases are
        compared, so the answer does not depend on the hash.
        """
        rows = self._rows(np.arange(len(self)))
        hashes = np.fromiter(map(hash, rows), dtype=np.int64, count=len(self))
        order = np.argsort(hashes)
        same = np.diff(hashes[order]) == 0
        candidates = np.unique(np.concatenate((order[1:][same], order[:-1][same])))
        repeats, seen = np.zeros(len(self), dtype=np.bool_), set[bytes]()
        for number, row in zip(candidates.tolist(), self._rows(candidates), strict=True):
            repeats[number] = row in seen
            seen.add(row)
        return repeats


class _Runs:
    """Maps coordinates in which only known bases count to places in the codes.

    Parameters
    ----------
    runs : numpy.ndarray
        int64 (R, 2), the runs of known bases [first, last) in their order.
    """

    def __init__(self, runs: np.ndarray) -> None:
        self._ends = np.cumsum(runs[:, 1] - runs[:, 0])
        self._shifts = runs[:, 1] - self._ends

    def places(self, known: np.ndarray) -> np.ndarray:
        """Where known bases with these numbers lie, int64 of the same shape."""
        return known + self._shifts[np.searchsorted(self._ends, known, side="right")]


def _cut_all(
    sizes: list[np.ndarray], shortest: int, longest: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Starts and lengths of all pieces.

    Parameters
    ----------
    sizes : list of numpy.ndarray
        For each sequence the bases of its stretches, which no piece goes beyond.
    shortest, longest : int
        Bases of a piece.
    seed : int
        Of the cuts.

    Returns
    -------
    starts, lengths : numpy.ndarray
        int64 and int32 (pieces,), counted over the stretches laid end to end.
    """
    generator = numpy_generator(seed, "cut")
    starts, lengths = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int32)]
    known = 0
    for stretches in sizes:
        skip = int(generator.integers(0, 1001))
        for size in stretches.tolist():
            first, skip = min(skip, size), 0
            cuts = _cut(size - first, shortest, longest, generator)
            starts.append(known + first + cuts[:-1])
            lengths.append(np.diff(cuts).astype(np.int32))
            known += size
    all_starts, all_lengths = np.concatenate(starts), np.concatenate(lengths)
    long_enough = all_lengths >= shortest
    return all_starts[long_enough], all_lengths[long_enough]


def _cut(total: int, shortest: int, longest: int, generator: np.random.Generator) -> np.ndarray:
    """Borders of consecutive pieces of `total` bases, int64 from 0 to total inclusive."""
    borders = np.zeros(1, dtype=np.int64)
    while borders[-1] < total:
        # So many pieces are missing even if all were the longest; few rounds are needed.
        count = (total - borders[-1]) // longest + 1
        lengths = generator.integers(shortest, longest, size=count)
        lengths[generator.random(count) < 0.5] = longest
        borders = np.concatenate((borders, borders[-1] + np.cumsum(lengths)))
    return np.append(borders[borders < total], total)


def evenly_spaced(count: int, total: int, seed: int) -> np.ndarray:
    """`count` numbers in 0 .. total - 1 at equal distances, int64."""
    shift = numpy_generator(seed, "fixed").random()
    return ((np.arange(count) + shift) * (total / count)).astype(np.int64)
