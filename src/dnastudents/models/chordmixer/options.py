"""Settings of ChordMixer."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from dnastudents.models.options import STUDENTS, StudentOptions
from dnastudents.settings import Count, Share


@STUDENTS.add
class ChordMixerOptions(StudentOptions):
    """The defaults are FinDNA's: 1,000 bases and 10 CLS positions."""

    tokenizer: ClassVar[str] = "chordmixer"
    has_cls_positions: ClassVar[bool] = True

    architecture: Literal["chordmixer"]
    max_length: int = Field(
        1010,
        ge=2,
        description="Length that one block spans; gives the layers of a block and the tracks. "
        "Longer input works, but no block spans it.",
    )
    track_size: Count = Field(28, description="Channels of a track.")
    hidden_size: Count = Field(512, description="Width of the MLPs' hidden layer.")
    blocks: Count = Field(4, description="Blocks of ceil(log2(max_length)) layers.")
    mlp_dropout: Share = Field(0.0, description="Dropout after each linear layer of an MLP.")
    layer_dropout: Share = Field(0.0, description="Dropout after the whole MLP.")
    norm: Literal["none", "pre", "post"] = Field(
        "none",
        description="LayerNorm over the channels: x + shift(mlp(norm(x))), or "
        "norm(x + shift(mlp(x))).",
    )
    width: int = Field(
        0,
        ge=0,
        description="Channels in all; the last track is smaller where tracks do not divide them. "
        "0: one track more than a block has layers.",
    )

    @property
    def feature_size(self) -> int:
        """The channels."""
        return count_channels(self.max_length, self.track_size, self.width)

    @classmethod
    def model_class(cls) -> Any:
        """Return `ChordMixerForMaskedLM`."""
        from dnastudents.models.chordmixer.model import ChordMixerForMaskedLM

        return ChordMixerForMaskedLM

    def vocabulary(self, tokenizer: Any) -> dict[str, int]:
        """Return nothing: it always reads and predicts the five symbols A C G N T."""
        return {}


def layers_per_block(max_length: int) -> int:
    """Return ceil(log2(max_length)), the layers that see every position from every other."""
    return (max_length - 1).bit_length()


def count_channels(max_length: int, track_size: int, width: int) -> int:
    """Return the width of the features: `width`, or one track more than a block has layers."""
    return width or (layers_per_block(max_length) + 1) * track_size
