"""Workers side by side: the rows and bits of one process, and none that outlives its job."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
from test_failed_seeds import run

from dnastudents.benchmarks.task import load_task
from dnastudents.errors import InputError
from dnastudents.files import read_json
from dnastudents.finetune import on_task, workers
from dnastudents.finetune.finished import Kept
from dnastudents.finetune.fit import Diverged, Fit
from dnastudents.finetune.options import Finetuning
from dnastudents.finetune.sweep import _keep_seed
from dnastudents.settings import parse

MEASURED = ["wall_seconds", "peak_memory_mb"]
SETTINGS = {"epochs": 1, "batch_size": 16, "learning_rate": 1e-2}
GRID = {"learning_rate": [1e-3, 1e-2], "batch_size": [16]}


def rows(output: Path) -> list[dict[str, Any]]:
    found = [read_json(file) for file in sorted(output.glob("*seed_*.json"))]
    return [{k: v for k, v in row.items() if k not in MEASURED} for row in found]


@pytest.mark.parametrize("changes", [{}, {"grid": GRID}])
def test_rows_and_bits_are_those_of_one_process(
    changes: dict[str, Any],
    students: dict[str, Path],
    task: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = run(tmp_path / "one", students["hybrid"], task, 1, epochs=2, **changes)
    # What workers have made this process only puts together.
    monkeypatch.setattr(Fit, "train", lambda *of: pytest.fail("trained once more"))
    two = run(tmp_path / "two", students["hybrid"], task, 2, epochs=2, **changes)
    assert rows(two) == rows(one)
    assert len(rows(two)) == 3
    for name in ("history.csv", "predictions.parquet", "classifier/model.safetensors"):
        assert (two / name).read_bytes() == (one / name).read_bytes()
    if "grid" in changes:
        cells = [pd.read_csv(out / "grid.csv").drop(columns="wall_seconds") for out in (one, two)]
        pd.testing.assert_frame_equal(*cells, check_exact=True)


def test_each_counts_its_part_of_the_devices_time(
    students: dict[str, Path], task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = []
    for sharers in (1, 4):
        ticks = count()
        clock = SimpleNamespace(perf_counter=lambda ticks=ticks: float(next(ticks)))
        monkeypatch.setattr(on_task, "time", clock)
        options: Finetuning = parse(Finetuning, SETTINGS, "finetuning")
        kept = Kept("mine", load_task(task), options, tmp_path / str(sharers), sharers)
        _keep_seed(kept, 0, students["hybrid"])
        seconds.append(read_json(tmp_path / str(sharers) / "seed_0/row.json")["wall_seconds"])
    assert seconds == [2.0, 0.5]  # of training and of the test


def test_a_seed_that_diverges_is_reported_as_without_workers(
    students: dict[str, Path], task: Path, tmp_path: Path
) -> None:
    for number in (1, 2):
        with pytest.raises(InputError, match=r"no seed could be trained\. seed 0: finetuning"):
            run(
                tmp_path / str(number),
                students["hybrid"],
                task,
                number,
                epochs=2,
                learning_rate=1e38,
            )


@pytest.mark.parametrize(
    "error", [Diverged("the loss is nan"), torch.OutOfMemoryError("CUDA out of memory")]
)
def test_failures_of_a_seed_are_left_to_the_caller(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(workers, "_kept", None, raising=False)

    def fail(kept: None) -> None:
        raise error

    workers._make(fail)
    assert "its seed is done alone" in caplog.text


def test_all_other_errors_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_kept", None, raising=False)
    for error in (InputError("the disk is full"), RuntimeError("shapes")):

        def fail(kept: None, error: Exception = error) -> None:
            raise error

        with pytest.raises(type(error), match=str(error)):
            workers._make(fail)


def start(folder: Path, student: Path, task: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """Start two workers that would train for hours; returns them once both do."""
    settings = json.dumps({"epochs": 100_000, "batch_size": 16})
    started = subprocess.Popen(
        [
            *(sys.executable, "-m", "dnastudents", "finetune", "mine", "--pretrained", student),
            *("--task", task, "--settings", settings, "--seeds", "0", "1", "2", "--workers", "2"),
            *("--state", folder / "state", "--output", folder / "out"),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stderr is not None
    seen: set[str] = set()
    while len(seen) < 2:
        line = started.stderr.readline()
        assert line
        seen |= set(re.findall(r"seed (\d) epoch", line))
    children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
    return started, [pid for pid in map(int, children) if b"spawn_main" in cmdline(pid)]


def cmdline(pid: int) -> bytes:
    file = Path(f"/proc/{pid}/cmdline")
    return file.read_bytes() if file.exists() else b""


def test_a_worker_that_is_killed_is_told_of_and_a_killed_job_leaves_none(
    students: dict[str, Path], task: Path, tmp_path: Path
) -> None:
    started, pids = start(tmp_path / "a", students["hybrid"], task)
    assert len(pids) == 2
    os.kill(pids[0], signal.SIGKILL)
    _, said = started.communicate(timeout=300)
    assert started.returncode == 1
    assert "a worker was killed" in said
    started, pids = start(tmp_path / "b", students["hybrid"], task)
    started.kill()
    assert started.stderr is not None
    started.stderr.close()
    started.wait()
    end = time.monotonic() + 60
    while any(b"spawn_main" in cmdline(pid) for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.05)
