"""The student of HAD: bidirectional Gated DeltaNet, then one attention layer; 1.07 M weights.

Order of layers (from public reviews of arXiv 2505.20836, whose code is not; docs/had.md): Gated
DeltaNet blocks, one non-causal attention layer for global context, one gated MLP. Every layer is
`x + layer(RMSNorm(x))`, with a last RMSNorm before the head, as in flash-linear-attention's models.
Widths are not published; the defaults give 1,072,560 weights; the published size is 1.1 M.

Padding never reaches a real token: both directions are causal with padding on the right (see
`gated_deltanet`), and attention does not look at it. What stands at padded positions means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from dnastudents.errors import InputError
from dnastudents.genome import tokenizers
from dnastudents.genome.tokenizers import NO_LABEL
from dnastudents.models.heads import MaskedLM, SequenceClassification
from dnastudents.models.hybrid import kernels
from dnastudents.models.hybrid.config import HybridConfig
from dnastudents.models.hybrid.decoder import CrossAttentionDecoder
from dnastudents.models.hybrid.gated_deltanet import BidirectionalGatedDeltaNet, reversed_rows
from dnastudents.models.layers import rotary_angles, rotary_attention
from dnastudents.models.pooling import content_mask
from dnastudents.models.student import Student


class DeltaNetBlock(GradientCheckpointingLayer):
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


class AttentionBlock(GradientCheckpointingLayer):
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


class GatedMLPBlock(GradientCheckpointingLayer):
    """x + down(SiLU(gate(n)) * up(n)), n = RMSNorm(x)."""

    def __init__(self, config: HybridConfig) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(config.hidden_size, eps=config.norm_eps)
        self.gate_up_proj = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up_proj(self.norm(x)).chunk(2, dim=-1)
        return x + self.down_proj(F.silu(gate) * up)


class HybridModel(Student):
    """The hybrid student without a head."""

    config_class = HybridConfig

    def add_backbone(self, config: HybridConfig) -> None:
        """Add embedding, layers and the last norm."""
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DeltaNetBlock(config) for _ in range(config.num_hidden_layers))
        self.attention = nn.ModuleList(
            AttentionBlock(config) for _ in range(config.attention_layers)
        )
        self.mlp = GatedMLPBlock(config)
        self.norm = nn.RMSNorm(config.hidden_size, eps=config.norm_eps)

    def get_input_embeddings(self) -> nn.Module:
        """Return the embedding of token ids."""
        return self.embedding

    def embed(self, input_ids: Tensor) -> Tensor:
        """Map token ids (B, T) to embeddings (B, T, D)."""
        return self.embedding(input_ids)

    def hidden_layers(self) -> Sequence[nn.Module]:
        """List the Gated DeltaNet layers, the attention, the MLP."""
        return [*self.layers, *self.attention, self.mlp]

    def computed_by(self, device: torch.device, half: bool) -> dict[str, str]:
        """Say what computes the gated delta rule."""
        return {"gated_delta_rule": kernels.form(device, half)}

    def encode(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Compute features (B, T, D) after the last norm. Padding must be on the right."""
        rows = None if attention_mask is None else reversed_rows(attention_mask)
        for layer in self.layers:
            x = layer(x, rows)
        for attention in self.attention:
            x = attention(x, attention_mask)
        return self.norm(self.mlp(x))


class HybridForMaskedLM(MaskedLM, HybridModel):  # type: ignore[misc]
    """The hybrid student with the head that its config names."""

    def add_head(self, config: HybridConfig) -> None:
        """Add the head."""
        if config.head == "linear":
            self.lm_head: nn.Module = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        elif config.head == "cross_attention":
            self.lm_head = CrossAttentionDecoder(
                config.hidden_size, config.vocab_size, config.decoder_heads
            )

    def get_output_embeddings(self) -> nn.Module | None:
        """Return the linear layer to the vocabulary; None where there is no head."""
        head = getattr(self, "lm_head", None)
        return head.classify if isinstance(head, CrossAttentionDecoder) else head

    def logits(
        self,
        hidden: Tensor,
        input_ids: Tensor | None,
        attention_mask: Tensor | None,
        labels: Tensor | None,
    ) -> Tensor:
        """Compute logits (B, T, V); HAD's decoder asks the bases that are shown.

        Those are the bases without a label, and without labels those that are not [MASK].

        Raises
        ------
        InputError
            The student has no head, or the decoder cannot tell what is shown.
        """
        if self.config.head == "none":
            raise InputError(
                "this student was distilled without reconstruction, so it has no head and cannot "
                "predict masked bases; load it with AutoModel"
            )
        if self.config.head == "linear":
            return self.lm_head(hidden)
        everywhere = torch.arange(hidden.shape[1], device=hidden.device).expand(hidden.shape[:2])
        return self.lm_head(hidden, everywhere, self._shown(input_ids, attention_mask, labels))

    def logits_at(
        self, positions: Tensor, input_ids: Tensor, attention_mask: Tensor | None = None
    ) -> Tensor:
        """Compute logits (B, M, V) at some positions, int64 (B, M), of a batch with masks."""
        if self.config.head != "cross_attention":
            return super().logits_at(positions, input_ids, attention_mask)
        hidden = self.backbone(input_ids, attention_mask)
        return self.lm_head(hidden, positions, self._shown(input_ids, attention_mask, None))

    def _shown(
        self, input_ids: Tensor | None, attention_mask: Tensor | None, labels: Tensor | None
    ) -> Tensor:
        if labels is not None:
            return content_mask(labels == NO_LABEL, attention_mask, (False,))
        if input_ids is None:
            raise InputError("HAD's decoder needs input_ids or labels, to know what is masked")
        mask_id = tokenizers.build(self.config.options.tokenizer).mask_id
        return content_mask(input_ids, attention_mask, (mask_id,))

    def with_head(self, head: CrossAttentionDecoder | None) -> HybridForMaskedLM:
        """Return a copy with HAD's decoder as its head, or with none."""
        fields = self.config.to_dict() | {"head": "none"}
        if head is not None:
            fields |= {"head": "cross_attention", "decoder_heads": head.heads}
        weights = {k: v for k, v in self.state_dict().items() if not k.startswith("lm_head.")}
        if head is not None:
            weights |= {f"lm_head.{name}": value for name, value in head.state_dict().items()}
        with torch.random.fork_rng(devices=[]):
            copied = HybridForMaskedLM(HybridConfig.from_dict(fields))
        copied.load_state_dict(weights)
        return copied


class HybridForSequenceClassification(SequenceClassification, HybridModel):  # type: ignore[misc]
    """The hybrid student with a classification head."""
