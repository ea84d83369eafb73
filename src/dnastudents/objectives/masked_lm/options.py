"""Settings of masked-token prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from dnastudents.masking.options import MaskingOptions
from dnastudents.objectives.options import OBJECTIVES, ObjectiveOptions

if TYPE_CHECKING:
    from dnastudents.objectives.base import Objective
    from dnastudents.objectives.ingredients import Ingredients


@OBJECTIVES.add
class MaskedLMOptions(ObjectiveOptions):
    """Masked-token prediction; its masking is what sets CM-GEMS apart from its controls."""

    paper: ClassVar[str] = "2408.07180"

    name: Literal["masked_lm"] = "masked_lm"
    attention_mask: bool = Field(
        True,
        description="Keep padding out of attention; false, as released, lets the student attend "
        "to it.",
    )

    def method(self, masking: MaskingOptions | None) -> str:
        """Return the masking, by which its methods differ."""
        return self.name if masking is None else masking.name

    def build(self, ingredients: Ingredients) -> Objective:
        """Make a `MaskedLM`."""
        from dnastudents.objectives.masked_lm.objective import MaskedLM

        made = ingredients
        return MaskedLM(made.student, made.tokenizer, made.token_masking(), self)
