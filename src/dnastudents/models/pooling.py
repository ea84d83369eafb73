"""How the features of a sequence's tokens become one vector.

Shape letters: B sequences, T tokens, D features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

POOLING = ("mean", "cls")


def content_mask(
    input_ids: Tensor, attention_mask: Tensor | None, special_ids: Sequence[int] = ()
) -> Tensor:
    """Mark the tokens (B, T) that are attended to and whose id is not special."""
    real = torch.ones_like(input_ids, dtype=torch.bool)
    if attention_mask is not None:
        real = attention_mask.bool()
    for special in special_ids:  # numbers, not a tensor, for which a GPU would be waited for
        real = real & (input_ids != special)
    return real


def mean_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Average the features (B, T, D) where `mask` (B, T) is True; zeros where it never is."""
    weights = mask.to(hidden.dtype)
    # masked_fill, not a product with 0: what stands at padding may be anything
    total = hidden.masked_fill(~mask.unsqueeze(-1), 0).sum(dim=1)
    return total / weights.sum(dim=1, keepdim=True).clamp(min=1)
