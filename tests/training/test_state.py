"""Training states: the newest readable one of the same run counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dnastudents.training.state import StateFolder


def test_two_are_kept_and_the_newest_counts(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path, "mine")
    for step in (2, 4, 6):
        folder.save({"step": step, "weights": torch.full((2,), float(step))}, step)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["step_00000004.pt", "step_00000006.pt"]
    state, messages = folder.load()
    assert state is not None
    assert state["step"] == 6
    assert state["weights"].tolist() == [6.0, 6.0]
    assert messages == []


@pytest.mark.parametrize("damage", ["truncated", "empty", "text"])
def test_unreadable_state_is_passed_over_for_the_one_before(tmp_path: Path, damage: str) -> None:
    folder = StateFolder(tmp_path, "mine")
    for step in (2, 4):
        folder.save({"step": step, "weights": torch.zeros(1000)}, step)
    file = tmp_path / "step_00000004.pt"
    content = {"truncated": file.read_bytes()[:900], "empty": b"", "text": b"not a state"}
    file.write_bytes(content[damage])
    state, messages = folder.load()
    assert state is not None
    assert state["step"] == 2
    assert len(messages) == 1
    assert "step_00000004.pt: cannot be read" in messages[0]


def test_no_damage_is_a_traceback(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path, "mine")
    folder.save({"step": 2, "history": [{"loss": 0.5, "step": 1}], "weights": torch.zeros(9)}, 2)
    (file,) = tmp_path.glob("*.pt")
    whole, generator = file.read_bytes(), np.random.default_rng(0)
    for bit in generator.choice(8 * len(whole), 600, replace=False):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << (bit % 8)
        file.write_bytes(damaged)
        state, messages = folder.load()
        assert (state is None) == bool(messages)


def test_state_of_another_run_does_not_count(tmp_path: Path) -> None:
    StateFolder(tmp_path, "other").save({"step": 9}, 9)
    mine = StateFolder(tmp_path, "mine")
    state, messages = mine.load()
    assert state is None
    assert "of other settings" in messages[0]
    mine.save({"step": 2}, 2)
    assert [path.name for path in tmp_path.glob("*.pt")] == ["step_00000002.pt"]


def test_code_in_a_state_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str, ...]]:
            return (Path.touch, (tmp_path / "sprung",))  # type: ignore[return-value]

    torch.save({"identity": "mine", "trap": Trap()}, tmp_path / "step_00000001.pt")
    state, messages = StateFolder(tmp_path, "mine").load()
    assert state is None
    assert "cannot be read" in messages[0]
    assert not (tmp_path / "sprung").exists()
