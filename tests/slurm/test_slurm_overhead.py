"""What 200 short jobs cost beyond their work: printed here (`-s`), and noted in docs/cluster.md."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import lab
import numpy as np
import pytest
import yaml
from runs import Copy, finish, snakemake

from harness import environment

JOBS = 200
RULE = """
rule mine:
    input: expand("data/mine/{split}.csv", split=["train", "test"])
    output: directory(task_folder("mine"))
    log: log_of("mine/{task}")
    conda: ENVIRONMENT
    resources: mem_mb=500, runtime=10
    shell: command("benchmark mine {wildcards.task} {input} --output {output}")
"""


@pytest.fixture
def folder(checkout: Copy) -> Path:
    """A suite of `JOBS` tasks that are read in no time."""
    folder = checkout("overhead")
    (folder / "workflow/rules/benchmarks/mine.smk").write_text(RULE)
    generator = np.random.default_rng(0)
    (folder / "data/mine").mkdir(parents=True)
    for split in ("train", "test"):
        rows = [f"{''.join(generator.choice(list('ACGT'), 60))},{i % 2}" for i in range(40)]
        (folder / f"data/mine/{split}.csv").write_text("\n".join(["sequence,label", *rows]) + "\n")
    tasks = [f"task_{number}" for number in range(JOBS)]
    suites = {"mine": {"tasks": tasks, "seeds": [0]}}
    values = {"extends": "tiny.yaml", "suites": suites, "probes": {"knn": None, "linear": None}}
    values["figures"] = {"tsne": {"tasks": []}, "tsne_cls": {"tasks": []}}
    (folder / "overhead.yaml").write_text(yaml.safe_dump(values))
    return folder


def _cpu_seconds(since: str) -> float:
    """CPU time of all steps of all jobs since then, by Slurm's accounting."""
    total = 0.0
    fields = ("--starttime", since, "--format", "JobID,TotalCPU")
    for line in lab.slurm("sacct", "-n", "-P", *fields).splitlines():
        job, _, time_used = line.partition("|")
        if "." in job:  # a step; the job's own line has no time of its own
            for number, part in enumerate(reversed(time_used.split(":"))):
                total += float(part) * 60**number
    return total


def test_two_hundred_short_jobs(folder: Path) -> None:
    files = [f"data/mine/{split}.csv" for split in ("train", "test")]
    alone = [sys.executable, "-m", "dnastudents", "benchmark", "mine", "task_0", *files]
    before = os.times()
    subprocess.run([*alone, "--output", "alone"], cwd=folder, env=environment(), check=True)
    after = os.times()
    command = sum(after[2:4]) - sum(before[2:4])
    since = f"{datetime.now():%Y-%m-%dT%H:%M:%S}"
    arguments = ("benchmarks_table", "--profile", "slurm", "-j", "50")
    finish(folder, snakemake(folder, *arguments, "--configfile", "overhead.yaml"), 3600)
    assert len(list((folder / "results/tasks/mine").glob("task_*/task.json"))) == JOBS
    print(
        f"\n{JOBS} jobs: {_cpu_seconds(since) / JOBS:.1f} CPU seconds per job, "
        f"of which the command {command:.1f}"
    )
