"""What every benchmark here shares: fair timing, the machine's facts, one table, one JSON file.

Two design decisions:

- What is compared is timed in turns (a, b, a, b, ...), and a number is the median of its turns, so
  that another job on the machine falls on both sides.
- A row holds the ratio that is claimed beside the two numbers that it comes from, and a target that
  was missed is shown as missed.
"""

from __future__ import annotations

import math
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from dnastudents.files import write_json
from dnastudents.provenance import LEARNING, made_by

LIKE = b'{\\s*"command": "python '  # how a result begins, which a new one replaces


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes
    ----------
    name : str
        What is measured.
    ours, other : float or None
        Both sides in `unit`; the other is None where there is nothing to compare with.
    ratio : float or None
        The claimed number.
    target : str
        What the ratio should be, as `>= 20` or `< 0.05`; empty where nothing is promised.
    unit : str
        Of `ours` and `other`.
    """

    name: str
    ours: float
    other: float | None
    ratio: float | None
    target: str
    unit: str

    @property
    def verdict(self) -> str:
        """`met` or `MISSED`; empty without a target."""
        if not self.target or self.ratio is None:
            return ""
        sign, bound = self.target.split()
        met = self.ratio >= float(bound) if sign == ">=" else self.ratio < float(bound)
        return "met" if met else "MISSED"


def interleaved(
    calls: Mapping[str, Callable[[int], object]],
    turns: int,
    device: torch.device,
    limit: float = float("inf"),
    shortest: float = 0.0,
) -> dict[str, float]:
    """Median seconds of each call, all called once a turn.

    Parameters
    ----------
    calls : mapping
        By name; each gets the number of the turn, from 0. One turn before the first is not counted.
    turns : int
        Repetitions.
    device : torch.device
        A GPU is waited for.
    limit : float
        Seconds after which no other turn begins, once there is one. Default is none.
    shortest : float
        Seconds of a turn: a call that takes less is repeated in it, and the mean counts, since a
        clock and a cold cache say little about microseconds. Default is one call.
    """
    began = time.perf_counter()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    repeats = dict.fromkeys(calls, 1)
    for turn in range(turns + 1):
        if turn > 1 and time.perf_counter() - began > limit:
            break
        for name, call in calls.items():
            wait(device)
            start = time.perf_counter()
            for _ in range(repeats[name]):
                call(turn)
            wait(device)
            taken = (time.perf_counter() - start) / repeats[name]
            if turn:
                seconds[name].append(taken)
            else:
                repeats[name] = max(1, math.ceil(shortest / taken))
    return {name: median(values) for name, values in seconds.items()}


def always(call: Callable[[], object]) -> Callable[[int], object]:
    """The same call in every turn."""
    return lambda turn: call()


def wait(device: torch.device) -> None:
    """Wait until a GPU has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def hardware(device: torch.device) -> dict[str, Any]:
    """The machine as the benchmark saw it."""
    facts: dict[str, Any] = {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_before": round(os.getloadavg()[0], 2),
        "device": device.type,
    }
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
        facts["cuda"] = torch.version.cuda
    return facts


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def report(
    title: str, rows: Iterable[Row], machine: Mapping[str, Any], output: Path | None
) -> None:
    """Print the table and, with `output`, write the JSON file.

    Parameters
    ----------
    title : str
        Above the table.
    rows : iterable of Row
        In the order shown.
    machine : mapping
        What `hardware` gave before the measurement.
    output : Path or None
        File to write.
    """
    rows = list(rows)
    used = {**made_by(*LEARNING)["versions"], "numpy": np.__version__}
    table = Table(
        title=title, caption="; ".join(f"{k} {v}" for k, v in {**machine, **used}.items())
    )
    for heading in ("what", "ours", "other", "unit", "ratio", "target", ""):
        table.add_column(heading, justify="left" if heading in ("what", "unit") else "right")
    for row in rows:
        numbers = [_short(row.ours), _short(row.other), row.unit, _short(row.ratio)]
        table.add_row(row.name, *numbers, row.target, row.verdict)
    # A log file has no width of its own; a table cut at 80 columns could not be read.
    Console(width=None if sys.stdout.isatty() else 150).print(table)
    if output is not None:
        content = {
            "command": shlex.join(["python", *sys.argv]),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "hardware": dict(machine),
            "versions": used,
            "rows": [{**asdict(row), "verdict": row.verdict} for row in rows],
        }
        write_json(output, content, LIKE)
        print(f"written to {output}")


def _short(number: float | None) -> str:
    """Three digits, whole thousands with commas."""
    if number is None:
        return "-"
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"
