"""Made-up metrics rows, one folder a run and task, as fine-tuning leaves them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

Rows = Callable[..., Path]


def metrics_row(**changes: Any) -> dict[str, Any]:
    """A valid metrics row."""
    row: dict[str, Any] = {
        "run": "had",
        "method": "had",
        "task": "tf_0",
        "suite": "gue",
        "seed": 0,
        "metric": "mcc",
        "value": 0.5,
        "accuracy": 0.7,
        "f1": 0.7,
        "f1_macro": 0.7,
        "mcc": 0.5,
        "auc": None,
        "n_train": 90,
        "n_dev": 10,
        "n_test": 20,
        "confusion": [[9, 1], [2, 8]],
        "best_epoch": 2,
        "learning_rate": 1e-3,
        "batch_size": 32,
        "wall_seconds": 1.5,
        "device": "cpu",
        "peak_memory_mb": 100.0,
        "versions": {"torch": "2"},
        "config_digest": "0123",
        "simulated": False,
        "pretrained": True,
        "commit": "4567",
        "dirty": False,
        "task_digest": "89ab",
    }
    return row | changes


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    """Write the rows of one run on one task, one a value; the seeds count from 0."""

    def write(run: str, task: str, values: Sequence[float], **changes: Any) -> Path:
        pretrained = not run.endswith("_scratch") and run != "kmer_logistic"
        suite = changes.get("suite", "gue")
        folder = tmp_path / "finetune" / run / suite / task
        folder.mkdir(parents=True, exist_ok=True)
        for seed, value in enumerate(values):
            names = {"run": run, "task": task, "seed": seed, "pretrained": pretrained}
            row = metrics_row(**names, value=value) | changes
            (folder / f"seed_{row['seed']}.json").write_text(json.dumps(row))
        return folder

    return write
