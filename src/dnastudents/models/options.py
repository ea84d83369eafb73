"""What every student says of itself, and the registry of students by architecture.

A student is a folder here: `options.py` with its settings, `model.py` with its transformers
classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from dnastudents.genome import tokenizers
from dnastudents.genome.tokenizers import KmerTokenizer, KmerVocabulary
from dnastudents.registry import Registry
from dnastudents.settings import Positive, Settings, Wrong

PARTS = 7  # of a sequence whose features are pooled part by part, unless a setting says otherwise


class Initialisation(Settings):
    """How the weights of a new network start; `models.initialisation` says it exactly."""

    range: Positive | None = Field(
        None,
        description="Standard deviation of normal starting weights; null: the architecture's own, "
        "which is 0.02, and torch's uniform one for chordmixer. 0.8 / sqrt(hidden_size) lets k-mer "
        "students of 32 to 256 channels leave their plateau (docs/study.md).",
    )
    kmers: Literal["independent", "composed"] = Field(
        "independent",
        description="Draw each k-mer's embedding alone, or as a sum of one vector for each base at "
        "its place, so that k-mers which share bases start near each other.",
    )
    positions: Literal["normal", "sinusoidal"] = Field(
        "normal", description="Start of a learnt position table; sinusoidal: sines and cosines."
    )
    longest_wave: float = Field(
        100.0, ge=10, description="Tokens of the longest wave of sinusoidal positions."
    )

    @property
    def words(self) -> str | None:
        """What tables say of it; None where the architecture starts in its own way."""
        words = [] if self.range is None else [f"range {self.range:g}"]
        if self.kmers == "composed":
            words.append("composed k-mers")
        if self.positions == "sinusoidal":
            words.append(f"sinusoidal positions (longest wave {self.longest_wave:g} tokens)")
        return ", ".join(words) or None


class StudentOptions(Settings, ABC):
    """Settings of a student; `architecture` says which it is."""

    tokenizer: ClassVar[str]
    """Name of the tokenizer that it reads (`genome.tokenizers.build`)."""

    has_cls: ClassVar[bool] = False
    """Whether its sequences start with a classification token, which `pool_cls` reads."""

    has_cls_positions: ClassVar[bool] = False
    """Whether pretraining may give it CLS positions of its own, behind the bases."""

    has_position_table: ClassVar[bool] = False
    """Whether it learns a vector for each position."""

    carries_decoder: ClassVar[bool] = False
    """Whether its masked-LM model has `with_head`, which makes HAD's decoder its head."""

    tokens_per_base: ClassVar[float] = 1.0

    architecture: str
    initialisation: Initialisation = Field(
        Initialisation(), description="How the weights of a new network start."
    )

    @model_validator(mode="after")
    def _check_initialisation(self) -> StudentOptions:
        start = self.initialisation
        if start.kmers == "composed" and not isinstance(
            tokenizers.build(self.tokenizer), KmerVocabulary
        ):
            raise Wrong(
                "initialisation.kmers",
                f"{self.architecture} reads single bases, which nothing composes; set independent",
            )
        if start.positions == "sinusoidal" and not self.has_position_table:
            raise Wrong(
                "initialisation.positions",
                f"{self.architecture} has no table of positions to start; set normal",
            )
        return self

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
    def network_fields(cls) -> list[str]:
        """List the settings that describe the network itself, as its transformers config does."""
        return [name for name in cls.model_fields if name not in ("architecture", "initialisation")]

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
