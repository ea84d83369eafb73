"""Benchmarks: each suite has one reader, and every reader writes the same task folder.

A reader is a module of its suite's name with `write(sources, task, output, leakage)`. A suite
without one is read as the user's CSV files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from dnastudents.errors import InputError
from dnastudents.settings import Name, parse

ROUTED = {"few_shot"}  # readers of which a route of tasks.csv asks for another content
READERS = {
    "few_shot",
    "genomic_benchmarks",
    "gue",
    "mtcdna",
    "nucleotide_transformer",
    "nucleotide_transformer_revised",
}


def write_task(
    suite: str,
    task: str,
    sources: Sequence[Path],
    output: Path,
    leakage: str = "report",
    metric: str | None = None,
    route: str | None = None,
) -> None:
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
    leakage : {'report', 'remove'}
        Whether rows of train and dev whose sequence is in test stay (see `benchmarks.protocol`).
        Default is "report".
    metric : str, optional
        Of the user's own CSV files: accuracy, mcc, f1 or f1_macro. Default is accuracy.
    route : str, optional
        A route of workflow/resources/tasks.csv, of suites in `ROUTED`. Default is the first.

    Raises
    ------
    InputError
        A name that a configuration cannot have, a file is missing or damaged, a row of it is not
        usable, or the suite has no use for a metric or route.
    """
    for what, name in {"suite": suite, "task": task}.items():  # parts of paths from here on
        parse(Name, name, what)
    if metric is not None and suite in {*READERS, "simulated"}:
        raise InputError(f"{suite}: has a metric of its own; drop `--metric {metric}`")
    if route is not None and suite not in ROUTED:
        raise InputError(f"{suite}: every route of it is read alike; drop `--route {route}`")
    if suite == "simulated":
        from dnastudents.benchmarks.simulator import simulate_tasks

        simulate_tasks(sources[0], task, output, leakage)
    elif suite in READERS:
        module = import_module(f"dnastudents.benchmarks.{suite}")
        write: Callable[..., None] = module.write
        routed = {"route": route} if suite in ROUTED else {}
        write(sources, task, output, leakage=leakage, **routed)
    else:
        from dnastudents.benchmarks import csv_files

        require_own(suite, "suite")
        csv_files.write(sources, task, output, suite, metric or "accuracy", leakage)


def require_own(suite: str, where: str) -> None:
    """Raise an `InputError` if the name of a user's suite is one of ours, but for its spelling."""
    ours = {_spelt(name): name for name in (*READERS, "simulated")}
    if (known := ours.get(_spelt(suite), suite)) != suite:
        raise InputError(f"{where}: did you mean '{known}'? Your own suite needs another name")


def _spelt(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower()).rstrip("s")
