"""The one place where an optional compiled kernel is looked for.

flash-linear-attention (`pip install 'dnastudents[gpu]'`) has the gated delta rule as Triton
kernels. `fla_serves` says when they compute: on a GPU, where the package is usable, and where
values are half precision, as in training under bf16 autocast. Its releases either refuse float32 or
multiply in TF32, so float32 and float64 stay with our chunked form, and a run in full precision has
the same numbers with and without the package.

What is called here is the same in releases 0.2 to 0.6 (fla/ops/gated_delta_rule/chunk.py in their
wheels). Release 0.1 wants heads before tokens and would take our tensors without a word; it is
refused by its signature.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from functools import cache
from importlib import import_module

import torch
from torch import Tensor

Rule = Callable[..., tuple[Tensor, Tensor]]

DEVICES = ("cuda",)  # device types that the kernels take; an AMD GPU's is cuda too
HALF = (torch.bfloat16, torch.float16)
GPU_CHUNK = 64  # tokens at least: a GPU has long done its sums when the CPU has launched them


@cache
def find_fla() -> Rule | None:
    """Return flash-linear-attention's `chunk_gated_delta_rule`; None where it is not installed.

    An installed package that cannot be used (too old, without Triton) is named in one warning, and
    None is returned too: our own form gives the same result to the precision of its inputs.
    """
    try:
        rule: Rule = import_module("fla.ops.gated_delta_rule").chunk_gated_delta_rule
        layout = inspect.signature(rule).parameters.get("head_first")
        if layout is not None and layout.default is True:
            raise ImportError("it wants tensors with heads before tokens")
    except Exception as error:  # importing it starts Triton, which may raise anything
        if not (isinstance(error, ModuleNotFoundError) and error.name == "fla"):
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            warnings.warn(
                f"flash-linear-attention is installed but unusable: {reason}. PyTorch computes the "
                "gated delta rule instead, slower; install 'dnastudents[gpu]'",
                stacklevel=2,
            )
        return None
    return rule


def form(device: torch.device, half: bool) -> str:
    """Return what computes the rule there: `torch`, or `flash-linear-attention` and its version.

    `half` says whether values are in half precision.
    """
    if device.type not in DEVICES or not half or find_fla() is None:
        return "torch"
    return f"flash-linear-attention {import_module('fla').__version__}"


def chunk_of(device: torch.device, wanted: int) -> int:
    """Return the tokens of a chunk of our own form there."""
    return max(wanted, GPU_CHUNK) if device.type in DEVICES else wanted


def fla_serves(value: Tensor, *others: Tensor) -> bool:
    """Return whether flash-linear-attention computes the rule of these values and other inputs."""
    return (
        value.device.type in DEVICES
        and value.dtype in HALF
        and all(x.dtype != torch.float64 for x in others)
        and find_fla() is not None
    )


def fla_gated_delta_rule(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    log_decay: Tensor,
    beta: Tensor,
    initial_state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Compute the gated delta rule by flash-linear-attention, for inputs that `fla_serves`.

    Parameters and returns are those of `gated_deltanet.gated_delta_rule`: both results are float32.
    Query and key are rounded to the precision of `value`, in which the kernels multiply; gates and
    states stay float32.
    """
    rule = find_fla()
    assert rule is not None, "call fla_serves first"
    output, state = rule(
        q=query.to(value.dtype),
        k=key.to(value.dtype),
        v=value,
        g=log_decay.float(),
        beta=beta.float(),
        scale=query.shape[-1] ** -0.5,
        initial_state=None if initial_state is None else initial_state.float(),
        output_final_state=True,
    )
    return output.float(), state.float()
