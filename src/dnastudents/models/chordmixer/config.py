"""The transformers config of ChordMixer."""

from __future__ import annotations

from typing import Any

from dnastudents.models.chordmixer.options import (
    ChordMixerOptions,
    count_channels,
    layers_per_block,
)
from dnastudents.models.config import StudentConfig

SYMBOLS = 5  # A C G N T


class ChordMixerConfig(StudentConfig):
    """Config of a ChordMixer: the fields of `ChordMixerOptions`, and a temperature.

    Parameters
    ----------
    masked_temperature : float
        Divides the logits of masked bases, as in FinDNA's loss. Default is 1.
    """

    model_type = "chordmixer"
    options = ChordMixerOptions
    default_vocab_size = SYMBOLS
    default_range = None
    # transformers knows max_length as a setting of text generation: 5 saves it only when declared
    # here, 4 overwrites it with 20 unless it is set after its own __init__.
    max_length: int = ChordMixerOptions.model_fields["max_length"].default

    def __init__(
        self, vocab_size: int | None = None, masked_temperature: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(vocab_size, **kwargs)
        self.masked_temperature = masked_temperature

    @property
    def layers_per_block(self) -> int:
        """ceil(log2(max_length))."""
        return layers_per_block(self.max_length)

    @property
    def channels(self) -> int:
        """Width of the features."""
        return count_channels(self.max_length, self.track_size, self.width)
