"""What the workflow took, summed by run, by rule, and by run and task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dnastudents.results.costs import read_costs
from dnastudents.results.jobs import CountedJobs
from dnastudents.settings import parse
from dnastudents.tables.render import MISSING, TIMES, Sheet, three_digits, write_sheets

KEYS = ["rule", "run", "task"]
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
    costs, watts = read_costs(results, jobs), jobs.watts
    named = costs.assign(run=costs["run"].fillna(SHARED))
    sheets = [
        _sheet("Cost by run", "run", named, bool(watts)),
        _sheet("Cost by rule", "rule", named, bool(watts)),
        *_run_and_task(named),
    ]
    sheets[-1].notes = list(NOTES)
    if watts:
        given = ", ".join(f"{name}: {power:g} W" for name, power in watts.items())
        sheets[-1].notes.append(ENERGY.format(given=given))
    frame = _sums(costs, [*KEYS, "device"])
    write_sheets(output, frame if watts else frame.drop(columns="kwh"), sheets)
    return frame


def _sums(costs: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Sum jobs, hours, memory and energy of each group; what no job of a group has is missing."""
    groups = costs.groupby(keys, dropna=False, sort=True)
    hours = {name: groups[f"{name}_seconds"].sum(min_count=1) / 3600 for name in ("wall", "device")}
    columns = {
        "jobs": groups.size(),
        **{f"{name}_hours": values for name, values in hours.items()},
        "cpu_hours": groups["cpu_seconds"].sum(min_count=1) / 3600,
        "peak_memory_mb": groups["peak_memory_mb"].max(),
        "kwh": groups["kwh"].sum(min_count=1),
    }
    return pd.DataFrame(columns).round(6).reset_index()


def _sheet(title: str, key: str, costs: pd.DataFrame, energy: bool) -> Sheet:
    """Make one row per value of `key`, and the total."""
    headers = [key, *HEADERS, "kWh"] if energy else [key, *HEADERS]
    sheet = Sheet(title, headers, [], fixed=2)
    groups = [(str(name), rows) for name, rows in costs.groupby(key, sort=True)]
    for name, rows in [*groups, ("total", costs)]:
        total = _sums(rows.assign(all=0), ["all"]).iloc[0]
        devices = ", ".join(sorted(rows["device"].dropna().unique())) or MISSING
        numbers = [total[f"{kind}_hours"] for kind in ("wall", "device", "cpu")]
        wall, device, cpu = map(three_digits, numbers)
        memory = three_digits(total["peak_memory_mb"] / 1024)
        sheet.rows.append([name, f"{total['jobs']:,.0f}", wall, device, devices, cpu, memory])
        if energy:
            unknown = rows["kwh"].isna() & rows["device"].notna()
            mark = "≥ " if unknown.any() and pd.notna(total["kwh"]) else ""
            sheet.rows[-1].append(mark + three_digits(total["kwh"]))
    sheet.embolden_last_row()
    return sheet


def _run_and_task(costs: pd.DataFrame) -> list[Sheet]:
    """Sum device hours of the jobs that have a run and a task; no sheet where there are none."""
    both = costs[costs["task"].notna() & (costs["run"] != SHARED) & costs["device"].notna()]
    if both.empty:
        return []
    hours = both.pivot_table(
        index="run", columns="task", values="device_seconds", aggfunc="sum", margins=True
    )
    hours = hours.rename(index={"All": "total"}, columns={"All": "total"}) / 3600
    sheet = Sheet("Device hours by run and task", ["run", *map(str, hours.columns)], [])
    for run, values in hours.iterrows():
        sheet.rows.append([str(run), *map(three_digits, values)])
    return [sheet]
