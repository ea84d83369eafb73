"""The student of HAD: bidirectional Gated DeltaNet, then one attention layer; 1.07 M weights.

Order of layers (had.md, from public reviews of arXiv 2505.20836; its code is not public): Gated
DeltaNet blocks, one non-causal attention layer for global context, one gated MLP. Every layer is
`x + layer(RMSNorm(x))`, with a last RMSNorm before the head, as in flash-linear-attention's models.
Widths are not published; the defaults give 1,072,560 weights; the published size is 1.1 M.

Padding never reaches a real token: both directions are causal with padding on the right (see
`gated_deltanet`), and attention does not look at it. What stands at padded positions means nothing.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PretrainedConfig

from dnastudents.errors import InputError
from dnastudents.models.gated_deltanet import BidirectionalGatedDeltaNet, reversed_rows
from dnastudents.models.layers import rotary_angles, rotary_attention
from dnastudents.models.output import Student


class HybridConfig(PretrainedConfig):
    """Settings of the hybrid student.

    Parameters
    ----------
    vocab_size : int
        Default is 16, the single-nucleotide vocabulary.
    hidden_size : int
        D, width of the features. Default is 128.
    num_hidden_layers : int
        Gated DeltaNet layers. Default is 4.
    heads, head_size, expand_value : int
        Of Gated DeltaNet, a direction: heads, key size, and value size over key size. Default is
        3, 32 and 2 (flash-linear-attention's rule of keys 0.75 D wide).
    conv_size : int
        Tokens of the short convolution. Default is 4.
    attention_layers : int
        0 or 1 in HAD and its ablation. Default is 1.
    attention_heads : int
        Default is 4.
    intermediate_size : int
        Width of the gated MLP. Default is 512.
    norm_eps, initializer_range : float
        Default is 1e-6 and 0.02.
    chunk_size : int
        Of the gated delta rule; changes speed only. Default is 32.
    """

    model_type = "dna_hybrid"

    def __init__(
        self,
        vocab_size: int = 16,
        hidden_size: int = 128,
        num_hidden_layers: int = 4,
        heads: int = 3,
        head_size: int = 32,
        expand_value: int = 2,
        conv_size: int = 4,
        attention_layers: int = 1,
        attention_heads: int = 4,
        intermediate_size: int = 512,
        norm_eps: float = 1e-6,
        initializer_range: float = 0.02,
        chunk_size: int = 32,
        **kwargs: Any,
    ) -> None:
        if hidden_size % (2 * attention_heads):
            raise InputError(
                f"hybrid: hidden_size {hidden_size} must be a multiple of twice attention_heads "
                f"({attention_heads}): a head's rotary positions need an even size"
            )
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.heads = heads
        self.head_size = head_size
        self.expand_value = expand_value
        self.conv_size = conv_size
        self.attention_layers = attention_layers
        self.attention_heads = attention_heads
        self.intermediate_size = intermediate_size
        self.norm_eps = norm_eps
        self.initializer_range = initializer_range
        self.chunk_size = chunk_size
        super().__init__(**kwargs)


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
        """Token ids (B, T) to embeddings (B, T, D)."""
        return self.embedding(input_ids)

    def backbone(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> Tensor:
        """Features (B, T, D) after the last norm. Padding must be on the right."""
        x = self._first_features(input_ids, inputs_embeds)
        rows = None if attention_mask is None else reversed_rows(attention_mask)
        for layer in self.layers:
            x = layer(x, rows)
        for attention in self.attention:
            x = attention(x, attention_mask)
        return self.norm(self.mlp(x))
