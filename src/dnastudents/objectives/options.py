"""What every objective says of itself, and the registry of objectives by name.

An objective is a folder here. Its `options.py` has the settings, and all that others ask of a
recipe: what it needs beside the genome, which masking it goes with, what it computes, and how
tables call it. Its `objective.py` has the module that is trained.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from dnastudents.genome.windows import WindowOptions
from dnastudents.masking.options import MASKINGS, MaskingOptions, TokenMasking
from dnastudents.registry import Registry
from dnastudents.settings import Settings, Wrong

if TYPE_CHECKING:
    from dnastudents.models import StudentOptions
    from dnastudents.objectives.base import Objective
    from dnastudents.objectives.ingredients import Ingredients


@dataclass(frozen=True)
class Computation:
    """What an objective computes beside the three passes of a student that learns, for plans.

    Attributes
    ----------
    views : int
        Of each sequence. Default is 1.
    training_passes, validation_passes : float
        Forward passes of a copy of the student beside it. Default is 0.
    copies : int
        Copies of the student's weights that are kept. Default is 0.
    """

    views: int = 1
    training_passes: float = 0.0
    validation_passes: float = 0.0
    copies: int = 0


class ObjectiveOptions(Settings, ABC):
    """Settings of an objective; `name` says which it is."""

    learns: ClassVar[bool] = True
    """Whether there is any pretraining."""

    maskings: ClassVar[type[MaskingOptions]] = TokenMasking
    """The maskings that it goes with."""

    default_masking: ClassVar[dict[str, Any] | None] = None
    """The masking of a run that names none; None: it must name one."""

    name: str

    @property
    def needs_teacher(self) -> bool:
        """Whether it learns from a teacher's checkpoint."""
        return False

    @property
    def compares_rows(self) -> bool:
        """Whether a loss depends on which rows share a micro-batch, whose size then decides."""
        return False

    @property
    def is_released(self) -> bool:
        """Whether it is as the authors released it."""
        return False

    @property
    def cls_positions(self) -> int:
        """CLS positions that it appends to the bases."""
        return 0

    @property
    def computation(self) -> Computation:
        """What it computes, for plans."""
        return Computation()

    def method(self, masking: MaskingOptions | None) -> str:
        """Return the name of the method in tables."""
        return self.name

    def unfixed(self, window: WindowOptions, reverse_complement: float) -> list[str]:
        """List the settings that must change before a teacher's features can be cached."""
        return ["objective.name: had"]

    def check(self, student: StudentOptions) -> None:
        """Raise `Wrong` where it cannot train a student."""

    @abstractmethod
    def build(self, ingredients: Ingredients) -> Objective:
        """Make the objective; imports torch."""


OBJECTIVES: Registry[ObjectiveOptions] = Registry("objective", "name")


def require_masking(objective: ObjectiveOptions, masking: MaskingOptions | None) -> MaskingOptions:
    """Return a run's masking, or the paper's; raise where it does not go with the objective."""
    if masking is None and objective.default_masking is not None:
        return MASKINGS.parse(objective.default_masking)
    known = [name for name, kind in MASKINGS.items() if issubclass(kind, objective.maskings)]
    if masking is None:
        raise Wrong("masking", f"is missing; choose {' or '.join(known)}")
    if not isinstance(masking, objective.maskings):
        raise Wrong(
            "masking",
            f"'{masking.name}' does not go with the objective '{objective.name}'; choose "
            f"{' or '.join(known)}",
        )
    return masking
