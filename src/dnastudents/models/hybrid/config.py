"""The transformers config of HAD's student."""

from __future__ import annotations

from typing import Any

from dnastudents.models.config import StudentConfig
from dnastudents.models.hybrid.options import HybridOptions


class HybridConfig(StudentConfig):
    """Config of the hybrid student: the fields of `HybridOptions`, its vocabulary and its head.

    Parameters
    ----------
    head : {"linear", "cross_attention", "none"}
        What predicts masked bases: a linear layer; HAD's decoder, see `decoder`; or nothing, where
        the student was distilled without reconstruction. Default is "linear".
    decoder_heads : int
        Attention heads of HAD's decoder. Default is 4.
    """

    model_type = "dna_hybrid"
    options = HybridOptions
    default_vocab_size = 16  # single nucleotides

    def __init__(
        self,
        vocab_size: int | None = None,
        head: str = "linear",
        decoder_heads: int = 4,
        **kwargs: Any,
    ) -> None:
        self.head, self.decoder_heads = head, decoder_heads
        super().__init__(vocab_size, **kwargs)
