"""The transformers config of DNABert and LOGO."""

from __future__ import annotations

from typing import Any

from transformers import BertConfig

from dnastudents.models.bert.options import BertOptions
from dnastudents.models.config import ClassifierFields, take_settings


class BertStudentConfig(ClassifierFields, BertConfig):
    """Config of a BERT student: the fields of `BertOptions`, and BERT's others."""

    model_type = "dna_bert"
    options = BertOptions

    def __init__(self, vocab_size: int = 4101, **kwargs: Any) -> None:
        settings = take_settings(BertOptions, kwargs)
        super().__init__(vocab_size=vocab_size, **settings, **kwargs)
