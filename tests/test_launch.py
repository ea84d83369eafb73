"""The launcher: what it hands to torchrun, what processes find there, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dnastudents import launch
from dnastudents.errors import InputError
from dnastudents.launch import elastic, rendezvous_in_step, step_command

STEP = {
    "SLURM_JOB_ID": "1234567",
    "SLURM_STEP_ID": "3",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_STEP_NODELIST": "n[1-2]",
    "SLURM_PROCID": "1",
    "SLURM_NODEID": "1",
}


@pytest.fixture(autouse=True)
def own_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep environment and handlers of signals, which the launcher's process gives away."""
    before = {number: signal.getsignal(number) for number in (*launch.SIGNALS, signal.SIGHUP)}
    before[signal.SIGQUIT] = signal.getsignal(signal.SIGQUIT)
    kept = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(kept)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def scontrol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm's command that expands lists of hosts, and tells where it reaches a node."""
    file = tmp_path / "scontrol"
    file.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        '"show hostnames n[1-2]") printf "n1\\nn2\\n" ;;\n'
        '"--oneliner show node n[1-2]")\n'
        '  printf "NodeName=n%s Gres=gpu:4 NodeAddr=10.0.0.%s Port=1\\n" 2 2 1 1 ;;\n'
        "*) exit 1 ;;\n"
        "esac\n"
    )
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


def test_one_process_is_told_that_it_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[dict[str, str]] = []
    for name, value in {"RANK": "3", "WORLD_SIZE": "4", "OMPI_COMM_WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)

    def replace(path: str, command: list[str], environment: dict[str, str]) -> None:
        started.append(environment)
        raise SystemExit

    monkeypatch.setattr(os, "execve", replace)
    with pytest.raises(SystemExit):
        launch.launch(1, 1, 4, ["pretrain"])
    (given,) = started
    assert (given["DNASTUDENTS_PROCESSES"], given["OMP_NUM_THREADS"]) == ("1", "4")
    assert not {"RANK", "WORLD_SIZE", "OMPI_COMM_WORLD_SIZE"} & set(given)


@pytest.fixture
def handed_on(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What torchrun gets."""
    found: list[list[str]] = []
    monkeypatch.setattr(launch, "elastic", lambda arguments: found.append(arguments) or 7)
    return found


def test_processes_of_one_node_share_its_threads(handed_on: list[list[str]]) -> None:
    os.environ["RANK"] = "3"
    assert launch.launch(1, 2, 5, ["pretrain", "had"]) == 7
    assert handed_on == [
        [
            *("--standalone", "--nnodes=1", "--nproc-per-node=2"),
            *("-m", "dnastudents", "pretrain", "had"),
        ]
    ]
    assert (os.environ["DNASTUDENTS_PROCESSES"], os.environ["OMP_NUM_THREADS"]) == ("2", "2")
    assert "RANK" not in os.environ


@pytest.mark.usefixtures("scontrol")
def test_a_launcher_of_two_nodes_meets_the_other(
    handed_on: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in STEP.items():
        monkeypatch.setenv(name, value)
    assert launch.launch(2, 4, 8, ["pretrain", "had"]) == 7
    assert os.environ["DNASTUDENTS_PROCESSES"] == "8"
    assert handed_on == [
        [
            *("--nnodes=2", "--rdzv-backend=c10d", "--rdzv-id=1234567.3"),
            *("--rdzv-endpoint=10.0.0.1:25673", "--rdzv-conf=is_host=0", "--local-addr=10.0.0.2"),
            *("--nproc-per-node=4", "-m", "dnastudents", "pretrain", "had"),
        ]
    ]


@pytest.mark.usefixtures("scontrol")
def test_a_task_for_each_gpu_is_a_launcher_of_its_own() -> None:
    """Four tasks on two nodes, each of which sees one GPU."""
    options, launchers = rendezvous_in_step(
        STEP | {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "0", "SLURM_NODEID": "0"}, 2
    )
    assert launchers == 4
    assert {"--nnodes=4", "--rdzv-conf=is_host=1", "--local-addr=10.0.0.1"} < set(options)


@pytest.mark.usefixtures("scontrol")
def test_two_trainings_of_one_job_do_not_meet() -> None:
    first, second = (rendezvous_in_step(STEP | {"SLURM_STEP_ID": each}, 2)[0] for each in "34")
    assert {option.partition("=")[0] for option in set(first) ^ set(second)} == {
        "--rdzv-id",
        "--rdzv-endpoint",
    }


def test_a_job_that_is_in_no_step_over_its_nodes_starts_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Snakemake runs in a step of one node, or in the batch script."""
    command = step_command(2, 4, 8, ["pretrain", "had"])
    assert command[:4] == ["srun", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1"]
    again = ["launch", "--nodes", "2", "--processes", "4", "--threads", "8", "--"]
    assert command[-10:] == [*again, "pretrain", "had"]
    started: list[list[str]] = []
    monkeypatch.setenv("SLURM_JOB_ID", "7")

    def replace(program: str, command: list[str]) -> None:
        started.append(command)
        raise SystemExit

    monkeypatch.setattr(os, "execvp", replace)
    for nodes in ("", "1"):
        monkeypatch.setenv("SLURM_STEP_NUM_NODES", nodes)
        with pytest.raises(SystemExit):
            launch.launch(2, 4, 8, ["pretrain", "had"])
    assert started == [command] * 2


@pytest.mark.usefixtures("scontrol")
@pytest.mark.parametrize(
    "change", [{"SLURM_NODEID": "x"}, {"SLURM_STEP_NUM_TASKS": ""}, {"SLURM_STEP_NODELIST": "m"}]
)
def test_what_is_left_of_another_step_is_refused(
    change: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (STEP | change).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="this is not such a step of Slurm"):
        launch.launch(2, 1, 1, ["pretrain"])


def test_what_cannot_be_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(InputError, match="--nodes 2 needs a Slurm job"):
        launch.launch(2, 1, 1, ["pretrain"])
    with pytest.raises(InputError, match="at least 1 of each"):
        launch.launch(1, 0, 1, ["pretrain"])


@pytest.fixture
def ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], int]:
    """Return the launcher's code for two processes that do this."""
    monkeypatch.setenv("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", "60")

    def end(first: str, second: str) -> int:
        script = tmp_path / "script.py"
        script.write_text(
            f"import os, signal, sys, time\nif os.environ['RANK'] == '0':\n {first}\n{second}\n"
        )
        return elastic(["--standalone", "--nproc-per-node=2", str(script)])

    return end


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ("sys.exit(0)", "sys.exit(0)", 0),
        ("sys.exit(75)", "sys.exit(75)", 75),
        ("sys.exit(3)", "time.sleep(600)", 3),
        ("os.kill(os.getpid(), signal.SIGKILL)", "time.sleep(600)", 137),
    ],
)
def test_codes(first: str, second: str, code: int, ended: Callable[[str, str], int]) -> None:
    """Nobody waits for one that is dead."""
    assert ended(first, second) == code


