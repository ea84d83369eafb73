"""The whole workflow on the cluster ends with the tables of the local run.

The workflow is a tiny one; `WORKFLOW=demo/demo.yaml make test-slurm` takes the demo.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

import lab
import pandas as pd
import pytest
from runs import Copy, finish, snakemake

from harness import edit

WORKFLOW = os.environ.get("WORKFLOW", "tiny.yaml")
RESULTS = {"tiny.yaml": "results", "demo/demo.yaml": "results/demo"}[WORKFLOW]
STATUS = "slurm-status-command"
# What tells how long something took and where, not what came out.
OF_THE_MACHINE = ["wall_seconds", "peak_memory_mb", "device"]
HOURS = "pretraining_device_hours"  # the same of a suite's table
TABLES_OF_THE_MACHINE = {"cost", "pretraining"}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def local(checkout: Copy) -> Path:
    """The workflow, run without a cluster."""
    folder = checkout("local")
    finish(folder, snakemake(folder, "--profile", "demo", "--configfile", WORKFLOW), 2400)
    return folder


@pytest.fixture(scope="module")
def clustered(checkout: Copy) -> Path:
    """The workflow, run by `snakemake --profile slurm -j 50`."""
    folder = checkout("clustered")
    arguments = ("--profile", "slurm", "-j", "50", "--configfile", WORKFLOW)
    finish(folder, snakemake(folder, *arguments), 3600)
    return folder


def test_results_are_those_of_the_local_run(local: Path, clustered: Path) -> None:
    jobs = re.findall(
        r"has been submitted with SLURM jobid", (clustered / "snakemake.log").read_text()
    )
    assert len(jobs) >= 30
    models = sorted(
        path.relative_to(local) for path in local.glob(f"{RESULTS}/pretrain/*/*/*.safetensors")
    )
    assert len(models) >= 4
    for model in models:
        assert _sha256(local / model) == _sha256(clustered / model), model
    scores = [
        name for name in ("metrics", "knn", "linear") if (local / RESULTS / f"{name}.csv").exists()
    ]
    assert "metrics" in scores
    for name in scores:
        frames = [pd.read_csv(folder / f"{RESULTS}/{name}.csv") for folder in (local, clustered)]
        one, other = (frame.drop(columns=OF_THE_MACHINE) for frame in frames)
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    tables = {path.stem: path for path in (local / RESULTS / "tables").glob("*.csv")}
    assert len(tables) >= 4
    for name in tables.keys() - TABLES_OF_THE_MACHINE:
        pair = [tables[name], clustered / RESULTS / f"tables/{name}.csv"]
        one, other = (pd.read_csv(path).drop(columns=HOURS, errors="ignore") for path in pair)
        pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_gpu_jobs_saw_their_gpu(clustered: Path) -> None:
    nodes = lab.slurm(
        "sacct", "-n", "-P", "-X", "--format", "Partition,AllocTRES", "--starttime", "now-2hours"
    )
    on_gpus = [line for line in nodes.splitlines() if line.startswith("gpu|")]
    assert on_gpus and all("gres/gpu=1" in line for line in on_gpus)


def test_with_accounting(checkout: Copy) -> None:
    """`slurm-status-command: sacct`, for clusters that forget finished jobs at once."""
    folder = checkout("sacct")
    edit(folder / "slurm/config.yaml", lambda profile: profile.update({STATUS: "sacct"}))
    target = "results/reference/simulated"
    arguments = (target, "--profile", "slurm", "-j", "50", "--configfile", "tiny.yaml")
    finish(folder, snakemake(folder, *arguments), 300)
    assert (folder / "results/reference/simulated/reference.json").is_file()


def test_a_second_workflow_in_the_folder_is_refused(checkout: Copy) -> None:
    folder = checkout("twice")
    target = "results/reference/simulated"
    arguments = (target, "--profile", "slurm", "-j", "50", "--configfile", "tiny.yaml")
    first = snakemake(folder, *arguments)
    lab.wait_until(lambda: any((folder / ".snakemake/locks").glob("*")), 60, "the lock")
    second = subprocess.run(
        first.args, cwd=folder, env=os.environ, capture_output=True, text=True, timeout=120
    )
    assert second.returncode != 0
    assert "lock" in (second.stdout + second.stderr).lower()
    finish(folder, first, 300)
