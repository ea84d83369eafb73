"""Nucleotide Transformer v2, the teacher of HAD: an encoder under the hub's weight names.

transformers' own ESM cannot hold these weights (v2 doubles the feed-forward for SwiGLU and drops
its biases), and the hub's remote code does not run on transformers 5; so this is the encoder itself
(instadeepai/nucleotide-transformer @2dc37b86). Pre-norm layers: LayerNorm, rotary
attention with biases; LayerNorm, SwiGLU without biases. A last LayerNorm, then the head.

The hub's `model.safetensors` loads with `from_pretrained(folder)`: its keys are ours, but for an
allow-list of left-overs (absolute positions, contact head, rotary frequencies). Anything else that
is missing or unexpected is an `InputError`. The 500m model has 490,984,448 weights in `esm`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from dnastudents.models.heads import MaskedLM, SequenceClassification
from dnastudents.models.layers import rotary_angles, rotary_attention
from dnastudents.models.nucleotide_transformer.config import NucleotideTransformerConfig
from dnastudents.models.student import Student

# Weights of the hub's checkpoints that version 2 has no use for.
LEFT_OVER = [
    r"esm\.embeddings\.position_embeddings\.weight",
    r"esm\.embeddings\.position_ids",
    r"esm\.contact_head\.regression\.(weight|bias)",
    r"rotary_embeddings\.inv_freq",
]


def _dense(inputs: int, outputs: int, bias: bool = True) -> nn.ModuleDict:
    """Make a linear layer under the hub's name for it."""
    return nn.ModuleDict({"dense": nn.Linear(inputs, outputs, bias=bias)})


class NucleotideTransformerLayer(GradientCheckpointingLayer):
    """Pre-norm rotary attention, then pre-norm SwiGLU; dictionaries spell the hub's names."""

    def __init__(self, config: NucleotideTransformerConfig) -> None:
        super().__init__()
        width, inner, eps = config.hidden_size, config.intermediate_size, config.layer_norm_eps
        self.heads = config.num_attention_heads
        projections = {name: nn.Linear(width, width) for name in ("query", "key", "value")}
        self.attention = nn.ModuleDict(
            {
                "LayerNorm": nn.LayerNorm(width, eps=eps),
                "self": nn.ModuleDict(projections),
                "output": _dense(width, width),
            }
        )
        self.LayerNorm = nn.LayerNorm(width, eps=eps)
        self.intermediate = _dense(width, 2 * inner, bias=False)
        self.output = _dense(inner, width, bias=False)

    def forward(
        self, x: Tensor, angles: tuple[Tensor, Tensor], attention_mask: Tensor | None
    ) -> Tensor:
        normed = self.attention["LayerNorm"](x)
        query, key, value = (project(normed) for project in self.attention["self"].values())  # type: ignore[operator]
        mixed = rotary_attention(query, key, value, self.heads, angles, attention_mask)
        x = x + self.attention["output"]["dense"](mixed)  # type: ignore[index]
        gate, up = self.intermediate["dense"](self.LayerNorm(x)).chunk(2, dim=-1)
        return x + self.output["dense"](F.silu(gate) * up)


class NucleotideTransformerEncoder(nn.Module):
    """Layers and the last norm."""

    def __init__(self, config: NucleotideTransformerConfig) -> None:
        super().__init__()
        self.head_size = config.hidden_size // config.num_attention_heads
        self.layer = nn.ModuleList(
            NucleotideTransformerLayer(config) for _ in range(config.num_hidden_layers)
        )
        self.emb_layer_norm_after = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, x: Tensor, attention_mask: Tensor | None) -> Tensor:
        angles = rotary_angles(x.shape[1], self.head_size, x.device)
        for layer in self.layer:
            x = layer(x, angles, attention_mask)
        return self.emb_layer_norm_after(x)


class NucleotideTransformerHead(nn.Module):
    """Linear, GELU, LayerNorm, linear to the vocabulary."""

    def __init__(self, config: NucleotideTransformerConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(self, hidden: Tensor) -> Tensor:
        return self.decoder(self.layer_norm(F.gelu(self.dense(hidden)))) + self.bias


class NucleotideTransformerModel(Student):
    """Nucleotide Transformer v2 without a head; the sequence starts with <cls>."""

    config_class = NucleotideTransformerConfig
    _keys_to_ignore_on_load_unexpected = [  # noqa: RUF012  (transformers wants lists)
        *LEFT_OVER,
        r"^lm_head\.",
        r"^classifier\.",
    ]

    def add_backbone(self, config: NucleotideTransformerConfig) -> None:
        """Add embedding and encoder, under the hub's names."""
        words = nn.Embedding(config.vocab_size, config.hidden_size)
        self.esm = nn.ModuleDict(
            {
                "embeddings": nn.ModuleDict({"word_embeddings": words}),
                "encoder": NucleotideTransformerEncoder(config),
            }
        )

    def get_input_embeddings(self) -> nn.Module:
        """Return the embedding of token ids."""
        return self.esm["embeddings"]["word_embeddings"]  # type: ignore[index]

    def embed(self, input_ids: Tensor) -> Tensor:
        """Map token ids (B, T) to embeddings (B, T, D)."""
        return self.get_input_embeddings()(input_ids)

    def hidden_layers(self) -> Sequence[nn.Module]:
        """List the encoder's layers."""
        return self.esm["encoder"].layer  # type: ignore[return-value]

    def encode(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Compute features (B, T, D) after the last norm, the hub's last hidden state."""
        return self.esm["encoder"](x, attention_mask)


class NucleotideTransformerForMaskedLM(MaskedLM, NucleotideTransformerModel):  # type: ignore[misc]
    """Nucleotide Transformer v2 with its masked-token head."""

    _keys_to_ignore_on_load_unexpected = LEFT_OVER

    def add_head(self, config: NucleotideTransformerConfig) -> None:
        """Add the head."""
        self.lm_head = NucleotideTransformerHead(config)

    def get_output_embeddings(self) -> nn.Module:
        """Return the linear layer to the vocabulary."""
        return self.lm_head.decoder


class NucleotideTransformerForSequenceClassification(  # type: ignore[misc]
    SequenceClassification, NucleotideTransformerModel
):
    """Nucleotide Transformer v2 with a classification head."""
