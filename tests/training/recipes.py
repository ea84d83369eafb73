"""Small recipes, on which whole trainings take a second."""

from __future__ import annotations

from typing import Any

STUDENTS = {
    "bert": {
        "architecture": "bert",
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    },
    "chordmixer": {
        "architecture": "chordmixer",
        "max_length": 64,
        "track_size": 2,
        "hidden_size": 8,
        "blocks": 1,
    },
    "hybrid": {
        "architecture": "hybrid",
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "heads": 1,
        "head_size": 8,
        "attention_heads": 2,
        "intermediate_size": 16,
    },
}

RECIPES: dict[str, dict[str, Any]] = {
    "masked_lm": {
        "student": STUDENTS["bert"],
        "objective": {"name": "masked_lm"},
        # any change of perplexity is below the threshold: the stage turns at the second evaluation
        "masking": {"name": "cm_gems", "threshold": 1e9},
    },
    "findna": {
        "student": STUDENTS["chordmixer"],
        "objective": {"name": "findna", "momentum": 0.9},
        "masking": {"name": "bernoulli", "probability": 0.3},
    },
    "had": {
        "student": STUDENTS["hybrid"],
        "objective": {"name": "had"},
        "masking": {"name": "teacher_groups", "probability": 0.15},
    },
}


def settings_of(recipe: str, **changes: Any) -> dict[str, Any]:
    """Settings of 12 steps with evaluations and checkpoints between them."""
    pieces = recipe == "masked_lm"
    pretraining = {
        "steps": 12,
        "batch_size": 6,
        "micro_batch_size": 4,
        "window": {"kind": "pieces" if pieces else "windows", "length": 54},
        "splits": {"train": ["chrA"], "validation": ["chrB"]},
        "optimizer": {"learning_rate": 3e-3},
        "schedule": {"kind": "cosine", "warmup_steps": 2},
        "reverse_complement": 0.5,
        "log_every": 5,
        "evaluate_every": 3,
        "checkpoint_every": 4,
        "validation_sequences": 8,
    }
    return {**RECIPES[recipe], "pretraining": {**pretraining, **changes}, "seed": 3}
