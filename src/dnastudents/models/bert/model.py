"""DNABert and LOGO, the students of CM-GEMS: transformers' BERT over overlapping k-mers.

The model is transformers' own `BertForMaskedLM` with SDPA attention. Four things are ours:

- the mask of the attention: transformers looks whether there is any padding, which makes the CPU
  wait for a GPU in each forward pass; here a mask that is given is used;
- the last layer is computed only where its features are read: at the tokens that are predicted, or
  at CLS, where the classifier reads no other. Of LOGO's two layers that is most of one;
- the output also carries `last_hidden_state`, as every student's does;
- the pooler is there, because DNABERT's checkpoints have one and its classifier reads the CLS token
  through it (jerryji1993/DNABERT, src/transformers). With it DNABert-6 has 89,787,141 parameters,
  and LOGO, as CM-GEMS configures it, 4,998,917. Masked prediction never reaches the pooler, so it
  is frozen until a classifier asks for it: distributed training would wait for its gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertForMaskedLM, BertModel, BertPreTrainedModel
from transformers.models.bert.modeling_bert import BertPooler

from dnastudents.models.bert.config import BertStudentConfig
from dnastudents.models.heads import MaskedLM, SequenceClassification
from dnastudents.models.layers import take_positions
from dnastudents.models.student import StudentMixin


class BertBackbone(StudentMixin):
    """The features of `self.bert`."""

    config_class = BertStudentConfig
    bert: Any

    def embed(self, input_ids: Tensor) -> Tensor:
        """Map token ids (B, T) to word embeddings (B, T, D), before positions and norm."""
        return self.bert.embeddings.word_embeddings(input_ids)

    def get_position_embeddings(self) -> nn.Embedding:
        """Return the table of positions."""
        return self.bert.embeddings.position_embeddings

    def hidden_layers(self) -> Sequence[nn.Module]:
        """List the encoder's layers."""
        return self.bert.encoder.layer

    def encode(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Compute the features (B, T, D) of the last layer."""
        if self.config._attn_implementation != "sdpa":  # a user's choice, with masks of its own
            return self.bert(inputs_embeds=x, attention_mask=attention_mask).last_hidden_state
        mask = _of_queries(attention_mask)
        return self.bert.encoder(self.bert.embeddings(inputs_embeds=x), attention_mask=mask)[0]

    def encode_at(self, x: Tensor, attention_mask: Tensor | None, positions: Tensor) -> Tensor:
        """Compute the last layer's features (B, M, D) at some positions, int64 (B, M), alone.

        The other positions are its keys and values only.
        """
        if self.config._attn_implementation != "sdpa":
            return super().encode_at(x, attention_mask, positions)
        mask, x = _of_queries(attention_mask), self.bert.embeddings(inputs_embeds=x)
        *before, last = self.bert.encoder.layer
        for layer in before:
            x = layer(x, mask)
        return _layer_at(last, x, mask, positions)

    def pool_cls(self, hidden: Tensor) -> Tensor:
        """Compute tanh(linear(first token)), the pooler of BERT: (B, T, D) to (B, D)."""
        return self.bert.pooler(hidden)


def _of_queries(attention_mask: Tensor | None) -> Tensor | None:
    """Give a mask (B, T) the axes of attention, bool (B, 1, 1, T)."""
    return None if attention_mask is None else attention_mask[:, None, None, :].bool()


def _layer_at(layer: Any, x: Tensor, mask: Tensor | None, positions: Tensor) -> Tensor:
    """Compute what transformers' layer makes of x (B, T, D) at some positions, int64 (B, M)."""
    attention, asking = layer.attention.self, take_positions(x, positions)
    query, key, value = (
        heads.unflatten(-1, (attention.num_attention_heads, -1)).transpose(1, 2)
        for heads in (attention.query(asking), attention.key(x), attention.value(x))
    )
    dropout = attention.dropout.p if attention.training else 0.0
    mixed = F.scaled_dot_product_attention(query, key, value, mask, dropout)
    return layer.feed_forward_chunk(
        layer.attention.output(mixed.transpose(1, 2).flatten(-2), asking)
    )


class BertStudentModel(BertBackbone, BertPreTrainedModel):  # type: ignore[misc]
    """BERT without a head."""

    _keys_to_ignore_on_load_unexpected = [r"^cls\.", r"^classifier\."]  # noqa: RUF012

    def __init__(self, config: BertStudentConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config)
        self.add_head(config)
        self.post_init()

    def add_head(self, config: BertStudentConfig) -> None:
        """Add no head."""


class BertStudentForMaskedLM(MaskedLM, BertBackbone, BertForMaskedLM):  # type: ignore[misc]
    """BERT with the masked-token head whose output weights are the input embeddings."""

    def __init__(self, config: BertStudentConfig) -> None:
        super().__init__(config)
        self.bert.pooler = BertPooler(config).requires_grad_(False)
        self.post_init()

    def lm_head(self, hidden: Tensor) -> Tensor:
        """Map features (..., D) to logits (..., V)."""
        return self.cls(hidden)


class BertStudentForSequenceClassification(SequenceClassification, BertStudentModel):  # type: ignore[misc]
    """BERT with a classification head."""
