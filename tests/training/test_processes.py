"""Two processes train what one trains, up to the order of sums; resumed, bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from recipes import LEARNING, settings_of
from safetensors.torch import load_file
from test_resume import Killed, assert_equal_runs, kill, stop_before

from dnastudents.training.pretrain import pretrain

LAUNCH = [sys.executable, "-m", "dnastudents", "launch", "--processes", "2", "--threads", "2", "--"]
# What the documentation of accelerate says, which runs one process on a CPU without --multi_gpu.
ACCELERATE = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def arguments_of(
    settings: dict[str, Any], inputs: dict[str, Path], state: Path, output: Path
) -> list[str]:
    arguments = ["pretrain", "mine", "--settings", json.dumps(settings)]
    for name, path in {**inputs, "state": state, "output": output}.items():
        arguments += [f"--{name}", str(path)]
    return arguments


def settings_without_dropout(recipe: str) -> dict[str, Any]:
    """Batches of 7 rows, so processes get 3 and 4; dropout is drawn by each for its own rows."""
    settings = settings_of(recipe, batch_size=7)
    if recipe == "masked_lm":
        settings["student"] = {
            **settings["student"],
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        }
    return settings


def run(command: list[str], **environment: str) -> None:
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]


def assert_close_runs(one: Path, two: Path) -> None:
    """The tolerance that is stated: 2e-3 of a weight or 2e-4, and 1e-4 of the loss."""
    first, second = (load_file(path / "model" / "model.safetensors") for path in (one, two))
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=2e-3, atol=2e-4, msg=name)
    histories = [pd.read_csv(path / "history.csv") for path in (one, two)]
    assert ((histories[0]["loss"] - histories[1]["loss"]).abs() < 1e-4).all()
    assert json.loads((two / "metrics.json").read_text())["processes"] == 2


@pytest.mark.parametrize("recipe", [recipe for recipe in LEARNING if recipe != "had"])
def test_two_processes_equal_one(recipe: str, inputs: dict[str, Path], tmp_path: Path) -> None:
    """Each recipe is started in another way; HAD is below, on two nodes."""
    accelerate = [*ACCELERATE, "--multi_gpu", "--main_process_port", "0", "-m", "dnastudents"]
    launcher = accelerate if recipe == "findna" else LAUNCH
    settings = settings_without_dropout(recipe)
    one, two = tmp_path / "one", tmp_path / "two"
    run([*launcher, *arguments_of(settings, inputs, tmp_path / "state", two)], OMP_NUM_THREADS="1")
    pretrain(settings, output=one, state=tmp_path / "state of one", **inputs)
    assert_close_runs(one, two)


def test_two_nodes_equal_one(inputs: dict[str, Path], tmp_path: Path) -> None:
    """Both on this machine, in an environment as Slurm's `srun` makes it."""
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text("#!/bin/sh\nprintf 'localhost\\nlocalhost\\n'\n")
    scontrol.chmod(0o755)
    settings = settings_without_dropout("had")
    arguments = arguments_of(settings, inputs, tmp_path / "state", tmp_path / "two")
    step = {
        "PATH": f"{scontrol.parent}:{os.environ['PATH']}",
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_STEP_NUM_NODES": "2",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_NODELIST": "n[1-2]",
        "SLURM_STEP_ID": "0",
    }
    launchers = [
        subprocess.Popen(
            [*LAUNCH[:4], "--nodes", "2", "--", *arguments],
            env={**os.environ, **step, "SLURM_PROCID": str(node), "SLURM_NODEID": str(node)},
        )
        for node in range(2)
    ]
    assert [launcher.wait() for launcher in launchers] == [0, 0]
    pretrain(settings, output=tmp_path / "one", state=tmp_path / "state of one", **inputs)
    assert_close_runs(tmp_path / "one", tmp_path / "two")


def stop_after_next_state(command: list[str], state: Path, number: int, group: bool) -> None:
    """Start the command; when it has saved a new state, send the signal, and expect 75."""
    known = set(state.glob("step_*.pt"))
    started = subprocess.Popen(command, start_new_session=True)
    while not set(state.glob("step_*.pt")) - known:
        assert started.poll() is None
        time.sleep(0.01)
    os.kill(-started.pid if group else started.pid, number)
    assert started.wait() == 75


