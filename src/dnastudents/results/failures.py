"""Seeds that failed, on their way from fine-tuning to the tables.

They travel in `metrics.csv` itself, in a column of the rows of their run and task, so no table can
be made without them: the cell says `n = 4/5`, and a note says which seed and why.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from dnastudents.errors import InputError
from dnastudents.files import read_json

MARK = "†"
NOTE = (
    f"{MARK} n = finished/all seeds. Seeds that failed are in no mean or interval, so where a run "
    "fails by its own fault it looks better than it is:"
)


class Incomplete(NamedTuple):
    """One run on one task, some of whose seeds failed.

    Attributes
    ----------
    finished : int
        Seeds with a score.
    reasons : dict of int to str
        Why each of the others failed.
    """

    finished: int
    reasons: dict[int, str]

    def __str__(self) -> str:
        return f"n = {self.finished}/{self.finished + len(self.reasons)}"


def read_failures(folder: Path, finished: Iterable[int]) -> dict[str, str]:
    """Read what `failed_seeds` of a folder's rows says: failed seeds (JSON's keys) and reasons.

    Parameters
    ----------
    folder : Path
        Fine-tuning results, with `failed_seed_<s>.json` where a seed failed.
    finished : iterable of int
        The seeds with a row there.

    Raises
    ------
    InputError
        A record is broken, or of a seed that finished.
    """
    reasons = {}
    for file in folder.glob("failed_seed_*.json"):
        record = read_json(file)
        if not isinstance(record, dict) or {"seed", "reason"} - record.keys():
            raise InputError(f"{file}: no seed and reason; remove the folder and run it again")
        if record["seed"] in finished:
            raise InputError(f"{file}: this seed has finished too; remove the folder, run it again")
        reasons[int(record["seed"])] = str(record["reason"])
    return {str(seed): reasons[seed] for seed in sorted(reasons)}


def incomplete(rows: pd.DataFrame) -> Incomplete | None:
    """Find which seeds failed in the rows of one run on one task; None where all finished."""
    texts = rows["failed_seeds"].dropna().tolist() if "failed_seeds" in rows else []
    if not texts:
        return None
    reasons: dict[str, Any] = json.loads(texts[0])
    return Incomplete(len(rows), {int(seed): str(reason) for seed, reason in reasons.items()})


def failure_notes(metrics: pd.DataFrame) -> list[str]:
    """Write lines below a table that name run, task, seed and reason of each failed seed."""
    found = []
    for run, task, rows in cells_of(metrics):
        lost = incomplete(rows)
        for seed, reason in (lost.reasons if lost else {}).items():
            found.append(f"{MARK} {run} on {task}, seed {seed}: {reason}")
    return [NOTE, *found] if found else []


def cells_of(metrics: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Give run, task and rows of each cell of a table; tasks of several suites with their suite."""
    several = metrics["suite"].nunique() > 1  # which may have tasks of one name
    for (suite, run, task), rows in metrics.groupby(["suite", "run", "task"]):
        yield str(run), f"{suite}/{task}" if several else str(task), rows
