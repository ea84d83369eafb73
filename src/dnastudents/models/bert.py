"""DNABert and LOGO, the students of CM-GEMS: transformers' BERT over overlapping k-mers.

The model is transformers' own `BertForMaskedLM` with SDPA attention. Two things are ours:

- the output also carries `last_hidden_state`, as every student's does;
- the pooler is there, because DNABERT's checkpoints have one and its classifier reads the CLS token
  through it (jerryji1993/DNABERT, src/transformers). With it DNABert-6 has 89,787,141 parameters,
  and LOGO, as CM-GEMS configures it, 4,998,917. Masked prediction never reaches the pooler, so it
  is frozen until a classifier asks for it: distributed training would wait for its gradient.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import BertConfig, BertForMaskedLM
from transformers.models.bert.modeling_bert import BertPooler

from dnastudents.models.output import StudentMixin


class BertStudentConfig(BertConfig):
    """Settings of a BERT student; the defaults are DNABert-6's.

    LOGO as used by CM-GEMS (roysoumya/GeneMask, Code-E_config.json) is `hidden_size=256,
    num_hidden_layers=2, num_attention_heads=8` with dropout 0; the original LOGO has
    `intermediate_size=1024` too.
    """

    model_type = "dna_bert"

    def __init__(
        self,
        vocab_size: int = 4101,
        hidden_size: int = 768,
        num_hidden_layers: int = 12,
        num_attention_heads: int = 12,
        intermediate_size: int = 3072,
        hidden_dropout_prob: float = 0.1,
        attention_probs_dropout_prob: float = 0.1,
        max_position_embeddings: int = 512,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            vocab_size=vocab_size,
            hidden_size=hidden_size,
            num_hidden_layers=num_hidden_layers,
            num_attention_heads=num_attention_heads,
            intermediate_size=intermediate_size,
            hidden_dropout_prob=hidden_dropout_prob,
            attention_probs_dropout_prob=attention_probs_dropout_prob,
            max_position_embeddings=max_position_embeddings,
            **kwargs,
        )


class BertStudentForMaskedLM(StudentMixin, BertForMaskedLM):  # type: ignore[misc]
    """BERT with the masked-token head whose output weights are the input embeddings."""

    config_class = BertStudentConfig
    has_cls = True

    def __init__(self, config: BertStudentConfig) -> None:
        super().__init__(config)
        self.bert.pooler = BertPooler(config).requires_grad_(False)
        self.post_init()

    def embed(self, input_ids: Tensor) -> Tensor:
        """Token ids (B, T) to word embeddings (B, T, D), before positions and norm."""
        return self.bert.embeddings.word_embeddings(input_ids)

    def backbone(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> Tensor:
        """Features (B, T, D) of the last layer."""
        embeddings = self._first_features(input_ids, inputs_embeds)
        return self.bert(inputs_embeds=embeddings, attention_mask=attention_mask).last_hidden_state

    def lm_head(self, hidden: Tensor) -> Tensor:
        """Features (..., D) to logits (..., V)."""
        return self.cls(hidden)

    def pool_cls(self, hidden: Tensor) -> Tensor:
        """tanh(linear(first token)), the pooler of BERT: (B, T, D) to (B, D)."""
        return self.bert.pooler(hidden)  # type: ignore[misc]
