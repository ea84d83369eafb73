"""Whatever stops a pretraining, it ends in the weights of the one that nothing stopped."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import lab
import pytest
from runs import Copy, finish, snakemake, stop

from harness import edit

MODEL = Path("results/pretrain/findna")
STATE = Path("results/state/pretrain/findna")
CONFIG = ("--configfile", "interrupted.yaml")
ON_CLUSTER = (str(MODEL), "--profile", "slurm", "-j", "50", *CONFIG)
LOCAL = (str(MODEL), "--profile", "demo", *CONFIG)


def _weights(folder: Path) -> dict[str, str]:
    files = sorted((folder / MODEL).glob("*/model.safetensors"))
    assert files
    return {f.parent.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@pytest.fixture(scope="module")
def prepared(checkout: Copy) -> Path:
    """A folder in which everything before the pretraining is done."""
    folder = checkout("prepared")
    before = ("results/reference/simulated", "--profile", "demo", *CONFIG)
    finish(folder, snakemake(folder, *before), 300)
    return folder


@pytest.fixture(scope="module")
def uninterrupted(prepared: Path) -> dict[str, str]:
    """Hashes of the weights of a local run, which leaves the prepared folder as it was."""
    finish(prepared, snakemake(prepared, *LOCAL), 600)
    hashes = _weights(prepared)
    for path in (MODEL, STATE):
        subprocess.run(["rm", "-rf", str(prepared / path)], check=True)
    return hashes


@pytest.fixture
def folder(prepared: Path, uninterrupted: dict[str, str], tmp_path: Path) -> Iterator[Path]:
    """A copy of the prepared folder; afterwards the cluster is as it was."""
    place = tmp_path / "work"
    subprocess.run(["cp", "-a", str(prepared), str(place)], check=True)
    yield place
    stop()
    lab.clear()


def _in_the_middle(folder: Path) -> tuple[str, str]:
    """Wait until the job has saved a state and is not near its end; its id and node."""
    lab.wait_until(lambda: any((folder / STATE).glob("step_*.pt")), 180, "a first state")
    assert _step(folder) < 60
    (job,) = lab.running()
    return job


def _step(folder: Path) -> int:
    return max(int(file.stem.removeprefix("step_")) for file in (folder / STATE).glob("step_*.pt"))


def _log(folder: Path) -> str:
    return (folder / "results/logs/pretrain/findna.log").read_text()


def _training(folder: Path) -> list[int]:
    """Processes that train in this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().split(b"\0")
                here = (entry / "cwd").readlink() == folder
            except OSError:
                continue
            if here and {b"dnastudents", b"pretrain"} <= set(line):
                found.append(int(entry.name))
    return found


def _is_saving(folder: Path) -> bool:
    return any((folder / STATE).glob(".step_*"))


def cancelled(folder: Path, started: subprocess.Popen[str]) -> subprocess.Popen[str]:
    lab.slurm("scancel", _in_the_middle(folder)[0])
    return started


def killed_while_saving(folder: Path, started: subprocess.Popen[str]) -> subprocess.Popen[str]:
    _in_the_middle(folder)
    (process,) = _training(folder)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if _is_saving(folder):
            os.kill(process, signal.SIGSTOP)
            if _is_saving(folder):  # still: it holds in the middle
                os.kill(process, signal.SIGKILL)
                return started
            os.kill(process, signal.SIGCONT)
    raise AssertionError("no state was seen half-written")


def preempted(folder: Path, started: subprocess.Popen[str]) -> subprocess.Popen[str]:
    _, node = _in_the_middle(folder)
    urgent = ("-p", "urgent", "-w", node, "--exclusive", "-o", "/dev/null")
    lab.slurm("sbatch", *urgent, "--wrap", "sleep 5")
    return started


def drained(folder: Path, started: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """A drained node lets its job end; asked to free the node, the job moves to the other one."""
    job, node = _in_the_middle(folder)
    lab.slurm("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
    lab.slurm("scontrol", "requeue", job)
    return started


def node_dead(folder: Path, started: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """Slurm gives the node up after a minute, and puts its job back into the queue."""
    lab.kill_node(_in_the_middle(folder)[1])
    return started


def controller_restarted(folder: Path, started: subprocess.Popen[str]) -> subprocess.Popen[str]:
    _in_the_middle(folder)
    lab.restart_controller()
    return started


def snakemake_killed(folder: Path, started: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """Its job goes on; the next Snakemake's job waits for it and finds the run complete."""
    _in_the_middle(folder)
    started.kill()
    started.wait()
    finish(folder, snakemake(folder, *ON_CLUSTER, "--unlock"), 60)
    return snakemake(folder, *ON_CLUSTER)


RESUMED = "resumes from step"
SCENARIOS: dict[str, tuple[Callable, str]] = {
    "cancelled": (cancelled, RESUMED),
    "killed while saving": (killed_while_saving, RESUMED),
    "preempted": (preempted, RESUMED),
    "node drained": (drained, RESUMED),
    "node dead": (node_dead, RESUMED),
    "controller restarted": (controller_restarted, ""),
    "snakemake killed": (snakemake_killed, ""),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_ends_in_the_same_weights(
    scenario: str, folder: Path, uninterrupted: dict[str, str]
) -> None:
    happen, sign = SCENARIOS[scenario]
    finish(folder, happen(folder, snakemake(folder, *ON_CLUSTER)), 600)
    assert sign in _log(folder)
    assert _weights(folder) == uninterrupted


def _ask_for(folder: Path, **resources: str) -> None:
    """What a pretraining gets at each attempt."""
    edit(
        folder / "slurm/config.yaml",
        lambda profile: profile["set-resources"]["pretrain"].update(resources),
    )


def test_memory_limit(folder: Path, uninterrupted: dict[str, str]) -> None:
    """Slurm kills what takes more than it asked for; the next attempts may take more."""
    _ask_for(folder, mem_mb="350 * attempt ** 2")
    finish(folder, snakemake(folder, *ON_CLUSTER), 600)
    log = (folder / "snakemake.log").read_text()
    assert log.count("failed, SLURM status is") == 1 and "mem_mb=1400," in log
    assert _weights(folder) == uninterrupted


def test_time_limit(folder: Path, uninterrupted: dict[str, str]) -> None:
    """Slurm ends the job at its limit of a minute; the next attempts have more time."""
    _ask_for(folder, runtime="attempt ** 2")
    edit(
        folder / "interrupted.yaml",
        lambda config: config["runs"]["findna"]["pretraining"].update(steps=SLOW_STEPS),
    )
    finish(folder, snakemake(folder, *ON_CLUSTER), 900)
    assert "TIMEOUT" in (folder / "snakemake.log").read_text()
    assert RESUMED in _log(folder)
    found = _weights(folder)
    for path in (MODEL, STATE):
        subprocess.run(["rm", "-rf", str(folder / path)], check=True)
    finish(folder, snakemake(folder, *LOCAL), 600)
    assert found == _weights(folder)


SLOW_STEPS = 900  # more than a minute of training
