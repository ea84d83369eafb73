"""How the features of a sequence's tokens become one vector.

Shape letters: B sequences, T tokens, D features, P parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

POOLING = ("mean", "cls", "parts")


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


def part_pool(hidden: Tensor, mask: Tensor, parts: int) -> Tensor:
    """Average the features (B, T, D) over each of some parts of a sequence, (B, P D), in order.

    Of a sequence with n tokens in the mask, part p = 0, ..., P - 1 is the mean over its tokens from
    floor(p n / P) to ceil((p + 1) n / P) - 1, counted from 0: adaptive average pooling, as
    torch.nn.functional.adaptive_avg_pool1d has it, over these tokens alone. So no part is empty
    where n is at least 1 (neighbours share a token where P does not divide n, and a short sequence
    repeats tokens), all are zeros where n is 0, and one part is the mean. Padding and what the mask
    leaves out count for nothing: a sequence gets the same in any batch.

    Parameters
    ----------
    hidden : Tensor, (B, T, D)
    mask : Tensor, bool (B, T)
        The tokens that count; as `content_mask` makes it, N counts like any base, and special
        tokens and what was cut off do not.
    parts : int
        P, at least 1.
    """
    part = torch.arange(parts, device=hidden.device)[:, None]
    count = mask.sum(dim=1)[:, None, None]  # (B, 1, 1)
    first, last = part * count // parts, -(-(part + 1) * count // parts)  # (B, P, 1)
    rank = (mask.cumsum(dim=1) - 1)[:, None]  # (B, 1, T)
    inside = mask[:, None] & (rank >= first) & (rank < last)  # (B, P, T)
    weights = inside / (last - first).clamp(min=1)
    # masked_fill, as in `mean_pool`; float32, as autocast would round weights and sums to half
    content = hidden.masked_fill(~mask.unsqueeze(-1), 0).to(weights.dtype)
    with torch.autocast(hidden.device.type, enabled=False):
        return (weights @ content).flatten(1).to(hidden.dtype)
