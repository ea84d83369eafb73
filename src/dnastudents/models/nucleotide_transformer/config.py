"""The transformers config of Nucleotide Transformer v2."""

from __future__ import annotations

from typing import Any

from dnastudents.errors import InputError
from dnastudents.models.config import StudentConfig
from dnastudents.models.nucleotide_transformer.options import NucleotideTransformerOptions

# What version 2 of the model fixes; the hub's config.json states it, and version 1 differs.
FIXED = {
    "position_embedding_type": "rotary",
    "emb_layer_norm_before": False,
    "add_bias_fnn": False,
    "token_dropout": False,
}


class NucleotideTransformerConfig(StudentConfig):
    """Config under the hub's names: the fields of `NucleotideTransformerOptions`.

    Raises
    ------
    InputError
        If a setting of a hub config.json says that the model is not of version 2.
    """

    model_type = "nucleotide_transformer"
    options = NucleotideTransformerOptions
    default_vocab_size = 4107

    def __init__(self, vocab_size: int | None = None, **kwargs: Any) -> None:
        for name, value in FIXED.items():
            if kwargs.setdefault(name, value) != value:
                raise InputError(
                    f"nucleotide_transformer: {name} is {kwargs[name]!r} where version 2 has "
                    f"{value!r}; use a nucleotide-transformer-v2 checkpoint"
                )
        kwargs.setdefault("pad_token_id", 1)
        super().__init__(vocab_size, **kwargs)
