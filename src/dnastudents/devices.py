"""The device that a job computes on: its choice, its precision, and what happens when it is full.

When memory runs out: fewer sequences at once, never fewer in all.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor, nn

from dnastudents.environment import is_launched
from dnastudents.errors import InputError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


ON_CPU = "DNASTUDENTS_ON_CPU"  # 1: a job that is given a GPU may compute on the CPU
_GIVES_GPU = ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "SLURM_GPUS")
# What a full GPU says where torch's own allocator has not been asked: libraries that make room for
# themselves, or for want of it know no algorithm, and pinned memory of the host.
_FULL = (
    "DefaultCPUAllocator",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "DEVICE_ALLOCATION_FAILED",
    "valid cuDNN algorithm",
    "unable to find an engine",
)


@cache
def choose_device() -> torch.device:
    """Return this process's GPU, else the CPU.

    Raises
    ------
    InputError
        The job was given a GPU that torch cannot use, and would compute for days on the CPU; or
        more processes start on this node than torch sees GPUs.
    """
    if not torch.cuda.is_available():
        given = gives_gpu(os.environ)
        if given and os.environ.get(ON_CPU) != "1":
            raise InputError(
                f"{given}, but torch {torch.__version__} cannot use a GPU: {_why_not()}; install a "
                f"torch that fits the driver, or set {ON_CPU}=1 to compute on the CPU"
            )
        return torch.device("cpu")
    processes, found = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
    if is_launched() and processes > found:
        raise InputError(
            f"{processes} processes start on this node, but torch sees {found} GPU(s); each needs "
            "one: ask for as many, as by `gpu: 4, processes: 4`, or start fewer"
        )
    return torch.device("cuda")


def gives_gpu(environment: Mapping[str, str]) -> str:
    """Return what gives this job a GPU, as `SLURM_JOB_GPUS is 0`; empty where nothing does."""
    for name in _GIVES_GPU:
        if environment.get(name, "-1") not in ("", "-1"):
            return f"{name} is {environment[name]}"
    return ""


def _why_not() -> str:
    """Return the first line of what torch says where it cannot use a GPU."""
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as error:
        return str(error).strip().splitlines()[0]
    return "it sees none"


def device_name(device: torch.device) -> str:
    """Return a GPU's name, or cpu, as in the rows of the cost table."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """Move the tensor to the device; the CPU does not wait for the copy."""
    if device.type == "cuda":
        tensor = tensor.contiguous().pin_memory()  # any other copy would be waited for
    return tensor.to(device, non_blocking=True)


def release(device: torch.device) -> None:
    """Give a GPU's memory that holds nothing back, so that other processes may take it."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


class Precision:
    """Lower precision of products while training on a GPU; a CPU always computes in float32.

    Weights, losses and the optimiser stay float32.

    Parameters
    ----------
    wanted : {'no', 'bf16', 'fp16'}
        As in the settings.
    device : torch.device
        Where to compute.

    Attributes
    ----------
    name : str
        What is computed in: `wanted`, but `no` on a CPU, where bf16 is slower.
    scaler : torch.amp.GradScaler
        Enabled for fp16 alone, whose range is too small for many gradients.
    norm : Tensor
        Of the gradients that were clipped last, before that, a scalar.
    """

    norm: Tensor

    def __init__(self, wanted: str, device: torch.device) -> None:
        self.name = wanted if device.type == "cuda" else "no"
        self._device = device.type
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.name == "fp16")

    def autocast(self) -> torch.autocast:
        """Return the context of every forward computation."""
        kind = torch.float16 if self.name == "fp16" else torch.bfloat16
        return torch.autocast(self._device, kind, enabled=self.name != "no")

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of `loss`."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def clip(
        self, optimizer: torch.optim.Optimizer, parameters: Iterable[nn.Parameter], limit: float
    ) -> Tensor:
        """Clip the norm of the gradients to `limit`.

        Returns
        -------
        Tensor
            bool scalar: is the norm not finite? Always false for fp16, where the scaler expects
            such steps while it looks for the scale, and leaves them out.
        """
        self.scaler.unscale_(optimizer)
        self.norm = nn.utils.clip_grad_norm_(parameters, limit)
        return ~self.norm.isfinite() & (not self.scaler.is_enabled())

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Let the optimiser update the weights."""
        self.scaler.step(optimizer)
        self.scaler.update()


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether a GPU's memory has run out, or the CPU's."""
    said = str(error)
    return isinstance(error, torch.OutOfMemoryError) or any(words in said for words in _FULL)


def as_many_as_fit(
    work: Callable[[int], Result], at_once: int, device: torch.device
) -> tuple[Result, int]:
    """Do something with as many sequences at once as memory holds, by halving their number.

    Parameters
    ----------
    work : callable
        Takes how many at once, and does all of its work again with each number.
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
        Of `work`: the one of `is_out_of_memory` where one sequence is too much, and all others.
    """
    while True:
        try:
            return work(at_once), at_once
        except RuntimeError as error:
            if at_once == 1 or not is_out_of_memory(error):
                raise
        # The error is gone by here, and with it the frames that hold tensors.
        release(device)
        fewer = at_once // 2
        logger.warning(f"out of memory with {at_once} sequences at once; from here on {fewer}")
        at_once = fewer
