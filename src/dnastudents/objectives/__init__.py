"""What a student learns from: one file a recipe, chosen by name in the configuration.

`masked_lm` any student and masking (CM-GEMS and its controls) · `findna` · `had`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dnastudents import masking, models, pmi, tokenizers
from dnastudents.errors import InputError
from dnastudents.objectives.base import Objective, Views
from dnastudents.objectives.findna import FinDNA, FinDNAOptions
from dnastudents.objectives.groups import GroupMasking, GroupOptions
from dnastudents.objectives.had import HAD, HADOptions
from dnastudents.objectives.masked_lm import MaskedLM, MaskedLMOptions
from dnastudents.objectives.options import choose, parse
from dnastudents.randomness import derive_seed
from dnastudents.tokenizers import Tokenizer

__all__ = ["Objective", "Resources", "Views", "build", "model_folder"]

NAMES = ("masked_lm", "findna", "had")
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
    """

    pmi: Path | None = None
    teacher: Path | None = None


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
    choose(name, NAMES, "objective.name")
    block = dict(settings.get("masking") or MASKINGS.get(name, {}))
    if name == "had":
        return _build_had(options, block, student, tokenizer, seed, resources)
    ranks = None
    if resources.pmi is not None and isinstance(tokenizer, tokenizers.KmerTokenizer):
        ranks = pmi.load_ranks(resources.pmi, tokenizer)
    chosen = masking.build(block, tokenizer, ranks, total_steps)
    if name == "findna":
        parsed = parse(FinDNAOptions, options, "objective")
        return FinDNA(student, tokenizer, chosen, total_steps, parsed)
    return MaskedLM(student, tokenizer, chosen, parse(MaskedLMOptions, options, "objective"))


def _build_had(
    options: dict[str, Any],
    block: dict[str, Any],
    student: Any,
    tokenizer: Tokenizer,
    seed: int,
    resources: Resources,
) -> HAD:
    groups = parse(GroupOptions, block, "masking")
    parsed = parse(HADOptions, options, "objective")
    teacher, teacher_tokenizer = None, tokenizers.build("nucleotide_transformer")
    if parsed.alignment_weight:
        if resources.teacher is None:
            raise InputError("objective had: needs a teacher folder; give --teacher")
        folder = model_folder(resources.teacher)
        teacher = models.load(folder)
        if parsed.random_teacher:
            torch.manual_seed(derive_seed(seed, "random teacher"))
            teacher = type(teacher)(teacher.config)
    torch.manual_seed(derive_seed(seed, "objective"))
    chosen = GroupMasking(tokenizer, teacher_tokenizer, groups.probability)
    return HAD(student, chosen, teacher, parsed)


def model_folder(folder: Path) -> Path:
    """The checkpoint in a folder of `dnastudents pretrain`, or the folder itself."""
    inner = folder / "model"
    return inner if inner.is_dir() else folder
