"""Out of memory: smaller micro-batches, the same batch, and nothing left of the failed attempt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from recipes import settings_of
from test_resume import Killed, assert_equal_runs, kill, stop_before

from dnastudents.devices import is_out_of_memory
from dnastudents.errors import InputError
from dnastudents.files import read_json
from dnastudents.objectives import Objective
from dnastudents.objectives.findna.objective import FinDNA
from dnastudents.objectives.had.objective import HAD
from dnastudents.objectives.masked_lm.objective import MaskedLM
from dnastudents.training.pretrain import pretrain

OBJECTIVES = {"masked_lm": MaskedLM, "findna": FinDNA, "had": HAD}


class SmallMemory:
    """Lets an objective hold `rows` rows; a larger slice fails, from the `call`-th of a step on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: type[Objective], rows: int) -> None:
        self.rows, self.call, self.calls, self.failures = rows, 1, 0, 0
        forward, before_step = kind.forward, kind.before_step

        def limited(objective: Objective, views: Any, counts: Any) -> Any:
            self.calls += 1
            if objective.training and len(views["labels"]) > self.rows and self.calls >= self.call:
                self.failures += 1
                self.calls = 0
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return forward(objective, views, counts)

        def begin(objective: Objective, step: int) -> None:
            self.calls = 0
            before_step(objective, step)

        monkeypatch.setattr(kind, "forward", limited)
        monkeypatch.setattr(kind, "before_step", begin)


def test_validation_is_halved_too(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of("masked_lm")
    pretrain(settings, output=tmp_path / "whole", state=tmp_path / "s1", **inputs)
    forward = MaskedLM.forward

    def limited(objective: MaskedLM, views: Any, counts: Any) -> Any:
        if not objective.training and len(views["labels"]) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(objective, views, counts)

    monkeypatch.setattr(MaskedLM, "forward", limited)
    limit = 1
    pretrain(settings, output=tmp_path / "halved", state=tmp_path / "s2", **inputs)
    whole, halved = (
        read_json(tmp_path / name / "metrics.json")["validation"]["loss"]
        for name in ("whole", "halved")
    )
    assert halved == pytest.approx(whole, rel=1e-5)
    limit = 0
    with pytest.raises(InputError, match="out of memory with one sequence at a time"):
        pretrain(settings, output=tmp_path / "none", state=tmp_path / "s3", **inputs)


@pytest.mark.parametrize("recipe", list(OBJECTIVES))
@pytest.mark.parametrize(("size", "call", "fits"), [(None, 1, 1), (4, 2, 1), (4, 1, 2)])
def test_the_result_is_that_of_a_run_that_began_with_the_size_that_fits(
    recipe: str,
    size: int | None,
    call: int,
    fits: int,
    inputs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also when a part of the step was done: then its gradients and sums are there already."""
    small = settings_of(recipe, micro_batch_size=fits)
    pretrain(small, output=tmp_path / "a", state=tmp_path / "sa", **inputs)
    memory = SmallMemory(monkeypatch, OBJECTIVES[recipe], fits)
    memory.call = call
    asked = settings_of(recipe, micro_batch_size=size)
    assert pretrain(asked, output=tmp_path / "b", state=tmp_path / "sb", **inputs) == 0
    assert memory.failures == {None: 2, 4: 2 if fits == 1 else 1}[size]
    assert f"out of memory with {size or 6} sequences at once; from here on " in caplog.text
    assert_equal_runs(tmp_path / "a", tmp_path / "b")


def test_a_resumed_run_begins_with_what_was_found(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = SmallMemory(monkeypatch, FinDNA, 1)
    stop_before(monkeypatch, 6, kill)
    places = {"output": tmp_path / "b", "state": tmp_path / "s"}
    with pytest.raises(Killed):
        pretrain(settings_of("findna"), **places, **inputs)
    assert memory.failures == 2
    assert pretrain(settings_of("findna"), **places, **inputs) == 0
    assert memory.failures == 2
    small = settings_of("findna", micro_batch_size=1)
    pretrain(small, output=tmp_path / "a", state=tmp_path / "sa", **inputs)
    assert_equal_runs(tmp_path / "a", tmp_path / "b")


def test_one_row_too_much_and_rows_that_are_compared(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SmallMemory(monkeypatch, FinDNA, 0)
    places = {"output": tmp_path / "out", "state": tmp_path / "s"}
    with pytest.raises(InputError, match=r"one sequence at a time; shorten pretraining\.window"):
        pretrain(settings_of("findna"), **places, **inputs)
    settings = settings_of("findna")
    settings["objective"] = {"name": "findna", "symmetric": True, "contrastive_weight": 1.0}
    with pytest.raises(InputError, match="micro-batches of 4; this objective compares the rows"):
        pretrain(settings, **places, **inputs)


def test_what_is_out_of_memory() -> None:
    with pytest.raises(RuntimeError) as error:
        torch.empty(1 << 50)
    assert is_out_of_memory(error.value)
    assert is_out_of_memory(torch.OutOfMemoryError())
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
