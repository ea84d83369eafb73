"""Parts that more than one student uses: attention with rotary positions, permuted rows.

Nothing here is a buffer: transformers 5 builds models without memory before it loads weights, and
what is not in a checkpoint would be lost. Angles cost less than a thousandth of a forward pass.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def rotary_angles(
    length: int, head_size: int, device: torch.device, base: float = 10_000.0
) -> tuple[Tensor, Tensor]:
    """Compute cosine and sine, each float32 (length, head_size), of rotary position embeddings.

    Frequency i of head_size / 2 is base ** (-2i / head_size); both halves of a head share them
    (the "rotate half" layout; Su et al. 2021, RoFormer, eq. 34).
    """
    exponents = torch.arange(0, head_size, 2, device=device, dtype=torch.float32) / head_size
    positions = torch.arange(length, device=device, dtype=torch.float32)
    angles = torch.outer(positions, base**-exponents).repeat(1, 2)
    return angles.cos(), angles.sin()


class _Rotate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        ctx.save_for_backward(cosine, sine)
        (first, second), half = x.chunk(2, dim=-1), x.shape[-1] // 2
        turned = x * cosine
        turned[..., :half].addcmul_(second, sine[:, :half], value=-1)
        turned[..., half:].addcmul_(first, sine[:, half:])
        return turned

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        cosine, sine = ctx.saved_tensors
        return _Rotate.apply(gradient, cosine, -sine), None, None


def rotate(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate the heads x (..., T, head_size) by their positions.

    The gradient is rotated back, where autograd's own would go through a concatenation.
    """
    cosine, sine = (part.to(x.dtype) for part in angles)
    return _Rotate.apply(x, cosine, sine)


def rotary_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    heads: int,
    angles: tuple[Tensor, Tensor],
    attention_mask: Tensor | None,
) -> Tensor:
    """Compute non-causal attention with rotary positions, scaled by head_size ** -0.5.

    Parameters
    ----------
    query, key, value : Tensor, (B, T, D)
        Projected features; the heads are cut from D.
    attention_mask : Tensor, bool or int (B, T), or None
        True (1) at the tokens that may be looked at.

    Returns
    -------
    Tensor, (B, T, D)
        The heads' outputs, concatenated.
    """
    split = [x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key, value)]
    mask = None if attention_mask is None else attention_mask[:, None, None, :].bool()
    mixed = F.scaled_dot_product_attention(
        rotate(split[0], angles), rotate(split[1], angles), split[2], attn_mask=mask
    )
    return mixed.transpose(1, 2).flatten(-2)


def take_positions(x: Tensor, positions: Tensor) -> Tensor:
    """Take the rows (B, M, D) of x (B, T, D) at some positions, int64 (B, M)."""
    return x.gather(1, positions.unsqueeze(-1).expand(-1, -1, x.shape[-1]))


class _PermuteRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, source: Tensor, inverse: Tensor) -> Tensor:
        ctx.permutations = source, inverse
        return rows.index_select(0, source)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        source, inverse = ctx.permutations
        return _PermuteRows.apply(gradient, inverse, source), None, None


def permute_rows(rows: Tensor, source: Tensor, inverse: Tensor) -> Tensor:
    """Return `rows[source]` of (R, E), for a permutation (R,) with a known inverse.

    The gradient is `gradient[inverse]`, a gather too, where autograd's own would scatter and add.
    The result is a tensor of its own, that nothing else needs: it may be changed in place.
    """
    return _PermuteRows.apply(rows, source, inverse)
