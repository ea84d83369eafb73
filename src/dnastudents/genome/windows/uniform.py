"""Windows of one length anywhere in the splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from dnastudents.errors import InputError
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
from dnastudents.settings import Count, Share

Sampling = Literal["by_length", "by_name"]


@WINDOWS.add
class UniformOptions(WindowOptions):
    """Windows of one length anywhere in the splits."""

    kind: Literal["windows"] = "windows"
    max_n_fraction: Share = Field(0.0, description="Windows with a larger share of N do not exist.")
    sampling: Sampling = Field(
        "by_length",
        description="Drawn uniformly over all starts; or, as FinDNA released, a sequence first, "
        "each as likely as any other.",
    )
    count: Count | None = Field(
        None,
        description="This many windows are drawn once and gone through in a new order each epoch; "
        "null: fresh windows at each step.",
    )

    @property
    def fixed_count(self) -> int | None:
        """`count`."""
        return self.count

    def samplers(
        self, reference: Reference, splits: Mapping[str, Sequence[str]], intervals: Path | None
    ) -> dict[str, Sampler]:
        """Make one for each split."""
        settings = (self.length, self.max_n_fraction, self.sampling, self.count)
        return one_per_split(
            reference, splits, lambda genome, spec: Windows(genome, spec, *settings)
        )


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
        This many windows, which may repeat, are drawn once by the seed and gone through in a new
        order each epoch. Default is fresh windows at each step.

    Raises
    ------
    InputError
        No window fits.
    """

    def __init__(
        self,
        reference: Reference,
        spec: Iterable[str],
        length: int,
        max_n_fraction: float = 0.0,
        sampling: Sampling = "by_length",
        count: int | None = None,
    ) -> None:
        spec = list(spec)
        intervals = reference.intervals(spec)
        spans = [reference.span(interval) for interval in intervals]
        most_n = int(max_n_fraction * length + 1e-9)  # 0.29 * 100 is 28.999999999999996
        runs_by_span = [valid_runs(reference.codes, *span, length, most_n) for span in spans]
        runs = np.concatenate(runs_by_span)
        if not len(runs):
            raise InputError(
                f"no window of {length:,} bases with at most {max_n_fraction:.0%} N in "
                f"{', '.join(spec)}; shorten the windows or allow more N"
            )
        self.length = length
        self._codes = reference.codes
        # All valid starts are numbered through the runs; this finds a number's run by bisection,
        # with no list of starts, of which a genome has billions.
        self._first = runs[:, 0]
        self._total = np.cumsum(runs[:, 1] - runs[:, 0])
        names = np.repeat(
            [interval.name for interval in intervals],
            [len(span_runs) for span_runs in runs_by_span],
        )
        last = np.append(names[1:] != names[:-1], True)  # runs of one record are neighbours
        # Numbers at which the windows of a record end: one draw finds a record, one a window in it.
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
        """Read the windows of one step, uint8 (batch_size, length)."""
        return self._read(self._numbers(seed, step, batch_size))

    def spans(self, seed: int, step: int, batch_size: int) -> np.ndarray:
        """Return where they lie in the reference's codes, int64 (batch_size, 2), [first, last)."""
        starts = self._starts(self._numbers(seed, step, batch_size))
        return np.stack([starts, starts + self.length], axis=1)

    def fixed(self, count: int, seed: int) -> np.ndarray:
        """Read evenly spaced windows, uint8 (count, length); `seed` shifts them."""
        return self._read(evenly_spaced(count, len(self), seed))

    def _numbers(self, seed: int, step: int, batch_size: int) -> np.ndarray:
        """Return numbers of the windows of one step, int64 (batch_size,)."""
        if self._count is None:
            return self._draw(batch_size, numpy_generator(seed, "windows", step))
        if seed not in self._drawn:  # one seed's are kept: a training has no other
            self._drawn = {seed: self._draw(self._count, numpy_generator(seed, "drawn windows"))}
        return self._drawn[seed][self._epochs.indices(seed, step, batch_size)]

    def _draw(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """Draw numbers of windows, int64 (count,)."""
        if not self._by_name:
            return generator.integers(len(self), size=count)
        record = generator.integers(len(self._borders) - 1, size=count)
        return generator.integers(self._borders[record], self._borders[record + 1])

    def _read(self, numbers: np.ndarray) -> np.ndarray:
        """Read the windows with these numbers in 0 .. len(self) - 1."""
        # A view of all windows, without a copy; the index copies those that are read.
        windows = np.lib.stride_tricks.sliding_window_view(self._codes, self.length)
        return windows[self._starts(numbers)]

    def _starts(self, numbers: np.ndarray) -> np.ndarray:
        """Return where in the codes the windows with these numbers begin."""
        run = np.searchsorted(self._total, numbers, side="right")
        last = self._total[run] - 1
        # The last start of the run, less this number's distance from it.
        run_end = self._first[run] + last - np.concatenate(([0], self._total))[run]
        return run_end - (last - numbers)
