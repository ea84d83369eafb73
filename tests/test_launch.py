"""The launcher: what processes find in their environment, and how they end."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from dnastudents import launch
from dnastudents.errors import InputError
from dnastudents.launch import LauncherRank, process_environments, step_command, supervise

STEP = {
    "SLURM_JOB_ID": "1234567",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_STEP_NODELIST": "n[1-2]",
    "SLURM_PROCID": "1",
    "SLURM_LOCALID": "0",
}


@pytest.fixture
def scontrol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm's command that expands lists of hosts."""
    file = tmp_path / "scontrol"
    file.write_text('#!/bin/sh\n[ "$*" = "show hostnames n[1-2]" ] && printf "n1\\nn2\\n"\n')
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


def test_one_process_is_told_that_it_is_alone() -> None:
    assert process_environments(LauncherRank(), 1, 4) == [
        {"DNASTUDENTS_PROCESSES": "1", "OMP_NUM_THREADS": "4"}
    ]


def test_processes_of_one_node_share_its_threads() -> None:
    first, second = process_environments(LauncherRank(), 2, 5)
    assert (first["RANK"], first["LOCAL_RANK"]) == ("0", "0")
    assert (second["RANK"], second["LOCAL_RANK"]) == ("1", "1")
    for key, value in {
        "DNASTUDENTS_PROCESSES": "2",
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "OMP_NUM_THREADS": "2",
        "MASTER_ADDR": "127.0.0.1",
    }.items():
        assert first[key] == second[key] == value
    assert first["MASTER_PORT"] == second["MASTER_PORT"] != "0"


@pytest.mark.usefixtures("scontrol")
def test_ranks_over_two_nodes() -> None:
    """One launcher a node, with two processes; and one a GPU, four of them."""
    launcher = LauncherRank.in_step(STEP, 2)
    assert launcher is not None
    found = process_environments(launcher, 2, 2)
    assert [each["RANK"] for each in found] == ["2", "3"]
    assert [each["LOCAL_RANK"] for each in found] == ["0", "1"]
    assert {each["WORLD_SIZE"] for each in found} == {"4"}
    assert {each["LOCAL_WORLD_SIZE"] for each in found} == {"2"}
    assert {(each["MASTER_ADDR"], each["MASTER_PORT"]) for each in found} == {("n1", "24567")}
    task = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3", "SLURM_LOCALID": "1"}
    launcher = LauncherRank.in_step(STEP | task, 2)
    assert launcher is not None
    (found,) = process_environments(launcher, 1, 2)
    assert (found["RANK"], found["LOCAL_RANK"]) == ("3", "1")
    assert (found["WORLD_SIZE"], found["LOCAL_WORLD_SIZE"]) == ("4", "2")


def test_a_job_that_is_in_no_step_over_its_nodes_starts_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Snakemake runs in a step of one node, or in the batch script."""
    for environment in ({}, {**STEP, "SLURM_STEP_NUM_NODES": "1"}):
        assert LauncherRank.in_step(environment, 2) is None
    command = step_command(2, 4, 8, ["pretrain", "had"])
    assert command[:4] == ["srun", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1"]
    again = ["launch", "--nodes", "2", "--processes", "4", "--threads", "8", "--"]
    assert command[-10:] == [*again, "pretrain", "had"]
    started: list[list[str]] = []
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.delenv("SLURM_STEP_NUM_NODES", raising=False)

    def replace(program: str, command: list[str]) -> None:
        started.append(command)
        raise SystemExit

    monkeypatch.setattr(os, "execvp", replace)
    with pytest.raises(SystemExit):
        launch.launch(2, 4, 8, ["pretrain", "had"])
    assert started == [command]


@pytest.mark.parametrize("change", [{"SLURM_PROCID": "x"}, {"SLURM_STEP_NUM_TASKS": ""}, {}])
def test_what_is_left_of_another_step_is_refused(
    change: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (STEP | change).items():
        monkeypatch.setenv(name, value)
    if not change:
        monkeypatch.delenv("SLURM_STEP_NODELIST")
    with pytest.raises(InputError, match="this is not such a step of Slurm"):
        launch.launch(2, 1, 1, ["pretrain"])


@pytest.mark.usefixtures("scontrol")
def test_ranks_of_others_are_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[dict[str, str]] = []
    for name, value in {"RANK": "3", "WORLD_SIZE": "4", "OMPI_COMM_WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "execve", lambda path, command, given: started.append(given))
    monkeypatch.setattr(launch, "supervise", lambda command, given: 0)
    launch.launch(1, 1, 1, ["pretrain"])
    (given,) = started
    assert given["DNASTUDENTS_PROCESSES"] == "1"
    assert not {"RANK", "WORLD_SIZE", "OMPI_COMM_WORLD_SIZE"} & set(given)


def test_what_cannot_be_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(InputError, match="--nodes 2 needs a Slurm job"):
        launch.launch(2, 1, 1, ["pretrain"])
    with pytest.raises(InputError, match="at least 1 of each"):
        launch.launch(1, 0, 1, ["pretrain"])


# The first tells its number; the second goes on when the launcher has seen that the first is gone.
TOLD = "os.symlink(str(os.getpid()), 'first')"
LATER = """
while not os.path.lexists("first") or os.path.lexists("/proc/" + os.readlink("first")):
    time.sleep(0.01)
pass"""


def ended(first: str, second: str) -> int:
    """The launcher's code for two processes that do this."""
    script = f"import os, signal, sys, time\nif os.environ['RANK'] == '0':\n {first}\n{second}"
    command = [sys.executable, "-c", script]
    return supervise(
        command, [os.environ | each for each in process_environments(LauncherRank(), 2, 2)]
    )


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ("sys.exit(0)", "sys.exit(0)", 0),
        ("sys.exit(75)", "sys.exit(75)", 75),
        (f"{TOLD}; sys.exit(75)", f"{LATER}; sys.exit(1)", 75),  # it lost its peer
        (f"{TOLD}; sys.exit(3)", f"{LATER}; sys.exit(4)", 3),
        (f"{TOLD}; os.kill(os.getpid(), signal.SIGKILL)", LATER, 137),
    ],
)
def test_codes(
    first: str, second: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ended(first, second) == code


def test_one_that_hangs_without_the_other_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "GRACE", 0.5)
    began = time.monotonic()
    assert ended("sys.exit(3)", "signal.signal(15, print); time.sleep(600)") == 3
    assert time.monotonic() - began < 300


@pytest.mark.parametrize("number", launch.SIGNALS)
@pytest.mark.parametrize("code", [75, 1])
def test_signals_are_handed_on(number: signal.Signals, code: int, tmp_path: Path) -> None:
    """To all; and one that comes before a process can save (it is killed) asks to begin again."""
    if code == 75:
        catch = f"signal.signal({number:d}, lambda *_: sys.exit(75))"
    else:
        catch = f"signal.signal({number:d}, signal.SIG_DFL)"
    ready = f"open({str(tmp_path)!r} + '/' + os.environ['RANK'], 'w').close(); time.sleep(600)"

    def send() -> None:
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    threading.Thread(target=send, daemon=True).start()
    assert ended("pass", f"{catch}; {ready}") == 75
    assert signal.getsignal(number) == before
