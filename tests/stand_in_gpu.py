"""A GPU for machines without one: torch's meta device, whose tensors have shapes and no values.

What makes the CPU wait for a GPU is impossible there and raises where it stands: a value that
becomes a number, an `if` or a shape, and a copy to the CPU. `Watch` finds what meta tensors let
pass: operations on tensors of two devices, and copies to the GPU that the CPU waits for. It also
counts operations, each of which a GPU's CPU has to launch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import optimizer
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

GPU = torch.device("meta")
COPIES = ("aten::_to_copy", "aten::copy_")
FROM_PYTHON = (torch.tensor, torch.as_tensor, Tensor.new_tensor)


class Slow(AssertionError):
    """Something in a step would make a CPU wait for its GPU, or fail on one."""


class _Constructors(TorchFunctionMode):
    """Refuses tensors that are made of Python's numbers on the GPU, which is a copy with a wait."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = function(*args, **(kwargs or {}))
        if function in FROM_PYTHON and made.device == GPU:
            raise Slow(f"{function.__name__} copies numbers to the GPU and waits for it")
        return made


class Watch(TorchDispatchMode):
    """Raises `Slow` at what would be wrong on a GPU.

    Attributes
    ----------
    operations : Counter
        How often each was called for the GPU, by name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations: Counter[str] = Counter()
        self._constructors = _Constructors()

    def __enter__(self) -> Watch:
        self._constructors.__enter__()
        super().__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        self._constructors.__exit__(kind, error, trace)

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = function.name().split(".")[0]
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        made = function(*args, **kwargs)
        made_on = [x.device for x in tree_leaves(made) if isinstance(x, Tensor)]
        if GPU not in (*made_on, *(x.device for x in tensors)):
            return made
        self.operations[name] += 1
        from_cpu = [x for x in tensors if x.device != GPU]
        if name in COPIES and from_cpu:
            if not (kwargs.get("non_blocking") or (name == "aten::copy_" and args[2:] == (True,))):
                raise Slow(f"{name} to the GPU, which the CPU waits for; use devices.moved")
        elif any(x.dim() for x in from_cpu):  # one number of the CPU goes with the launch
            raise Slow(f"{name} of tensors on the GPU and on the CPU")
        return made


@contextmanager
def stand_in_gpu() -> Iterator[torch.device]:
    """Let the package's code run on `GPU`, which has no fused optimiser and no autocast."""
    supported = [*optimizer._get_fused_kernels_supported_devices(), GPU.type]
    autocast = torch.autocast
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimizer, "_get_fused_kernels_supported_devices", lambda: supported)
        patch.setattr(
            torch,
            "autocast",
            lambda device, *args, **kwargs: (
                nullcontext() if device == GPU.type else autocast(device, *args, **kwargs)
            ),
        )
        yield GPU
