"""FinDNA: golden losses, views, the teacher and the centre."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small import MIXER, NUCLEOTIDES, SYMBOLS, findna, random_codes, whole
from torch.nn import functional as F
from torch.testing import assert_close

from dnastudents import masking, models
from dnastudents.errors import InputError
from dnastudents.objectives.distillation import (
    distil,
    released_masked_loss,
    scrambled_mask,
    update_centre,
)
from dnastudents.objectives.ema import cosine_momentum, follow
from dnastudents.objectives.findna import FinDNA

CODES = random_codes(4, 60, unknown=0.05)


def test_golden_released_losses(shared: Path) -> None:
    golden = load_file(shared / "golden" / "findna_released_loss.safetensors")
    centre = torch.zeros(1, 10, 5)
    for step in range(3):
        vector = {name: golden[f"step{step}.{name}"] for name in _names(golden)}
        student, teacher = vector["student_logits"], vector["teacher_logits"]
        loss, _ = distil(student[:, -10:], teacher[:, -10:], centre)
        assert_close(loss.mean(), vector["cls_loss"][0], rtol=0, atol=1e-5)
        scrambled = scrambled_mask(vector["mask"].bool())
        masked = released_masked_loss(student[:, :-10], vector["symbols"], scrambled)
        assert_close(masked / scrambled.sum(), vector["masked_loss"][0], rtol=0, atol=1e-5)
        centre = update_centre(centre, teacher[:, -10:].mean(0, keepdim=True))
        assert_close(centre, vector["center_after"], rtol=0, atol=1e-5)


def _names(golden: dict[str, torch.Tensor]) -> set[str]:
    return {name.partition(".")[2] for name in golden}


def test_masked_loss_is_over_known_bases_only() -> None:
    objective = findna(noise=0.0, cls_weight=0.0)
    views = objective.views(CODES, 1, 0).tensors
    symbols = torch.from_numpy(SYMBOLS.encode_batch(CODES))
    labelled = views["labels"][:, :60] >= 0
    assert 0 < labelled.sum() < 60 * 4
    assert (symbols[labelled] != SYMBOLS.unk_id).all()
    assert torch.equal(views["labels"][:, :60][labelled], symbols[labelled])
    logits = objective.student(views["student_ids"]).logits / 0.1
    expected = F.cross_entropy(logits[:, :60][labelled], symbols[labelled])
    assert_close(whole(objective, CODES)["loss"], expected)


def test_ten_zero_vectors_stand_at_the_end_of_both_views() -> None:
    views = findna().views(CODES, 1, 0).tensors
    for name in ("student_ids", "teacher_ids"):
        assert views[name].shape == (4, 70)
        assert (views[name][:, -10:] == SYMBOLS.cls_id).all()
    assert views["noise"].shape == (4, 60, 5)


def test_teacher_sees_every_base_somewhere_else() -> None:
    views = findna().views(CODES, 1, 0).tensors
    symbols = torch.from_numpy(SYMBOLS.encode_batch(CODES))
    for row, seen in zip(symbols, views["teacher_ids"][:, :60], strict=True):
        assert any(torch.equal(seen, row.roll(shift)) for shift in range(-20, 21))


def test_reverse_complement_moves_targets_with_the_sequence() -> None:
    turn = [{"name": "reverse_complement", "probability": 1.0}]
    views = findna(student_augmentations=turn, noise=0.0).views(CODES, 1, 0).tensors
    other = np.where(CODES < 4, 3 - CODES, CODES)[:, ::-1]
    symbols = torch.from_numpy(SYMBOLS.encode_batch(other))
    labels, seen = views["labels"][:, :60], views["student_ids"][:, :60]
    assert torch.equal(labels[labels >= 0], symbols[labels >= 0])
    outside = labels < 0
    visible = outside & (seen == symbols)
    assert visible.sum() >= 0.9 * outside.sum()  # the rest are masked N


def test_noise_never_reaches_cls_positions() -> None:
    objective = findna()
    views = objective.views(CODES, 1, 0)
    part = views.rows(0, 4, torch.device("cpu"))
    plain = objective.student.embed(part["student_ids"])
    noisy = objective._embed(part)
    assert torch.equal(noisy[:, -10:], plain[:, -10:])
    expected = objective.student.embedding(
        F.one_hot(part["student_ids"][:, :60], 8)[..., :5].float() + part["noise"]
    )
    assert_close(noisy[:, :60], expected)


def test_cls_loss_is_the_plain_one() -> None:
    objective = findna(noise=0.0, masked_weight=0.0).eval()
    objective.centre = torch.randn(1, 10, 5)
    with torch.no_grad():
        objective.teacher.linear.weight.mul_(3.0)
    views = objective.views(CODES, 1, 0).tensors
    student = objective.student(views["student_ids"]).logits[:, -10:] / 0.1
    teacher = objective.teacher(views["teacher_ids"]).logits[:, -10:]
    target = ((teacher - objective.centre) / 0.04).softmax(-1)
    expected = -(target * student.log_softmax(-1)).sum(-1).mean()
    shares = whole(objective, CODES)
    assert_close(shares["loss"], expected)
    assert_close(shares["cls_entropy"], -(target * target.log()).nansum(-1).mean())


def test_centre_is_the_mean_over_the_whole_batch_whatever_the_slices() -> None:
    objective = findna().train()
    views = objective.views(CODES, 1, 0)
    teacher = objective.teacher(views.tensors["teacher_ids"]).logits[:, -10:]
    for start, stop in ((0, 1), (1, 4)):
        objective(views.rows(start, stop, torch.device("cpu")), views.counts)
    objective.after_step(0)
    assert_close(objective.centre, 0.1 * teacher.mean(0, keepdim=True))
    objective.eval()
    before = objective.centre.clone()
    objective(views.rows(0, 4, torch.device("cpu")), views.counts)
    assert objective._cls_rows == 0
    assert torch.equal(objective.centre, before)


def test_teacher_follows_the_student() -> None:
    objective = findna(momentum=0.5)
    with torch.no_grad():
        for parameter in objective.student.parameters():
            parameter.add_(1.0)
    before = {name: value.clone() for name, value in objective.teacher.state_dict().items()}
    whole(objective, CODES)
    objective.after_step(0)
    for name, value in objective.teacher.state_dict().items():
        assert_close(value, before[name] + 0.5)
    assert objective.result() is objective.teacher
    assert objective.extras() == {"student": objective.student}
    assert not any(parameter.requires_grad for parameter in objective.teacher.parameters())


def test_evaluation_tells_how_good_the_result_is() -> None:
    objective = findna(noise=0.0)
    assert "teacher_masked_accuracy" not in whole(objective, CODES)
    shares = whole(objective.eval(), CODES)
    assert shares["teacher_masked_accuracy"] == shares["masked_accuracy"]  # still a copy
    torch.nn.init.constant_(objective.teacher.linear.weight, 0.0)
    objective.teacher.linear.bias = torch.nn.Parameter(torch.eye(5)[SYMBOLS.unk_id])
    assert whole(objective, CODES)["teacher_masked_accuracy"] == 0.0  # N is never a label


def test_momentum_rises_as_a_cosine() -> None:
    values = [cosine_momentum(step, 100, 0.996) for step in range(101)]
    assert values[0] == pytest.approx(0.996)
    assert values[50] == pytest.approx(0.998)
    assert values[100] == pytest.approx(1.0)
    assert values == sorted(values)


def test_follow_is_the_plain_average() -> None:
    one, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    expected = [
        0.9 * a + 0.1 * b for a, b in zip(one.parameters(), other.parameters(), strict=True)
    ]
    follow(one, other, 0.9)
    for parameter, value in zip(one.parameters(), expected, strict=True):
        assert_close(parameter.detach(), value.detach())


def test_without_cls_weight_the_teacher_is_not_run() -> None:
    objective = findna(cls_weight=0.0)
    assert "teacher_ids" not in objective.views(CODES, 1, 0).tensors
    objective.teacher.forward = objective.teacher.backbone = None
    shares = whole(objective, CODES)
    assert "cls" not in shares
    objective.after_step(0)


def test_as_released_takes_the_released_masked_loss() -> None:
    objective = findna(as_released=True, noise=0.0, cls_weight=0.0)
    views = objective.views(CODES, 1, 0).tensors
    logits = objective.student(views["student_ids"]).logits[:, :60]
    symbols = torch.from_numpy(SYMBOLS.encode_batch(CODES))
    expected = released_masked_loss(logits, symbols, views["scrambled"]) / views["scrambled"].sum()
    shares = whole(objective, CODES)
    assert_close(shares["loss"], expected)
    assert not torch.equal(shares["masked"], shares["loss"])


def test_student_must_be_a_chordmixer() -> None:
    student = models.build({"architecture": "hybrid"}, NUCLEOTIDES)
    rule = masking.build({"name": "bernoulli"}, SYMBOLS, None, 10)
    with pytest.raises(InputError, match="chordmixer"):
        FinDNA(student, SYMBOLS, rule, 10)
    assert MIXER["architecture"] == "chordmixer"
