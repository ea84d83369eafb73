"""What the workflow took, summed by run, by rule, and by run and task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dnastudents.errors import InputError
from dnastudents.files import read_csv
from dnastudents.results.costs import read_costs
from dnastudents.results.jobs import CountedJobs
from dnastudents.settings import parse
from dnastudents.tables.render import MISSING, TIMES, Sheet, Table, three_digits, write

KEYS = ["rule", "run", "task"]
SUMS = ("jobs", "wall_hours", "device_hours", "cpu_hours")
MEMORY, ENERGY_COLUMN = "peak_memory_mb", "kwh"  # the second only where watts are given
HEADERS = ["jobs", "wall (h)", "device (h)", "device", "CPU (h)", "peak memory (GiB)"]
SHARED = "shared by runs"
NOTES = (
    "wall: summed over jobs, as if they ran one after another; for each the longer of what "
    "Snakemake measured of its last attempt and what the job itself summed over all attempts that "
    "it resumed from. Work lost between the last saved state and a kill is not counted.",
    f"device: wall {TIMES} number of devices; a CPU is one device, whatever its cores. Jobs that "
    f"do not record their device ({MISSING}) have none: features, downloads, tables, figures.",
    "CPU: time of all threads in the last attempt. peak memory: of the host, resident, of the "
    "largest job.",
    f"{SHARED}: references, downloads, teachers, task folders, features, tables, figures.",
)
ENERGY = (
    f"kWh: device hours {TIMES} the watts that the configuration gives for the device ({{given}}); "
    "not measured, and without hosts and cooling."
)


def write_cost_table(
    results: str | Path, settings: CountedJobs | Mapping[str, Any], output: str | Path
) -> pd.DataFrame:
    """Write what the jobs took as CSV (one row per rule, run, task and device), Markdown and LaTeX.

    Parameters
    ----------
    results : path
        The workflow's results folder.
    settings : CountedJobs or mapping
        The jobs that count, and the power of devices.
    output : path
        `<output>.csv`, `.md` and `.tex` are written; a suffix .csv is taken off first.

    Returns
    -------
    DataFrame
        What the CSV holds, in hours.

    Raises
    ------
    InputError
        See `results.costs.read_costs`.
    """
    jobs: CountedJobs = parse(CountedJobs, settings, "--settings")
    costs = _in_hours(read_costs(results, jobs), bool(jobs.watts))
    sheets = cost_sheets(costs)
    if jobs.watts:
        given = ", ".join(f"{name}: {power:g} W" for name, power in jobs.watts.items())
        sheets[-1].notes.append(ENERGY.format(given=given))
    table = Table(costs.round(6), sheets)
    write(table, output)
    return table.numbers


def read_cost_table(path: str | Path) -> pd.DataFrame:
    """Read the CSV that `write_cost_table` wrote.

    Raises
    ------
    InputError
        It is absent, or lacks a column.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; make it with `dnastudents cost`")
    frame = read_csv(path)
    if missing := [name for name in (*KEYS, "device", *SUMS, MEMORY) if name not in frame]:
        raise InputError(f"{path}: no column {', '.join(missing)}; make it again")
    return frame


def cost_sheets(costs: pd.DataFrame) -> list[Sheet]:
    """Lay out the rows of `write_cost_table` by run, by rule, and by run and task."""
    named = costs.assign(run=costs["run"].fillna(SHARED))
    sheets = [_sheet(f"Cost by {key}", key, named) for key in ("run", "rule")]
    sheets += _run_and_task(named)
    sheets[-1].notes = list(NOTES)
    return sheets


def _in_hours(jobs: pd.DataFrame, energy: bool) -> pd.DataFrame:
    """Sum jobs by rule, run, task and device; seconds become hours."""
    hours = {f"{kind}_hours": jobs[f"{kind}_seconds"] / 3600 for kind in ("wall", "device", "cpu")}
    costs = _sums(jobs.assign(jobs=1, **hours), [*KEYS, "device"])
    return costs if energy else costs.drop(columns=ENERGY_COLUMN)


def _sums(costs: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Sum each group, memory as its maximum; what no row of a group has is missing."""
    groups = costs.groupby(keys, dropna=False, sort=True)
    added = [name for name in (*SUMS, ENERGY_COLUMN) if name in costs]
    sums = groups[added].sum(min_count=1)
    sums.insert(len(SUMS), MEMORY, groups[MEMORY].max())
    return sums.reset_index()


def _sheet(title: str, key: str, costs: pd.DataFrame) -> Sheet:
    """Make one row per value of `key`, and the total."""
    energy = ENERGY_COLUMN in costs
    headers = [key, *HEADERS, "kWh"] if energy else [key, *HEADERS]
    sheet = Sheet(title, headers, [], fixed=2)
    groups = [(str(name), rows) for name, rows in costs.groupby(key, sort=True)]
    for name, rows in [*groups, ("total", costs)]:
        total = _sums(rows.assign(all=0), ["all"]).iloc[0]
        devices = ", ".join(sorted(rows["device"].dropna().unique())) or MISSING
        wall, device, cpu = map(three_digits, total[list(SUMS[1:])])
        memory = three_digits(total[MEMORY] / 1024)
        sheet.rows.append([name, f"{total['jobs']:,.0f}", wall, device, devices, cpu, memory])
        if energy:
            unknown = rows[ENERGY_COLUMN].isna() & rows["device"].notna()
            mark = "≥ " if unknown.any() and pd.notna(total[ENERGY_COLUMN]) else ""
            sheet.rows[-1].append(mark + three_digits(total[ENERGY_COLUMN]))
    sheet.embolden_last_row()
    return sheet


def _run_and_task(costs: pd.DataFrame) -> list[Sheet]:
    """Sum device hours of the jobs that have a run and a task; no sheet where there are none."""
    both = costs[costs["task"].notna() & (costs["run"] != SHARED) & costs["device"].notna()]
    if both.empty:
        return []
    hours = both.pivot_table(
        index="run", columns="task", values="device_hours", aggfunc="sum", margins=True
    )
    hours = hours.rename(index={"All": "total"}, columns={"All": "total"})
    sheet = Sheet("Device hours by run and task", ["run", *map(str, hours.columns)], [])
    for run, values in hours.iterrows():
        sheet.rows.append([str(run), *map(three_digits, values)])
    sheet.embolden_last_row()
    return [sheet]
