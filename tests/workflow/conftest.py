"""A copy of the repository, at a path with a space, in which real Snakemake runs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import Snakemake, command, edit, environment

PARTS = [
    "Snakefile",
    "config.yaml",
    "workflow",
    "src",
    "demo",
    "studies",
    "slurm",
    "profiles",
    "envs",
]


@pytest.fixture(scope="session")
def checkout(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function that copies what a user has after `git clone` into a new folder."""

    def copy(name: str) -> Path:
        folder = tmp_path_factory.mktemp(f"my {name}")
        for part in PARTS:
            source = root / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / part)
        shutil.copy(root / "tests/workflow/tiny.yaml", folder / "tiny.yaml")
        return folder

    return copy


@pytest.fixture(scope="session")
def snakemake() -> Snakemake:
    """Run Snakemake in a folder; stdout and stderr come back as one text."""

    def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments),
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def tiny(checkout: Callable[[str], Path], snakemake: Snakemake) -> Path:
    """A folder in which the tiny workflow has run to its end.

    Without LOGO and the linear probe: each job takes seconds to start, and later tests add them.
    """

    def leave_out(values: dict) -> None:
        del values["runs"]["logo_cm_gems"]
        values["probes"]["linear"] = None

    folder = checkout("tiny run")
    edit(folder / "tiny.yaml", leave_out)
    done = snakemake(folder, "--profile", "demo", "--configfile", "tiny.yaml")
    assert done.returncode == 0, done.stdout[-6000:]
    return folder
