"""Scratch students and a small task that can be learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dnastudents.benchmarks.task import write_task
from dnastudents.training import pretrain

STUDENTS = {
    "bert": {
        "architecture": "bert",
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 48,
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


@pytest.fixture(scope="session")
def students(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of students that were never pretrained."""
    folder = tmp_path_factory.mktemp("students")
    for name, student in STUDENTS.items():
        settings = {"student": student, "objective": {"name": "none"}, "seed": 0}
        pretrain(settings, output=folder / name, state=folder / "state", run=name)
    return {name: folder / name for name in STUDENTS}


@pytest.fixture(scope="session")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GC-rich against AT-rich sequences of 20 to 60 bases, labelled as simulated."""
    generator = np.random.default_rng(0)

    def rows(count: int) -> pd.DataFrame:
        labels = np.arange(count) % 2
        sequences = [
            "".join(generator.choice(list("ACGT"), generator.integers(20, 61), p=p))
            for p in np.where(labels[:, None], [0.1, 0.4, 0.4, 0.1], [0.4, 0.1, 0.1, 0.4])
        ]
        return pd.DataFrame({"sequence": sequences, "label": labels})

    folder = tmp_path_factory.mktemp("tasks") / "gc"
    splits = {"train": rows(80), "dev": rows(20), "test": rows(40)}
    write_task(folder, "made", "gc", splits, ["at", "gc"], "mcc", simulated=True)
    return folder
