"""A results folder as the workflow leaves it, of made-up numbers and any size."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from dnastudents.benchmarks.task import write_task
from dnastudents.page.page import Sources
from metrics_rows import metrics_row
from small_students import BERT, PRETRAINING

SVG = '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="90" height="60"/>'


def make_results(
    folder: Path,
    runs: Sequence[str],
    tasks: dict[str, Sequence[str]],
    seeds: int = 3,
    metric: str = "accuracy",
    simulated: bool = False,
) -> Sources:
    """Write results of `runs`, each with a twin `*_scratch` that is 0.1 worse, and a baseline."""
    names = [*runs, *(f"{run}_scratch" for run in runs), "kmer_logistic"]
    generator = np.random.default_rng(0)
    rows = []
    for suite, of_suite in tasks.items():
        for task in of_suite:
            _write_task(folder, suite, task, metric, simulated)
            for place, run in enumerate(names):
                pretrained = run in runs
                for seed in range(1 if run == "kmer_logistic" else seeds):
                    value = 0.7 + 0.1 * pretrained - 0.01 * (place % len(runs))
                    value += generator.normal(0, 0.004)
                    facts = {"run": run, "suite": suite, "task": task, "seed": seed}
                    facts |= {"pretrained": pretrained, "simulated": simulated, "metric": metric}
                    rows.append(metrics_row(**facts, value=round(value, 6)))
    frame = pd.DataFrame(rows)
    for column in ("versions", "confusion"):
        frame[column] = frame[column].map(json.dumps)
    frame.to_csv(folder / "metrics.csv", index=False)
    figure = folder / "figures/losses.svg"
    figure.parent.mkdir()
    figure.write_text(SVG)
    _write_cost(folder, names)
    return Sources(
        folder,
        tasks=[f"{suite}/{task}" for suite, of_suite in tasks.items() for task in of_suite],
        runs=[name for name in names if name != "kmer_logistic"],
        pairs=[(run, f"{run}_scratch") for run in runs],
        pretrainings=[_write_pretraining(folder, name, name in runs) for name in names[:-1]],
        figures=[figure],
    )


def _write_task(folder: Path, suite: str, task: str, metric: str, simulated: bool) -> None:
    frame = pd.DataFrame({"sequence": ["ACGTT", "CCGTA", "ACCTT", "GGGTA"], "label": [0, 1, 0, 1]})
    splits = {"train": frame, "dev": frame, "test": frame}
    write_task(folder / "tasks" / suite / task, suite, task, splits, ["a", "b"], metric,
               simulated=simulated)  # fmt: skip


def _write_pretraining(folder: Path, name: str, learns: bool) -> Path:
    place = folder / "pretrain" / name
    place.mkdir(parents=True)
    facts = {"parameters": 5000, "seed": 0, "simulated": False, "steps": 40 * learns}
    settings = {"student": BERT, "objective": {"name": "masked_lm" if learns else "none"}}
    if learns:
        facts |= {"tokens": 8_000_000, "tokens_per_second": 100.0, "wall_seconds": 7200.0}
        facts |= {"device": "cpu", "processes": 1, "validation": {"loss": 2.0, "hidden": 2.5}}
        settings |= {"masking": {"name": "cm_gems"}, "pretraining": PRETRAINING}
        lines = "step,split,stage,loss\n10,validation,genemask,2\n40,validation,global_pmi,1\n"
        (place / "history.csv").write_text(lines)
    (place / "metrics.json").write_text(json.dumps(facts))
    (place / "settings.json").write_text(json.dumps(settings))
    return place


def _write_cost(folder: Path, runs: Sequence[str]) -> None:
    (folder / "tables").mkdir()
    head = "rule,run,task,device,jobs,wall_hours,device_hours,cpu_hours,peak_memory_mb"
    lines = [f"finetune,{run},gue/tf_0,cpu,1,2.0,2.0,1.5,512" for run in runs]
    (folder / "tables/cost.csv").write_text("\n".join([head, *lines, ""]))
