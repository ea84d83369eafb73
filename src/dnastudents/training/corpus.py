"""From the settings to batches of codes: what to learn from, and the fixed validation subset.

A batch is a function of (seed, step) and read whole by every process.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dnastudents.errors import InputError
from dnastudents.genome.codes import reverse_complement_padded
from dnastudents.genome.intervals import read_intervals
from dnastudents.genome.reference import Reference
from dnastudents.objectives.base import VALIDATION_SEED
from dnastudents.randomness import numpy_generator
from dnastudents.training.options import Pretraining


class Corpus:
    """Batches of one pretraining.

    Parameters
    ----------
    folder : Path
        Of the reference.
    options : Pretraining
        Window, splits, batch size and share of reverse complements.
    seed : int
        The run's.
    intervals : Path, optional
        BED file whose folds are the splits, for windows of kind `intervals`.

    Raises
    ------
    InputError
        Splits overlap, name what is not there, or hold no window; or a BED file is missing, or
        given to a run that does not read it.
    """

    def __init__(
        self, folder: Path, options: Pretraining, seed: int, intervals: Path | None = None
    ) -> None:
        self.options, self.seed, self._intervals = options, seed, intervals
        self.reference = Reference.open(folder)
        if options.window.has_folds != (intervals is not None):
            raise InputError(
                f"pretraining.window.kind is {options.window.kind}: a BED file of intervals "
                "(--intervals) belongs to kinds with folds, which need one"
            )
        splits = options.splits.model_dump()
        samplers = options.window.samplers(self.reference, splits, intervals)
        self.train = samplers["train"]
        self._validation: np.ndarray | None = None
        if "validation" in samplers:
            count = min(options.validation_sequences, len(samplers["validation"]))
            self._validation = samplers["validation"].fixed(count, VALIDATION_SEED)

    def batch(self, step: int) -> np.ndarray:
        """Read the codes of one step, uint8 (batch_size, L), some of them from the other strand."""
        codes = self.train.batch(self.seed, step, self.options.batch_size)
        if self.options.reverse_complement:
            draws = numpy_generator(self.seed, "reverse complement", step).random(len(codes))
            turned = draws < self.options.reverse_complement
            codes[turned] = reverse_complement_padded(codes[turned])
        return codes

    def regions(self, step: int, limit: int = 8) -> str:
        """Name the regions that a step's sequences came from: the first few, and how many."""
        spans = self.train.spans(self.seed, step, self.options.batch_size).tolist()
        named = ", ".join(self.reference.name(*span) for span in spans[:limit])
        return named + (f", ... ({len(spans)} sequences)" if len(spans) > limit else "")

    def training_sequences(self) -> list[np.ndarray]:
        """Return the sequences of the training split, views of codes uint8 (L,)."""
        if self._intervals is not None:
            spans = read_intervals(self._intervals, self.reference)["train"].tolist()
        else:
            named = self.reference.intervals(self.options.splits.train)
            spans = [self.reference.span(interval) for interval in named]
        return [self.reference.codes[start:end] for start, end in spans]

    def validation(self) -> np.ndarray | None:
        """Return the validation codes, uint8 (validation_sequences, L), the same for every run."""
        return self._validation
