"""Two-stage masking: spans, and the promise that neither model sees what the other has masked."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from small import HYBRID, NT, NUCLEOTIDES, TEACHER, random_codes

from dnastudents import models
from dnastudents.errors import InputError
from dnastudents.genome.codes import PAD, decode, encode
from dnastudents.objectives.had.group_masking import GroupMasking, token_of_base
from dnastudents.objectives.had.objective import HAD
from dnastudents.objectives.had.options import TeacherGroups
from dnastudents.settings import parse

SHARES = {"probability": 0.5, "mask_share": 0.5, "random_share": 0.3}


def awkward_codes() -> np.ndarray:
    """N alone and in runs, tails, a short row, a full one, and one of N only."""
    codes = random_codes(8, 50, unknown=0.03)
    codes[0] = random_codes(1, 50, seed=1)[0]
    codes[1, 40:] = PAD
    codes[2, 3:] = PAD
    codes[3] = 4
    codes[4, 10:30] = 4
    return codes


@pytest.mark.parametrize("codes", [awkward_codes(), random_codes(3, 50)])
def test_token_of_base_is_that_of_the_spans(codes: np.ndarray) -> None:
    spans = torch.from_numpy(TEACHER.batch_spans(codes))
    found = token_of_base(spans, codes.shape[1]).tolist()
    for row, tokens in zip(codes, found, strict=True):
        length = int((row != PAD).sum())
        expected = [-1] * codes.shape[1]
        for token, (start, end) in enumerate(TEACHER.batch_spans(row[None, :length])[0]):
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
        for token, (start, end) in enumerate(TEACHER.batch_spans(row[None, :length])[0]):
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


def plain_views(codes: np.ndarray, generator: torch.Generator) -> list[tuple[str, str, list]]:
    """Group by group: what each model reads in letters, `?` where masked, and the targets."""
    tokens = TEACHER.encode_batch(codes).shape
    drawn = torch.rand(tokens, generator=generator)
    dealt = torch.rand(tokens, generator=generator)
    bases = torch.randint(4, codes.shape, generator=generator, dtype=torch.uint8).numpy()
    rows = []
    for number, row in enumerate(codes):
        letters = decode(row[row != PAD])
        student, teacher, targets = list(letters), [], []
        for token, (start, end) in enumerate(
            TEACHER.batch_spans(encode(letters)[None])[0].tolist()
        ):
            text = letters[start:end]
            if end - start == 6 and drawn[number, token] < SHARES["probability"]:
                targets += range(start, end)
                if dealt[number, token] < SHARES["mask_share"]:
                    text = "?" * 6
                elif dealt[number, token] < SHARES["mask_share"] + SHARES["random_share"]:
                    text = decode(bases[number, start:end])
            student[start:end] = text
            teacher.append(text)
        rows.append(("".join(student), "".join(teacher), targets))
    return rows


def letters_of(student: torch.Tensor, teacher: torch.Tensor) -> tuple[str, str]:
    """What ids say in letters, `?` for a masked base; a masked token of the teacher has six."""
    of_student = dict(zip([7, 8, 9, 10, 11, 3, 4], [*"ACGTN?", ""], strict=True))
    of_teacher = dict(
        zip([1, 2, 3, 4102, 4103, 4104, 4105, 4106], ["", "?" * 6, "", *"ATCGN"], strict=True)
    )
    for number, kmer in enumerate(itertools.product("ATCG", repeat=6)):
        of_teacher[6 + number] = "".join(kmer)
    return (
        "".join(of_student[each] for each in student.tolist()),
        "".join(of_teacher[each] for each in teacher.tolist()),
    )


def test_shares_equal_the_plain_twin_and_both_models_read_the_same() -> None:
    codes = np.concatenate([awkward_codes(), random_codes(20, 50, seed=2, unknown=0.01)])
    views = GroupMasking(NUCLEOTIDES, TEACHER, **SHARES)(codes, torch.Generator().manual_seed(4))
    expected = plain_views(codes, torch.Generator().manual_seed(4))
    seen = set()
    for number, (student, teacher, targets) in enumerate(expected):
        read = letters_of(views["student_ids"][number], views["teacher_ids"][number])
        assert read == (student, teacher)
        assert read[0] == read[1]  # neither sees a base that the other does not
        assert views["masked"][number].nonzero().flatten().tolist() == targets
        before = decode(codes[number][codes[number] != PAD])
        for start in targets[::6]:
            six = slice(start, start + 6)
            seen.add("kept" if student[six] == before[six] else student[six].strip("ACGT") or "new")
    assert seen == {"kept", "new", "?" * 6}
    assert torch.equal(views["targets"], torch.from_numpy(NUCLEOTIDES.encode_batch(codes)))


def test_shares_are_of_the_drawn_groups() -> None:
    codes = np.zeros((400, 60), dtype=np.uint8)  # AAAAAA is one of 4,096 random groups
    masking = GroupMasking(NUCLEOTIDES, TEACHER, 0.5, 0.8, 0.1)
    views = masking(codes, torch.Generator().manual_seed(0))
    drawn = views["masked"].view(400, 10, 6).all(-1)
    tokens = views["teacher_ids"][:, 1:][drawn]
    plain = TEACHER.encode_batch(codes)[0, 1]
    groups = len(tokens)
    assert abs(groups / 4000 - 0.5) < 4 * (0.25 / 4000) ** 0.5
    for share, found in (
        (0.8, tokens == TEACHER.mask_id),
        (0.1, tokens == plain),
        (0.1, (tokens != plain) & (tokens != TEACHER.mask_id)),
    ):
        rate = found.float().mean().item()
        assert abs(rate - share) < 4 * (share * (1 - share) / groups) ** 0.5 + 0.1 / 4096
    new = views["student_ids"][views["masked"]].view(-1, 6)
    new = new[(tokens != plain) & (tokens != TEACHER.mask_id)]
    for base in NUCLEOTIDES.base_ids:  # all bases alike
        rate = (new == base).float().mean().item()
        assert abs(rate - 0.25) < 4 * (0.1875 / new.numel()) ** 0.5 + 1 / 4096


def test_shares_leave_the_draw_of_groups_alone() -> None:
    codes = awkward_codes()
    masked = [
        GroupMasking(NUCLEOTIDES, TEACHER, 0.5, *shares)(codes, torch.Generator().manual_seed(0))
        for shares in ((), (1.0, 0.0), (0.8, 0.1), (0.0, 0.0))
    ]
    assert all(torch.equal(each["masked"], masked[0]["masked"]) for each in masked)
    kept = masked[-1]  # nothing is masked or replaced, all of it is predicted
    assert torch.equal(kept["student_ids"], kept["targets"])


def test_the_default_draws_as_many_numbers_as_ever() -> None:
    codes = random_codes(4, 50)
    generator, plain = torch.Generator().manual_seed(0), torch.Generator().manual_seed(0)
    GroupMasking(NUCLEOTIDES, TEACHER)(codes, generator)
    torch.rand(TEACHER.encode_batch(codes).shape, generator=plain)
    assert torch.equal(generator.get_state(), plain.get_state())


def test_groups_that_are_kept_or_replaced_are_not_visible() -> None:
    student, teacher = models.build(HYBRID, NUCLEOTIDES), models.build(NT, TEACHER)
    objective = HAD(student, GroupMasking(NUCLEOTIDES, TEACHER, 0.5, 0.2, 0.4), teacher)
    tensors = objective.views(awkward_codes(), 0, 0).tensors
    drawn = tensors["labels"] != -100
    assert (drawn & (tensors["student_ids"] != NUCLEOTIDES.mask_id)).any()
    assert not (tensors["visible"] & drawn).any()
    assert not (tensors["aligned"] & drawn).any()


@pytest.mark.parametrize(
    "values",
    [
        {"name": "bernoulli"},
        {"probability": 1.5},
        {"mask_share": -0.1},
        {"mask_share": 0.9, "random_share": 0.2},
        {"random_share": 0.1},  # mask_share is 1
    ],
)
def test_options_are_checked(values: dict[str, object]) -> None:
    with pytest.raises(InputError, match="masking"):
        parse(TeacherGroups, values, "masking")
