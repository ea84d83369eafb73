"""What a student learns from: one file a recipe, chosen by name in the configuration.

`masked_lm` any student and masking (CM-GEMS and its controls) · `findna` · `had`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dnastudents import masking, models, pmi
from dnastudents.errors import InputError
from dnastudents.genome import tokenizers
from dnastudents.genome.tokenizers import Tokenizer
from dnastudents.models import model_folder
from dnastudents.objectives.base import Objective, Views
from dnastudents.objectives.findna.objective import FinDNA, FinDNAOptions
from dnastudents.objectives.had.feature_cache import FeatureCache
from dnastudents.objectives.had.frozen_teacher import FrozenTeacher
from dnastudents.objectives.had.group_masking import GroupMasking, GroupOptions
from dnastudents.objectives.had.objective import HAD, HADOptions
from dnastudents.objectives.masked_lm.objective import MaskedLM, MaskedLMOptions
from dnastudents.randomness import derive_seed
from dnastudents.settings import choose, parse

__all__ = ["Objective", "Resources", "Views", "build"]

MASKINGS = {
    "findna": {"name": "bernoulli", "probability": 0.3},
    "had": {"name": "teacher_groups", "probability": 0.15},
}


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


def build(
    settings: Mapping[str, Any],
    student: Any,
    tokenizer: Tokenizer,
    seed: int,
    total_steps: int,
    resources: Resources,
) -> Objective:
    """Make the objective of a run.

    Parameters
    ----------
    settings : mapping
        `objective` and `masking` of the run; a masking that is left out is the paper's.
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

    Raises
    ------
    InputError
        An unknown name or key, or a missing resource.
    """
    options = dict(settings["objective"])
    name = options.pop("name", None)
    choose(name, tuple(OBJECTIVES), "objective.name")
    block = dict(settings.get("masking") or MASKINGS.get(name, {}))
    parts = Parts(options, block, student, tokenizer, seed, total_steps, resources)
    return OBJECTIVES[name](parts)


@dataclass(frozen=True)
class Parts:
    """What an objective is made from: the keys of its blocks, and the arguments of `build`."""

    options: dict[str, Any]
    mask: dict[str, Any]
    student: Any
    tokenizer: Tokenizer
    seed: int
    total_steps: int
    resources: Resources

    def mask_rule(self) -> masking.Masking:
        """The masking of the run, with the PMI ranks where it is one of k-mers."""
        ranks = None
        if self.resources.pmi is not None and isinstance(self.tokenizer, tokenizers.KmerTokenizer):
            ranks = pmi.load_ranks(self.resources.pmi, self.tokenizer)
        return masking.build(self.mask, self.tokenizer, ranks, self.total_steps)


def _masked_lm(parts: Parts) -> MaskedLM:
    options = parse(MaskedLMOptions, parts.options, "objective")
    return MaskedLM(parts.student, parts.tokenizer, parts.mask_rule(), options)


def _findna(parts: Parts) -> FinDNA:
    options = parse(FinDNAOptions, parts.options, "objective")
    rule = parts.mask_rule()
    return FinDNA(parts.student, parts.tokenizer, rule, parts.total_steps, options)


def _had(parts: Parts) -> HAD:
    groups = parse(GroupOptions, parts.mask, "masking")
    options = parse(HADOptions, parts.options, "objective")
    teacher_tokenizer = tokenizers.build("nucleotide_transformer")
    teacher = _teacher_features(options, teacher_tokenizer.pad_id, parts.seed, parts.resources)
    torch.manual_seed(derive_seed(parts.seed, "objective"))
    shares = groups.probability, groups.mask_share, groups.random_share
    chosen = GroupMasking(parts.tokenizer, teacher_tokenizer, *shares)
    return HAD(parts.student, chosen, teacher, options)


OBJECTIVES: dict[str, Callable[[Parts], Objective]] = {
    "masked_lm": _masked_lm,
    "findna": _findna,
    "had": _had,
}


def _teacher_features(
    options: HADOptions, pad_id: int, seed: int, resources: Resources
) -> FrozenTeacher | FeatureCache | None:
    if not options.alignment_weight:
        return None
    if resources.features is not None:
        return FeatureCache(resources.features, pad_id)
    if resources.teacher is None:
        raise InputError("objective had: needs a teacher folder; give --teacher")
    model = models.load(model_folder(resources.teacher))
    if options.random_teacher:
        torch.manual_seed(derive_seed(seed, "random teacher"))
        model = type(model)(model.config)
    return FrozenTeacher(model, pad_id)
