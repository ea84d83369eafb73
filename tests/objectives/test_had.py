"""HAD's losses against their plain forms, and what may influence what."""

from __future__ import annotations

import pytest
import torch
from small import NUCLEOTIDES, TEACHER, had, random_codes, whole
from torch.nn import functional as F
from torch.testing import assert_close

from dnastudents.errors import InputError
from dnastudents.objectives.had import HADOptions
from dnastudents.objectives.had_decoder import CrossAttentionDecoder, query_positions
from dnastudents.randomness import torch_generator
from dnastudents.sequence import PAD

CODES = random_codes(4, 64, unknown=0.02)


@pytest.mark.parametrize("align_on", ["visible", "masked", "all"])
def test_alignment_is_the_mean_over_bases(align_on: str) -> None:
    objective = had(align_on=align_on, reconstruction_weight=0.0)
    views = objective.masking(CODES, torch_generator(1, "mask", 0))
    hidden = objective.student.backbone(views["student_ids"])
    target = objective.teacher_features(views["teacher_ids"])
    errors = []
    for row, codes in enumerate(CODES):
        for token, (start, end) in enumerate(TEACHER.base_spans(codes)):
            for base in range(start, end):
                masked = bool(views["masked"][row, base])
                wanted = {"visible": not masked, "masked": masked, "all": True}[align_on]
                if wanted and codes[base] < 4:
                    projected = objective.project(hidden[row, base])
                    errors.append(F.mse_loss(projected, target[row, token]))
    shares = whole(objective, CODES)
    assert_close(shares["alignment"], torch.stack(errors).mean())
    assert "reconstruction" not in shares


def test_pooled_alignment_is_the_mean_over_tokens() -> None:
    objective = had(pooled=True, reconstruction_weight=0.0)
    views = objective.masking(CODES, torch_generator(1, "mask", 0))
    hidden = objective.student.backbone(views["student_ids"])
    target = objective.teacher_features(views["teacher_ids"])
    errors = []
    for row, codes in enumerate(CODES):
        for token, (start, end) in enumerate(TEACHER.base_spans(codes)):
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
    shares = whole(objective, CODES)
    assert_close(shares["reconstruction"], torch.stack(losses).mean())
    assert_close(shares["loss"], shares["reconstruction"])


def test_decoder_looks_at_visible_positions_and_its_own_query_only() -> None:
    torch.manual_seed(0)
    decoder = CrossAttentionDecoder(8, 5, heads=2)
    hidden = torch.randn(1, 10, 8, requires_grad=True)
    visible = torch.tensor([[True] * 6 + [False] * 4])
    decoder(hidden, torch.tensor([[7]]), visible).sum().backward()
    touched = hidden.grad[0].abs().sum(-1) > 0  # type: ignore[index]
    assert touched.tolist() == [True] * 6 + [False, True, False, False]


def test_query_positions() -> None:
    masked = torch.tensor([[False, True, True, False], [False, False, False, True]])
    assert query_positions(masked).tolist() == [[1, 2], [3, 0]]


def test_parts_are_switched_off_with_their_cost() -> None:
    rebuilt = had(alignment_weight=0.0)
    assert not hasattr(rebuilt, "project")
    rebuilt._teacher = (None,)  # would fail if it were asked
    assert "alignment" not in whole(rebuilt, CODES)
    assert not hasattr(had(reconstruction_weight=0.0), "decoder")


def test_teacher_is_frozen_and_in_no_checkpoint() -> None:
    objective = had()
    teacher = objective._teacher[0]
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    objective.train()
    assert not teacher.training
    assert not any("teacher" in name for name in objective.state_dict())
    whole(objective, CODES)["loss"].backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_padding_changes_nothing() -> None:
    objective = had().eval()
    batch = random_codes(2, 50, seed=6)
    batch[0, 36:] = PAD
    row = objective.views(batch, 1, 0).rows(0, 1, torch.device("cpu"))
    assert not row["attention_mask"].all()
    alone = {name: row[name][:, :36] for name in row if name not in ("attention_mask", "positions")}
    alone["teacher_ids"] = row["teacher_ids"][:, :7]  # <cls> and six 6-mers
    ones = {"masked": 1.0, "aligned": 1.0}
    for name, value in objective(alone, ones).items():
        assert_close(objective(row, ones)[name], value, rtol=1e-4, atol=1e-5, msg=name)


def test_unknown_alignment_is_refused() -> None:
    with pytest.raises(InputError, match=r"align_on.*did you mean 'visible'"):
        HADOptions(align_on="visibel")
