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

from dnastudents.models.bert.options import BertOptions
from dnastudents.models.config import take_settings
from dnastudents.models.output import StudentMixin


class BertStudentConfig(BertConfig):
    """Config of a BERT student: the fields of `BertOptions`, and BERT's others."""

    model_type = "dna_bert"
    options = BertOptions

    def __init__(self, vocab_size: int = 4101, **kwargs: Any) -> None:
        settings = take_settings(BertOptions, kwargs)
        super().__init__(vocab_size=vocab_size, **settings, **kwargs)


class BertStudentForMaskedLM(StudentMixin, BertForMaskedLM):  # type: ignore[misc]
    """BERT with the masked-token head whose output weights are the input embeddings."""

    config_class = BertStudentConfig

    def __init__(self, config: BertStudentConfig) -> None:
        super().__init__(config)
        self.bert.pooler = BertPooler(config).requires_grad_(False)
        self.post_init()

    def embed(self, input_ids: Tensor) -> Tensor:
        """Map token ids (B, T) to word embeddings (B, T, D), before positions and norm."""
        return self.bert.embeddings.word_embeddings(input_ids)

    def encode(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Compute the features (B, T, D) of the last layer."""
        return self.bert(inputs_embeds=x, attention_mask=attention_mask).last_hidden_state

    def lm_head(self, hidden: Tensor) -> Tensor:
        """Map features (..., D) to logits (..., V)."""
        return self.cls(hidden)

    def pool_cls(self, hidden: Tensor) -> Tensor:
        """Compute tanh(linear(first token)), the pooler of BERT: (B, T, D) to (B, D)."""
        return self.bert.pooler(hidden)  # type: ignore[misc]
