"""Rows sorted by length and trimmed are what they are untrimmed, for every student."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from recipes import settings_of
from small import DETERMINISTIC_BERT, random_codes
from torch import Tensor

from dnastudents import models
from dnastudents.devices import Precision
from dnastudents.genome import tokenizers
from dnastudents.genome.codes import PAD
from dnastudents.models import STUDENTS
from dnastudents.objectives import Resources, Views, build
from dnastudents.objectives.masked_lm.objective import MaskedLM
from dnastudents.training.gradients import Gradients
from dnastudents.training.pretrain import pretrain
from dnastudents.training.processes import Processes
from small_students import SMALL


def gradients_of(architecture: str) -> Gradients:
    """Gradients of masked prediction in float64, three rows at a time."""
    tokenizer = tokenizers.build(STUDENTS[architecture].tokenizer)
    torch.manual_seed(0)
    settings = SMALL | {"bert": DETERMINISTIC_BERT}
    student = models.build(settings[architecture], tokenizer)
    mask = {"name": "bernoulli", "probability": 0.3}
    objective = build({"name": "masked_lm"}, mask, student, tokenizer, 0, 10, Resources())
    accelerator = Accelerator(cpu=True)
    precision = Precision("no", accelerator.device)
    return Gradients(objective.double().train(), accelerator, precision, Processes(1), 3, 8)


def padded_codes() -> np.ndarray:
    codes = random_codes(8, 60)
    for row, length in enumerate((60, 9, 31, 60, 60, 12, 60, 45)):
        codes[row, length:] = PAD
    return codes


@pytest.mark.parametrize("architecture", STUDENTS)
def test_gradients_are_those_of_untrimmed_rows(architecture: str) -> None:
    found: list[dict[str, Tensor]] = []
    for trims in (True, False):
        gradients = gradients_of(architecture)
        views = gradients.objective.own_views(padded_codes(), 1, 0, slice(None))
        assert views.lengths is not None
        terms, _ = gradients.compute(views if trims else replace(views, lengths=None), 0)
        named = gradients.objective.named_parameters()
        found.append(terms | {n: p.grad for n, p in named if p.grad is not None})
    for name, value in found[0].items():
        torch.testing.assert_close(value, found[1][name], rtol=1e-6, atol=1e-7, msg=name)


def test_slices_hold_every_row_once_with_no_more_padding_than_they_need() -> None:
    gradients = gradients_of("bert")
    views = gradients.objective.own_views(padded_codes(), 1, 0, gradients.own_rows(8))
    slices = list(gradients.slices(views, gradients.micro_batch))
    assert [rows["input_ids"].shape for rows in slices] == [(3, 57), (3, 57), (2, 9)]
    assert ["attention_mask" in rows for rows in slices] == [False, True, True]
    pad = gradients.objective.tokenizer.pad_id
    found = [[x for x in row if x != pad] for rows in slices for row in rows["input_ids"].tolist()]
    expected = [[x for x in row if x != pad] for row in views.tensors["input_ids"].tolist()]
    assert sorted(found) == sorted(expected)


def test_a_training_ends_in_the_weights_of_untrimmed_rows(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of("masked_lm") | {"student": DETERMINISTIC_BERT}
    pretrain(settings, output=tmp_path / "a", state=tmp_path / "sa", **inputs)
    draw = MaskedLM._views

    def untrimmed(self: MaskedLM, *drawn: Any) -> Views:
        return replace(draw(self, *drawn), lengths=None)

    monkeypatch.setattr(MaskedLM, "_views", untrimmed)
    pretrain(settings, output=tmp_path / "b", state=tmp_path / "sb", **inputs)
    one, other = (models.load(tmp_path / name / "model").state_dict() for name in ("a", "b"))
    for name, value in one.items():
        # sums in another order, which AdamW amplifies where a gradient is near zero
        torch.testing.assert_close(value, other[name], rtol=2e-3, atol=2e-4, msg=name)
