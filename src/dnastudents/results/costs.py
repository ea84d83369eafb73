"""What the jobs of a workflow took: hours, device hours, CPU hours, memory; energy if asked for.

Two sources, each for what it alone knows:

- Snakemake's benchmark file of a job: wall time, CPU time and memory of its last attempt.
- The job's own metrics: the device, the number of processes, and the time of all attempts that went
  on from one another, as a preempted pretraining does.

The wall time of a job is the longer of the two: an uninterrupted job's is Snakemake's, which has
the start of Python in it. Work that was lost, between the last saved state and a kill or in an
attempt that left nothing, was measured by no one and is in neither.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dnastudents.errors import InputError
from dnastudents.files import read_json, reading
from dnastudents.results.jobs import BASELINE, CountedJobs, run_of

MEASURED = ("pretrain", "teacher", "finetune", "linear", "knn", "baseline")  # rules with metrics
COST_COLUMNS = (
    "rule",
    "run",
    "task",
    "wall_seconds",
    "cpu_seconds",
    "peak_memory_mb",
    "device",
    "devices",
    "device_seconds",
    "kwh",
)


class Measured(NamedTuple):
    """What a job's own metrics say of all its attempts."""

    seconds: float
    device: str
    devices: int


class Size(NamedTuple):
    """What a run took to make; NaN where it is not known.

    Attributes
    ----------
    parameters : float
    tokens : float
        Bases that one pretraining read; 0 of a student that was never pretrained.
    hours : float
        Device hours of one pretraining.
    """

    parameters: float = math.nan
    tokens: float = math.nan
    hours: float = math.nan


def read_costs(results: str | Path, jobs: CountedJobs) -> pd.DataFrame:
    """Read one row per job of `jobs` that has left a trace.

    Parameters
    ----------
    results : path
        The workflow's results folder. Its `benchmarks` may lack files, or have those of other
        configurations, which are left out.
    jobs : CountedJobs

    Returns
    -------
    DataFrame
        `COST_COLUMNS`, sorted by rule, run and task. Missing is what nobody measured;
        device_seconds are wall_seconds times the number of devices, a CPU being one.

    Raises
    ------
    InputError
        A file is broken, or there is no job at all.
    """
    results = Path(results)
    records = [_record(results, name, *of, jobs.watts) for name, of in _found(results, jobs)]
    if not records:
        raise InputError(f"{results}: no job has left a benchmark file or metrics there")
    return pd.DataFrame(records, columns=COST_COLUMNS)


def _found(results: Path, jobs: CountedJobs) -> Iterator[tuple[str, tuple[str | None, str | None]]]:
    """Find the jobs that left a benchmark file or metrics: name, then run and task."""
    benchmarks = results / "benchmarks"
    names = {str(file.relative_to(benchmarks))[:-4] for file in benchmarks.rglob("*.tsv")}
    names |= {f"pretrain/{run}" for run in jobs.runs} | {f"baseline/{task}" for task in jobs.tasks}
    pairs = [f"{run}/{task}" for run in jobs.runs for task in jobs.tasks]
    names |= {f"{rule}/{pair}" for rule in ("finetune", "linear", "knn") for pair in pairs}
    for name in sorted(names):
        run_and_task = jobs.run_and_task(name)
        traces = (_folder(results, name), benchmarks / f"{name}.tsv")
        if run_and_task is not None and any(trace.exists() for trace in traces):
            yield name, run_and_task


def _folder(results: Path, name: str) -> Path:
    """Return where a job of `MEASURED` has its metrics."""
    rule, _, rest = name.partition("/")
    return results / rule / BASELINE / rest if rule == "baseline" else results / name


def _record(
    results: Path, name: str, run: str | None, task: str | None, watts: Mapping[str, float]
) -> dict[str, Any]:
    rule = name.partition("/")[0]
    benchmark = read_benchmark(results / "benchmarks" / f"{name}.tsv")
    record = {"rule": rule, "run": run, "task": task, **benchmark}
    own = measured(_folder(results, name)) if rule in MEASURED else None
    if own is None:
        return record
    wall = max(own.seconds, benchmark["wall_seconds"])  # the first, where the second is NaN
    power = watts_of(own.device, watts)
    return record | {
        "wall_seconds": wall,
        "device": own.device,
        "devices": own.devices,
        "device_seconds": wall * own.devices,
        "kwh": math.nan if power is None else wall * own.devices * power / 3.6e6,
    }


def read_benchmark(file: Path) -> dict[str, float]:
    """Read `wall_seconds`, `cpu_seconds` and `peak_memory_mb`; NaN where not measured.

    Snakemake samples a job: one that ends at once has no memory and CPU time.
    """
    if not file.is_file():
        return dict.fromkeys(("wall_seconds", "cpu_seconds", "peak_memory_mb"), math.nan)
    try:
        frame = pd.read_csv(file, sep="\t", na_values=["-", "NA"])
        wall, cpu, memory = (frame[name].astype(float) for name in ("s", "cpu_time", "max_rss"))
    except (KeyError, ValueError) as error:
        message = f"{file}: no benchmark of Snakemake ({error}); remove it"
        raise InputError(message.replace("\n", " ")) from None
    return {
        "wall_seconds": float(wall.sum(min_count=1)),  # of nothing the sum is not 0
        "cpu_seconds": float(cpu.sum(min_count=1)),
        "peak_memory_mb": float(memory.max()),
    }


def measured(folder: Path) -> Measured | None:
    """Read the job's own account; None where it has none, as a run that was never trained."""
    if (folder / "metrics.json").is_file():
        metrics = read_json(folder / "metrics.json")
        if metrics.get("wall_seconds") is None:
            return None
        device = str(metrics["device"])
        devices = 1 if device == "cpu" else int(metrics["processes"])
        return Measured(float(metrics["wall_seconds"]), device, devices)
    rows = [read_json(file) for file in sorted(folder.glob("*seed_*.json"))]  # failed ones too
    if not rows:
        return None
    seconds = sum(float(row["wall_seconds"]) for row in rows)
    if (folder / "grid.csv").is_file():
        with reading(folder / "grid.csv"):
            grid = pd.read_csv(folder / "grid.csv")
        seconds += float(grid.loc[~grid["chosen"], "wall_seconds"].sum())
    return Measured(seconds, str(rows[0]["device"]), 1)


def read_sizes(pretrainings: Iterable[str | Path]) -> dict[str, Size]:
    """Read what each run took, as means over its pretrainings.

    Parameters
    ----------
    pretrainings : iterable of path
        Outputs of `dnastudents pretrain`; `run@1`, `run@2` are further pretrainings of `run`.

    Raises
    ------
    InputError
        A folder is not a finished pretraining.
    """
    found: dict[str, list[Size]] = {}
    for folder in map(Path, pretrainings):
        metrics = read_json(folder / "metrics.json")
        try:
            parameters, tokens = metrics["parameters"], metrics.get("tokens", 0)
        except (KeyError, TypeError, AttributeError):
            raise InputError(f"{folder}/metrics.json: no parameters; run it again") from None
        took = measured(folder)
        hours = took.seconds * took.devices / 3600 if took else 0.0
        found.setdefault(run_of(folder.name), []).append(Size(parameters, tokens, hours))
    return {run: Size(*map(float, np.mean(sizes, axis=0))) for run, sizes in found.items()}


def watts_of(device: str, watts: Mapping[str, float]) -> float | None:
    """Find the power of a device by the longest name that is part of its own; None if none is."""
    names = [name for name in watts if name.casefold() in device.casefold()]
    return float(watts[max(names, key=len)]) if names else None
