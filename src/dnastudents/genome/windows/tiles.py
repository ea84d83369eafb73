"""Windows of one length, end to end in the intervals of a BED file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from dnastudents.errors import InputError
from dnastudents.genome.codes import N
from dnastudents.genome.intervals import read_intervals
from dnastudents.genome.reference import Reference
from dnastudents.genome.windows.base import (
    WINDOWS,
    EpochOrder,
    Sampler,
    WindowOptions,
    evenly_spaced,
)
from dnastudents.settings import Share


@WINDOWS.add
class TileOptions(WindowOptions):
    """Windows end to end in the intervals of a BED file, whose folds are the splits."""

    has_folds: ClassVar[bool] = True

    kind: Literal["intervals"]
    max_n_fraction: Share = Field(0.0, description="Windows with a larger share of N do not exist.")

    def samplers(
        self, reference: Reference, splits: Mapping[str, Sequence[str]], intervals: Path | None
    ) -> dict[str, Sampler]:
        """Make one for each fold of the BED file but `test`."""
        if intervals is None:
            raise InputError(
                "pretraining.window.kind: 'intervals' needs a BED file; give --intervals"
            )
        return {
            split: Tiles(reference.codes, spans, self.length, self.max_n_fraction)
            for split, spans in read_intervals(intervals, reference).items()
            if split != "test"
        }


class Tiles:
    """Windows of one length, end to end in intervals; see `Sampler`.

    Parameters
    ----------
    codes : numpy.ndarray
        uint8 (bases,), of the reference.
    spans : numpy.ndarray
        int64 (intervals, 2), [start, end) in `codes`.
    length : int
        Bases of a window.
    max_n_fraction : float
        Windows with a larger share of N do not exist. Default is 0.

    Raises
    ------
    InputError
        No window fits.
    """

    def __init__(
        self, codes: np.ndarray, spans: np.ndarray, length: int, max_n_fraction: float = 0.0
    ) -> None:
        most_n = int(max_n_fraction * length + 1e-9)  # 0.29 * 100 is 28.999999999999996
        tiled = [_tiles(codes, start, end, length, most_n) for start, end in spans.tolist()]
        self._starts = np.concatenate(tiled)
        if not len(self):
            raise InputError(
                f"no window of {length:,} bases with at most {max_n_fraction:.0%} N in the "
                f"{len(spans):,} intervals of a fold; shorten the windows or allow more N"
            )
        self.length = length
        self._codes = codes
        self._epochs = EpochOrder(len(self), "tiles")

    def __len__(self) -> int:
        return len(self._starts)

    def batch(self, seed: int, step: int, batch_size: int) -> np.ndarray:
        """Read the windows of one step, uint8 (batch_size, length)."""
        return self._read(self._epochs.indices(seed, step, batch_size))

    def spans(self, seed: int, step: int, batch_size: int) -> np.ndarray:
        """Return where they lie in the reference's codes, int64 (batch_size, 2), [first, last)."""
        starts = self._starts[self._epochs.indices(seed, step, batch_size)]
        return np.stack([starts, starts + self.length], axis=1)

    def fixed(self, count: int, seed: int) -> np.ndarray:
        """Read evenly spaced windows, uint8 (count, length); `seed` shifts the first."""
        return self._read(evenly_spaced(count, len(self), seed))

    def _read(self, numbers: np.ndarray) -> np.ndarray:
        # A view of all windows, without a copy; the index copies those that are read.
        windows = np.lib.stride_tricks.sliding_window_view(self._codes, self.length)
        return windows[self._starts[numbers]]


def _tiles(codes: np.ndarray, start: int, end: int, length: int, most_n: int) -> np.ndarray:
    """Find where an interval's windows with at most `most_n` N begin, int64 (windows,)."""
    count = (end - start) // length
    # What is left at the end of the interval is shorter than a window, and not read.
    whole = codes[start : start + count * length].reshape(count, length)
    unknown = np.count_nonzero(whole == N, axis=1)
    return start + length * np.flatnonzero(unknown <= most_n)
