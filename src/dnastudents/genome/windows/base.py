"""What every kind of window has: settings, a sampler without a state, and an order of epochs.

A sampler keeps an index of positions only; the bases stay in the reference's memory map. It has no
state: a resumed run asks for the step it stopped at.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
from pydantic import Field

from dnastudents.genome.codes import N
from dnastudents.genome.records import check_splits
from dnastudents.genome.reference import Reference
from dnastudents.randomness import numpy_generator
from dnastudents.registry import Registry
from dnastudents.settings import Settings

_BLOCK = 1 << 24  # starts examined at a time while an index is made


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
        """Read the codes of one training step, uint8 (batch_size, L), padded with PAD."""

    def spans(self, seed: int, step: int, batch_size: int) -> np.ndarray:
        """Return these rows' [first, last) in the reference's codes, int64 (batch_size, 2)."""

    def fixed(self, count: int, seed: int) -> np.ndarray:
        """Read a validation subset that never changes, uint8 (count, L), padded with PAD."""


class WindowOptions(Settings, ABC):
    """What a sequence of a batch is; one class a kind, told by the key `kind`."""

    has_folds: ClassVar[bool] = False
    """Whether a BED file of intervals says what is held out, instead of the genome's splits."""

    kind: str
    length: int = Field(ge=6, description="Bases of a sequence, at most.")

    @property
    def fixed_count(self) -> int | None:
        """How many windows there are, where these are drawn once; else None."""
        return None

    @property
    def mean_bases(self) -> float:
        """Mean bases of a sequence."""
        return float(self.length)

    @abstractmethod
    def samplers(
        self, reference: Reference, splits: Mapping[str, Sequence[str]], intervals: Path | None
    ) -> dict[str, Sampler]:
        """Make one for `train`, and one for `validation` where anything is held out.

        Parameters
        ----------
        reference : Reference
            The genome.
        splits : mapping
            Of each split the sequences it is made of, as for `Reference.intervals`.
        intervals : Path or None
            A BED file, for kinds with folds.

        Raises
        ------
        InputError
            Splits overlap, name what is not there, or hold no window.
        """


def one_per_split(
    reference: Reference,
    splits: Mapping[str, Sequence[str]],
    make: Callable[[Reference, Sequence[str]], Sampler],
) -> dict[str, Sampler]:
    """Make the samplers of splits that name something and share no base."""
    named = {split: list(spec) for split, spec in splits.items() if spec}
    check_splits(reference, named)
    return {split: make(reference, spec) for split, spec in named.items()}


WINDOWS: Registry[WindowOptions] = Registry("window", "kind")


class EpochOrder:
    """Goes through items 0 .. total - 1, in a new order each epoch.

    A batch may hold the end of one epoch and the beginning of the next.

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
        """Return items of one step, int64 (batch_size,)."""
        # Numbered through all epochs, so a step finds its items without those before it.
        number = np.arange(step * batch_size, (step + 1) * batch_size)
        epoch, item = np.divmod(number, self._total)
        numbers = np.empty(batch_size, dtype=np.int64)
        for this_epoch in np.unique(epoch).tolist():
            here = epoch == this_epoch
            numbers[here] = self._order(seed, this_epoch)[item[here]]
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
        A window holds at most this many N.

    Returns
    -------
    numpy.ndarray
        int64 (R, 2): all positions of each [first, last) are valid starts; runs do not touch.
    """
    edges = []
    for first in range(start, end - length + 1, _BLOCK):
        last = min(first + _BLOCK, end - length + 1)
        # Read on by a window less one base, so that windows over the border of a block count.
        unknown = codes[first : last + length - 1] == N
        if unknown.any():
            # N before each base of the block: a difference is the N of a window, at any length.
            before = np.concatenate(([0], np.cumsum(unknown)))
            valid = before[length:] - before[:-length] <= most_n
            # Where validity changes, a run starts or ends: in turn, since both ends are False.
            edges.append(first + np.flatnonzero(np.diff(valid, prepend=False, append=False)))
        else:
            edges.append(np.array([first, last]))
    if not edges:
        return np.empty((0, 2), dtype=np.int64)
    # A run over the border of two blocks has an end and a start there; both go.
    values, counts = np.unique(np.concatenate(edges), return_counts=True)
    return values[counts == 1].reshape(-1, 2)


def evenly_spaced(count: int, total: int, seed: int) -> np.ndarray:
    """Return `count` numbers in 0 .. total - 1 at equal distances, int64."""
    shift = numpy_generator(seed, "fixed").random()  # below 1, so the last number is below total
    return ((np.arange(count) + shift) * (total / count)).astype(np.int64)
