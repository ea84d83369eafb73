"""How the workflow tests run Snakemake."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

Snakemake = Callable[..., subprocess.CompletedProcess[str]]


def command(*arguments: str) -> list[str]:
    """Snakemake of this environment as a command."""
    return [sys.executable, "-m", "snakemake", *arguments]


def environment() -> dict[str, str]:
    """The jobs find `python` of this environment first; nothing of ours is inherited."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return kept


def edit(path: Path, change: Callable[[dict], None]) -> None:
    """Change a YAML file in place."""
    values = yaml.safe_load(path.read_text())
    change(values)
    path.write_text(yaml.safe_dump(values))
