"""HAD's losses against their plain forms, and what may influence what."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small import NUCLEOTIDES, TEACHER, had, random_codes, whole
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from dnastudents.errors import InputError
from dnastudents.genome.codes import PAD, N
from dnastudents.genome.tokenizers import NO_LABEL
from dnastudents.models.hybrid.decoder import CrossAttentionDecoder
from dnastudents.objectives.base import count_labels, query_positions
from dnastudents.objectives.had.frozen_teacher import FrozenTeacher
from dnastudents.objectives.had.group_masking import GroupMasking
from dnastudents.objectives.had.objective import HAD, _tokens_of
from dnastudents.objectives.had.options import HADOptions
from dnastudents.randomness import torch_generator
from dnastudents.settings import parse

CODES = random_codes(4, 64, unknown=0.02)


def padded_features(objective: HAD, ids: Tensor) -> Tensor:
    """The teacher's features, called plainly."""
    assert isinstance(objective.teacher, FrozenTeacher)
    return objective.teacher.model.backbone(ids, ids != TEACHER.pad_id)


@pytest.mark.parametrize("align_on", ["visible", "masked", "all"])
def test_alignment_is_the_mean_over_bases(align_on: str) -> None:
    objective = had(align_on=align_on, reconstruction_weight=0.0)
    views = objective.masking(CODES, torch_generator(1, "mask", 0))
    hidden = objective.student.backbone(views["student_ids"])
    target = padded_features(objective, views["teacher_ids"])
    errors = []
    for row, codes in enumerate(CODES):
        for token, (start, end) in enumerate(TEACHER.batch_spans(codes[None])[0]):
            for base in range(start, end):
                masked = bool(views["masked"][row, base])
                wanted = {"visible": not masked, "masked": masked, "all": True}[align_on]
                if wanted and codes[base] < 4:
                    projected = objective.project(hidden[row, base])
                    errors.append(F.mse_loss(projected, target[row, token]))
    terms = whole(objective, CODES)
    assert_close(terms["alignment"], torch.stack(errors).mean())
    assert "reconstruction" not in terms


def test_pooled_alignment_is_the_mean_over_tokens() -> None:
    objective = had(pooled=True, reconstruction_weight=0.0)
    views = objective.masking(CODES, torch_generator(1, "mask", 0))
    hidden = objective.student.backbone(views["student_ids"])
    target = padded_features(objective, views["teacher_ids"])
    errors = []
    for row, codes in enumerate(CODES):
        for token, (start, end) in enumerate(TEACHER.batch_spans(codes[None])[0]):
            visible = views["teacher_ids"][row, token] != TEACHER.mask_id
            if end > start and visible and codes[start] < 4:
                pooled = objective.project(hidden[row, start:end].mean(0))
                errors.append(F.mse_loss(pooled, target[row, token]))
    assert_close(whole(objective, CODES)["alignment"], torch.stack(errors).mean())


def test_reconstruction_is_the_mean_over_masked_bases() -> None:
    objective = had(alignment_weight=0.0)
    views = objective.views(CODES, 1, 0).tensors
    hidden = objective.student.backbone(views["student_ids"])
    losses = []
    for row in range(len(CODES)):
        masked = views["student_ids"][row] == NUCLEOTIDES.mask_id
        for base in masked.nonzero().flatten():
            logits = objective.decoder(
                hidden[row : row + 1], base.view(1, 1), ~masked.unsqueeze(0)
            )[0, 0]
            losses.append(F.cross_entropy(logits, views["labels"][row, base]))
    terms = whole(objective, CODES)
    assert_close(terms["reconstruction"], torch.stack(losses).mean())
    assert_close(terms["loss"], terms["reconstruction"])


def test_decoder_looks_at_visible_positions_and_its_own_query_only() -> None:
    torch.manual_seed(0)
    decoder = CrossAttentionDecoder(8, 5, heads=2)
    hidden = torch.randn(1, 10, 8, requires_grad=True)
    visible = torch.tensor([[True] * 6 + [False] * 4])
    decoder(hidden, torch.tensor([[7]]), visible).sum().backward()
    touched = hidden.grad[0].abs().sum(-1) > 0  # type: ignore[index]
    assert touched.tolist() == [True] * 6 + [False, True, False, False]


def test_query_positions() -> None:
    """Other rows than the longest are filled with a visible one; all may be masked, or none."""
    masked = torch.tensor([[0, 1, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0]]).bool()
    assert query_positions(masked).tolist() == [[1, 2], [3, 0], [0, 1]]
    assert query_positions(masked[:1] | True).tolist() == [[0, 1, 2, 3]]
    assert query_positions(masked & False).tolist() == [[0], [0], [0]]


def test_parts_are_switched_off_with_their_cost() -> None:
    rebuilt = had(alignment_weight=0.0)
    assert not hasattr(rebuilt, "project")
    assert rebuilt.teacher is None
    assert "alignment" not in whole(rebuilt, CODES)
    assert not hasattr(had(reconstruction_weight=0.0), "decoder")