def test_stopped_by_a_signal_two_processes_resume_bit_exactly(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    """The signal comes to the launcher alone, or to the whole group, as from a terminal or Slurm.

    Many steps follow the last signal, which may come late on a busy machine.
    """
    settings = settings_of("findna", steps=150, batch_size=7, evaluate_every=50)
    settings["pretraining"]["checkpoint_every"] = 10
    run([*LAUNCH, *arguments_of(settings, inputs, tmp_path / "sa", tmp_path / "a")])
    state = tmp_path / "sb"
    command = [*LAUNCH, *arguments_of(settings, inputs, state, tmp_path / "b")]
    stop_after_next_state(command, state, signal.SIGUSR1, group=False)
    stop_after_next_state(command, state, signal.SIGINT, group=True)
    stop_after_next_state(command, state, signal.SIGTERM, group=True)
    assert not (tmp_path / "b").exists()
    run(command)
    assert_equal_runs(tmp_path / "a", tmp_path / "b")


def test_a_dead_process_ends_the_other_and_the_next_attempt_resumes(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    settings = settings_of("findna", steps=60, batch_size=7, evaluate_every=60)
    settings["pretraining"]["checkpoint_every"] = 10
    run([*LAUNCH, *arguments_of(settings, inputs, tmp_path / "sa", tmp_path / "a")])
    state = tmp_path / "sb"
    command = [*LAUNCH, *arguments_of(settings, inputs, state, tmp_path / "b")]
    started = subprocess.Popen(command)
    while not list(state.glob("step_*.pt")):
        assert started.poll() is None
        time.sleep(0.01)
    children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
    ranks = [pid for pid in map(int, children) if b"pretrain" in cmdline(pid)]
    assert len(ranks) == 2
    os.kill(ranks[1], signal.SIGKILL)
    assert started.wait(timeout=300) == 128 + signal.SIGKILL
    run(command)
    assert_equal_runs(tmp_path / "a", tmp_path / "b")


def cmdline(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_one_process_in_place_of_two_is_refused(inputs: dict[str, Path], tmp_path: Path) -> None:
    """What accelerate starts for --cpu; it says nothing of it."""
    asked = arguments_of(settings_of("findna"), inputs, tmp_path / "state", tmp_path / "out")
    command = [*ACCELERATE, "--cpu", "-m", "dnastudents", *asked]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "several processes, but has started 1; add --multi_gpu" in done.stderr
    assert not (tmp_path / "state").exists()


MEMORY_OF_ONE_ROW = """
import os, sys, torch
from dnastudents.cli import main
from dnastudents.objectives.findna.objective import FinDNA

forward, failures = FinDNA.forward, []

def limited(self, views, counts):
    if self.training and os.environ["RANK"] == "1" and len(views["labels"]) > 1:
        failures.append(1)
        raise torch.OutOfMemoryError("CUDA out of memory.")
    return forward(self, views, counts)

FinDNA.forward = limited
code = main(sys.argv[1:])
assert len(failures) == (os.environ["RANK"] == "1")
sys.exit(code)
"""


def test_one_of_two_processes_runs_out_of_memory(inputs: dict[str, Path], tmp_path: Path) -> None:
    """The other does not wait for it; both halve, and end as a run that began with that size."""
    a, b = tmp_path / "a", tmp_path / "b"
    small = settings_of("findna", micro_batch_size=1)
    run([*LAUNCH, *arguments_of(small, inputs, tmp_path / "sa", a)])
    asked = arguments_of(settings_of("findna"), inputs, tmp_path / "sb", b)
    (tmp_path / "limited.py").write_text(MEMORY_OF_ONE_ROW)
    run([*TORCHRUN, str(tmp_path / "limited.py"), *asked])
    assert_equal_runs(a, b)
    assert json.loads((b / "metrics.json").read_text())["micro_batch_size"] == 1


BLIND = """
import os, sys
from dnastudents.cli import main
from dnastudents.training.state import StateFolder

if os.environ["RANK"] == "1":
    StateFolder.load = lambda self: (None, [])
sys.exit(main(sys.argv[1:]))
"""


def test_processes_that_read_different_states_do_not_train(
    inputs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """As on a file system that shows a new file late on another node."""
    stop_before(monkeypatch, 10, kill)
    settings, places = settings_of("findna"), (tmp_path / "s", tmp_path / "out")
    with pytest.raises(Killed):
        pretrain(settings, state=places[0], output=places[1], **inputs)
    asked = arguments_of(settings, inputs, *places)
    (tmp_path / "blind.py").write_text(BLIND)
    assert subprocess.run([*TORCHRUN, str(tmp_path / "blind.py"), *asked]).returncode == 1
    assert "the processes read different states" in capfd.readouterr().err
    assert not places[1].exists()
