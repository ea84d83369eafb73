"""Tiny models and batches for the objectives' tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from dnastudents import masking, models
from dnastudents.genome import tokenizers
from dnastudents.objectives.base import Objective
from dnastudents.objectives.findna.objective import FinDNA
from dnastudents.objectives.findna.options import FinDNAOptions
from dnastudents.objectives.had.frozen_teacher import FrozenTeacher
from dnastudents.objectives.had.group_masking import GroupMasking
from dnastudents.objectives.had.objective import HAD
from dnastudents.objectives.had.options import HADOptions
from dnastudents.objectives.masked_lm.objective import MaskedLM
from dnastudents.settings import parse
from small_students import BERT, CHORDMIXER, HYBRID, NUCLEOTIDE_TRANSFORMER

NUCLEOTIDES = tokenizers.build("nucleotide")
TEACHER = tokenizers.build("nucleotide_transformer")
SYMBOLS = tokenizers.build("chordmixer")

NT = {**NUCLEOTIDE_TRANSFORMER, "hidden_size": 24}
DETERMINISTIC_BERT = {**BERT, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def random_codes(rows: int, length: int, seed: int = 0, unknown: float = 0.0) -> np.ndarray:
    """Random A, C, G, T, and N with probability `unknown`, uint8 (rows, length)."""
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, 4, (rows, length)).astype(np.uint8)
    codes[generator.random(codes.shape) < unknown] = 4
    return codes


def had(seed: int = 0, **options: Any) -> HAD:
    torch.manual_seed(seed)
    student, teacher = models.build(HYBRID, NUCLEOTIDES), models.build(NT, TEACHER)
    groups = GroupMasking(NUCLEOTIDES, TEACHER, probability=0.3)
    frozen = FrozenTeacher(teacher, TEACHER.pad_id)
    return HAD(student, groups, frozen, parse(HADOptions, options, "objective"))


def findna(seed: int = 0, **options: Any) -> FinDNA:
    torch.manual_seed(seed)
    student = models.build(CHORDMIXER, SYMBOLS)
    rule = masking.build({"name": "bernoulli", "probability": 0.3}, SYMBOLS, None, 10)
    return FinDNA(student, SYMBOLS, rule, 10, parse(FinDNAOptions, options, "objective"))


def masked_lm(seed: int = 0) -> MaskedLM:
    torch.manual_seed(seed)
    tokenizer = tokenizers.build("kmer6")
    rule = masking.build({"name": "random_span"}, tokenizer, None, 10)
    return MaskedLM(models.build(DETERMINISTIC_BERT, tokenizer), tokenizer, rule)


def whole(objective: Objective, codes: np.ndarray, step: int = 0) -> dict[str, torch.Tensor]:
    """All terms of a batch in one slice: the losses themselves."""
    views = objective.views(codes, 1, step)
    return objective(views.rows(0, len(views), torch.device("cpu")), views.counts)


def raw_logits(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """Logits before a temperature divides them."""
    return model.lm_head(model.backbone(ids))
