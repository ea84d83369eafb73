"""Two nodes with two processes each learn what one process does."""

from __future__ import annotations

from pathlib import Path

import torch
from runs import Copy, finish, snakemake
from safetensors.torch import load_file

from dnastudents.files import read_json
from harness import edit

RUN = Path("results/pretrain/findna")
CONFIG = ("--configfile", "interrupted.yaml")


def _two_by_two(profile: dict) -> None:
    """As docs/cluster.md says it, without GPUs."""
    training = profile["set-resources"]["pretrain"]
    del training["gpu"]
    training |= {"mpi": "srun", "nodes": 2, "tasks": 2, "processes": 2}


def test_two_nodes_of_two_processes_train_as_one(checkout: Copy) -> None:
    one, four = checkout("one process"), checkout("four processes")
    finish(one, snakemake(one, str(RUN), "--profile", "demo", *CONFIG), 600)
    edit(four / "slurm/config.yaml", _two_by_two)
    finish(four, snakemake(four, str(RUN), "--profile", "slurm", "-j", "50", *CONFIG), 900)
    assert read_json(one / RUN / "metrics.json")["processes"] == 1
    assert read_json(four / RUN / "metrics.json")["processes"] == 4
    for file in sorted((one / RUN).glob("*/model.safetensors")):
        ours = load_file(four / file.relative_to(one))
        for name, expected in load_file(file).items():
            torch.testing.assert_close(ours[name], expected, rtol=2e-3, atol=2e-4)
