"""From one JSON file per run x task x seed to one tidy CSV of all.

Only the folders that the caller names are read, so a run that leaves the config leaves the tables.
A broken or contradictory row stops everything: a table with a silently missing cell is worse.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dnastudents.errors import InputError, nearest
from dnastudents.files import atomic_file, read_csv
from dnastudents.results.failures import read_failures
from dnastudents.results.jobs import BASELINE
from dnastudents.results.row import REQUIRED_COLUMNS, TEXT, TEXT_OR_NULL, read_row
from dnastudents.results.statistics import Estimate, independent, mean_interval

KEY = ["suite", "task", "run", "seed"]


def collect(folders: Iterable[str | Path], output: str | Path) -> pd.DataFrame:
    """Write `output`, one row per run x task x seed, sorted by suite, task, run and seed.

    Parameters
    ----------
    folders : iterable of path
        Fine-tuning (or baseline) result folders, each with `seed_<s>.json` files. Where it has
        `failed_seed_<s>.json` too, its rows get `failed_seeds`, see `results.failures`.
    output : path
        The CSV. Lists and mappings (`confusion`, `versions`) are written as JSON. A column of
        `MetricsRow` that is null in all rows is left out, unless it is one of `REQUIRED_COLUMNS`.

    Raises
    ------
    InputError
        Naming the file, when a folder holds no row, a row lacks a key or has one of a wrong kind,
        a row occurs twice, or rows of one task are of different content of its folder.
    """
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    sources: dict[tuple[Any, ...], Path] = {}
    for folder in sorted({Path(folder) for folder in folders}):
        files = sorted(folder.glob("seed_*.json"))
        if not files:
            raise InputError(f"{folder}: no seed_<s>.json in it; run its fine-tuning first")
        mine = []
        for file in files:
            row = read_row(file).as_json()
            key = tuple(row[name] for name in KEY)
            if key in rows:
                raise InputError(f"{file}: the same run, task and seed as {sources[key]}")
            rows[key], sources[key] = row, file
            mine.append(row)
        if failed := read_failures(folder, {row["seed"] for row in mine}):
            for row in mine:
                row["failed_seeds"] = json.dumps(failed)
    if not rows:
        raise InputError("no result folders were given: the config names no run or no task")
    _agree(rows, sources)
    frame = pd.DataFrame([rows[key] for key in sorted(rows)])
    frame = frame[[name for name in frame if name in REQUIRED_COLUMNS or frame[name].notna().any()]]
    for name in frame.columns:
        if frame[name].map(lambda value: isinstance(value, list | dict)).any():
            frame[name] = frame[name].map(lambda value: json.dumps(value, sort_keys=True))
    with atomic_file(output, b"run,method,task,suite,") as partial:
        frame.to_csv(partial, index=False)
    return frame


def read_metrics(path: str | Path) -> pd.DataFrame:
    """Read the CSV that `collect` wrote.

    Raises
    ------
    InputError
        It is absent, lacks a column, or holds a score that is no number or one row twice.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; collect the metrics rows first")
    # Read as text: a commit may look like a number, as may the only length of a k-mer.
    frame = read_csv(path, TEXT + TEXT_OR_NULL)
    for name in frame.columns.intersection(list(TEXT_OR_NULL)):
        frame[name] = frame[name].where(frame[name] != "")
    if missing := [name for name in REQUIRED_COLUMNS if name not in frame]:
        raise InputError(f"{path}: no column {', '.join(missing)}; make it again with `collect`")
    if frame["pretrained"].dtype != bool:  # the line that was cut lacks it
        raise InputError(f"{path}: a line is broken; make it again with `dnastudents metrics`")
    numbers = frame[["value", "seed"]].apply(pd.to_numeric, errors="coerce")
    faults = {
        "the score is not a number": ~np.isfinite(numbers["value"]),
        "the seed is not a whole number": numbers["seed"] % 1 != 0,
        "suite, task, run and seed are another line's too": frame.duplicated(KEY),
    }
    for fault, rows in faults.items():
        if rows.any():
            line = int(rows.to_numpy().argmax()) + 2
            raise InputError(
                f"{path}, line {line}: {fault}; make it again with `dnastudents metrics`"
            )
    return frame


def require_runs(metrics: pd.DataFrame, runs: Iterable[str], path: str | Path) -> None:
    """Raise `InputError` for a run that has no row in the metrics of `path`."""
    known = {*metrics["run"], BASELINE}
    for run in runs:
        if run not in known:
            raise InputError(f"{path}: no row of a run '{run}'; {nearest(run, known)}")


def runs_in_order(metrics: pd.DataFrame, runs: Iterable[str] | None = None) -> list[str]:
    """Return the runs that a table or figure shows.

    `runs` (default: all, sorted), then what no comparison may leave out: un-pretrained runs that
    have rows, and the k-mer baseline, with rows or without.
    """
    available = sorted(metrics["run"].unique())
    controls = sorted(metrics.loc[~metrics["pretrained"], "run"].unique())
    shown = [run for run in [*(runs or available), *controls] if run != BASELINE]
    return [*dict.fromkeys(shown), BASELINE]


def values_by_seed(rows: pd.DataFrame) -> dict[int, float]:
    """Return seed -> score of one run on one task."""
    return dict(zip(rows["seed"].tolist(), rows["value"].tolist(), strict=True))


def pretrainings_by_seed(rows: pd.DataFrame) -> dict[int, int] | None:
    """Return fine-tuning seed -> seed of its pretraining; None where there are none."""
    if "pretraining_seed" not in rows or rows["pretraining_seed"].isna().any():
        return None
    seeds = rows["pretraining_seed"].astype(int).tolist()
    return dict(zip(rows["seed"].tolist(), seeds, strict=True))


def independent_values(rows: pd.DataFrame) -> list[float]:
    """Return the scores of one run on one task that count as independent."""
    return independent(values_by_seed(rows), pretrainings_by_seed(rows))


def estimate(rows: pd.DataFrame) -> Estimate:
    """Mean and interval of the rows of one run on one task."""
    return mean_interval(independent_values(rows))


def _agree(
    rows: dict[tuple[Any, ...], dict[str, Any]], sources: dict[tuple[Any, ...], Path]
) -> None:
    """Raise `InputError` if rows of one task are of different task folders."""
    first: dict[tuple[str, str], tuple[Any, ...]] = {}
    for key in sorted(rows):
        reference = first.setdefault((key[0], key[1]), key)
        for name in ("metric", "n_test", "task_digest"):
            if rows[key][name] != rows[reference][name]:
                raise InputError(
                    f"{sources[key]}: {name} is {rows[key][name]!r}, but {sources[reference]} has "
                    f"{rows[reference][name]!r}; run the older of the two again"
                )
