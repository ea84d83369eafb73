"""Seeds of HAD's student on one device: several at a time, against one after the other."""

from __future__ import annotations

import time
from pathlib import Path

import inputs
import numpy as np
import pandas as pd
from timing import Row

from dnastudents.benchmarks.task import write_task
from dnastudents.config import load_config
from dnastudents.finetune.sweep import finetune
from dnastudents.training.pretrain import pretrain

LENGTH = 500  # bases of a sequence


def workers_row(folder: Path, workers: int, quick: bool) -> Row:
    """As many seeds as workers, on random bases; the workers' start counts."""
    student = load_config(inputs.ROOT).pretrain_settings("had").student.as_json()
    if quick:
        student |= inputs.TINY_OF["hybrid"]
    settings = {"student": student, "objective": {"name": "none"}, "seed": 0}
    pretrain(settings, output=folder / "run", state=folder / "state")
    generator, splits = np.random.default_rng(0), {}
    for split, count in {"train": 4096, "dev": 512, "test": 512}.items():
        letters = generator.choice(list("ACGT"), (count // (128 if quick else 1), LENGTH))
        frame = pd.DataFrame({"sequence": ["".join(row) for row in letters]})
        splits[split] = frame.assign(label=frame.index % 2)
    write_task(folder / "task", "random", "task", splits, ["a", "b"], "accuracy")
    seconds = []
    for count in (workers, 1):
        began = time.perf_counter()
        finetune(
            "had",
            pretrained=[folder / "run"],
            task=folder / "task",
            settings={"epochs": 2, "batch_size": 128, "learning_rate": 1e-3, "precision": "bf16"},
            seeds=range(workers),
            state=folder / f"state_{count}",
            output=folder / f"out_{count}",
            workers=count,
        )
        seconds.append(time.perf_counter() - began)
    size = f"{len(splits['train']):,} x {LENGTH} bases, 2 epochs"
    name = f"had: {workers} seeds on {size}: {workers} workers against one"
    return Row(name, *seconds, seconds[1] / seconds[0], "", "s")
