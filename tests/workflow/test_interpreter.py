"""Which Python jobs run in, and what they do not import."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import command, environment


def test_jobs_run_in_the_python_of_snakemake(
    checkout: Callable[[str], Path], tmp_path: Path
) -> None:
    """Whatever stands in front in PATH, in PYTHONPATH and in the working folder."""
    folder = checkout("other python")
    for name in ("python", "python3"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 3\n")
        (tmp_path / name).chmod(0o755)
    for name in ("random", "types", "torch", "numpy"):
        (folder / f"{name}.py").write_text("raise SystemExit('mine')\n")
    left = environment() | {"ACCELERATE_USE_CPU": "true", "PYTHONSAFEPATH": "1"}
    left["PATH"] = f"{tmp_path}{os.pathsep}{left['PATH']}"
    target = "results/reference/simulated"
    done = subprocess.run(
        command("--profile", "demo", "--configfile", "tiny.yaml", "-j", "1", target),
        cwd=folder,
        env=left,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert (folder / target / "reference.json").is_file()


@pytest.mark.parametrize("kind", ["a module of Python", "a space in the path of Python"])
def test_what_would_fail_in_every_job_is_not_submitted(
    kind: str, checkout: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = checkout("cluster")
    python, reason = Path(sys.executable), "random.py: Snakemake would import it in every job"
    if kind == "a module of Python":
        (folder / "random.py").touch()
    else:
        (tmp_path / "my venv").symlink_to(python.parents[1])
        python = tmp_path / "my venv" / "bin" / python.name
        reason = f"{python}: jobs cannot be submitted"
    for name in ("sbatch", "squeue", "sacct", "sacctmgr", "scontrol", "sinfo", "scancel", "srun"):
        (tmp_path / name).write_text(f'#!/bin/sh\n[ {name} != sbatch ] || touch "$0.called"\n')
        (tmp_path / name).chmod(0o755)
    program = "from snakemake.cli import main; main()"  # not -m, which would import random.py
    done = subprocess.run(
        [
            *(python, "-P", "-c", program, "--profile", "slurm", "--configfile", "tiny.yaml"),
            *("-j", "1", "results/reference/simulated"),
        ],
        cwd=folder,
        env=environment() | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 1
    assert reason in done.stdout
    assert not (tmp_path / "sbatch.called").exists()


def test_the_setup_of_jobs_leaves_no_empty_entry(root: Path) -> None:
    for given in ("", ":", ":/a", "/a:", "/a::/b", "::"):
        shown = subprocess.run(
            ["bash", "-c", f'. {root}/workflow/scripts/job.sh; echo "$PYTHONPATH:$PYTHONSAFEPATH"'],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": given},
            capture_output=True,
            text=True,
            check=True,
        )
        kept = [path for path in given.split(":") if path]
        assert shown.stdout.strip() == ":".join([f"{root}/src", *kept, "1"])
