"""The variable pieces that DNABERT and GeneMask are pretrained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from dnastudents.errors import InputError
from dnastudents.genome.codes import PAD
from dnastudents.genome.reference import Reference
from dnastudents.genome.windows.base import (
    WINDOWS,
    EpochOrder,
    Sampler,
    WindowOptions,
    evenly_spaced,
    one_per_split,
    valid_runs,
)
from dnastudents.randomness import numpy_generator

SHORTEST = 6  # bases of a piece: one token
_ROWS = 1 << 12  # pieces in memory at a time while duplicates are searched
Unknown = Literal["split", "delete"]
Duplicates = Literal["drop", "keep"]


@WINDOWS.add
class PieceOptions(WindowOptions):
    """DNABERT's pieces: half of them as long as allowed, the others of any shorter length."""

    kind: Literal["pieces"]
    length: int = Field(gt=SHORTEST, description="Bases of a sequence, at most.")
    unknown: Unknown = Field(
        "split",
        description="Pieces end at N; or, as released, N are deleted and the sides joined.",
    )
    duplicates: Duplicates = Field(
        "drop", description="Whether of equal pieces only the first stays, as released."
    )

    @property
    def mean_bases(self) -> float:
        """Mean bases: half of all pieces are whole, half of `SHORTEST` bases or more."""
        return self.length / 2 + (SHORTEST + self.length - 1) / 4

    def samplers(
        self, reference: Reference, splits: Mapping[str, Sequence[str]], intervals: Path | None
    ) -> dict[str, Sampler]:
        """Make one for each split."""
        settings: dict[str, Any] = {"unknown": self.unknown, "duplicates": self.duplicates}
        return one_per_split(
            reference, splits, lambda genome, spec: Pieces(genome, spec, self.length, **settings)
        )


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
        min_length: int = SHORTEST,
        seed: int = 12345,
        unknown: Unknown = "split",
        duplicates: Duplicates = "drop",
    ) -> None:
        if not 1 <= min_length < max_length:
            raise InputError(f"pieces of {min_length} to {max_length} bases: 1 <= min < max")
        spec = list(spec)
        spans = [reference.span(interval) for interval in reference.intervals(spec)]
        # A window of one base may begin at each known base, so these are the runs of known bases.
        runs = [valid_runs(reference.codes, *span, length=1) for span in spans]
        self.length = max_length
        self._codes = reference.codes
        self._runs = _Runs(np.concatenate(runs))
        sizes = [ends[:, 1] - ends[:, 0] for ends in runs]
        # What is cut as one sequence: each run of known bases, or all runs of an interval together.
        if unknown == "delete":
            sizes = [size.sum(keepdims=True) for size in sizes]
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
        """Read the pieces of one step, uint8 (batch_size, max_length), padded with PAD."""
        return self._read(self._epochs.indices(seed, step, batch_size))

    def spans(self, seed: int, step: int, batch_size: int) -> np.ndarray:
        """Return where they lie in the reference's codes, int64 (batch_size, 2), [first, last)."""
        first, last = self._ends(self._epochs.indices(seed, step, batch_size))
        return np.stack([first, last + 1], axis=1)

    def fixed(self, count: int, seed: int) -> np.ndarray:
        """Read evenly spaced pieces, uint8 (count, max_length); `seed` shifts the first."""
        return self._read(evenly_spaced(count, len(self), seed))

    def _read(self, numbers: np.ndarray) -> np.ndarray:
        starts, lengths = self._starts[numbers], self._lengths[numbers]
        first, last = self._ends(numbers)
        batch = np.full((len(numbers), self.length), PAD, dtype=np.uint8)
        # A copy for each row is faster here than one gather of all bases.
        for row, start, length in zip(batch, first.tolist(), lengths.tolist(), strict=True):
            row[:length] = self._codes[start : start + length]
        # Pieces that span deleted N are longer in the codes than in known bases: read base by base.
        for row_number in np.flatnonzero(last - first >= lengths).tolist():
            known = np.arange(starts[row_number], starts[row_number] + lengths[row_number])
            batch[row_number, : len(known)] = self._codes[self._runs.to_codes(known)]
        return batch

    def _ends(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where in the codes the first and the last base of these pieces lie."""
        starts, lengths = self._starts[numbers], self._lengths[numbers]
        return self._runs.to_codes(starts), self._runs.to_codes(starts + lengths - 1)

    def _rows(self, numbers: np.ndarray) -> Iterator[bytes]:
        """Yield padded pieces one by one, few of them in memory."""
        for first in range(0, len(numbers), _ROWS):
            for row in self._read(numbers[first : first + _ROWS]):
                yield row.tobytes()

    def _repeats(self) -> np.ndarray:
        """Return whether a piece equals an earlier one, bool (pieces,).

        A hash finds the few candidates, so that all pieces need never be in memory; then bases are
        compared, so the answer does not depend on the hash.
        """
        rows = self._rows(np.arange(len(self)))
        hashes = np.fromiter(map(hash, rows), dtype=np.int64, count=len(self))
        # Sorted by hash, equal pieces are neighbours. `np.unique` then restores the order of the
        # genome, so that the first of equal pieces is the one that stays.
        order = np.argsort(hashes)
        same = np.diff(hashes[order]) == 0
        candidates = np.unique(np.concatenate((order[1:][same], order[:-1][same])))
        repeats, seen = np.zeros(len(self), dtype=np.bool_), set[bytes]()
        for number, row in zip(candidates.tolist(), self._rows(candidates), strict=True):
            repeats[number] = row in seen
            seen.add(row)
        return repeats


class _Runs:
    """Maps coordinates in which only known bases count to positions in the codes.

    Parameters
    ----------
    runs : numpy.ndarray
        int64 (R, 2), the runs of known bases [first, last) in their order.
    """

    def __init__(self, runs: np.ndarray) -> None:
        self._ends = np.cumsum(runs[:, 1] - runs[:, 0])
        # Bases before each run that do not count. All of a run have the same, so a bisection over
        # runs maps any number of bases, with no table as long as the genome.
        self._shifts = runs[:, 1] - self._ends

    def to_codes(self, known: np.ndarray) -> np.ndarray:
        """Return the positions of known bases with these numbers, int64 of the same shape."""
        return known + self._shifts[np.searchsorted(self._ends, known, side="right")]


def _cut_all(
    sizes: list[np.ndarray], shortest: int, longest: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw starts and lengths of all pieces.

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
            # The random start is the sequence's, so only its first stretch loses bases.
            first, skip = min(skip, size), 0
            cuts = _cut(size - first, shortest, longest, generator)
            starts.append(known + first + cuts[:-1])
            lengths.append(np.diff(cuts).astype(np.int32))
            known += size
    all_starts, all_lengths = np.concatenate(starts), np.concatenate(lengths)
    # Only what is left at the end of a stretch can be too short.
    long_enough = all_lengths >= shortest
    return all_starts[long_enough], all_lengths[long_enough]


def _cut(total: int, shortest: int, longest: int, generator: np.random.Generator) -> np.ndarray:
    """Draw borders of consecutive pieces of `total` bases, int64 from 0 to total inclusive."""
    borders = np.zeros(1, dtype=np.int64)
    while borders[-1] < total:
        # This many pieces are missing even if all were the longest; few rounds are needed.
        count = (total - borders[-1]) // longest + 1
        lengths = generator.integers(shortest, longest, size=count)
        lengths[generator.random(count) < 0.5] = longest
        borders = np.concatenate((borders, borders[-1] + np.cumsum(lengths)))
    return np.append(borders[borders < total], total)
