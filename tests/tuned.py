"""Models for the tests of inference: one of each architecture, and classifiers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dnastudents.finetune.sweep import finetune
from small_students import BERT, CHORDMIXER, HYBRID, NUCLEOTIDE_TRANSFORMER

MASKED = {
    "bert": BERT,
    "hybrid": HYBRID,
    "chordmixer": CHORDMIXER,
    "nucleotide_transformer": NUCLEOTIDE_TRANSFORMER,
}


def tuned(
    folder: Path, student: Path, task: Path, seeds: tuple[int, ...] = (0, 1, 2), **settings: Any
) -> Path:
    """A fine-tuning's output."""
    finetune(
        "mine",
        pretrained=[student],
        task=task,
        settings={"epochs": 2, "learning_rate": 3e-3, "batch_size": 8} | settings,
        seeds=seeds,
        state=folder / "state",
        output=folder / "out",
    )
    return folder / "out"
