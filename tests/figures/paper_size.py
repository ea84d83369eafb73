"""Made-up results of all runs and tasks of config.yaml, to draw figures at the papers' size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from dnastudents.config import load_config
from dnastudents.results.jobs import BASELINE
from metrics_rows import metrics_row

ROOT = Path(__file__).resolve().parents[2]
CONFIG = load_config(ROOT)
TASKS = ["/".join(task) for task in CONFIG.tasks()]
RUNS = CONFIG.runs


def write_metrics(path: Path) -> Path:
    """Write metrics.csv: a skill of each run, a difficulty of each task, noise of each seed."""
    random = np.random.default_rng(0)
    skill = {run: random.normal(0.02 if CONFIG.is_pretrained(run) else -0.06, 0.02) for run in RUNS}
    skill[BASELINE] = -0.03
    constant = metrics_row(versions="{}")
    records = []
    levels: dict[str, float] = {}
    for suite, task in CONFIG.tasks():
        name, _, number = task.rpartition("_")
        is_few = suite == "few_shot"  # of which a data set has several tasks
        shots = int(number) if is_few else 900
        level = levels.setdefault(name if is_few else f"{suite}/{task}", random.uniform(0.4, 0.85))
        metric = "mcc" if suite == "gue" else "accuracy"
        for run, strength in skill.items():
            own = level + strength + random.normal(0, 0.01) + 0.03 * np.log10(shots)
            seeds = [0] if run == BASELINE else CONFIG.suites[suite].seeds
            for seed in seeds:
                value = float(np.clip(random.normal(own, 0.012), 0, 1))
                right = round(100 * value)
                counts = [[right, 100 - right], [100 - right, right]]
                changes = {"confusion": json.dumps(counts), "n_train": 2 * shots, "metric": metric}
                names = {"run": run, "suite": suite, "task": task, "seed": seed, "value": value}
                learnt = run != BASELINE and CONFIG.is_pretrained(run)
                records.append(constant | changes | names | {"pretrained": learnt})
    pd.DataFrame(records).to_csv(path, index=False)
    return path
