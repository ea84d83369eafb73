"""The gated delta rule token by token: slow, and plainly the definition."""

from __future__ import annotations

import torch
from torch import Tensor


def recurrent_gated_delta_rule(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    log_decay: Tensor,
    beta: Tensor,
    initial_state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Parameters and returns are those of `gated_delta_rule`."""
    given = [query, key, value, log_decay, beta]
    if initial_state is None:
        size = query.shape[-1], value.shape[-1]
        given.append(query.new_zeros(len(query), query.shape[2], *size))
    else:
        given.append(initial_state)
    exact = any(x.dtype == torch.float64 for x in given)
    dtype = torch.float64 if exact else torch.float32
    query, key, value, log_decay, beta, state = (x.to(dtype) for x in given)
    outputs = []
    for t in range(query.shape[1]):
        state = state * log_decay[:, t, :, None, None].exp()
        held = torch.einsum("bhkv,bhk->bhv", state, key[:, t])
        update = beta[:, t, :, None] * (value[:, t] - held)
        state = state + torch.einsum("bhk,bhv->bhkv", key[:, t], update)
        outputs.append(torch.einsum("bhkv,bhk->bhv", state, query[:, t]))
    return torch.stack(outputs, dim=1) * query.shape[-1] ** -0.5, state
