"""What every student says of itself, and the registry of students by architecture.

A student is a folder here: `options.py` with its settings, `model.py` with its transformers
classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from dnastudents.registry import Registry
from dnastudents.settings import Settings


class StudentOptions(Settings, ABC):
    """Settings of a student; `architecture` says which it is."""

    tokenizer: ClassVar[str]
    """Name of the tokenizer that it reads (`genome.tokenizers.build`)."""

    has_cls_positions: ClassVar[bool] = False
    """Whether pretraining may give it CLS positions of its own, behind the bases."""

    tokens_per_base: ClassVar[float] = 1.0

    architecture: str

    @classmethod
    @abstractmethod
    def model_classes(cls) -> tuple[Any, Any, Any]:
        """Return its classes without a head, for masked LM, for classification; imports torch."""

    @classmethod
    def model_class(cls) -> Any:
        """Return the masked-LM class."""
        return cls.model_classes()[1]

    def vocabulary(self, tokenizer: Any) -> dict[str, int]:
        """Return what the tokenizer decides in the model's config."""
        return {"vocab_size": tokenizer.vocab_size, "pad_token_id": tokenizer.pad_id}


STUDENTS: Registry[StudentOptions] = Registry("student", "architecture")
