"""Start Snakemake in a folder, and wait for its end."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from harness import command, environment

Copy = Callable[[str], Path]


def snakemake(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start Snakemake in a folder, with one log for all its starts."""
    with (folder / "snakemake.log").open("a") as log:
        return subprocess.Popen(
            command(*arguments),
            cwd=folder,
            env=environment() | {"SLURM_CONF": "/etc/slurm/slurm.conf"},
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )


def finish(folder: Path, started: subprocess.Popen[str], seconds: float) -> None:
    """Wait for Snakemake; its log explains a failure."""
    status = started.wait(seconds)
    assert status == 0, (folder / "snakemake.log").read_text()[-6000:]