def test_teacher_is_frozen_and_in_no_checkpoint() -> None:
    objective = had()
    assert isinstance(objective.teacher, FrozenTeacher)
    teacher = objective.teacher.model
    objective.train()
    assert not teacher.training
    assert not any("teacher" in name for name in objective.state_dict())
    assert teacher not in list(objective.modules())
    whole(objective, CODES)["loss"].backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_padding_changes_nothing() -> None:
    objective = had().eval()
    batch = random_codes(2, 50, seed=6)
    batch[0, 36:] = PAD
    row = objective.views(batch, 1, 0).rows(0, 1, torch.device("cpu"))
    assert not row["attention_mask"].all()
    kept = row.keys() - {"attention_mask", "positions", "teacher_lengths"}
    alone: dict[str, Any] = {name: row[name][:, :36] for name in kept}
    alone["teacher_ids"] = row["teacher_ids"][:, :7]  # <cls> and six 6-mers
    alone["teacher_lengths"] = [7]
    ones = {"masked": 1.0, "aligned": 1.0}
    for name, value in objective(alone, ones).items():
        assert_close(objective(row, ones)[name], value, rtol=1e-4, atol=1e-5, msg=name)


def test_unknown_alignment_is_refused() -> None:
    with pytest.raises(InputError, match=r"objective\.align_on.*did you mean 'visible'"):
        parse(HADOptions, {"align_on": "visibel"}, "objective")


def test_normalised_teacher() -> None:
    objective = had(normalize_teacher=True, align_on="all", reconstruction_weight=0.0)
    codes = random_codes(3, 60)
    views = objective.masking(codes, torch_generator(1, "mask", 0))
    target = padded_features(objective, views["teacher_ids"])
    target = (target - target.mean(-1, True)) / target.var(-1, correction=0, keepdim=True).sqrt()
    projected = objective.project(objective.student.backbone(views["student_ids"]))
    expected = F.mse_loss(projected, target[:, 1:].repeat_interleave(6, dim=1))
    assert_close(whole(objective, codes)["alignment"], expected, rtol=1e-3, atol=1e-5)


def test_static_masks_are_those_of_the_window() -> None:
    codes = random_codes(6, 64, unknown=0.02)
    codes[1, 30:] = PAD
    codes[5] = codes[0]
    objective = had(static_masks=True)
    whole_batch = objective.views(codes, seed=1, step=3).tensors
    assert torch.equal(whole_batch["labels"][0], whole_batch["labels"][5])
    elsewhere = objective.views(codes[[1, 3]], seed=1, step=9).tensors
    for row, number in enumerate((1, 3)):
        for name in ("student_ids", "teacher_ids", "labels", "visible", "aligned", "token_of_base"):
            # the batch of two is narrower: what it lacks is padding
            both = whole_batch[name][number], elsewhere[name][row]
            width = min(map(len, both))
            assert torch.equal(both[0][:width], both[1][:width]), name
    other_seed = objective.views(codes, seed=2, step=3).tensors
    assert not torch.equal(whole_batch["labels"], other_seed["labels"])
    # only where the numbers come from differs: each row is masked by the same rule
    alone = objective.masking(
        codes[1:2, :30], torch_generator(1, f"mask of {codes[1].tobytes().hex()}")
    )
    assert torch.equal(whole_batch["student_ids"][1, :30], alone["student_ids"][0])
    rate = (objective.views(random_codes(300, 60), 1, 0).tensors["labels"] >= 0).float().mean()
    assert abs(rate.item() - 0.3) < 0.04


@pytest.mark.parametrize("shares", [(), (0.5, 0.3)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"align_on": "masked", "pooled": True},
        {"align_on": "all", "static_masks": True},
        {"pooled": True},
    ],
)
def test_views_of_some_rows_are_those_of_the_whole_batch(
    options: dict[str, Any], shares: tuple[float, ...]
) -> None:
    """Narrower, where the other rows are longer; counts are of the tensors of the whole."""
    codes = random_codes(7, 64, unknown=0.02)
    codes[2, 20:], codes[4, 3:], codes[3] = PAD, PAD, N
    objective = had(**options)
    objective.masking = GroupMasking(NUCLEOTIDES, TEACHER, 0.5, *shares)
    batch = objective.views(codes, 1, 5)
    bases = batch.tensors["aligned"]
    aligned = _tokens_of(batch.tensors, bases) if "pooled" in options else bases
    expected = count_labels(batch.tensors) | {"aligned": float(aligned.sum())}
    assert batch.counts == expected
    for rows in (slice(0, 2), slice(2, 5), slice(5, 7)):
        part = objective.own_views(codes, 1, 5, rows)
        assert part.counts == expected
        for name, tensor in part.tensors.items():
            width = tensor.shape[1]
            whole = batch.tensors[name][rows]
            assert torch.equal(tensor, whole[:, :width]), name
            if name not in ("queries", "token_of_base", "attention_mask"):
                pads = {"student_ids": NUCLEOTIDES.pad_id, "teacher_ids": TEACHER.pad_id}
                rest = {"labels": NO_LABEL, **pads}.get(name, 0)
                assert (whole[:, width:] == rest).all(), name


def test_padding_of_static_masks_is_that_of_a_batch() -> None:
    codes = random_codes(3, 50)
    codes[1, 20:] = PAD
    codes[2, 33:] = PAD
    static, fresh = had(static_masks=True), had()
    one, other = (objective.views(codes, 1, 0) for objective in (static, fresh))
    for name in ("token_of_base", "attention_mask"):
        assert torch.equal(one.tensors[name], other.tensors[name])
    for name in ("student_ids", "teacher_ids"):
        pad = NUCLEOTIDES.pad_id if name == "student_ids" else TEACHER.pad_id
        assert torch.equal(one.tensors[name] == pad, other.tensors[name] == pad)
