"""Nothing in a training step makes the CPU wait for a GPU, as far as a CPU can tell.

A CPU would have to wait for a GPU where the value of a tensor becomes a number or a shape. Such
operations are the same on a CPU, so they are watched for there; views are excepted, since they
are made of tensors on the CPU wherever the training is. Students that are transformers' BERT are
left out: it asks in every forward pass whether there is any padding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from recipes import settings_of
from torch.utils._python_dispatch import TorchDispatchMode

from dnastudents.objectives import Views
from dnastudents.objectives.findna.objective import FinDNA
from dnastudents.objectives.had.objective import HAD
from dnastudents.training import loop
from dnastudents.training.pretrain import pretrain

WAITING = {
    "aten::_local_scalar_dense",  # item(), float(), if tensor
    "aten::nonzero",
    "aten::masked_select",
    "aten::_unique2",
    "aten::repeat_interleave",
    "aten::equal",
}


class Watch(TorchDispatchMode):
    """Collects operations whose result or shape the CPU needs to know."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.calls = 0
        self.paused = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.calls += 1
        name = function.name().split(".")[0]
        if not self.paused and (name in WAITING or _indexed_by_mask(name, args)):
            self.found.append(name)
        return function(*args, **(kwargs or {}))


def _indexed_by_mask(name: str, args: Any) -> bool:
    if name not in ("aten::index", "aten::index_put", "aten::index_put_"):
        return False
    return any(x is not None and x.dtype == torch.bool for x in args[1])


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Watches every step of a pretraining but the making of its views."""
    mode, advance = Watch(), loop.Trainer.advance

    def paused(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            mode.paused += 1
            try:
                return function(*args)
            finally:
                mode.paused -= 1

        return call

    def watched(self: loop.Trainer) -> None:
        with mode:
            advance(self)

    for owner, name in ((FinDNA, "views"), (HAD, "views"), (Views, "rows")):
        monkeypatch.setattr(owner, name, paused(getattr(owner, name)))
    monkeypatch.setattr(loop.Trainer, "advance", watched)
    yield mode


@pytest.mark.parametrize(("recipe", "unknown"), [("findna", 0.0), ("had", 0.0), ("had", 0.5)])
def test_a_step_never_waits(
    recipe: str, unknown: float, inputs: dict[str, Path], tmp_path: Path, watch: Watch
) -> None:
    window = {"kind": "windows", "length": 54, "max_n_fraction": unknown}
    places = {"train": ["chrA:3950-4070"]} if unknown else {"train": ["chrA"]}  # N: unequal rows
    settings = settings_of(recipe, window=window, splits=places)
    assert pretrain(settings, output=tmp_path / "a", state=tmp_path / "s", **inputs) == 0
    assert watch.calls > 1000
    assert watch.found == []


def test_the_watch_sees_what_waits() -> None:
    x = torch.arange(4.0)
    for wait in (lambda: x.sum().item(), lambda: x[x > 1], lambda: float(x[0]), x.nonzero):
        mode = Watch()
        with mode:
            wait()
        assert mode.found
