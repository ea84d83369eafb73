"""The device that a job computes on, chosen and named in one place."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor


@cache
def choose_device() -> torch.device:
    """The GPU of this process, else the CPU; a GPU that torch cannot use is warned of, once."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if given := unusable_gpu(os.environ):
        print(
            f"WARNING: {given}, but torch {torch.__version__} sees no GPU and computes on the CPU; "
            "is it a build for CPUs, or the driver too old?",
            file=sys.stderr,
            flush=True,
        )
    return torch.device("cpu")


def unusable_gpu(environment: Mapping[str, str]) -> str:
    """What gives this job a GPU, as `SLURM_JOB_GPUS is 0`; empty where nothing does."""
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS"):
        if environment.get(name, "-1") not in ("", "-1"):
            return f"{name} is {environment[name]}"
    return ""


def device_name(device: torch.device) -> str:
    """As in the cost table's rows: a GPU's name, or cpu."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device; the CPU does not wait for the copy."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
