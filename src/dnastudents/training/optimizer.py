"""AdamW and its learning rate, for pretraining and for fine-tuning.

The learning rate is a function of the step, so there is no scheduler whose state could be lost.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


def adamw(
    module: nn.Module,
    learning_rate: float,
    weight_decay: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> torch.optim.AdamW:
    """Make AdamW over the trained parameters of `module`, fused into one call per step.

    Weights with two axes or more decay. Vectors do not (biases, norms, the decay rates of a
    recurrence): pulled to zero, they would change what they mean.
    """
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [parameter for parameter in trained if parameter.ndim >= 2]},
        {"params": [parameter for parameter in trained if parameter.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=learning_rate,
        betas=betas,
        eps=eps,
        weight_decay=weight_decay,
        fused=True,
    )


def learning_rate(
    step: int, steps: int, peak: float, warmup: int, kind: str = "cosine", minimum: float = 0.0
) -> float:
    """Compute the learning rate of update `step`, counted from 0.

    Parameters
    ----------
    steps, warmup : int
        Updates in all, and those of the linear warm-up. The last of the warm-up has `peak`.
    peak, minimum : float
        From `peak` the rate falls to `minimum`, which the update after the last would have.
    kind : {'linear', 'cosine'}
        Form of the fall. Default is 'cosine'.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, steps - warmup))
    left = 1.0 - done if kind == "linear" else (1.0 + math.cos(math.pi * done)) / 2.0
    return minimum + (peak - minimum) * left


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every parameter group the same learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def leave_out_if(bad: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """Let the next step of a fused optimiser change nothing where `bad`, a bool scalar, is true.

    The device decides, so the CPU does not wait for it. `found_inf` is what torch's gradient scaler
    sets, which looks for itself where there is one.
    """
    optimizer.found_inf = bad.float()  # type: ignore[attr-defined]
