"""Settings of HAD's student."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from dnastudents.models.options import STUDENTS, StudentOptions, require_heads
from dnastudents.settings import Count, Positive


@STUDENTS.add
class HybridOptions(StudentOptions):
    """Gated DeltaNet layers, then attention; the defaults give 1,072,560 weights.

    The widths are not published. Keys 0.75 hidden_size wide are flash-linear-attention's rule.
    """

    tokenizer: ClassVar[str] = "nucleotide"
    carries_decoder: ClassVar[bool] = True

    architecture: Literal["hybrid"]
    hidden_size: Count = Field(128, description="Width of the features.")
    num_hidden_layers: Count = Field(4, description="Bidirectional Gated DeltaNet layers.")
    heads: Count = Field(3, description="Heads of Gated DeltaNet, in each direction.")
    head_size: Count = Field(32, description="Size of its keys.")
    expand_value: Count = Field(2, description="Size of its values over that of its keys.")
    conv_size: Count = Field(4, description="Tokens of the short convolution.")
    attention_layers: int = Field(1, ge=0, description="0 or 1 in HAD and its ablation.")
    attention_heads: Count = Field(4, description="Heads of the attention layer.")
    intermediate_size: Count = Field(512, description="Width of the gated MLP.")
    norm_eps: Positive = Field(1e-6, description="Of RMSNorm.")
    chunk_size: Count = Field(
        32, description="Of the gated delta rule, on a GPU at least 64; changes speed only."
    )

    @model_validator(mode="after")
    def _check_heads(self) -> HybridOptions:
        require_heads(self, "attention_heads", rotary=True)
        return self

    @classmethod
    def model_classes(cls) -> tuple[Any, Any, Any]:
        """Return the classes of `model`."""
        from dnastudents.models.hybrid import model

        return (
            model.HybridModel,
            model.HybridForMaskedLM,
            model.HybridForSequenceClassification,
        )