@pytest.mark.parametrize("number", launch.SIGNALS)
def test_signals_are_handed_on_and_saving_is_waited_for(
    number: signal.Signals, tmp_path: Path, ended: Callable[[str, str], int]
) -> None:
    """To all; the processes get SIGTERM for SIGUSR1."""

    def send() -> None:
        while len(list(tmp_path.glob("ready*"))) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    here = f"{tmp_path}/"
    save = f"""
rank = os.environ["RANK"]
def save(*_):
    time.sleep(0.5)
    open({here!r} + "saved" + rank, "w").close()
    sys.exit(75)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, save)
open({here!r} + "ready" + rank, "w").close()
time.sleep(600)"""
    threading.Thread(target=send, daemon=True).start()
    assert ended("pass", save) == 75
    assert len(list(tmp_path.glob("saved*"))) == 2


def test_two_launches_side_by_side_do_not_meet(tmp_path: Path) -> None:
    """Each has processes of its own, and a port."""
    script = tmp_path / "ports.py"
    script.write_text(
        "import os, time\nname = os.environ['MASTER_PORT'] + '_' + os.environ['RANK']\n"
        f"open({str(tmp_path)!r} + '/port_' + name, 'w').close()\n"
        f"while len([f for f in os.listdir({str(tmp_path)!r}) if 'port_' in f]) < 4:\n"
        " time.sleep(0.05)\n"
    )
    code = "import sys; from dnastudents.launch import elastic; sys.exit(elastic(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "--standalone", "--nproc-per-node=2", str(script)]
    both = [subprocess.Popen(command) for _ in range(2)]
    assert [one.wait(timeout=300) for one in both] == [0, 0]
    assert len({file.name.split("_")[1] for file in tmp_path.glob("port_*")}) == 2
