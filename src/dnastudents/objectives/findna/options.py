"""Settings of FinDNA, and what its released code does otherwise.

`as_released` sets the defaults of every option in which the released code differs from what is
described; each option can still be set alone. docs/findna.md has the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from dnastudents.genome.augmentations import AUGMENTATIONS, AugmentationOptions, Translocation
from dnastudents.objectives.options import OBJECTIVES, Computation, ObjectiveOptions
from dnastudents.settings import Count, NotNegative, Positive, Share, Wrong

if TYPE_CHECKING:
    from dnastudents.models import StudentOptions
    from dnastudents.objectives.base import Objective
    from dnastudents.objectives.ingredients import Ingredients

RELEASED: dict[str, Any] = {
    "masked_loss": "released",
    "views": "static",
    "ema": "before_step",
    "random_n": True,
    "noise_on_masked": True,
}


@OBJECTIVES.add
class FinDNAOptions(ObjectiveOptions):
    """Masked nucleotides, and CLS tokens of the student's average; numbers of the released run."""

    default_masking: ClassVar[dict[str, Any]] = {"name": "bernoulli", "probability": 0.3}

    name: Literal["findna"] = "findna"
    cls_weight: NotNegative = Field(
        1.0, description="Of the CLS loss; 0: the teacher is not run, only averaged."
    )
    masked_weight: NotNegative = Field(1.0, description="Of masked bases.")
    cls_tokens: Count = Field(10, description="CLS positions behind the bases.")
    masked_temperature: Positive = Field(
        0.1,
        description="Divides the logits of masked bases, as released. The temperatures multiply "
        "gradients by ten: without this one the CLS loss drowns the masked one.",
    )
    student_temperature: Positive = Field(0.1, description="Of the student's CLS logits.")
    teacher_temperature: Positive = Field(0.04, description="Of the teacher's.")
    centre_momentum: Share = Field(0.9, description="Of the centre of the teacher's logits.")
    momentum: Share = Field(
        0.996,
        description="Of the teacher at the first step; it rises to 1 as a cosine. Over K steps a "
        "share exp(-K (1 - momentum) / 2) of the initial weights stays in it, so short trainings "
        "need less.",
    )
    noise: NotNegative = Field(
        0.2, description="Standard deviation added to each of the student's input channels."
    )
    student_augmentations: tuple[Annotated[AugmentationOptions, AUGMENTATIONS], ...] = Field(
        (), description="Of the student's bases, see `genome.augmentations`."
    )
    teacher_augmentations: tuple[Annotated[AugmentationOptions, AUGMENTATIONS], ...] = Field(
        (Translocation(name="translocation"),), description="Of the teacher's."
    )
    symmetric: bool = Field(
        False,
        description="Two views of each sequence, each drawn by both lists of augmentations; each "
        "of the student's is compared with the teacher's other.",
    )
    contrastive_weight: NotNegative = Field(
        0.0, description="Of NT-Xent between the student's two views; needs `symmetric`."
    )
    contrastive_temperature: Positive = Field(
        0.1, description="Of NT-Xent; the authors' is not published."
    )
    as_released: bool = Field(False, description="Sets the defaults of those that follow.")
    masked_loss: Literal["cross_entropy", "released"] = Field(
        "cross_entropy",
        description="Softmax cross-entropy of masked A, C, G, T; or binary cross-entropies of five "
        "channels under the scrambled mask; default by as_released.",
    )
    views: Literal["fresh", "static"] = Field(
        "fresh",
        description="Drawn again at every step; or once for each window; default by as_released.",
    )
    ema: Literal["after_step", "before_step"] = Field(
        "after_step",
        description="The teacher follows the weights after the optimiser's step or those before; "
        "default by as_released.",
    )
    random_n: bool = Field(
        False,
        description="Random replacements of masked bases may be N; default by as_released.",
    )
    noise_on_masked: bool = Field(
        False,
        description="Noise on masked and padding positions too; never on CLS; default by "
        "as_released.",
    )

    @model_validator(mode="after")
    def _check(self) -> FinDNAOptions:
        if self.as_released:
            self._preset(RELEASED)
        if self.contrastive_weight and not self.symmetric:
            raise Wrong("contrastive_weight", "compares two views; set symmetric: true, or 0")
        return self

    @property
    def compares_rows(self) -> bool:
        """Whether NT-Xent has a weight."""
        return self.contrastive_weight > 0

    @property
    def is_released(self) -> bool:
        """Whether `as_released` says so."""
        return self.as_released

    @property
    def cls_positions(self) -> int:
        """`cls_tokens`."""
        return self.cls_tokens

    @property
    def computation(self) -> Computation:
        """The averaged student runs beside the other, unless its part of the loss is off."""
        return Computation(
            views=2 if self.symmetric else 1,
            training_passes=float(self.cls_weight > 0),
            validation_passes=1.0,
            copies=1,
        )

    def check(self, student: StudentOptions) -> None:
        """Refuse a student without CLS positions."""
        if not student.has_cls_positions:
            raise Wrong(
                "student",
                f"the objective 'findna' adds CLS positions, which {student.architecture} does "
                "not have; choose a chordmixer",
            )

    def build(self, ingredients: Ingredients) -> Objective:
        """Make a `FinDNA`."""
        from dnastudents.objectives.findna.objective import FinDNA

        made = ingredients
        masking = made.token_masking()
        return FinDNA(made.student, made.tokenizer, masking, made.total_steps, self)
