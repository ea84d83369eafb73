"""Several seeds of a small task: in one process, or each in its own.

Seeds are those of `python -m dnastudents finetune`, whose start is a few seconds: Python, torch and
transformers, the weights, the tokens of the whole task and, of a frozen student, its features. One
process has all of that once. But a small student gains little from a second thread, so on two cores
two processes of one thread each, one task, may be as fast as one process of two. Hence three rows:

- one process of two threads against a process a seed, in turn, of two threads each;
- the same against a process a seed, two at a time, of one thread each;
- CPU seconds of one process against those of all, one thread each: what a workflow gains that has
  at least as many tasks as cores.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
from task_folders import dnastudents
from timing import Row


@dataclass(frozen=True)
class Sweep:
    """Seeds of one task.

    Attributes
    ----------
    name : str
        What it is, in the table.
    student, task : Path
        Folders of a pretrained student and of the task.
    settings : dict
        `finetuning` of the configuration.
    seeds : sequence of int
    """

    name: str
    student: Path
    task: Path
    settings: dict[str, Any]
    seeds: Sequence[int]

    def run(self, folder: Path, each: int, processes: int, threads: int) -> pd.DataFrame:
        """Fine-tune all seeds, `each` a process, that many processes at a time; all predictions."""
        parts = [self.seeds[start : start + each] for start in range(0, len(self.seeds), each)]

        def one(part: Sequence[int]) -> Path:
            place = folder / "_".join(map(str, part))
            dnastudents(
                *("finetune", "student", "--pretrained", self.student, "--task", self.task),
                *("--settings", json.dumps(self.settings), "--seeds", *map(str, part)),
                *("--state", place / "state", "--output", place / "out"),
                threads=threads,
            )
            return place / "out/predictions.parquet"

        with ThreadPoolExecutor(processes) as pool:
            files = list(pool.map(one, parts))
        return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)


def sweep_rows(sweep: Sweep, folder: Path, turns: int) -> list[Row]:
    """One process against a process a seed, on two cores."""
    count = len(sweep.seeds)
    ways = {  # seeds of a process, processes at a time, threads of each
        "together": (count, 1, 2),
        "in turn": (1, 1, 2),
        "two at a time": (1, 2, 1),
        "together, one thread": (count, 1, 1),
    }
    wall: dict[str, list[float]] = {way: [] for way in ways}
    cpu: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(turns):
        made = {}
        for way, how in ways.items():
            began = time.perf_counter(), _cpu_of_children()
            made[way] = sweep.run(folder / f"{turn} {way}", *how)
            wall[way].append(time.perf_counter() - began[0])
            cpu[way].append(_cpu_of_children() - began[1])
        pd.testing.assert_frame_equal(
            made["two at a time"], made["together, one thread"], check_exact=True
        )
    name = f"{count} seeds in one process, {sweep.name}"
    rows = []
    for text, seconds, ours, other, unit in (
        ("a process each, in turn", wall, "together", "in turn", "s"),
        ("a process each, two at a time", wall, "together", "two at a time", "s"),
        ("a process each, one thread", cpu, "together, one thread", "two at a time", "CPU s"),
    ):
        both = median(seconds[ours]), median(seconds[other])
        rows.append(Row(f"{name}: against {text}", *both, both[1] / both[0], ">= 1.5", unit))
    return rows


def _cpu_of_children() -> float:
    """CPU seconds of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
