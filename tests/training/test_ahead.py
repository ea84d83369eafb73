"""For a GPU the next batch is built in a thread: the same bits, and nothing left of the thread."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recipes import LEARNING, settings_of
from test_resume import Killed, assert_equal_runs, kill, stop_before

from dnastudents.objectives.findna.objective import FinDNA
from dnastudents.training import ahead
from dnastudents.training.pretrain import pretrain


@pytest.fixture(autouse=True)
def no_thread_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The CPU passes for a GPU."""
    monkeypatch.setattr(ahead, "DEVICES", ("cpu",))
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("recipe", LEARNING)
def test_bits_are_those_of_batches_that_are_built_when_they_are_needed(
    recipe: str, inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with a curriculum that turns at an evaluation, and where a killed run is resumed."""
    settings = settings_of(recipe)
    with monkeypatch.context() as patch:
        patch.setattr(ahead, "DEVICES", ("cuda",))
        pretrain(settings, output=tmp_path / "a", state=tmp_path / "sa", **inputs)
    stop_before(monkeypatch, 10, kill)
    with pytest.raises(Killed):
        pretrain(settings, output=tmp_path / "b", state=tmp_path / "sb", **inputs)
    pretrain(settings, output=tmp_path / "b", state=tmp_path / "sb", **inputs)
    assert_equal_runs(tmp_path / "a", tmp_path / "b")


Before = Callable[[int], None]


@pytest.fixture
def before_views(monkeypatch: pytest.MonkeyPatch) -> Callable[[Before], None]:
    """Calls something with the step whenever FinDNA begins its views."""

    def patch(action: Before) -> None:
        views = FinDNA.views

        def patched(self: FinDNA, codes: np.ndarray, seed: int, step: int) -> Any:
            action(step)
            return views(self, codes, seed, step)

        monkeypatch.setattr(FinDNA, "views", patched)

    return patch


@pytest.mark.parametrize("on_gpu", [True, False])
def test_only_the_first_batch_and_those_after_evaluations_are_waited_for(
    on_gpu: bool,
    before_views: Callable[[Before], None],
    inputs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a CPU, of which a thread would take its share, all are."""
    if not on_gpu:
        monkeypatch.setattr(ahead, "DEVICES", ("cuda",))
    waited: dict[int, bool] = {}
    main = threading.current_thread()
    before_views(lambda step: waited.update({step: threading.current_thread() is main}))
    pretrain(settings_of("findna"), output=tmp_path / "a", state=tmp_path / "s", **inputs)
    # Evaluated every 3 steps.
    assert waited == {step: step % 3 == 0 or not on_gpu for step in range(12)}


def test_what_is_raised_in_the_thread_is_raised_as_itself(
    before_views: Callable[[Before], None], inputs: dict[str, Path], tmp_path: Path
) -> None:
    before_views(lambda step: kill() if step == 5 else None)
    with pytest.raises(Killed):
        pretrain(settings_of("findna"), output=tmp_path / "a", state=tmp_path / "s", **inputs)


def test_a_signal_ends_the_thread_too(
    before_views: Callable[[Before], None], inputs: dict[str, Path], tmp_path: Path
) -> None:
    before_views(lambda step: os.kill(os.getpid(), signal.SIGTERM) if step == 7 else None)
    places = {"output": tmp_path / "a", "state": tmp_path / "s"}
    assert pretrain(settings_of("findna"), **places, **inputs) == 75
