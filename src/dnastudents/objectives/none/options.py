"""The control without pretraining."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from dnastudents.errors import InputError
from dnastudents.masking.options import MaskingOptions
from dnastudents.objectives.options import OBJECTIVES, ObjectiveOptions

if TYPE_CHECKING:
    from dnastudents.objectives.base import Objective
    from dnastudents.objectives.ingredients import Ingredients


@OBJECTIVES.add
class NoObjective(ObjectiveOptions):
    """No pretraining: the student keeps its random weights."""

    learns: ClassVar[bool] = False

    name: Literal["none"]

    def method(self, masking: MaskingOptions | None) -> str:
        """Return its name in tables."""
        return "scratch"

    def build(self, ingredients: Ingredients) -> Objective:
        """Refuse: there is nothing to train."""
        raise InputError("objective.name: 'none' does not learn; name another objective")
