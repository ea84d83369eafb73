"""Students so small that whole trainings take a second."""

from __future__ import annotations

from typing import Any

BERT: dict[str, Any] = {
    "architecture": "bert",
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
CHORDMIXER: dict[str, Any] = {
    "architecture": "chordmixer",
    "max_length": 64,
    "track_size": 2,
    "hidden_size": 8,
    "blocks": 1,
}
HYBRID: dict[str, Any] = {
    "architecture": "hybrid",
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "heads": 1,
    "head_size": 8,
    "attention_heads": 2,
    "intermediate_size": 16,
}
NUCLEOTIDE_TRANSFORMER: dict[str, Any] = {**BERT, "architecture": "nucleotide_transformer"}
SMALL: dict[str, dict[str, Any]] = {
    student["architecture"]: student
    for student in (BERT, CHORDMIXER, HYBRID, NUCLEOTIDE_TRANSFORMER)
}
# Of folders that pass for pretrained.
PRETRAINING: dict[str, Any] = {
    "steps": 1,
    "batch_size": 16,
    "window": {"kind": "windows", "length": 60},
    "splits": {"train": ["chrA"]},
    "optimizer": {"learning_rate": 1e-3},
}
