"""Settings of Nucleotide Transformer v2."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from dnastudents.models.options import STUDENTS, StudentOptions, require_heads
from dnastudents.settings import Count, Positive


@STUDENTS.add
class NucleotideTransformerOptions(StudentOptions):
    """Under the hub's names; the defaults are those of v2-500m-multi-species."""

    tokenizer: ClassVar[str] = "nucleotide_transformer"
    has_cls: ClassVar[bool] = True
    tokens_per_base: ClassVar[float] = 1 / 6

    architecture: Literal["nucleotide_transformer"]
    hidden_size: Count = Field(1024, description="Width of the features.")
    num_hidden_layers: Count = Field(29, description="Layers.")
    num_attention_heads: Count = Field(16, description="Heads of a layer.")
    intermediate_size: Count = Field(4096, description="Width of the gated MLPs.")
    layer_norm_eps: Positive = Field(1e-12, description="Of LayerNorm.")

    @model_validator(mode="after")
    def _check_heads(self) -> NucleotideTransformerOptions:
        require_heads(self, "num_attention_heads", rotary=True)
        return self

    @classmethod
    def model_classes(cls) -> tuple[Any, Any, Any]:
        """Return the classes of `model`."""
        from dnastudents.models.nucleotide_transformer import model

        return (
            model.NucleotideTransformerModel,
            model.NucleotideTransformerForMaskedLM,
            model.NucleotideTransformerForSequenceClassification,
        )
