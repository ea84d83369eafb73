"""Steps whose loss is not finite: they are named, they change nothing, and so many end a run."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recipes import settings_of
from safetensors.torch import load_file

from dnastudents.errors import InputError
from dnastudents.genome.reference import Reference
from dnastudents.objectives.findna.objective import FinDNA
from dnastudents.objectives.masked_lm.objective import MaskedLM
from dnastudents.settings import parse
from dnastudents.training import loop
from dnastudents.training.corpus import Corpus
from dnastudents.training.gradients import Gradients
from dnastudents.training.optimizer import adamw, leave_out_if
from dnastudents.training.options import Pretraining
from dnastudents.training.pretrain import pretrain

Spoil = Callable[..., None]


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Spoil:
    """Makes the loss of some steps, counted from 0, infinite."""

    def at(*steps: int) -> None:
        views = MaskedLM.views

        def spoiled(self: MaskedLM, codes: np.ndarray, seed: int, step: int) -> Any:
            found = views(self, codes, seed, step)
            if step in steps:
                found.counts["masked"] = 0.0
            return found

        monkeypatch.setattr(MaskedLM, "views", spoiled)

    return at


def test_the_first_one_stops_and_is_named(
    spoil: Spoil, inputs: dict[str, Path], tmp_path: Path
) -> None:
    spoil(6)
    settings = settings_of("masked_lm")
    with pytest.raises(InputError, match=r"its gradient is (nan|inf) at step 7; lower") as error:
        pretrain(settings, output=tmp_path / "out", state=tmp_path / "s", **inputs)
    assert not (tmp_path / "out").exists()
    # no state holds weights that the bad step has touched
    assert [path.name for path in (tmp_path / "s").glob("*.pt")] == ["step_00000004.pt"]

    # what the message names is what the step read, in one of its two strands
    named = str(error.value).rpartition(" read ")[2].split(", ")
    plan = parse(Pretraining, settings["pretraining"], "pretraining")
    batch = Corpus(inputs["reference"], plan, 3).batch(6)
    reference = Reference.open(inputs["reference"])
    for region_name, row in zip(named, batch, strict=True):
        chrom, _, region = region_name.partition(":")
        codes = reference.fetch(chrom, *map(int, region.split("-")))
        read = row[: len(codes)]
        assert np.array_equal(read, codes) or np.array_equal(read, 3 - codes[::-1])


def test_tolerated_ones_change_no_weight(
    spoil: Spoil,
    inputs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    spoil(3, 6)
    weights: list[torch.Tensor] = []
    advance = loop.Trainer.advance

    def note(self: loop.Trainer) -> None:
        weights.append(torch.cat([p.detach().flatten() for p in self.gradients.parameters]))
        advance(self)

    monkeypatch.setattr(loop.Trainer, "advance", note)
    settings = settings_of("masked_lm", stop_after_bad_steps=3)
    assert pretrain(settings, output=tmp_path / "a", state=tmp_path / "s", **inputs) == 0
    same = [torch.equal(one, next_) for one, next_ in pairwise(weights)]
    assert [step for step, is_same in enumerate(same) if is_same] == [3, 6]
    assert torch.cat(weights).isfinite().all()
    log = caplog.text
    assert [f"left out step {step}, whose" in log for step in (3, 4, 7)] == [False, True, True]
    fewer = settings_of("masked_lm", stop_after_bad_steps=2)
    with pytest.raises(InputError, match=r"at step 7, after 4; lower"):
        pretrain(fewer, output=tmp_path / "b", state=tmp_path / "s2", **inputs)


def test_a_teacher_that_overflows_leaves_the_centre_finite(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a teacher without norms may in fp16; a centre that is not finite would stay so."""
    after, centres = FinDNA.after_step, list[torch.Tensor]()

    def spoiled(self: FinDNA, step: int) -> None:
        if step == 3:
            assert self._sums is not None
            self._sums = self._sums * torch.inf
        after(self, step)
        centres.append(torch.cat([self.centre, self.target_mean]))

    monkeypatch.setattr(FinDNA, "after_step", spoiled)
    pretrain(settings_of("findna"), output=tmp_path / "a", state=tmp_path / "s", **inputs)
    same = [torch.equal(one, next_) for one, next_ in pairwise(centres)]
    assert [step for step, is_same in enumerate(same, 1) if is_same] == [3]
    assert torch.cat(centres).isfinite().all()


def test_a_step_that_is_left_out_leaves_the_moments_alone() -> None:
    weight = torch.nn.Parameter(torch.ones(3, 3))
    optimizer = adamw(torch.nn.ParameterList([weight]), 0.1, 0.5)
    states = []
    for loss in (1.0, float("nan"), float("-inf"), 2.0):
        weight.grad = torch.full((3, 3), loss)
        leave_out_if(~torch.tensor(loss).isfinite(), optimizer)
        optimizer.step()
        state = optimizer.state[weight]
        states.append([weight.detach().clone(), *(value.clone() for value in state.values())])
    for one, other in zip(states[0], states[2], strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(states[2][0], states[3][0])


def test_places_of_pieces_and_of_many_windows(inputs: dict[str, Path]) -> None:
    reference = Reference.open(inputs["reference"])
    plan = parse(Pretraining, settings_of("findna", batch_size=20)["pretraining"], "pretraining")
    corpus = Corpus(inputs["reference"], plan, 0)
    assert corpus.regions(5).endswith(", ... (20 sequences)")
    assert corpus.regions(5).count("chrA:") == 8
    window = {"kind": "pieces", "length": 54, "unknown": "delete"}
    settings = settings_of("masked_lm", batch_size=400, window=window, reverse_complement=0.0)
    plan = parse(Pretraining, settings["pretraining"], "pretraining")
    corpus = Corpus(inputs["reference"], plan, 0)
    over_n = 0
    for region_name, row in zip(corpus.regions(0, 400).split(", "), corpus.batch(0), strict=True):
        chrom, _, region = region_name.partition(":")
        codes = reference.fetch(chrom, *map(int, region.split("-")))
        over_n += len(codes) > 54
        assert np.array_equal(row[row < 4], codes[codes < 4])
    assert over_n  # the piece whose N were deleted


def test_so_does_a_gradient_of_a_finite_loss(
    inputs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Clipping by an infinite norm would make every weight of the saved state NaN."""
    compute, calls = Gradients.compute, []

    def spoiled(self: Gradients, *arguments: Any) -> Any:
        found = compute(self, *arguments)
        calls.append(found)
        if len(calls) == 4:  # the step after which a state is saved
            self.parameters[0].grad.view(-1)[0] = torch.inf  # type: ignore[union-attr]
        return found

    monkeypatch.setattr(Gradients, "compute", spoiled)
    settings = settings_of("masked_lm", stop_after_bad_steps=2)
    assert pretrain(settings, output=tmp_path / "out", state=tmp_path / "s", **inputs) == 0
    assert "left out step 4, whose loss or gradient is not finite" in caplog.text
    weights = load_file(tmp_path / "out/model/model.safetensors")
    assert all(value.isfinite().all() for value in weights.values())
