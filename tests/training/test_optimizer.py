"""Learning rates by hand, and which weights decay."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dnastudents.training.optimizer import adamw, learning_rate, set_learning_rate


def test_linear_schedule() -> None:
    rates = [learning_rate(step, 10, 1.0, 2, "linear") for step in range(11)]
    expected = [0.5, 1.0, 1.0, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0.0]
    assert rates == pytest.approx(expected)


def test_cosine_schedule_ends_at_its_minimum() -> None:
    rates = [learning_rate(step, 110, 3e-3, 10, "cosine", 1e-4) for step in range(111)]
    assert rates[9] == rates[10] == pytest.approx(3e-3)
    assert rates[60] == pytest.approx((3e-3 + 1e-4) / 2)
    assert rates[110] == pytest.approx(1e-4)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_no_warmup_begins_at_the_peak() -> None:
    assert learning_rate(0, 10, 0.3, 0) == 0.3


def test_only_matrices_decay_and_frozen_weights_are_left_alone() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3), nn.Linear(3, 3).requires_grad_(False))
    optimizer = adamw(model, learning_rate=0.1, weight_decay=0.5)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    shrunk = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    assert shrunk == [True, False, False, False, False, False]
    torch.testing.assert_close(model[0].weight.detach(), before[0] * (1 - 0.1 * 0.5))


def test_set_learning_rate_reaches_every_group() -> None:
    optimizer = adamw(nn.Linear(3, 3), 0.1, 0.5)
    assert len(optimizer.param_groups) == 2
    set_learning_rate(optimizer, 0.7)
    assert [group["lr"] for group in optimizer.param_groups] == [0.7, 0.7]
