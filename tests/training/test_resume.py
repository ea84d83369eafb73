"""A stopped and resumed run is the uninterrupted run, bit for bit."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from recipes import LEARNING, settings_of
from safetensors.torch import load_file

from dnastudents.training import loop
from dnastudents.training.pretrain import pretrain

TIMES = ["tokens_per_second", "teacher_share"]


class Killed(Exception):
    """Stands for a SIGKILL."""


def assert_equal_runs(one: Path, other: Path) -> None:
    files = sorted(path.relative_to(one) for path in one.rglob("*.safetensors"))
    assert files
    for file in files:
        first, second = load_file(one / file), load_file(other / file)
        assert first.keys() == second.keys()
        for name, tensor in first.items():
            assert torch.equal(tensor, second[name]), (file, name)
    histories = [pd.read_csv(folder / "history.csv") for folder in (one, other)]
    histories = [frame.drop(columns=TIMES, errors="ignore") for frame in histories]
    pd.testing.assert_frame_equal(*histories, check_exact=True)


def stop_before(monkeypatch: pytest.MonkeyPatch, step: int, action: Any) -> None:
    """Call `action` once, when the trainer begins update `step`."""
    advance, pending = loop.Trainer.advance, [action]

    def advance_or_stop(self: loop.Trainer) -> None:
        if self.step == step and pending:
            pending.pop()()
        advance(self)

    monkeypatch.setattr(loop.Trainer, "advance", advance_or_stop)


def kill() -> None:
    raise Killed


@pytest.mark.parametrize("recipe", LEARNING)
def test_killed_run_resumes_bit_exactly(
    recipe: str, inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(recipe)
    assert pretrain(settings, output=tmp_path / "a", state=tmp_path / "sa", **inputs) == 0
    # Checkpoints are at 4 and 8: steps 9 and 10 are lost, and log window 6-10 is cut by the state.
    stop_before(monkeypatch, 10, kill)
    with pytest.raises(Killed):
        pretrain(settings, output=tmp_path / "b", state=tmp_path / "sb", **inputs)
    assert not (tmp_path / "b").exists()
    assert pretrain(settings, output=tmp_path / "b", state=tmp_path / "sb", **inputs) == 0
    assert_equal_runs(tmp_path / "a", tmp_path / "b")
    # A lost output costs no training: the last state makes it once more.
    shutil.rmtree(tmp_path / "b")
    stop_before(monkeypatch, 0, kill)
    assert pretrain(settings, output=tmp_path / "b", state=tmp_path / "sb", **inputs) == 0
    assert_equal_runs(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signal_saves_and_exits_75(
    number: signal.Signals,
    inputs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = settings_of("findna")
    before = signal.getsignal(number)
    pretrain(settings, output=tmp_path / "a", state=tmp_path / "sa", **inputs)
    stop_before(monkeypatch, 6, lambda: os.kill(os.getpid(), number))
    assert pretrain(settings, output=tmp_path / "b", state=tmp_path / "sb", **inputs) == 75
    assert sorted(path.name for path in (tmp_path / "sb").glob("*.pt")) == [
        "step_00000004.pt",
        "step_00000007.pt",
    ]
    assert signal.getsignal(number) == before
    assert pretrain(settings, output=tmp_path / "b", state=tmp_path / "sb", **inputs) == 0
    assert_equal_runs(tmp_path / "a", tmp_path / "b")


def test_curriculum_goes_on_in_its_stage(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of("masked_lm")
    stop_before(monkeypatch, 10, kill)
    with pytest.raises(Killed):
        pretrain(settings, output=tmp_path / "b", state=tmp_path / "sb", **inputs)
    pretrain(settings, output=tmp_path / "b", state=tmp_path / "sb", **inputs)
    history = pd.read_csv(tmp_path / "b" / "history.csv")
    stages = history[history["split"] == "validation"].set_index("step")["stage"]
    assert stages.to_dict() == {3: "genemask", 6: "genemask", 9: "global_pmi", 12: "global_pmi"}


def test_state_of_other_settings_is_passed_over(
    inputs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stop_before(monkeypatch, 10, kill)
    with pytest.raises(Killed):
        pretrain(settings_of("findna"), output=tmp_path / "b", state=tmp_path / "s", **inputs)
    other = settings_of("findna", batch_size=5)
    pretrain(other, output=tmp_path / "b", state=tmp_path / "s", **inputs)
    assert "of other settings or inputs; passed over" in caplog.text
    pretrain(other, output=tmp_path / "a", state=tmp_path / "sa", **inputs)
    assert_equal_runs(tmp_path / "a", tmp_path / "b")
