"""The student of HAD: bidirectional Gated DeltaNet, then one attention layer; 1.07 M weights.

Order of layers (had.md, from public reviews of arXiv 2505.20836; its code is not public): Gated
DeltaNet blocks, one non-causal attention layer for global context, one gated MLP. Every layer is
`x + layer(RMSNorm(x))`, with a last RMSNorm before the head, as in flash-linear-attention's models.
Widths are not published; the defaults give 1,072,560 weights; the published size is 1.1 M.

Padding never reaches a real token: both directions are causal with padding on the right (see
`gated_deltanet`), and attention does not look at it. What stands at padded positions means nothing.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from dnastudents.models.config import StudentConfig
from dnastudents.models.hybrid.gated_deltanet import BidirectionalGatedDeltaNet, reversed_rows
from dnastudents.models.hybrid.options import HybridOptions
from dnastudents.models.layers import rotary_angles, rotary_attention
from dnastudents.models.output import Student


class HybridConfig(StudentConfig):
    """Config of the hybrid student: the fields of `HybridOptions`, and its vocabulary."""

    model_type = "dna_hybrid"
    options = HybridOptions
    default_vocab_size = 16  # single nucleotides


class DeltaNetBlock(nn.Module):
    """x + bidirectional Gated DeltaNet(RMSNorm(x))."""

    def __init__(self, config: HybridConfig) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(config.hidden_size, eps=config.norm_eps)
        self.mixer = BidirectionalGatedDeltaNet(
            config.hidden_size,
            config.heads,
            config.head_size,
            config.expand_value,
            config.conv_size,
            chunk_size=config.chunk_size,
        )

    def forward(self, x: Tensor, rows: Tensor | None) -> Tensor:
        return x + self.mixer(self.norm(x), rows)


class AttentionBlock(nn.Module):
    """x + non-causal rotary attention(RMSNorm(x))."""

    def __init__(self, config: HybridConfig) -> None:
        super().__init__()
        self.heads = config.attention_heads
        self.norm = nn.RMSNorm(config.hidden_size, eps=config.norm_eps)
        self.qkv_proj = nn.Linear(config.hidden_size, 3 * config.hidden_size, bias=False)
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor, attention_mask: Tensor | None) -> Tensor:
        query, key, value = self.qkv_proj(self.norm(x)).chunk(3, dim=-1)
        angles = rotary_angles(x.shape[1], x.shape[2] // self.heads, x.device)
        mixed = rotary_attention(query, key, value, self.heads, angles, attention_mask)
        return x + self.out_proj(mixed)


class GatedMLPBlock(nn.Module):
    """x + down(SiLU(gate(n)) * up(n)), n = RMSNorm(x)."""

    def __init__(self, config: HybridConfig) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(config.hidden_size, eps=config.norm_eps)
        self.gate_up_proj = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up_proj(self.norm(x)).chunk(2, dim=-1)
        return x + self.down_proj(F.silu(gate) * up)


class HybridForMaskedLM(Student):
    """The hybrid student with a linear head over its vocabulary."""

    config_class = HybridConfig

    def __init__(self, config: HybridConfig) -> None:
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DeltaNetBlock(config) for _ in range(config.num_hidden_layers))
        self.attention = nn.ModuleList(
            AttentionBlock(config) for _ in range(config.attention_layers)
        )
        self.mlp = GatedMLPBlock(config)
        self.norm = nn.RMSNorm(config.hidden_size, eps=config.norm_eps)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def embed(self, input_ids: Tensor) -> Tensor:
        """Map token ids (B, T) to embeddings (B, T, D)."""
        return self.embedding(input_ids)

    def encode(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Compute features (B, T, D) after the last norm. Padding must be on the right."""
        rows = None if attention_mask is None else reversed_rows(attention_mask)
        for layer in self.layers:
            x = layer(x, rows)
        for attention in self.attention:
            x = attention(x, attention_mask)
        return self.norm(self.mlp(x))
