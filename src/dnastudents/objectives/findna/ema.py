"""A model that follows another as an exponential moving average of its weights.

Source: wiedersehne/FinDNA @e3e72f1, contrastive_pretraining.py, lines 153-164 and 244-248.
"""

from __future__ import annotations

import math

import torch
from torch import nn


def cosine_momentum(step: int, total_steps: int, base: float) -> float:
    """Compute m_k = 1 - (1 - base) (1 + cos(pi k / K)) / 2: `base` at step 0, 1 at the end."""
    return 1.0 - (1.0 - base) * (1.0 + math.cos(math.pi * step / total_steps)) / 2.0


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, momentum: float) -> None:
    """Move `average` to m * average + (1 - m) * model, all parameters in one fused call."""
    # _foreach_ functions are what torch's own optimisers use: one kernel for a list of tensors.
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1.0 - momentum)
