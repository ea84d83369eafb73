"""What every kind of window has: settings, a sampler without a state, and an order of epochs.

A sampler keeps an index of positions only; the bases stay in the reference's memory map. It has no
state: a resumed run asks for the step it stopped at.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
from pydantic import Field

from dnastudents.genome.codes import PAD, N
from dnastudents.genome.records import check_splits
from dnastudents.genome.reference import Reference
from dnastudents.randomness import numpy_generator
from dnastudents.registry import Registry
from dnastudents.settings import Settings

logger = logging.getLogger(__name__)

SHORTEST = 6  # bases that are worth a row: one token
MUCH = 0.1  # of all known bases, which a user should know not to be read
_SHOWN = 5  # names in a message
_BLOCK = 1 << 24  # starts examined at a time while an index is made


class Sampler(Protocol):
    """What pretraining needs of a source of sequence.

    Attributes
    ----------
    length : int
        The columns L of a batch.
    known, unread : int
        Bases that are not N in what it reads from, and how many of them are in none of its rows.
    """

    length: int
    known: int
    unread: int

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
    _warn_of_copies(reference, named)
    samplers = {split: make(reference, spec) for split, spec in named.items()}
    for split, sampler in samplers.items():
        say_unread(split, sampler)
    return samplers


def named(spec: Sequence[str]) -> str:
    """Name the first few of some sequences."""
    return ", ".join(spec[:_SHOWN]) + (f" and {len(spec) - _SHOWN:,} more" * bool(spec[_SHOWN:]))


def say_unread(split: str, sampler: Sampler) -> None:
    """Log how many known bases of a split are never read, where there are any."""
    if sampler.unread:
        share = sampler.unread / sampler.known
        logger.log(
            logging.WARNING if share > MUCH else logging.INFO,
            f"{split}: {sampler.unread:,} of {sampler.known:,} known bases ({share:.2%}) are never "
            f"read: they are in no sequence of up to {sampler.length:,} bases",
        )


def _warn_of_copies(reference: Reference, splits: Mapping[str, Sequence[str]]) -> None:
    """Warn of records that are the same sequence and not in the same split."""
    if not reference.same_sequence:
        return
    splits_of: dict[str, set[str]] = {}
    for split, spec in splits.items():
        for interval in reference.intervals(spec):
            splits_of.setdefault(interval.name, set()).add(split)
    across = [
        names
        for names in reference.same_sequence
        if len(set[str]().union(*(splits_of.get(name, ()) for name in names))) > 1
    ]
    if across:
        shown = ", ".join(" = ".join(names[:_SHOWN]) for names in across[:_SHOWN])
        logger.warning(
            f"{reference.source}: {len(across):,} sequences have copies in several splits ({shown}"
            f"{', ...' if across[_SHOWN:] else ''}); put all copies into one split"
        )


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
        key, known = (seed, epoch), self._orders
        if key not in known:
            order = numpy_generator(seed, self._purpose, epoch).permutation(self._total)
            # A batch needs two epochs, unless it holds several. Replaced, not changed: another
            # thread may be reading it.
            known = self._orders = dict([*known.items()][-1:]) | {key: order}
        return known[key]


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


def are_short_records(reference: Reference, spans: np.ndarray, length: int) -> np.ndarray:
    """Mark those spans, int64 (n, 2), that are whole records and shorter than a window, bool (n,).

    Each is one window, padded; those below `SHORTEST` are none.
    """
    offsets, sizes = np.array(reference.offsets), np.array(reference.lengths)
    record = np.searchsorted(offsets, spans[:, 0], side="right") - 1
    size = spans[:, 1] - spans[:, 0]
    is_whole = (offsets[record] == spans[:, 0]) & (sizes[record] == size)
    return is_whole & (size >= SHORTEST) & (size < length)


def read_rows(codes: np.ndarray, starts: np.ndarray, lengths: np.ndarray, width: int) -> np.ndarray:
    """Read codes[start : start + length] of each row, uint8 (rows, width), padded with PAD."""
    if (lengths == width).all():
        return np.lib.stride_tricks.sliding_window_view(codes, width)[starts]
    batch = np.full((len(starts), width), PAD, dtype=np.uint8)
    # A copy for each row is faster here than one gather of all bases.
    for row, start, length in zip(batch, starts.tolist(), lengths.tolist(), strict=True):
        row[:length] = codes[start : start + length]
    return batch


def count_known(codes: np.ndarray, spans: np.ndarray) -> int:
    """Count the bases in spans, int64 (n, 2), that are not N."""
    return sum(int(np.count_nonzero(codes[start:end] < N)) for start, end in spans.tolist())


def evenly_spaced(count: int, total: int, seed: int) -> np.ndarray:
    """Return `count` numbers in 0 .. total - 1 at equal distances, int64."""
    shift = numpy_generator(seed, "fixed").random()  # below 1, so the last number is below total
    return ((np.arange(count) + shift) * (total / count)).astype(np.int64)
