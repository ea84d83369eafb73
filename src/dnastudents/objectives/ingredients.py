"""What an objective is made from, and the one way to make it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from dnastudents import pmi
from dnastudents.genome.tokenizers import KmerTokenizer, Tokenizer
from dnastudents.masking.masking import Masking
from dnastudents.masking.masking import build as build_masking
from dnastudents.masking.options import MASKINGS, MaskingOptions, TokenMasking
from dnastudents.objectives.base import Objective
from dnastudents.objectives.options import OBJECTIVES, ObjectiveOptions, require_masking


@dataclass(frozen=True)
class Resources:
    """What a recipe learns from beside the genome.

    Attributes
    ----------
    pmi, teacher : Path or None
        A PMI folder for the masks that follow it, and a teacher's checkpoint folder.
    intervals : Path or None
        A BED file of the intervals that the windows lie in.
    features : Path or None
        A cache of the teacher's features; then the teacher is not loaded.
    """

    pmi: Path | None = None
    teacher: Path | None = None
    intervals: Path | None = None
    features: Path | None = None


@dataclass(frozen=True)
class Ingredients:
    """What an objective is made from.

    Attributes
    ----------
    masking : MaskingOptions
        Of a kind that the objective goes with.
    student : PreTrainedModel
        The model to train.
    tokenizer : Tokenizer
        The student's.
    seed : int
        Of the weights that the objective adds.
    total_steps : int
        Length of the training, for curricula and momenta.
    resources : Resources
        Folders that the recipe needs.
    """

    masking: MaskingOptions
    student: Any
    tokenizer: Tokenizer
    seed: int
    total_steps: int
    resources: Resources

    def token_masking(self) -> Masking:
        """Make the masking of the run, with the PMI ranks where it is one of k-mers."""
        ranks = None
        if self.resources.pmi is not None and isinstance(self.tokenizer, KmerTokenizer):
            ranks = pmi.load_ranks(self.resources.pmi, self.tokenizer)
        return build_masking(
            cast(TokenMasking, self.masking), self.tokenizer, ranks, self.total_steps
        )


def build(
    objective: ObjectiveOptions | Mapping[str, Any],
    mask: MaskingOptions | Mapping[str, Any] | None,
    student: Any,
    tokenizer: Tokenizer,
    seed: int,
    total_steps: int,
    resources: Resources,
) -> Objective:
    """Make the objective of a run.

    Parameters
    ----------
    objective : ObjectiveOptions or mapping
        Its settings.
    mask : MaskingOptions, mapping or None
        Its masking; None is the paper's.
    student, tokenizer, seed, total_steps, resources
        See `Ingredients`.

    Raises
    ------
    InputError
        An unknown name or key, a masking that does not go with it, or a missing resource.
    """
    options = OBJECTIVES.parse(objective)
    chosen = require_masking(options, None if mask is None else MASKINGS.parse(mask))
    return options.build(Ingredients(chosen, student, tokenizer, seed, total_steps, resources))
