"""Benchmarks: each suite has one reader, and every reader writes the same task folder.

A reader is a module with `write(sources, task, output)`. A suite without a module of its own is
read as the user's CSV files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

READERS = {
    "few_shot": "few_shot",
    "genomic_benchmarks": "genomic_benchmarks",
    "gue": "gue",
    "mtcdna": "mtcdna",
    "nucleotide_transformer": "nucleotide_transformer",
}


def write_task(suite: str, task: str, sources: Sequence[Path], output: Path) -> None:
    """Write the task folder of one task from the files of its suite.

    Parameters
    ----------
    suite : str
        A suite of `READERS`, `simulated`, or any other name for the user's own CSV files.
    task : str
        The task's name, as in workflow/resources/tasks.csv.
    sources : sequence of Path
        Files, folders or zip archives that together hold what the reader asks for.
    output : Path
        The task folder.

    Raises
    ------
    InputError
        A file is missing or damaged, or a row of it is not usable.
    """
    if suite == "simulated":
        from dnastudents.benchmarks.simulator import simulate_tasks

        simulate_tasks(sources[0], task, output)
    elif suite in READERS:
        module = import_module(f"dnastudents.benchmarks.{READERS[suite]}")
        write: Callable[..., None] = module.write
        write(sources, task, output)
    else:
        from dnastudents.benchmarks import csv_files

        csv_files.write(sources, task, output, suite=suite)
