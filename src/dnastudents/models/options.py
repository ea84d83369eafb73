"""What every student says of itself, and the registry of students by architecture.

A student is a folder here: `options.py` with its settings, `model.py` with its transformers
classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from dnastudents.genome import tokenizers
from dnastudents.genome.tokenizers import KmerTokenizer
from dnastudents.registry import Registry
from dnastudents.settings import Settings, Wrong


class StudentOptions(Settings, ABC):
    """Settings of a student; `architecture` says which it is."""

    tokenizer: ClassVar[str]
    """Name of the tokenizer that it reads (`genome.tokenizers.build`)."""

    has_cls: ClassVar[bool] = False
    """Whether its sequences start with a classification token, which `pool_cls` reads."""

    has_cls_positions: ClassVar[bool] = False
    """Whether pretraining may give it CLS positions of its own, behind the bases."""

    tokens_per_base: ClassVar[float] = 1.0

    architecture: str

    @property
    def ranked_bases(self) -> int | None:
        """Bases of the k-mers by whose PMI its tokens may be masked; None: they are no k-mers."""
        tokenizer = tokenizers.build(self.tokenizer)
        return tokenizer.k if isinstance(tokenizer, KmerTokenizer) else None

    @property
    def longest(self) -> int | None:
        """Bases of the longest sequence that it reads; None: there is no longest."""
        return None

    @property
    def feature_size(self) -> int:
        """Width of its features."""
        return int(getattr(self, "hidden_size"))  # noqa: B009  (a field of most students)

    @classmethod
    @abstractmethod
    def model_class(cls) -> Any:
        """Return the masked-LM class; imports torch."""

    def vocabulary(self, tokenizer: Any) -> dict[str, int]:
        """Return what the tokenizer decides in the model's config."""
        return {"vocab_size": tokenizer.vocab_size, "pad_token_id": tokenizer.pad_id}


def require_heads(student: StudentOptions, heads: str, rotary: bool = False) -> None:
    """Raise `Wrong` where the width of a student cannot be divided among its heads.

    Parameters
    ----------
    student : StudentOptions
        Its `hidden_size` is divided.
    heads : str
        The key of their number.
    rotary : bool
        Whether they have rotary positions, which need an even size. Default is False.
    """
    width, count = student.feature_size, getattr(student, heads)
    if width % (count * (2 if rotary else 1)):
        multiple = f"twice {heads}" if rotary else heads
        reason = ": rotary heads have an even size" if rotary else ""
        raise Wrong(
            "hidden_size", f"must be a multiple of {multiple} ({count}), not {width}{reason}"
        )


STUDENTS: Registry[StudentOptions] = Registry("student", "architecture")
