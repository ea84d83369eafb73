"""When memory runs out: fewer sequences at once, never fewer in all."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")


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
        print(f"out of memory with {at_once} sequences at once; from here on {fewer}",
              file=sys.stderr, flush=True)  # fmt: skip
        at_once = fewer
