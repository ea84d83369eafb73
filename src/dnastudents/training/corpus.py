"""From the settings to batches of codes: what to learn from, and the fixed validation subset.

A batch is a function of (seed, step) and computed whole by every process.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dnastudents.errors import InputError
from dnastudents.genome.codes import reverse_complement_padded
from dnastudents.genome.intervals import Tiles, read_intervals
from dnastudents.genome.records import check_splits
from dnastudents.genome.reference import Reference
from dnastudents.genome.samplers import Pieces, Sampler, Windows
from dnastudents.objectives.base import VALIDATION_SEED
from dnastudents.randomness import numpy_generator
from dnastudents.training.options import Pretraining


class Corpus:
    """Batches of one pretraining.

    Parameters
    ----------
    folder : Path
        Of the reference.
    plan : Pretraining
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
        self, folder: Path, plan: Pretraining, seed: int, intervals: Path | None = None
    ) -> None:
        self.plan, self.seed = plan, seed
        self.reference = Reference.open(folder)
        samplers = _samplers(self.reference, plan, intervals)
        self.train = samplers["train"]
        self._validation: np.ndarray | None = None
        if "validation" in samplers:
            count = min(plan.validation_sequences, len(samplers["validation"]))
            self._validation = samplers["validation"].fixed(count, VALIDATION_SEED)

    def batch(self, step: int) -> np.ndarray:
        """Codes of one step, uint8 (batch_size, L), some of them read from the other strand."""
        codes = self.train.batch(self.seed, step, self.plan.batch_size)
        if self.plan.reverse_complement:
            draws = numpy_generator(self.seed, "reverse complement", step).random(len(codes))
            turned = (draws < self.plan.reverse_complement)[:, None]
            codes = np.where(turned, reverse_complement_padded(codes), codes)
        return codes

    def places(self, step: int, limit: int = 8) -> str:
        """Where the sequences of one step came from: the first regions, and the number of all."""
        spans = self.train.spans(self.seed, step, self.plan.batch_size).tolist()
        named = ", ".join(self.reference.name(*span) for span in spans[:limit])
        return named + (f", ... ({len(spans)} sequences)" if len(spans) > limit else "")

    def validation(self) -> np.ndarray | None:
        """The same codes for every run, uint8 (validation_sequences, L); None without a split."""
        return self._validation


def _samplers(
    reference: Reference, plan: Pretraining, intervals: Path | None
) -> dict[str, Sampler]:
    """One for `train`, and one for `validation` where anything is held out."""
    window = plan.window
    if (window.kind == "intervals") != (intervals is not None):
        raise InputError(
            f"pretraining.window.kind is {window.kind}: a BED file of intervals (--intervals) "
            "belongs to the kind 'intervals', which needs one"
        )
    if intervals is not None:
        return {
            split: Tiles(reference.codes, spans, window.length, window.max_n_fraction)
            for split, spans in read_intervals(intervals, reference).items()
            if split != "test"
        }
    splits = {"train": plan.splits.train, "validation": plan.splits.validation}
    splits = {split: spec for split, spec in splits.items() if spec}
    check_splits(reference, splits)
    return {split: _sampler(reference, spec, plan) for split, spec in splits.items()}


def _sampler(reference: Reference, spec: list[str], plan: Pretraining) -> Sampler:
    window = plan.window
    if window.kind == "pieces":
        return Pieces(
            reference,
            spec,
            max_length=window.length,
            unknown=window.unknown,
            duplicates=window.duplicates,
        )
    return Windows(
        reference,
        spec,
        window.length,
        window.max_n_fraction,
        sampling=window.sampling,
        count=window.count,
    )
