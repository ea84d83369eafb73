"""The gated delta rule, and its layer that reads both directions.

A state S (K x V) is a memory of values under keys. At each token it decays, forgets what it held
under the new key in the measure beta, and writes the new value there (Yang et al. 2024,
arXiv 2412.06464; decay before the update, as in fla-org/flash-linear-attention @bc3b101d):

    S_t = e^g_t S_{t-1} + beta_t k_t (v_t - (e^g_t S_{t-1})' k_t)'        o_t = S_t' q_t / sqrt(K)

Design decisions
----------------
- On a GPU, values in half precision go to flash-linear-attention's kernel where that is installed
  (see `kernels`); it multiplies in half precision and keeps float32 states.
- The two directions are sequences of one call: the first B are read forwards, the others backwards.
  Only real tokens are reversed, so padding stays on the right of both and no causal layer sees it.

Shape letters: B sequences, T tokens, H heads, K and V sizes of key and value, N chunks of C tokens.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dnastudents.errors import InputError
from dnastudents.models.hybrid import kernels
from dnastudents.models.hybrid.chunked_rule import ChunkedRule
from dnastudents.models.layers import permute_rows


def gated_delta_rule(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    log_decay: Tensor,
    beta: Tensor,
    initial_state: Tensor | None = None,
    chunk_size: int = 64,
) -> tuple[Tensor, Tensor]:
    """Compute the gated delta rule, in chunks of tokens; see `chunked_rule` for how.

    Parameters
    ----------
    query, key : Tensor, (B, T, H, K)
        L2-normalised; the query is scaled by K ** -0.5 inside.
    value : Tensor, (B, T, H, V)
    log_decay : Tensor, (B, T, H)
        Logarithm of what is kept of the state, at most 0.
    beta : Tensor, (B, T, H)
        Strength of writing, in 0..1.
    initial_state : Tensor, (B, H, K, V), optional
        Default is zeros.
    chunk_size : int
        Tokens a chunk, on a GPU at least `kernels.GPU_CHUNK`; the result does not depend on it.
        Default is 64. Kernels have their own.

    Returns
    -------
    output : Tensor, (B, T, H, V)
    final_state : Tensor, (B, H, K, V)
        Both in float32, or in float64 if an input is.
    """
    if chunk_size < 1:
        raise InputError(f"gated_delta_rule: chunk_size must be at least 1, not {chunk_size}")
    with torch.autocast(query.device.type, enabled=False):
        if kernels.fla_serves(value, query, key, log_decay, beta):
            return kernels.fla_gated_delta_rule(query, key, value, log_decay, beta, initial_state)
        chunk_size = kernels.chunk_of(value.device, chunk_size)
        *inputs, state = _working_precision(query, key, value, log_decay, beta, initial_state)
        batch, length, heads, _ = inputs[0].shape
        inputs[0] = inputs[0] * inputs[0].shape[-1] ** -0.5
        output, last = ChunkedRule.apply(
            *(_cut(x, chunk_size) for x in inputs), state.flatten(0, 1)
        )
        output = output.unflatten(1, (batch, heads)).permute(1, 0, 3, 2, 4)
        return output.flatten(1, 2)[:, :length], last.view_as(state)


def _working_precision(*tensors: Tensor | None) -> list[Tensor]:
    """Cast all to one floating type, at least float32; an absent last one is the zero state."""
    query, _, value = tensors[:3]
    assert query is not None and value is not None
    given = [x for x in tensors if x is not None]
    dtype = torch.float64 if any(x.dtype == torch.float64 for x in given) else torch.float32
    batch, _, heads, key_size = query.shape
    zeros = query.new_zeros(batch, heads, key_size, value.shape[-1])
    return [(zeros if x is None else x).to(dtype) for x in tensors]


def _cut(x: Tensor, chunk_size: int) -> Tensor:
    """Cut (B, T, H, ...) to chunks (N, B * H, C, ...), zeros behind: these change no state."""
    missing = -x.shape[1] % chunk_size
    if missing:
        x = F.pad(x, [0, 0] * (x.dim() - 2) + [0, missing])
    x = x.unflatten(1, (-1, chunk_size)).transpose(0, 1).transpose(2, 3)  # (N, B, H, C, ...)
    return x.flatten(1, 2).contiguous()


def reversed_rows(attention_mask: Tensor) -> Tensor:
    """Return where each of B * T rows comes from when every sequence's real tokens are reversed.

    `attention_mask` (B, T) is 1 at real tokens, which stand on the left. Padding stays where it is,
    so the permutation (int64, (B * T,)) is its own inverse.
    """
    batch, length = attention_mask.shape
    position = torch.arange(length, device=attention_mask.device)
    real = attention_mask.bool().sum(dim=1, keepdim=True)
    source = torch.where(position < real, real - 1 - position, position)
    return (source + length * torch.arange(batch, device=source.device)[:, None]).flatten()


def _reverse(x: Tensor, rows: Tensor | None) -> Tensor:
    """Reverse x (B, T, E) along its tokens; `rows` None: all tokens are real."""
    if rows is None:
        return x.flip(1)
    return permute_rows(x.flatten(0, 1), rows, rows).view_as(x)


class _CausalConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        *before, now = weight[:, None, None].unbind(-1)
        total = x * now
        for back, tap in enumerate(reversed(before), 1):
            total[:, :, back:].addcmul_(x[:, :, :-back], tap)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        *before, now = weight[:, None, None].unbind(-1)
        to_x, to_taps = gradient * now, [(gradient * x).sum((1, 2))]
        for back, tap in enumerate(reversed(before), 1):
            later, earlier = gradient[:, :, back:], x[:, :, :-back]
            to_x[:, :, :-back].addcmul_(later, tap)
            to_taps.append((later * earlier).sum((1, 2)))
        return to_x, torch.stack(to_taps[::-1], dim=-1)


def causal_convolution(x: Tensor, weight: Tensor) -> Tensor:
    """Compute y_t = sum_j w_j x_(t - size + 1 + j) per direction and channel, zeros before x.

    Parameters
    ----------
    x : Tensor, (2, B, T, C)
    weight : Tensor, (2, C, size)
        Of any precision; that of `x` counts.

    Notes
    -----
    `size` shifted products in the layout that comes in and is wanted: `F.conv1d` needs channels
    before tokens, and what it gives makes the SiLU behind it run over strides.
    """
    return _CausalConvolution.apply(x, weight.to(x.dtype))


def _project(x: Tensor, weight: Tensor) -> Tensor:
    """Map x (2, B, T, E) of the two directions by their own weights (2, F, E) to (2, B, T, F)."""
    return (x.flatten(1, 2) @ weight.mT).unflatten(1, x.shape[1:3])


def _unit(x: Tensor) -> Tensor:
    """L2-normalise over the last dimension, in float32."""
    x = x.float()
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + 1e-6)


class BidirectionalGatedDeltaNet(nn.Module):
    """The sum of two untied Gated DeltaNet layers, one of which reads the sequence backwards.

    Each is fla's layer (fla/layers/gated_deltanet.py): projections without bias; causal depthwise
    convolution and SiLU on query, key and value; the gated delta rule; RMSNorm per head, times
    SiLU(gate); output projection. Their weights lie side by side, forwards first, so that each
    step is one operation for both.

    Parameters
    ----------
    hidden_size : int
        D, width of input and output.
    heads, head_size : int
        Heads a direction, and K; V is `expand_value` times K.
    expand_value : int
        Default is 2.
    conv_size : int
        Tokens that the convolution sees. Default is 4.
    norm_eps : float
        Default is 1e-5.
    chunk_size : int
        Of the gated delta rule; changes speed only. Default is 64.
    """

    def __init__(
        self,
        hidden_size: int,
        heads: int,
        head_size: int,
        expand_value: int = 2,
        conv_size: int = 4,
        norm_eps: float = 1e-5,
        chunk_size: int = 64,
    ) -> None:
        super().__init__()
        self.heads, self.norm_eps, self.chunk_size = heads, norm_eps, chunk_size
        self.value_size = head_size * expand_value
        keys, values = heads * head_size, heads * self.value_size
        self.split_sizes = [keys, keys, values]
        mixed = 2 * sum(self.split_sizes)
        self.in_proj = nn.Linear(hidden_size, mixed + 4 * heads, bias=False)
        self.gate_proj = nn.Linear(hidden_size, 2 * values, bias=False)
        self.conv = nn.Conv1d(
            mixed, mixed, conv_size, groups=mixed, padding=conv_size - 1, bias=False
        )
        # fla's start: decay rates in 0..16, time steps log-uniform in 0.001..0.1
        self.A_log = nn.Parameter(torch.empty(2 * heads).uniform_(1e-4, 16).log_())
        steps = torch.empty(2 * heads).uniform_(math.log(1e-3), math.log(1e-1)).exp_()
        self.dt_bias = nn.Parameter(steps + torch.log(-torch.expm1(-steps)))  # softplus inverse
        self.norm_weight = nn.Parameter(torch.ones(2 * self.value_size))
        self.out_proj = nn.Linear(2 * values, hidden_size, bias=False)

    def forward(self, x: Tensor, rows: Tensor | None = None) -> Tensor:
        """Map x (B, T, D) to (B, T, D).

        `rows` is `reversed_rows(attention_mask)`; None means that all tokens are real.
        """
        # Only what is as narrow as x is reversed: before the projections in, after the one out.
        both = torch.stack([x, _reverse(x, rows)])  # (2, B, T, D)
        mixed, step, strength = _project(both, self.in_proj.weight.unflatten(0, (2, -1))).split(
            [sum(self.split_sizes), self.heads, self.heads], dim=-1
        )
        mixed = F.silu(causal_convolution(mixed, self.conv.weight.squeeze(1).unflatten(0, (2, -1))))
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).flatten(0, 1)  # (2B, T, H, K or V)
            for part in mixed.split(self.split_sizes, dim=-1)
        )
        rate, bias = (
            weight.view(2, 1, 1, -1) for weight in (self.A_log.float().exp(), self.dt_bias.float())
        )
        output, _ = gated_delta_rule(
            _unit(query),
            _unit(key),
            value,
            (-rate * F.softplus(step.float() + bias)).flatten(0, 1),
            strength.float().sigmoid().flatten(0, 1),
            chunk_size=self.chunk_size,
        )
        gate = _project(both, self.gate_proj.weight.unflatten(0, (2, -1)))
        output = self._norm_and_gate(output.unflatten(0, (2, -1)), gate)
        forward, backward = _project(
            output, self.out_proj.weight.unflatten(1, (2, -1)).transpose(0, 1)
        )
        return forward + _reverse(backward, rows)

    def _norm_and_gate(self, output: Tensor, gate: Tensor) -> Tensor:
        """Compute RMSNorm per head of (2, B, T, H, V), times SiLU(gate (2, B, T, H * V))."""
        normed = F.rms_norm(output, (self.value_size,), eps=self.norm_eps)
        normed = normed * self.norm_weight.view(2, 1, 1, 1, self.value_size)
        return normed.flatten(3).to(gate.dtype) * F.silu(gate)
