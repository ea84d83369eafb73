"""Refuse to begin a training whose states or result would not fit on the disk."""

from __future__ import annotations

import shutil
from pathlib import Path

from dnastudents.errors import InputError
from dnastudents.objectives import Objective
from dnastudents.training.progress import thousands
from dnastudents.training.state import KEPT, tensor_bytes


def require_room(objective: Objective, state: Path, output: Path) -> None:
    """Compare what a training will write with what is free.

    A state holds the objective and AdamW's two moments of all that learns. `KEPT` of them lie there
    while one more is written; then comes the result. What lies there already is not counted twice.

    Raises
    ------
    InputError
        It does not fit; the message says what is needed and what is free.
    """
    moments = sum(2 * p.nbytes for p in objective.parameters() if p.requires_grad)
    states = (KEPT + 1) * (tensor_bytes(objective.state_dict()) + moments)
    models = {"model": objective.result(), **objective.extras()}
    result = sum(tensor_bytes(model.state_dict()) for model in models.values())
    there = sum(file.stat().st_size for file in state.glob("step_*.pt"))
    needs = {state: max(0, states - there), output: result}
    for path in needs:
        # Of both, where they share a file system.
        here = {other: size for other, size in needs.items() if _device(other) == _device(path)}
        free = shutil.disk_usage(_existing(path)).free
        if sum(here.values()) > free:
            what = " and ".join(f"{thousands(size)}B in {other}" for other, size in here.items())
            raise InputError(
                f"not enough disk: the training writes {what}, but {thousands(free)}B are free; "
                "make room, or put `results` on a larger disk"
            )


def _device(path: Path) -> int:
    return _existing(path).stat().st_dev


def _existing(path: Path) -> Path:
    """Return the path, or the nearest folder above it that is there."""
    return path if path.exists() else _existing(path.absolute().parent)
