"""Terms of slices add up to the loss of the batch, whatever the slices; so do gradients."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from small import findna, had, masked_lm, random_codes
from torch.testing import assert_close

from dnastudents.genome.codes import PAD
from dnastudents.objectives.base import Objective, Views
from dnastudents.objectives.findna.objective import FinDNA

CPU = torch.device("cpu")
MAKERS: list[Callable[[], Objective]] = [
    masked_lm,
    findna,
    lambda: findna(as_released=True, views="fresh"),
    lambda: findna(symmetric=True, masked_loss="released"),
    had,
    lambda: had(pooled=True, align_on="all"),
]


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
