"""Settings of FinDNA, and what its released code does otherwise.

`as_released` sets the defaults of every option in which the released code differs from what is
described; each option can still be set alone. docs/findna.md has the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dnastudents.errors import InputError
from dnastudents.settings import choose

# option: as described, as released
PRESETS: dict[str, tuple[Any, Any]] = {
    "masked_loss": ("cross_entropy", "released"),
    "views": ("fresh", "static"),
    "ema": ("after_step", "before_step"),
    "random_n": (False, True),
    "noise_on_masked": (False, True),
}


@dataclass(frozen=True)
class FinDNAOptions:
    """Settings of FinDNA; numbers are the released run's.

    Attributes
    ----------
    cls_weight, masked_weight : float
        Default is 1 and 1. Without a CLS weight the teacher is not run, only averaged.
    cls_tokens : int
        Default is 10.
    student_temperature, teacher_temperature : float
        Default is 0.1 and 0.04.
    masked_temperature : float
        Divides the logits of masked bases, as the released code does with all of the student's.
        Default is 0.1: the temperatures multiply gradients by ten, so that without this one the
        CLS loss drowns the masked one.
    centre_momentum : float
        Default is 0.9.
    momentum : float
        Of the teacher at the first step; it rises to 1 as a cosine. Default is 0.996. Over K
        steps a share exp(-K (1 - momentum) / 2) of the initial weights stays in the teacher, so
        short trainings need less.
    noise : float
        Standard deviation added to each of the student's five input channels. Default is 0.2.
    student_augmentations, teacher_augmentations : list
        Of bases, see `dnastudents.genome.augment`. Default is none, and translocation.
    symmetric : bool
        Two views of each sequence, each drawn by both lists of augmentations. The student sees
        both masked, the teacher both unmasked; each of the student's is compared with the
        teacher's other. Default is False.
    contrastive_weight : float
        Of NT-Xent between the student's two views; needs `symmetric`. Default is 0.
    contrastive_temperature : float
        Default is 0.1; the authors' is not published.
    as_released : bool
        The default of those that follow. Default is False.
    masked_loss : {'cross_entropy', 'released'}
        Softmax cross-entropy of masked A, C, G, T; or binary cross-entropies of five channels
        under the scrambled mask. Default is by `as_released`.
    views : {'fresh', 'static'}
        Drawn anew at every step; or, for each window, once and for ever. Default is by
        `as_released`.
    ema : {'after_step', 'before_step'}
        The teacher follows the student's weights after the optimiser's step or those before it.
        Default is by `as_released`.
    random_n : bool
        Random replacements of masked bases may be N. Default is by `as_released`.
    noise_on_masked : bool
        Noise on masked and padding positions too, whose symbol is the zero vector; never on CLS.
        Default is by `as_released`.

    Raises
    ------
    InputError
        A value that is none of the known ones, or a contrastive weight without two views.
    """

    cls_weight: float = 1.0
    masked_weight: float = 1.0
    cls_tokens: int = 10
    student_temperature: float = 0.1
    teacher_temperature: float = 0.04
    masked_temperature: float = 0.1
    centre_momentum: float = 0.9
    momentum: float = 0.996
    noise: float = 0.2
    student_augmentations: list[Any] = field(default_factory=list)
    teacher_augmentations: list[Any] = field(default_factory=lambda: [{"name": "translocation"}])
    symmetric: bool = False
    contrastive_weight: float = 0.0
    contrastive_temperature: float = 0.1
    as_released: bool = False
    masked_loss: str | None = None
    views: str | None = None
    ema: str | None = None
    random_n: bool | None = None
    noise_on_masked: bool | None = None

    def __post_init__(self) -> None:
        for name, choices in PRESETS.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, choices[bool(self.as_released)])
            known = tuple(str(choice) for choice in choices)
            choose(str(getattr(self, name)), known, f"objective.{name}")
        if self.contrastive_weight and not self.symmetric:
            raise InputError(
                "objective.contrastive_weight: compares two views; set symmetric: true, or 0"
            )
