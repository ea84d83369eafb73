"""Class probabilities of sequences of one's own, by a fine-tuned classifier.

A sequence that is longer than the model reads, or than a window that is asked for, is read in
windows that overlap; its probabilities are the mean over them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from dnastudents.inference.inputs import SEQUENCE_COLUMN, Sequence, read_sequences
from dnastudents.inference.model import Model, windows_of
from dnastudents.inference.outputs import check_output, write_rows

logger = logging.getLogger(__name__)

Long = Literal["windows", "truncate"]


class Classifier(Model):
    """A fine-tuned classifier."""

    def __init__(self, folder: Path, batch_size: int = 64) -> None:
        super().__init__(folder, "classes", batch_size)
        labels = self.network.config.id2label
        self.class_names = [labels[number] for number in range(len(labels))]

    def probabilities(self, codes: list[np.ndarray]) -> np.ndarray:
        """Compute class probabilities, float32 (n, C), of sequences; both strands if conjoined."""
        conjoin = self.network.config.reverse_complement == "conjoin"
        split = self.tokens(codes, both_strands=conjoin)
        if truncated := int(split.truncated.sum()):
            logger.warning(f"{truncated} sequences lose their end: the model reads {self.longest}")
        logits = self.run(split, self._logits)
        if conjoin:
            flipped = split.flip(np.ones(len(split), dtype=bool))
            logits = (logits + self.run(flipped, self._logits)) / 2
        return torch.from_numpy(logits).softmax(-1).numpy()

    def _logits(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.network(**inputs).logits


def predict(
    model: Path,
    source: str,
    output: Path | None = None,
    *,
    column: str = SEQUENCE_COLUMN,
    window: int | None = None,
    overlap: float = 0.5,
    long: Long = "windows",
    batch_size: int = 64,
) -> None:
    """Write the class probabilities of the sequences of a file.

    Parameters
    ----------
    model : Path
        Folder of a classifier.
    source : str
        See `read_sequences`.
    output : Path, optional
        Gets `id`, `prediction` (the likeliest class), `p_<class>` and `windows`, a row per sequence
        in their order. Default is standard output.
    column : str
        Of a table's sequences. Default is "sequence".
    window : int, optional
        Bases of a window. Default is the longest sequence that the model reads, or 32,768.
    overlap : float
        Share of a window that the next one reads again. Default is 0.5.
    long : {"windows", "truncate"}
        How longer sequences are read: in windows; or without their end, as in fine-tuning.
    batch_size : int
        Default is 64.

    Raises
    ------
    InputError
        Bad input, or the folder holds no classifier.
    """
    check_output(output)
    classifier = Classifier(model, batch_size)
    window = None if long == "truncate" else classifier.window(window)
    count = write_rows(_rows(classifier, read_sequences(source, column), window, overlap), output)
    logger.info(f"{count:,} sequences, classes {', '.join(classifier.class_names)}")


def _rows(
    classifier: Classifier, sequences: Iterator[Sequence], window: int | None, overlap: float
) -> Iterator[dict[str, Any]]:
    pieces = (
        ((number, sequence.name), sequence.codes[start:end])
        for number, sequence in enumerate(sequences)
        for start, end in windows_of(len(sequence.codes), window, overlap)
    )
    scored = classifier.over(pieces, classifier.probabilities)
    for (_, name), group in groupby(scored, key=lambda item: item[0]):
        total, windows = np.zeros(len(classifier.class_names)), 0
        for _, row in group:
            total += row
            windows += 1
        mean = total / windows
        shares = {f"p_{c}": float(p) for c, p in zip(classifier.class_names, mean, strict=True)}
        best = classifier.class_names[int(mean.argmax())]
        yield {"id": name, "prediction": best, **shares, "windows": windows}
