"""Terms of slices add up to the loss of the batch, whatever the slices; so do gradients."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

import pytest
import torch
from small import NUCLEOTIDES, TEACHER, findna, had, masked_lm, random_codes
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from dnastudents.genome.codes import PAD
from dnastudents.genome.tokenizers import NO_LABEL
from dnastudents.objectives.base import (
    Objective,
    Views,
    count_labels,
    prediction_terms,
)
from dnastudents.objectives.findna.objective import FinDNA
from dnastudents.objectives.had.group_masking import GroupMasking
from dnastudents.objectives.had.objective import HAD

CPU = torch.device("cpu")
MAKERS: list[Callable[[], Objective]] = [
    masked_lm,
    findna,
    lambda: findna(as_released=True, views="fresh"),
    lambda: findna(symmetric=True, masked_loss="released"),
    had,
    lambda: had(pooled=True, align_on="all"),
]


def is_had(objective: Any) -> bool:
    return isinstance(objective, HAD)


def backward(objective: Objective, views: Views, cuts: list[int]) -> dict[str, torch.Tensor]:
    """Shares of the slices between `cuts`, added up, with the gradients of all."""
    total: dict[str, torch.Tensor] = {}
    for start, stop in pairwise(cuts):
        terms = objective(views.rows(start, stop, CPU), views.counts)
        terms["loss"].backward()
        for name, value in terms.items():
            total[name] = total.get(name, torch.tensor(0.0)) + value.detach()
    grads = {n: p.grad for n, p in objective.named_parameters() if p.grad is not None}
    return total | grads


@pytest.mark.parametrize("make", MAKERS)
def test_slices_add_up(make: Callable[[], Objective]) -> None:
    codes = random_codes(7, 60)
    codes[2, 20:] = PAD  # so that masked positions fall unevenly
    whole, sliced = make(), make()
    for objective in (whole, sliced):
        if isinstance(objective, FinDNA):
            objective.centre += 0.1  # so that its length is not 0
    views = whole.views(codes, seed=1, step=2)
    expected = backward(whole, views, [0, 7])
    found = backward(sliced, views, [0, 1, 5, 7])
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert_close(found[name], value, rtol=1e-4, atol=1e-6, msg=name)


def test_hidden_and_shown_by_hand() -> None:
    """Probabilities of the right token: 1/2 (hidden), 3/4 (shown), 1/4 (hidden), no label."""
    chances = torch.tensor([[0.5, 0.5], [0.25, 0.75], [0.25, 0.75], [0.5, 0.5]])
    labels, hidden = torch.tensor([0, 1, 0, NO_LABEL]), torch.tensor([True, False, True, False])
    counts = count_labels({"labels": labels, "hidden": hidden})
    assert counts == {"masked": 3.0, "hidden": 2.0, "shown": 1.0}
    terms = prediction_terms(chances.log(), labels, hidden, counts)
    assert_close(terms["hidden"], torch.tensor(8.0).log() / 2)
    assert_close(terms["shown"], torch.tensor(4 / 3).log())
    assert (terms["accuracy"], terms["shown_accuracy"]) == (0.5, 1.0)
    terms = prediction_terms(chances.log(), labels, None, {"masked": 3.0})
    assert terms.keys() == {"masked", "hidden", "accuracy"}
    assert (terms["hidden"], terms["accuracy"]) == (terms["masked"], 2 / 3)


@pytest.mark.parametrize("shape", [(400, 4101), (8, 16, 50)])
def test_telling_apart_changes_no_bit_of_loss_and_gradient(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator)
    labels = torch.randint(shape[1], (shape[0], *shape[2:]), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < 0.1] = NO_LABEL
    hidden = torch.rand(labels.shape, generator=generator) < 0.8
    counts = count_labels({"labels": labels, "hidden": hidden & (labels != NO_LABEL)})
    ours, plain = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    loss = prediction_terms(ours, labels, hidden & (labels != NO_LABEL), counts)["masked"]
    expected = F.cross_entropy(plain, labels, ignore_index=NO_LABEL, reduction="sum")
    expected = expected / counts["masked"]
    loss.backward()
    expected.backward()
    assert torch.equal(loss, expected)
    assert torch.equal(cast(Tensor, ours.grad), cast(Tensor, plain.grad))


@pytest.mark.parametrize("make", MAKERS)
def test_a_hidden_token_is_one_that_reads_as_the_mask(make: Callable[[], Objective]) -> None:
    objective: Any = make()
    views = objective.views(random_codes(7, 60), seed=1, step=2)
    ids, labels = views.tensors[objective.reads], views.tensors["labels"]
    tokenizer = objective.masking.student if is_had(objective) else objective.tokenizer
    assert torch.equal(views.hidden, (labels != NO_LABEL) & (ids == tokenizer.mask_id))
    assert ("hidden" in views.tensors) is not is_had(objective)  # whose groups are all hidden
    terms = objective(views.rows(0, 7, CPU), views.counts)
    if is_had(objective):
        assert "shown" not in terms
        return
    total = sum(terms[name] * views.counts[name] for name in ("hidden", "shown"))
    assert_close(total, terms["masked"] * views.counts["masked"])


def test_groups_of_had_that_are_shown_are_told_apart() -> None:
    objective = had()
    objective.masking = GroupMasking(NUCLEOTIDES, TEACHER, 0.5, mask_share=0.4, random_share=0.3)
    views = objective.views(random_codes(7, 60), seed=1, step=2)
    is_mask = views.tensors["student_ids"] == NUCLEOTIDES.mask_id
    assert torch.equal(views.hidden, (views.tensors["labels"] != NO_LABEL) & is_mask)
    terms = objective(views.rows(0, 7, CPU), views.counts)
    total = sum(terms[name] * views.counts[name] for name in ("hidden", "shown"))
    assert_close(total, terms["reconstruction"] * views.counts["masked"])


@pytest.mark.parametrize("make", MAKERS)
def test_views_follow_seed_and_step_alone(make: Callable[[], Objective]) -> None:
    codes = random_codes(3, 60)
    objective = make()
    first, again = objective.views(codes, 1, 5), objective.views(codes, 1, 5)
    assert all(torch.equal(first.tensors[name], again.tensors[name]) for name in first.tensors)
    other = objective.views(codes, 1, 6)
    assert not torch.equal(first.tensors["labels"], other.tensors["labels"])


@pytest.mark.parametrize("make", MAKERS)
def test_validation_views_never_change(make: Callable[[], Objective]) -> None:
    codes = random_codes(3, 60)
    first, later = make().validation_views(codes, 1), make().validation_views(codes, 9)
    for name, tensor in first.tensors.items():
        assert torch.equal(tensor, later.tensors[name]), name


@pytest.mark.parametrize("make", MAKERS)
def test_state_dict_restores_everything(make: Callable[[], Objective]) -> None:
    codes = random_codes(3, 60)
    objective, fresh = make(), make()
    views = objective.views(codes, 1, 0)
    objective.train()
    terms = objective(views.rows(0, 3, CPU), views.counts)
    terms["loss"].backward()
    with torch.no_grad():
        for parameter in objective.student.parameters():
            parameter.add_(0.01)
    objective.after_step(0)
    fresh.load_state_dict(objective.state_dict())
    part = views.rows(0, 3, CPU)
    for name, value in objective.eval()(part, views.counts).items():
        assert torch.equal(fresh.eval()(part, views.counts)[name], value), name


def test_contrastive_shares_add_up_to_the_mean_over_the_rows_of_all_slices() -> None:
    objective = findna(symmetric=True, contrastive_weight=1.0)
    views = objective.views(random_codes(6, 60), seed=1, step=0)
    found = backward(objective, views, [0, 2, 6])["contrastive"]
    each = []
    for start, stop in ((0, 2), (2, 6)):
        part = objective(views.rows(start, stop, CPU), {**views.counts, "rows": 1.0})
        each.append(part["contrastive"].detach())
    assert_close(found, torch.stack(each).sum() / 12)
