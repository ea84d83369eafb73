"""On a GPU no step makes the CPU wait, mixes devices, or launches more than it did.

All of it is found without one, see `stand_in_gpu`: steps of every objective, student and classifier
in the registries, on batches with and without N and padding.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from recipes import LEARNING, settings_of
from torch import Tensor

from dnastudents import models
from dnastudents.finetune.data import FeatureSplit, tokenize_codes
from dnastudents.finetune.fit import Fit, FrozenHead
from dnastudents.finetune.options import Finetuning
from dnastudents.genome import tokenizers
from dnastudents.genome.codes import PAD, N
from dnastudents.models import STUDENTS
from dnastudents.models.pooling import POOLING
from dnastudents.models.student import StudentMixin
from dnastudents.objectives import Resources, build
from dnastudents.settings import parse
from dnastudents.training.loop import Trainer
from dnastudents.training.options import RunSettings
from dnastudents.training.state import StateFolder
from small_students import BERT, SMALL
from stand_in_gpu import GPU, Slow, Watch, stand_in_gpu

BATCHES = ("whole", "uneven")
# Operations of a step on whole rows that the small recipes may take, by what learns: a twentieth
# more than they took with torch 2.13 and transformers 5.23.
OBJECTIVE_BUDGET = {"findna": 1220, "had": 2490, "masked_lm": 710}
STUDENT_BUDGET = {"bert": 710, "chordmixer": 810, "hybrid": 1930, "nucleotide_transformer": 720}
CLASSIFIER_BUDGET = {"bert": 350, "chordmixer": 420, "hybrid": 980, "nucleotide_transformer": 350}
# Objectives whose options take other ways.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "findna": [
        {"masked_loss": "released", "noise_on_masked": True},
        {"symmetric": True, "contrastive_weight": 1.0, "views": "static"},
        {"cls_weight": 0.0},
    ],
    "had": [
        {"pooled": True, "normalize_teacher": True, "static_masks": True},
        {"alignment_weight": 0.0},
        {"reconstruction_weight": 0.0, "align_on": "all"},
    ],
}


def codes_of(kind: str, rows: int = 6, length: int = 54) -> np.ndarray:
    codes = np.random.default_rng(0).integers(0, 4, (rows, length)).astype(np.uint8)
    if kind == "uneven":
        codes[1::2, 20:23] = N
        codes[0, 30:], codes[4, 47:] = PAD, PAD
    return codes


def trainer(settings: dict[str, Any], batch: str, inputs: dict[str, Path], folder: Path) -> Trainer:
    """Trains on the stand-in for a GPU, always on one batch."""
    run = parse(RunSettings, settings, "run")
    assert run.pretraining is not None
    resources = Resources(pmi=inputs["pmi"], teacher=inputs["teacher"])
    tokenizer = tokenizers.build(run.student.tokenizer)
    student = models.build(run.student, tokenizer)
    objective = build(
        run.objective, run.masking, student, tokenizer, 0, run.pretraining.steps, resources
    )
    corpus: Any = SimpleNamespace(
        batch=lambda step: codes_of(batch), validation=lambda: None, regions=str
    )
    alone: Any = SimpleNamespace(device=GPU, num_processes=1, process_index=0, is_main_process=True)
    state = StateFolder(folder, "")
    return Trainer("run", run.pretraining, 0, objective, corpus, state, alone)


def operations_of_a_step(*of: Any) -> int:
    """Count the operations of the second step; the first moves a teacher and makes moments."""
    with stand_in_gpu():
        trained = trainer(*of)
        trained.advance()
        with Watch() as watch:
            trained.advance()
    return watch.operations.total()


RECIPES = [(name, variant) for name in LEARNING for variant in [{}, *VARIANTS.get(name, [])]]


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(("recipe", "variant"), RECIPES)
def test_a_step_of_every_objective_never_waits(
    recipe: str, variant: dict[str, Any], batch: str, inputs: dict[str, Path], tmp_path: Path
) -> None:
    settings = settings_of(recipe)
    settings["objective"] = settings["objective"] | variant
    operations = operations_of_a_step(settings, batch, inputs, tmp_path)
    assert operations > 100
    if batch == "whole" and not variant:
        assert operations <= OBJECTIVE_BUDGET[recipe]


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("architecture", STUDENTS)
def test_a_step_of_every_student_never_waits(
    architecture: str, batch: str, inputs: dict[str, Path], tmp_path: Path
) -> None:
    settings = settings_of("masked_lm")
    settings |= {"student": SMALL[architecture], "masking": {"name": "bernoulli"}}
    operations = operations_of_a_step(settings, batch, inputs, tmp_path)
    assert operations > 100
    if batch == "whole":
        assert operations <= STUDENT_BUDGET[architecture]


POOLED = [
    (name, pooling)
    for name, kind in STUDENTS.items()
    for pooling in POOLING
    if kind.has_cls or pooling != "cls"
]


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(("architecture", "pooling"), POOLED)
def test_a_step_of_every_classifier_never_waits(
    architecture: str, pooling: str, batch: str
) -> None:
    tokenizer = tokenizers.build(STUDENTS[architecture].tokenizer)
    student = models.build(SMALL[architecture], tokenizer)
    model = models.classifier(student, ["a", "b"], pooling=pooling, classifier_dropout=0.1)
    rows = [row[row != PAD] for row in codes_of(batch)]
    train = tokenize_codes(rows, np.arange(6) % 2, tokenizer, None)
    with stand_in_gpu():
        fit = Fit(model.train(), Finetuning(batch_size=6), 0, GPU)
        fit._update(train, np.arange(6), 10)
        with Watch() as watch:
            fit._update(train, np.arange(6), 10)
    operations = watch.operations.total()
    assert operations > 100
    if batch == "whole" and pooling == "mean":
        assert operations <= CLASSIFIER_BUDGET[architecture]


def test_a_step_of_a_frozen_head_never_waits() -> None:
    model = models.classifier(models.build(BERT, tokenizers.build("kmer6")), ["a", "b"])
    values = torch.rand(6, model.pooled_size)
    train = FeatureSplit(values.numpy(), np.arange(6) % 2, np.zeros(6, dtype=bool), None)
    with stand_in_gpu():
        fit = Fit(FrozenHead(model, values), Finetuning(batch_size=6), 0, GPU)
        with Watch() as watch:
            fit._update(train, np.arange(6), 10)
    assert watch.operations.total() > 10


PLANTED = {
    "a number": lambda x: x * x.sum().item(),
    "a condition": lambda x: x if x.sum() > 0 else -x,
    "rows by a mask": lambda x: x + x[x > 0].sum(),
    "positions": lambda x: x + x.nonzero().sum(),
    "values of its own": lambda x: x + x.unique().sum(),
    "a copy to the CPU": lambda x: x + x.detach().cpu().sum().to(x.device, non_blocking=True),
    "a copy that is waited for": lambda x: x + torch.ones(1).to(x.device),
    "numbers of Python": lambda x: x + torch.tensor([1.0, 2.0], device=x.device).sum(),
    "an index on the CPU": lambda x: x[torch.arange(len(x))],
    "a factor on the CPU": lambda x: x @ torch.ones(x.shape[-1], x.shape[-1]),
}


@pytest.mark.parametrize("what", PLANTED)
def test_what_waits_is_found(
    what: str, inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is planted into the backbone of a student in the middle of a training."""
    backbone = StudentMixin.backbone

    def planted(self: Any, *args: Any, **kwargs: Any) -> Tensor:
        return PLANTED[what](backbone(self, *args, **kwargs))

    monkeypatch.setattr(StudentMixin, "backbone", planted)
    with pytest.raises((Slow, RuntimeError)) as found:
        operations_of_a_step(settings_of("masked_lm"), "whole", inputs, tmp_path)
    assert "planted" in [entry.name for entry in found.traceback]
