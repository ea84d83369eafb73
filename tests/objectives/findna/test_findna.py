"""FinDNA: golden losses, views, the teacher and the centre."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small import NUCLEOTIDES, SYMBOLS, findna, random_codes, raw_logits, whole
from torch.nn import functional as F
from torch.testing import assert_close

from dnastudents import masking, models
from dnastudents.errors import InputError
from dnastudents.genome.codes import PAD
from dnastudents.genome.tokenizers import NO_LABEL
from dnastudents.objectives.findna.ema import cosine_momentum, follow
from dnastudents.objectives.findna.losses import (
    distil,
    entropies,
    nt_xent,
    released_masked_loss,
    running_mean,
    scrambled_mask,
)
from dnastudents.objectives.findna.objective import FinDNA

CODES = random_codes(4, 60, unknown=0.05)


def test_golden_released_losses(golden: Path) -> None:
    vectors = load_file(golden / "findna_released_loss.safetensors")
    centre = torch.zeros(1, 10, 5)
    for step in range(3):
        vector = {name: vectors[f"step{step}.{name}"] for name in _names(vectors)}
        student, teacher = vector["student_logits"], vector["teacher_logits"]
        loss, _ = distil(student[:, -10:], teacher[:, -10:], centre)
        assert_close(loss.mean(), vector["cls_loss"][0], rtol=0, atol=1e-5)
        scrambled = scrambled_mask(vector["mask"].bool())
        masked = released_masked_loss(student[:, :-10], vector["symbols"], scrambled)
        assert_close(masked / scrambled.sum(), vector["masked_loss"][0], rtol=0, atol=1e-5)
        centre = running_mean(centre, teacher[:, -10:].mean(0, keepdim=True))
        assert_close(centre, vector["center_after"], rtol=0, atol=1e-5)


def _names(vectors: dict[str, torch.Tensor]) -> set[str]:
    return {name.partition(".")[2] for name in vectors}


def test_masked_loss_is_over_known_bases_only() -> None:
    objective = findna(noise=0.0, cls_weight=0.0)
    views = objective.views(CODES, 1, 0).tensors
    symbols = torch.from_numpy(SYMBOLS.encode_batch(CODES))
    labelled = views["labels"][:, :60] >= 0
    assert 0 < labelled.sum() < 60 * 4
    assert (symbols[labelled] != SYMBOLS.unk_id).all()
    assert torch.equal(views["labels"][:, :60][labelled], symbols[labelled])
    logits = raw_logits(objective.student, views["student_ids"]) / 0.1
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
    student = raw_logits(objective.student, views["student_ids"])[:, -10:] / 0.1
    teacher = raw_logits(objective.teacher, views["teacher_ids"])[:, -10:]
    target = ((teacher - objective.centre) / 0.04).softmax(-1)
    expected = -(target * student.log_softmax(-1)).sum(-1).mean()
    terms = whole(objective, CODES)
    assert_close(terms["loss"], expected)
    assert_close(terms["cls_entropy"], -(target * target.log()).nansum(-1).mean())


def test_centre_is_the_mean_over_the_whole_batch_whatever_the_slices() -> None:
    objective = findna().train()
    views = objective.views(CODES, 1, 0)
    teacher = raw_logits(objective.teacher, views.tensors["teacher_ids"])[:, -10:]
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
    assert "student_masked" not in whole(objective, CODES)
    terms = whole(objective.eval(), CODES)
    assert terms["student_masked"] == terms["masked"]  # still a copy
    torch.nn.init.constant_(objective.teacher.linear.weight, 0.0)
    objective.teacher.linear.bias = torch.nn.Parameter(torch.eye(5)[SYMBOLS.unk_id])
    after = whole(objective, CODES)
    assert after["accuracy"] == 0.0  # N is never a label
    assert after["student_masked"] == terms["masked"]


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
    terms = whole(objective, CODES)
    assert "cls" not in terms
    objective.after_step(0)


def test_inserted_bases_have_no_label() -> None:
    insert = [{"name": "insertion", "most": 30}]
    codes = np.zeros((50, 60), np.uint8)  # what is not A was inserted
    views = findna(student_augmentations=insert).views(codes, 1, 0).tensors
    labels = views["labels"][:, :60]
    assert (views["student_ids"][:, :60][labels < 0] > 0).any()
    assert set(labels.unique().tolist()) == {NO_LABEL, 0}


def symmetric_twin(objective: FinDNA, views: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Losses of two views, written as sums over pairs of views."""
    student = [objective.student(ids) for ids in views["student_ids"].unbind(1)]
    teacher = [
        raw_logits(objective.teacher, ids)[:, -10:] for ids in views["teacher_ids"].unbind(1)
    ]
    cls = torch.tensor(0.0)
    for mine, other in ((0, 1), (1, 0)):
        target = ((teacher[other] - objective.centre) / 0.04).softmax(-1)
        cls = cls - (target * (student[mine].logits[:, -10:]).log_softmax(-1)).sum(-1).mean()
    logits = torch.stack([out.logits for out in student], 1)
    labelled = views["labels"] >= 0
    real = views["student_ids"][..., :60] != SYMBOLS.pad_id
    features = [
        torch.stack([row[:60][base].mean(0) for row, base in zip(hidden, bases, strict=True)])
        for hidden, bases in zip(
            (out.last_hidden_state for out in student), real.unbind(1), strict=True
        )
    ]
    rows = F.normalize(torch.cat(features), dim=-1)
    contrastive, count = torch.tensor(0.0), len(rows)
    for row in range(count):
        partner = (row + count // 2) % count
        others = [rows[row] @ rows[other] / 0.5 for other in range(count) if other != row]
        contrastive = (
            contrastive + torch.stack(others).logsumexp(0) - rows[row] @ rows[partner] / 0.5
        )
    return {
        "masked": F.cross_entropy(logits[labelled], views["labels"][labelled]),
        "cls": cls / 2,
        "contrastive": contrastive / count,
        "centre": 0.1 * torch.cat(teacher).mean(0, keepdim=True),
    }


def test_symmetric_views_and_contrastive_loss_are_the_plain_ones() -> None:
    options = {"contrastive_weight": 0.3, "contrastive_temperature": 0.5}
    objective = findna(symmetric=True, noise=0.0, **options)
    with torch.no_grad():
        objective.teacher.linear.weight.mul_(3.0)
    codes = CODES.copy()
    codes[1, 35:] = PAD
    expected = symmetric_twin(objective, objective.views(codes, 1, 0).tensors)
    terms = whole(objective.train(), codes)
    for name in ("masked", "cls", "contrastive"):
        assert_close(terms[name], expected[name], msg=name)
    total = expected["masked"] + expected["cls"] + 0.3 * expected["contrastive"]
    assert_close(terms["loss"], total)
    objective.after_step(0)
    assert_close(objective.centre, expected["centre"])


def test_symmetric_views_are_two_draws_of_every_sequence() -> None:
    views = findna(symmetric=True).views(CODES, 1, 0).tensors
    assert views["student_ids"].shape == views["teacher_ids"].shape == (4, 2, 70)
    assert views["noise"].shape == (4, 2, 60, 5)
    symbols = torch.from_numpy(SYMBOLS.encode_batch(CODES))
    for row, pair in zip(symbols, views["teacher_ids"][..., :60], strict=True):
        assert not torch.equal(pair[0], pair[1])
        for seen in pair:
            assert any(torch.equal(seen, row.roll(shift)) for shift in range(-20, 21))
    labels = views["labels"]
    assert torch.equal(labels[labels >= 0], views["teacher_ids"][labels >= 0])
    assert not torch.equal(labels[:, 0] >= 0, labels[:, 1] >= 0)


def test_nt_xent_finds_the_partner() -> None:
    alike = torch.eye(4).repeat_interleave(2, 0)
    assert nt_xent(alike, 0.05).max() < 1e-6
    assert_close(nt_xent(torch.ones(6, 3)), torch.full((6,), np.log(5)).float())
    assert_close(nt_xent(torch.randn(2, 3)), torch.zeros(2))  # no negatives


def test_entropies_tell_a_collapse_from_none() -> None:
    sharp = torch.eye(5)[:, None]  # five rows, one CLS position, each its own class
    same, even = sharp[:1].expand(5, 1, 5), torch.full((5, 1, 5), 0.2)
    for target, entropy, mean in (
        (sharp, 0.0, np.log(5)),
        (same, 0.0, 0.0),
        (even, np.log(5), np.log(5)),
    ):
        found = entropies(target, target.mean(0, keepdim=True))
        assert found[0].mean().item() == pytest.approx(entropy)
        assert found[1].mean().item() == pytest.approx(mean)


@pytest.mark.parametrize("collapsed", [False, True])
def test_the_log_shows_a_collapse(collapsed: bool) -> None:
    objective = findna(momentum=1.0, centre_momentum=0.5).train()
    with torch.no_grad():
        objective.teacher.linear.weight.mul_(0.0 if collapsed else 20.0)
    for step in range(30):
        terms = whole(objective, random_codes(40, 60), step)
        objective.after_step(step)
    assert_close(terms["centre_norm"], objective.centre.norm(dim=-1).mean(), rtol=0.1, atol=0)
    information = (terms["cls_mean_entropy"] - terms["cls_entropy"]).item()
    if collapsed:
        assert information == pytest.approx(0.0, abs=1e-4)
    else:
        assert information > 0.5
        target = objective.target_mean
        entropy = torch.special.entr(target).sum(-1).mean()
        assert terms["cls_mean_entropy"].item() == pytest.approx(entropy.item(), abs=0.1)


def test_student_must_be_a_chordmixer() -> None:
    student = models.build({"architecture": "hybrid"}, NUCLEOTIDES)
    rule = masking.build({"name": "bernoulli"}, SYMBOLS, None, 10)
    with pytest.raises(InputError, match="chordmixer"):
        FinDNA(student, SYMBOLS, rule, 10)
