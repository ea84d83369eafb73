"""What 200 short jobs cost beyond their work: printed here (`-s`), and noted in docs/cluster.md."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

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
    shell: "python -m dnastudents benchmark mine {wildcards.task} {input} --output {output} > {log}"
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


@pytest.mark.parametrize("arrays", [False, True])
def test_two_hundred_short_jobs(folder: Path, arrays: bool) -> None:
    files = [f"data/mine/{split}.csv" for split in ("train", "test")]
    alone = [sys.executable, "-m", "dnastudents", "benchmark", "mine", "task_0", *files]
    began = time.monotonic()
    subprocess.run([*alone, "--output", "alone"], cwd=folder, env=environment(), check=True)
    seconds = time.monotonic() - began
    began = time.monotonic()
    arguments = ("benchmarks_table", "--profile", "slurm", "-j", "50")
    packed = ("--slurm-array-jobs", "mine") if arrays else ()
    started = snakemake(folder, *arguments, *packed, "--configfile", "overhead.yaml")
    finish(folder, started, 3600)
    wall = time.monotonic() - began
    assert len(list((folder / "results/tasks/mine").glob("task_*/task.json"))) == JOBS
    cores = len(os.sched_getaffinity(0))
    print(
        f"\n{JOBS} jobs in {wall:.0f} s on {cores} cores ({'arrays' if arrays else 'one by one'}): "
        f"{wall * cores / JOBS:.1f} core seconds a job, of which the command {seconds:.1f}"
    )
