"""Start Snakemake in a folder, and wait for its end."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from harness import command, environment

Copy = Callable[[str], Path]
_started: list[subprocess.Popen[str]] = []


def snakemake(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start Snakemake in a folder, with one log for all its starts."""
    with (folder / "snakemake.log").open("a") as log:
        started = subprocess.Popen(
            command(*arguments),
            cwd=folder,
            # The lab's GPUs are stand-ins.
            env=environment() | {"SLURM_CONF": "/etc/slurm/slurm.conf", "DNASTUDENTS_ON_CPU": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
    _started.append(started)
    return started


def finish(folder: Path, started: subprocess.Popen[str], seconds: float) -> None:
    """Wait for Snakemake; its log explains a failure."""
    status = started.wait(seconds)
    assert status == 0, (folder / "snakemake.log").read_text()[-6000:]


def stop() -> None:
    """Stop what a test that failed has left: only processes of `snakemake` above."""
    while _started:
        process = _started.pop()
        if process.poll() is None:
            process.terminate()
            process.wait(60)
