"""Start a training in one process or in several, on one node or on many.

Nothing but the arguments decides how many processes train: on a machine without GPUs,
`accelerate launch --cpu --num_processes 2` runs one without a word. Two more reasons not to start
through it: torchrun does not hand SIGUSR1 on and ends with 1 after SIGTERM, so nobody could see
that the training has saved its state. Whoever wants it may still call
`accelerate launch -m dnastudents pretrain ...`, which trains in the same way.

On one node the processes are children of this one, which hands signals on, and ends the others when
one fails. On several, `srun` starts this launcher once per node (or once per GPU), and each
starts its own children. One process alone needs no parent and takes this one's place.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FrameType

from dnastudents.environment import PROCESSES, without_group
from dnastudents.errors import InputError

STOPPED = 75  # a training that saved its state, see `training.signals`
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
GRACE = 30.0  # seconds that the others may live on when one has failed
POLL = 0.1


@dataclass(frozen=True)
class LauncherRank:
    """The rank of this launcher among those that start one training together.

    Attributes
    ----------
    count, rank : int
        Launchers, and the number of this one among them.
    local_count, local_rank : int
        The same on this node alone.
    address, port : str and int
        Where the first process listens; port 0 stands for any free one.
    """

    count: int = 1
    rank: int = 0
    local_count: int = 1
    local_rank: int = 0
    address: str = "127.0.0.1"
    port: int = 0

    @classmethod
    def in_step(cls, environment: Mapping[str, str], nodes: int) -> LauncherRank | None:
        """Return that of a task of a Slurm step over `nodes` nodes; None outside such a step.

        The step counts, not the job: Snakemake itself may run in a step of one node.
        """
        if environment.get("SLURM_STEP_NUM_NODES") != str(nodes):
            return None
        try:
            count = int(environment["SLURM_STEP_NUM_TASKS"])
            hosts = subprocess.run(
                ["scontrol", "show", "hostnames", environment["SLURM_STEP_NODELIST"]],
                check=True,
                capture_output=True,
                text=True,
            ).stdout.split()
            return cls(
                count,
                int(environment["SLURM_PROCID"]),
                count // nodes,
                int(environment["SLURM_LOCALID"]),
                hosts[0],
                # no two jobs have the same; below what is handed out
                20000 + int(environment["SLURM_JOB_ID"]) % 10000,
            )
        except (KeyError, ValueError, IndexError, OSError, subprocess.SubprocessError) as error:
            raise InputError(
                f"SLURM_STEP_NUM_NODES is {nodes}, but this is not such a step of Slurm ({error}); "
                "start with `srun`, or unset it"
            ) from None


def launch(nodes: int, processes: int, threads: int, arguments: Sequence[str]) -> int:
    """Run `python -m dnastudents ARGUMENTS` in processes that train together.

    Parameters
    ----------
    nodes : int
        More than one is for Slurm jobs. If this is not a task of a step over this many nodes,
        `srun` starts one.
    processes : int
        Of this launcher; one drives one GPU, or shares the CPU.
    threads : int
        CPU threads of this launcher, shared by its processes.
    arguments : sequence of str
        The subcommand and its arguments.

    Returns
    -------
    int
        0; 75 when a signal stopped the training; else the code of the first process that failed,
        128 more than the signal that killed it.

    Raises
    ------
    InputError
        Several nodes outside Slurm, or no process.
    """
    if nodes < 1 or processes < 1:
        raise InputError(f"--nodes {nodes}, --processes {processes}: give at least 1 of each")
    launcher = LauncherRank()
    if nodes > 1:
        if "SLURM_JOB_ID" not in os.environ:
            raise InputError(f"--nodes {nodes} needs a Slurm job, and this is not one")
        step = LauncherRank.in_step(os.environ, nodes)
        if step is None:
            command = step_command(nodes, processes, threads, arguments)
            os.execvp(command[0], command)
        launcher = step
    command = [sys.executable, "-m", "dnastudents", *arguments]
    environments = [
        {**without_group(os.environ), **each}
        for each in process_environments(launcher, processes, threads)
    ]
    if processes == 1:
        os.execve(command[0], command, environments[0])
    return supervise(command, environments)


def step_command(nodes: int, processes: int, threads: int, arguments: Sequence[str]) -> list[str]:
    """Return the command that runs this launcher once on each node of a Slurm job."""
    return [
        "srun",
        f"--nodes={nodes}",
        f"--ntasks={nodes}",
        "--ntasks-per-node=1",
        f"--cpus-per-task={threads}",
        "--overlap",  # the step that this is called in holds the same CPUs and GPUs
        "--wait=60",  # for launchers that end a little later than the first
        sys.executable,
        "-m",
        "dnastudents",
        "launch",
        "--nodes",
        str(nodes),
        "--processes",
        str(processes),
        "--threads",
        str(threads),
        "--",
        *arguments,
    ]


def process_environments(
    launcher: LauncherRank, processes: int, threads: int
) -> list[dict[str, str]]:
    """Return the environments of a launcher's processes, in torch.distributed's names."""
    world = launcher.count * processes
    shared = {
        PROCESSES: str(world),  # pretraining asserts it
        "OMP_NUM_THREADS": str(max(1, threads // processes)),
    }
    if world == 1:
        return [shared]
    shared |= {
        "WORLD_SIZE": str(world),
        "LOCAL_WORLD_SIZE": str(launcher.local_count * processes),
        "MASTER_ADDR": launcher.address,
        "MASTER_PORT": str(launcher.port or _free_port()),
    }
    return [
        {
            **shared,
            "RANK": str(launcher.rank * processes + each),
            "LOCAL_RANK": str(launcher.local_rank * processes + each),
        }
        for each in range(processes)
    ]


def supervise(command: Sequence[str], environments: Sequence[Mapping[str, str]]) -> int:
    """Run the command once in each environment; see `launch` for what is returned."""
    children: list[subprocess.Popen[bytes]] = []
    received: list[int] = []

    def hand_on(number: int, frame: FrameType | None = None) -> None:
        received.append(number)
        for child in children:
            child.send_signal(number)  # nothing happens to one that has ended

    before = {number: signal.signal(number, hand_on) for number in SIGNALS}
    try:
        for environment in environments:
            children.append(subprocess.Popen(command, env=environment))
        for number in set(received):  # which came before all were there
            hand_on(number)
        failed = _wait(children)
    finally:
        for child in children:
            child.kill()
            child.wait()
        for number, handler in before.items():
            signal.signal(number, handler)
    codes = [child.returncode for child in children]
    if STOPPED in codes or any(-number in codes for number in received):
        return STOPPED
    return 128 - failed if failed < 0 else failed


def _wait(children: Sequence[subprocess.Popen[bytes]]) -> int:
    """Wait for all children, or GRACE after a failure; return the first code that is not 0."""
    failed, end = 0, float("inf")
    while time.monotonic() < end:
        codes = [child.poll() for child in children]
        if not failed and any(codes):
            failed, end = next(filter(None, codes)), time.monotonic() + GRACE
        if None not in codes:
            break
        time.sleep(POLL)
    return failed


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
