"""A disk that is too small is told before the training; one that fills up leaves the old state."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from recipes import settings_of
from test_resume import assert_equal_runs

from dnastudents.errors import InputError
from dnastudents.training import loop
from dnastudents.training.pretrain import pretrain
from dnastudents.training.state import tensor_bytes


def test_estimate_is_what_is_written_and_refused_in_time(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, places = settings_of("findna"), {"output": tmp_path / "o", "state": tmp_path / "s"}
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as context, pytest.raises(InputError) as error:
        context.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
        context.setattr(loop.Trainer, "advance", None)
        pretrain(settings, **places, **inputs)
    message = str(error.value)
    assert "but 1kB are free; make room" in message
    sizes = re.findall(r"([\d.]+)kB in ", message)
    pretrain(settings, **places, **inputs)
    (state,) = (tmp_path / "s").glob("*.pt")
    content = tensor_bytes(torch.load(state, weights_only=True))
    models = sum(path.stat().st_size for path in (tmp_path / "o").rglob("*.safetensors"))
    assert float(sizes[0]) * 1000 == pytest.approx(3 * content, rel=0.02)
    assert float(sizes[1]) * 1000 == pytest.approx(models, rel=0.3)  # names and shapes beside them
    # What lies there is room too: with the states that were written the same run fits.
    free = int(2 * content + models)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free))
    shutil.copy(state, tmp_path / "s" / "step_00000008.pt")
    assert pretrain(settings_of("findna", steps=13), **places, **inputs) == 0


def test_full_disk_leaves_the_old_state_and_tells_what_is_needed(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, save = settings_of("had"), torch.save

    def full(state: Any, handle: Any) -> None:
        if state["step"] == 8:
            handle.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(state, handle)

    places = {"output": tmp_path / "b", "state": tmp_path / "s"}
    with monkeypatch.context() as context:
        context.setattr(torch, "save", full)
        with pytest.raises(InputError, match=r"No space left.* takes [\d.]+kB, and .* are free"):
            pretrain(settings, **places, **inputs)
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["lock", "step_00000004.pt"]
    pretrain(settings, **places, **inputs)
    pretrain(settings, output=tmp_path / "a", state=tmp_path / "sa", **inputs)
    assert_equal_runs(tmp_path / "a", tmp_path / "b")


KILLED_WHILE_SAVING = """
import os, signal, sys, torch
from dnastudents.cli import main

save = torch.save

def half(state, handle):
    save(state, handle)
    if state["step"] == 8:
        handle.truncate(handle.tell() // 2)
        handle.flush()
        os.kill(os.getpid(), signal.SIGKILL)

torch.save = half
main(sys.argv[1:])
"""


def test_sigkill_while_a_state_is_written(inputs: dict[str, Path], tmp_path: Path) -> None:
    settings = settings_of("masked_lm")
    places = {"output": tmp_path / "b", "state": tmp_path / "s"}
    arguments = ["pretrain", "run", "--settings", json.dumps(settings)]
    for name, path in {**inputs, **places}.items():
        arguments += [f"--{name}", str(path)]
    # As many threads as this process has: sums depend on them in the last bits.
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_SAVING, *arguments], env=environment, check=False
    )
    assert done.returncode == -signal.SIGKILL
    names = sorted(path.name for path in (tmp_path / "s").iterdir())
    assert len(names) == 3
    assert names[0].startswith(".step_00000008.pt.partial-")
    assert names[1:] == ["lock", "step_00000004.pt"]
    pretrain(settings, **places, **inputs)
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["lock", "step_00000012.pt"]
    pretrain(settings, output=tmp_path / "a", state=tmp_path / "sa", **inputs)
    assert_equal_runs(tmp_path / "a", tmp_path / "b")
