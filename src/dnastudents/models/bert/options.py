"""Settings of DNABert and LOGO."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from dnastudents.models.options import STUDENTS, StudentOptions, require_heads
from dnastudents.settings import Count, Share


@STUDENTS.add
class BertOptions(StudentOptions):
    """transformers' BERT over overlapping 6-mers; the defaults are DNABert-6's.

    LOGO as CM-GEMS uses it (roysoumya/GeneMask, Code-E_config.json) is `hidden_size: 256,
    num_hidden_layers: 2, num_attention_heads: 8` with dropout 0; the original LOGO has
    `intermediate_size: 1024` too.
    """

    tokenizer: ClassVar[str] = "kmer6"
    has_cls: ClassVar[bool] = True
    has_position_table: ClassVar[bool] = True

    architecture: Literal["bert"]
    hidden_size: Count = Field(768, description="Width of the features.")
    num_hidden_layers: Count = Field(12, description="Layers.")
    num_attention_heads: Count = Field(12, description="Heads of a layer.")
    intermediate_size: Count = Field(3072, description="Width of the MLPs.")
    hidden_dropout_prob: Share = Field(0.1, description="Dropout of features.")
    attention_probs_dropout_prob: Share = Field(0.1, description="Dropout of attention.")
    max_position_embeddings: Count = Field(512, description="Tokens of the longest sequence.")

    @model_validator(mode="after")
    def _check_heads(self) -> BertOptions:
        require_heads(self, "num_attention_heads")
        return self

    @property
    def longest(self) -> int:
        """Bases whose 6-mers, with [CLS] and [SEP], have a position each."""
        return self.max_position_embeddings + 6 - 1 - 2

    @classmethod
    def model_classes(cls) -> tuple[Any, Any, Any]:
        """Return the classes of `model`."""
        from dnastudents.models.bert import model

        return (
            model.BertStudentModel,
            model.BertStudentForMaskedLM,
            model.BertStudentForSequenceClassification,
        )
