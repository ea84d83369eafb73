"""Small recipes, on which whole trainings take a second."""

from __future__ import annotations

from typing import Any

from dnastudents.objectives import OBJECTIVES
from small_students import BERT, CHORDMIXER, HYBRID

# Every objective that learns; one without a small recipe below fails each test of the training.
LEARNING = [name for name, kind in OBJECTIVES.items() if kind.learns]
RECIPES: dict[str, dict[str, Any]] = {
    "masked_lm": {
        "student": BERT,
        "objective": {"name": "masked_lm"},
        # any change of perplexity is below the threshold: the stage turns at the second evaluation
        "masking": {"name": "cm_gems", "threshold": 1e9},
    },
    "findna": {
        "student": CHORDMIXER,
        "objective": {"name": "findna", "momentum": 0.9},
        "masking": {"name": "bernoulli", "probability": 0.3},
    },
    "had": {
        "student": HYBRID,
        "objective": {"name": "had"},
        "masking": {"name": "teacher_groups", "probability": 0.15},
    },
}


def settings_of(recipe: str, **changes: Any) -> dict[str, Any]:
    """Settings of 12 steps with evaluations and checkpoints between them."""
    if recipe not in RECIPES:
        raise KeyError(f"the objective '{recipe}' has no small recipe in tests/training/recipes.py")
    pieces = recipe == "masked_lm"
    pretraining = {
        "steps": 12,
        "batch_size": 6,
        "micro_batch_size": 4,
        "window": {"kind": "pieces" if pieces else "windows", "length": 54},
        "splits": {"train": ["chrA"], "validation": ["chrB"]},
        "optimizer": {"learning_rate": 3e-3},
        "schedule": {"kind": "cosine", "warmup_steps": min(2, changes.get("steps", 2))},
        "reverse_complement": 0.5,
        "log_every": 5,
        "evaluate_every": 3,
        "checkpoint_every": 4,
        "validation_sequences": 8,
    }
    return {**RECIPES[recipe], "pretraining": {**pretraining, **changes}, "seed": 3}
