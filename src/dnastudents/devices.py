"""The device that a job computes on, chosen and named in one place, and what it does when full.

When memory runs out: fewer sequences at once, never fewer in all.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


@cache
def choose_device() -> torch.device:
    """The GPU of this process, else the CPU; a GPU that torch cannot use is warned of, once."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if given := unusable_gpu(os.environ):
        logger.warning(
            f"{given}, but torch {torch.__version__} sees no GPU and computes on the CPU; "
            "is it a build for CPUs, or the driver too old?"
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


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a GPU's memory has run out, or the CPU's."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def as_many_as_fit(
    work: Callable[[int], Result], at_once: int, device: torch.device
) -> tuple[Result, int]:
    """Do something with as many sequences at once as memory holds, by halving their number.

    Parameters
    ----------
    work : callable
        Takes how many at once, and does all of its work anew with each number.
    at_once : int
        To begin with.
    device : torch.device
        Whose cache to empty before the next attempt.

    Returns
    -------
    result, at_once
        What `work` gave, and with how many.

    Raises
    ------
    RuntimeError
        Of `work`: torch.OutOfMemoryError where one sequence is too much, and all other errors.
    """
    while True:
        try:
            return work(at_once), at_once
        except RuntimeError as error:
            if at_once == 1 or not is_out_of_memory(error):
                raise
        # The error is gone by here, and with it the frames that hold tensors.
        if device.type == "cuda":
            torch.cuda.empty_cache()
        fewer = at_once // 2
        logger.warning(f"out of memory with {at_once} sequences at once; from here on {fewer}")
        at_once = fewer
