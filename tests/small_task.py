"""Scratch students and a small task that can be learnt.

Every test session imports this, so torch and transformers are left to the fixtures.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dnastudents.benchmarks.task import write_task
from small_students import BERT, HYBRID, PRETRAINING

STUDENTS = {"bert": {**BERT, "max_position_embeddings": 48}, "hybrid": HYBRID}


@pytest.fixture(scope="session")
def students(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of students that were never pretrained."""
    from dnastudents.training.pretrain import pretrain

    folder = tmp_path_factory.mktemp("students")
    for name, student in STUDENTS.items():
        settings = {"student": student, "objective": {"name": "none"}, "seed": 0}
        pretrain(settings, output=folder / name, state=folder / "state", run=name)
    return {name: folder / name for name in STUDENTS}


@pytest.fixture(scope="session")
def replicas(students: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three students that pass for pretrainings of one run, with seeds 5, 6 and 7."""
    from dnastudents.training.pretrain import pretrain

    folders = []
    for seed in (5, 6, 7):
        folder = tmp_path_factory.mktemp("replicas") / str(seed)
        settings = {"student": STUDENTS["hybrid"], "objective": {"name": "none"}, "seed": seed}
        pretrain(settings, output=folder, state=folder.with_suffix(".state"), run="replica")
        learnt = {**settings, "objective": {"name": "findna"}, "pretraining": PRETRAINING}
        (folder / "settings.json").write_text(json.dumps(learnt))
        folders.append(folder)
    return folders


@pytest.fixture(scope="session")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task with all splits, labelled as simulated."""
    folder = tmp_path_factory.mktemp("tasks") / "gc"
    splits = {"train": rows(80, 0), "dev": rows(20, 1), "test": rows(40, 2)}
    write_task(folder, "made", "gc", splits, ["at", "gc"], "mcc", simulated=True)
    return folder


@pytest.fixture(scope="session")
def few_shot_task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool of 40 a class, of which each seed draws ten."""
    folder = tmp_path_factory.mktemp("tasks") / "gc_10"
    splits = {"train": rows(80, 0), "test": rows(40, 2)}
    write_task(folder, "few_shot", "gc_10", splits, ["at", "gc"], "accuracy", shots=10)
    return folder


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds that are trained, in order."""
    from dnastudents.finetune.on_task import StudentOnTask

    done: list[int] = []
    run_seed = StudentOnTask.run_seed

    def note(self: StudentOnTask, seed: int, *places: Any) -> None:
        done.append(seed)
        run_seed(self, seed, *places)

    monkeypatch.setattr(StudentOnTask, "run_seed", note)
    return done


def rows(count: int, seed: int) -> pd.DataFrame:
    """GC-rich against AT-rich sequences of 20 to 60 bases."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    sequences = [
        "".join(generator.choice(list("ACGT"), generator.integers(20, 61), p=p))
        for p in np.where(labels[:, None], [0.1, 0.4, 0.4, 0.1], [0.4, 0.1, 0.1, 0.4])
    ]
    return pd.DataFrame({"sequence": sequences, "label": labels})
