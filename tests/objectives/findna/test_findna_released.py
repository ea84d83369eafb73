"""FinDNA as its released code does it: one preset, every difference an option with a test."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from small import SYMBOLS, findna, random_codes, raw_logits, whole
from torch.testing import assert_close

from dnastudents.errors import InputError
from dnastudents.objectives.findna.ema import cosine_momentum
from dnastudents.objectives.findna.losses import released_masked_loss
from dnastudents.objectives.findna.options import RELEASED, FinDNAOptions
from dnastudents.settings import parse
from dnastudents.training.loop import Trainer
from dnastudents.training.options import Pretraining
from dnastudents.training.state import StateFolder

CODES = random_codes(4, 60, unknown=0.05)
MANY = random_codes(200, 60)


def test_the_preset_sets_every_difference_and_each_can_be_set_alone() -> None:
    described = {name: FinDNAOptions.model_fields[name].default for name in RELEASED}
    for released, chosen, other in ((False, described, RELEASED), (True, RELEASED, described)):
        options = FinDNAOptions(as_released=released)
        assert {name: getattr(options, name) for name in RELEASED} == chosen
        for name in RELEASED:
            assert chosen[name] != other[name]
            changes: dict[str, Any] = {name: other[name]}
            alone = FinDNAOptions(as_released=released, **changes)
            assert getattr(alone, name) == other[name]
            others = RELEASED.keys() - {name}
            assert all(getattr(alone, n) == getattr(options, n) for n in others)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"masked_loss": "releasd"}, r"objective.masked_loss: .*did you mean 'released'"),
        ({"views": "once"}, "objective.views: unknown value 'once'"),
        ({"random_n": "maybe"}, "objective.random_n: must be true or false, not 'maybe'"),
        ({"contrastive_weight": 0.5}, "symmetric: true"),
    ],
)
def test_bad_options_are_clear_errors(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(FinDNAOptions, values, "objective")


@pytest.mark.parametrize("options", [{"as_released": True}, {"masked_loss": "released"}])
def test_masked_loss(options: dict[str, Any]) -> None:
    objective = findna(**options, noise=0.0, cls_weight=0.0, masked_temperature=0.2)
    views = objective.views(CODES, 1, 0).tensors
    logits = raw_logits(objective.student, views["student_ids"])[:, :60]
    symbols = torch.from_numpy(SYMBOLS.encode_batch(CODES))
    scrambled = views["scrambled"]
    expected = released_masked_loss(logits, symbols, scrambled, 0.2) / scrambled.sum()
    shares = whole(objective, CODES)
    assert_close(shares["loss"], expected)
    assert not torch.equal(shares["masked"], shares["loss"])


def test_static_views_follow_the_seed_and_the_bases_alone() -> None:
    objective = findna(views="static")
    first = objective.views(CODES, 1, 0).tensors
    later = objective.views(CODES[[2, 0]], 1, 7).tensors
    assert {"student_ids", "teacher_ids", "labels", "hidden", "noise"} == first.keys()
    for name, tensor in first.items():
        assert torch.equal(later[name], tensor[[2, 0]]), name
    other = objective.views(CODES, 2, 0).tensors
    assert not torch.equal(other["labels"], first["labels"])


def test_static_views_are_drawn_as_often_as_fresh_ones() -> None:
    views = findna(views="static").views(MANY, 1, 0).tensors
    rate = (views["labels"] >= 0).float().sum().item() / MANY.size
    assert abs(rate - 0.3) < 4 * np.sqrt(0.21 / MANY.size)
    labels = views["labels"][:, :60]
    rows = {tuple((row >= 0).tolist()) for row in labels}
    assert len(rows) == len(MANY)  # not one mask for all
    hidden = (views["student_ids"][:, :60] == SYMBOLS.mask_id)[labels >= 0].float().mean().item()
    assert abs(hidden - 0.8) < 4 * np.sqrt(0.16 / (labels >= 0).sum().item())
    assert views["noise"][labels < 0].std().item() == pytest.approx(0.2, rel=0.02)


def test_random_replacements_may_be_n() -> None:
    def replaced(random_n: bool) -> torch.Tensor:
        views = findna(random_n=random_n).views(MANY, 1, 0).tensors
        seen, labels = views["student_ids"], views["labels"]
        assert (labels[labels >= 0] != SYMBOLS.unk_id).all()
        return seen[(labels >= 0) & (seen != SYMBOLS.mask_id)]

    n = SYMBOLS.unk_id
    assert not (replaced(False) == n).any()
    found = replaced(True) == n
    # a fifth of the random half; the other half is unchanged
    assert abs(found.float().mean().item() - 0.1) < 4 * np.sqrt(0.09 / len(found))
    validation = findna(random_n=True).validation_views(MANY, 0).tensors["student_ids"]
    assert not (validation == n).any()


@pytest.mark.parametrize("noise_on_masked", [False, True])
def test_noise_on_masked_positions(noise_on_masked: bool) -> None:
    views = findna(noise_on_masked=noise_on_masked).views(CODES, 1, 0).tensors
    noisy = views["noise"].ne(0).all(-1)
    masked = views["student_ids"][:, :60] == SYMBOLS.mask_id
    assert masked.any()
    assert noisy[~masked].all()
    assert noisy[masked].all() if noise_on_masked else not noisy[masked].any()


@pytest.mark.parametrize("ema", ["before_step", "after_step"])
def test_teacher_follows_the_weights_before_or_after_the_step(ema: str, tmp_path: Path) -> None:
    objective = findna(ema=ema, momentum=0.5)
    with torch.no_grad():
        for parameter in objective.student.parameters():
            parameter.add_(0.01)
    plan = parse(Pretraining, PLAN, "pretraining")
    corpus = SimpleNamespace(
        batch=lambda step: CODES, validation=lambda: None, regions=lambda step: "nowhere"
    )
    state = StateFolder(tmp_path, "test")
    trainer = Trainer("run", plan, 1, objective, cast(Any, corpus), state, Accelerator(cpu=True))
    for step in range(2):
        teacher, before = copies(objective.teacher), copies(objective.student)
        trainer.advance()
        after = copies(objective.student)
        followed = before if ema == "before_step" else after
        m = cosine_momentum(step, 10, 0.5)
        for name, value in copies(objective.teacher).items():
            assert_close(value, m * teacher[name] + (1 - m) * followed[name], msg=name)
        assert any(not torch.equal(after[name], before[name]) for name in before)


PLAN: dict[str, Any] = {
    "steps": 10,
    "batch_size": 4,
    "micro_batch_size": 3,
    "window": {"kind": "windows", "length": 60},
    "splits": {"train": ["chrA"]},
    "optimizer": {"learning_rate": 1e-2},
    "schedule": {"kind": "cosine", "warmup_steps": 0},
}


def copies(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}
