"""The teacher without padding is the padded one; it is frozen, and its time is measured."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
import torch
from small import NT, TEACHER, had, random_codes
from torch import Tensor
from torch.testing import assert_close

from dnastudents import models
from dnastudents.genome.codes import PAD
from dnastudents.objectives.had.frozen_teacher import FrozenTeacher, halve_matrices
from dnastudents.objectives.had.stopwatch import Stopwatch

CPU = torch.device("cpu")


def teacher() -> FrozenTeacher:
    torch.manual_seed(0)
    return FrozenTeacher(models.build(NT, TEACHER), TEACHER.pad_id)


def unequal_ids() -> Tensor:
    """Rows of many numbers of tokens: N, tails, and two rows of equally many."""
    codes = random_codes(8, 66, unknown=0.03)
    codes[:3] = random_codes(3, 66, seed=1)
    codes[1, 40:] = PAD
    codes[4, 20:] = PAD
    return torch.from_numpy(TEACHER.encode_batch(codes))


def padded(model: Any, ids: Tensor) -> Tensor:
    """The plain call."""
    return model.backbone(ids, ids != TEACHER.pad_id)


def launch(frozen: FrozenTeacher, ids: Tensor, timed: bool = False) -> Tensor:
    views: dict[str, Any] = {"teacher_ids": ids}
    frozen.prepare(views, timed)
    return frozen.launch(views, timed)()


def test_features_are_those_of_the_padded_batch() -> None:
    frozen, ids = teacher(), unequal_ids()
    real = ids != TEACHER.pad_id
    assert 4 <= len(set(frozen.lengths(ids))) < len(ids)
    features = launch(frozen, ids)
    assert_close(features[real], padded(frozen.model, ids)[real], rtol=1e-5, atol=1e-5)
    assert not features[~real].any()
    assert not features.requires_grad


def test_no_padding_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen, ids = teacher(), unequal_ids()
    backbone, seen = frozen.model.backbone, []

    def counted(part: Tensor) -> Tensor:
        seen.append(part)
        return backbone(part)

    monkeypatch.setattr(frozen.model, "backbone", counted)
    launch(frozen, ids)
    assert sum(part.numel() for part in seen) == (ids != TEACHER.pad_id).sum()
    assert all((part != TEACHER.pad_id).all() for part in seen)


def test_rows_without_padding_are_one_plain_call_to_the_bit() -> None:
    frozen = teacher()
    ids = torch.from_numpy(TEACHER.encode_batch(random_codes(5, 66)))
    assert torch.equal(launch(frozen, ids), padded(frozen.model, ids))


def test_matrices_in_half_precision_give_what_autocast_gives() -> None:
    model, ids = teacher().model, unequal_ids()[:1]
    halved = copy.deepcopy(model)
    halve_matrices(halved)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(halved.backbone(ids), model.backbone(ids))
    weights = {parameter.dtype for parameter in halved.parameters()}
    assert weights == {torch.float32, torch.bfloat16}


def test_teacher_is_frozen_and_only_training_steps_are_timed() -> None:
    frozen, ids = teacher(), unequal_ids()
    assert not any(parameter.requires_grad for parameter in frozen.model.parameters())
    assert not frozen.model.training
    launch(frozen, ids, timed=False)
    assert frozen.watch.take() == 0
    began = time.perf_counter()
    launch(frozen, ids, timed=True)
    assert 0 < frozen.watch.take() <= time.perf_counter() - began
    assert frozen.watch.take() == 0


def test_had_tells_the_time_of_training_only() -> None:
    objective = had()
    views = objective.views(random_codes(4, 60), 1, 0)
    objective.eval()(views.rows(0, 4, CPU), views.counts)
    assert objective.seconds() == {"teacher": 0.0}
    objective.train()(views.rows(0, 4, CPU), views.counts)
    assert objective.seconds()["teacher"] > 0
    assert had(alignment_weight=0.0).seconds() == {}


def test_stopwatch_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((1.0, 1.5, 7.0, 7.25))
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    watch = Stopwatch()
    for _ in range(2):
        with watch.running(CPU):
            pass
    assert watch.take() == 0.75
    assert watch.take() == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_beside_the_student() -> None:
    """In bf16, on a stream of its own, without a stop of the CPU, and timed."""
    plain, frozen, ids = teacher(), teacher(), unequal_ids()
    expected = launch(plain, ids)
    views: dict[str, Any] = {"teacher_ids": ids}
    frozen.prepare(views, timed=True)
    views["teacher_ids"] = ids.pin_memory().to("cuda", non_blocking=True)
    frozen.launch(views, timed=True)()  # moves the model
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(20):
            features = frozen.launch(views, timed=True)() * 1.0
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert_close(features.cpu(), expected, rtol=0.05, atol=0.05)
    assert frozen.watch.take() > 0
