"""Two-stage masking: spans, and the promise that neither model sees what the other has masked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small import NUCLEOTIDES, TEACHER, random_codes

from dnastudents.errors import InputError
from dnastudents.objectives.groups import GroupMasking, GroupOptions, token_of_base
from dnastudents.sequence import PAD


def awkward_codes() -> np.ndarray:
    """N alone and in runs, tails, a short row, a full one, and one of N only."""
    codes = random_codes(8, 50, unknown=0.03)
    codes[0] = random_codes(1, 50, seed=1)[0]
    codes[1, 40:] = PAD
    codes[2, 3:] = PAD
    codes[3] = 4
    codes[4, 10:30] = 4
    return codes


def test_token_of_base_is_that_of_the_spans() -> None:
    codes = awkward_codes()
    spans = torch.from_numpy(TEACHER.batch_spans(codes))
    found = token_of_base(spans, codes.shape[1]).tolist()
    for row, tokens in zip(codes, found, strict=True):
        length = int((row != PAD).sum())
        expected = [-1] * codes.shape[1]
        for token, (start, end) in enumerate(TEACHER.base_spans(row[:length])):
            expected[start:end] = [token] * (end - start)
        assert tokens == expected


def test_neither_model_sees_what_the_other_has_masked() -> None:
    codes = awkward_codes()
    masking = GroupMasking(NUCLEOTIDES, TEACHER, probability=0.5)
    views = masking(codes, torch.Generator().manual_seed(0))
    hidden_groups = 0
    for row, student, teacher in zip(
        codes, views["student_ids"], views["teacher_ids"], strict=True
    ):
        length = int((row != PAD).sum())
        hidden_from_teacher = set()
        for token, (start, end) in enumerate(TEACHER.base_spans(row[:length])):
            if teacher[token] == TEACHER.mask_id:
                assert end - start == 6
                hidden_from_teacher |= set(range(start, end))
                hidden_groups += 1
        hidden_from_student = set((student == NUCLEOTIDES.mask_id).nonzero().flatten().tolist())
        assert hidden_from_student == hidden_from_teacher
    assert hidden_groups > 5


def test_what_is_not_masked_is_unchanged_and_masked_is_what_targets_hold() -> None:
    codes = awkward_codes()
    views = GroupMasking(NUCLEOTIDES, TEACHER, 0.5)(codes, torch.Generator().manual_seed(0))
    plain = torch.from_numpy(NUCLEOTIDES.encode_batch(codes))
    assert torch.equal(views["targets"], plain)
    assert torch.equal(views["student_ids"][~views["masked"]], plain[~views["masked"]])
    teacher_plain = torch.from_numpy(TEACHER.encode_batch(codes))
    kept = views["teacher_ids"] != TEACHER.mask_id
    assert torch.equal(views["teacher_ids"][kept], teacher_plain[kept])


def test_rate_of_groups() -> None:
    codes = random_codes(200, 60)
    masked = GroupMasking(NUCLEOTIDES, TEACHER, 0.15)(codes, torch.Generator().manual_seed(0))[
        "masked"
    ]
    groups = masked.view(200, 10, 6)
    assert (groups.all(-1) == groups.any(-1)).all()
    rate = groups.all(-1).float().mean().item()
    assert abs(rate - 0.15) < 4 * (0.15 * 0.85 / 2000) ** 0.5


@pytest.mark.parametrize("values", [{"name": "bernoulli"}, {"probability": 1.5}])
def test_options_are_checked(values: dict[str, object]) -> None:
    with pytest.raises(InputError, match="masking"):
        GroupOptions(**values)  # type: ignore[arg-type]
