"""Settings of HAD and of its masking; docs/had.md says what the paper leaves open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from dnastudents.genome import tokenizers
from dnastudents.genome.tokenizers import NucleotideTokenizer
from dnastudents.genome.windows import WindowOptions
from dnastudents.masking.options import MASKINGS, MaskingOptions
from dnastudents.objectives.options import OBJECTIVES, ObjectiveOptions
from dnastudents.settings import Count, NotNegative, Share, Wrong

if TYPE_CHECKING:
    from dnastudents.models import StudentOptions
    from dnastudents.objectives.base import Objective
    from dnastudents.objectives.ingredients import Ingredients


@MASKINGS.add
class TeacherGroups(MaskingOptions):
    """Whole groups of bases that are one token of the teacher, hidden from both models."""

    name: Literal["teacher_groups"] = "teacher_groups"
    probability: Share = Field(
        0.15, description="Of each group to be drawn: its bases are to be predicted [had]."
    )
    mask_share: Share = Field(
        1.0, description="Of the drawn groups, those that are masked; 0.8 in BERT."
    )
    random_share: Share = Field(
        0.0,
        description="Those that are replaced by random bases, the same for both models; the rest "
        "stay as they are.",
    )


@OBJECTIVES.add
class HADOptions(ObjectiveOptions):
    """A frozen teacher's features on visible bases, and reconstruction of masked ones."""

    maskings: ClassVar[type[MaskingOptions]] = TeacherGroups
    default_masking: ClassVar[dict[str, Any]] = {"name": "teacher_groups"}
    paper: ClassVar[str] = "2505.20836"

    name: Literal["had"] = "had"
    alignment_weight: NotNegative = Field(
        1.0, description="Of the teacher's features; 0 leaves the teacher out (lambda is unknown)."
    )
    reconstruction_weight: NotNegative = Field(
        1.0, description="Of masked bases; 0 leaves the decoder out."
    )
    align_on: Literal["visible", "masked", "all"] = Field(
        "visible", description="Bases whose features are aligned; the others are ablations."
    )
    pooled: bool = Field(
        False,
        description="Compare the mean of the student's features over a token's bases, instead of "
        "each base's, with the token's feature.",
    )
    normalize_teacher: bool = Field(
        False, description="Layer-normalise the teacher's features first."
    )
    random_teacher: bool = Field(
        False, description="An untrained teacher of the same shape, as a control."
    )
    static_masks: bool = Field(
        False, description="The masks of a window are the same each time it comes."
    )
    decoder_heads: Count = Field(4, description="Heads of the decoder's cross-attention.")

    @model_validator(mode="after")
    def _check_weights(self) -> HADOptions:
        if not (self.alignment_weight or self.reconstruction_weight):
            raise Wrong("alignment_weight", "is 0, and so is reconstruction_weight; raise one")
        return self

    @property
    def needs_teacher(self) -> bool:
        """Not without alignment: that is reconstruction alone."""
        return self.alignment_weight > 0

    def unfixed(self, window: WindowOptions, reverse_complement: float) -> list[str]:
        """Return what must be set for windows and masks to be fixed."""
        fixed = {
            "pretraining.window.count: N": window.fixed_count is not None,
            "pretraining.reverse_complement: 0": reverse_complement == 0,
            "objective.static_masks: true": self.static_masks,
            "objective.alignment_weight: 1": self.alignment_weight > 0,
        }
        return [setting for setting, is_given in fixed.items() if not is_given]

    def check(self, student: StudentOptions) -> None:
        """Refuse a student of other tokens than bases, or that the decoder cannot be a head of."""
        if not isinstance(tokenizers.build(student.tokenizer), NucleotideTokenizer):
            raise Wrong(
                "student",
                "the objective 'had' hides bases one by one, and a token of "
                f"{student.architecture} is not a single base; choose a hybrid",
            )
        if not student.carries_decoder:
            raise Wrong(
                "student",
                "the objective 'had' saves its decoder as the head of the student, which a "
                f"{student.architecture} cannot carry; choose a hybrid",
            )
        if self.reconstruction_weight and student.feature_size % self.decoder_heads:
            raise Wrong(
                "objective.decoder_heads",
                f"must divide the width of the student's features ({student.feature_size}), which "
                f"{self.decoder_heads} does not",
            )

    def build(self, ingredients: Ingredients) -> Objective:
        """Make a `HAD`."""
        from dnastudents.objectives.had.objective import build

        return build(self, ingredients)
