"""Start a training in one process or in several, on one node or on many.

One process takes this one's place. Several are started, watched and ended by torchrun, which
`accelerate launch` starts them with too; `accelerate launch -m dnastudents pretrain ...` trains in
the same way. Ours is only what neither does: `srun` for one launcher a node, an address and an id
from Slurm, SIGUSR1, which older releases of torchrun do not hand on, and a status that says whether
a signal stopped the training (both end with 1 then).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import FrameType

from dnastudents.environment import PROCESSES, without_group
from dnastudents.errors import InputError

STOPPED = 75  # a training that saved its state, see `training.signals`
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
SAVING = 300  # seconds that torchrun leaves processes to save their state, or to miss a dead one


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
    rendezvous, launchers = ["--standalone", "--nnodes=1"], 1
    if nodes > 1:
        if "SLURM_JOB_ID" not in os.environ:
            raise InputError(f"--nodes {nodes} needs a Slurm job, and this is not one")
        if os.environ.get("SLURM_STEP_NUM_NODES") != str(nodes):
            # The step counts, not the job: Snakemake itself may run in a step of one node.
            command = step_command(nodes, processes, threads, arguments)
            os.execvp(command[0], command)
        rendezvous, launchers = rendezvous_in_step(os.environ, nodes)
    environment = without_group(os.environ) | {
        PROCESSES: str(launchers * processes),  # pretraining asserts it
        "OMP_NUM_THREADS": str(max(1, threads // processes)),
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(SAVING),
    }
    if launchers * processes == 1:
        command = [sys.executable, "-m", "dnastudents", *arguments]
        os.execve(command[0], command, environment)
    os.environ.clear()
    os.environ.update(environment)
    return elastic([*rendezvous, f"--nproc-per-node={processes}", "-m", "dnastudents", *arguments])


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


def rendezvous_in_step(environment: Mapping[str, str], nodes: int) -> tuple[list[str], int]:
    """Return torchrun's options for a task of a Slurm step, and the number of its launchers.

    Each task is a launcher: one a node, or one a GPU where Slurm binds a GPU to a task.

    Raises
    ------
    InputError
        The step is not over `nodes` nodes, or Slurm's variables are incomplete.
    """
    try:
        hosts = _addresses(environment["SLURM_STEP_NODELIST"])
        launchers, step = int(environment["SLURM_STEP_NUM_TASKS"]), environment["SLURM_STEP_ID"]
        job, here = int(environment["SLURM_JOB_ID"]), hosts[int(environment["SLURM_NODEID"])]
        # Steps of one job differ, and so do jobs of a node; below what is handed out.
        port = 20000 + (10 * job + int(step)) % 10000
        options = {
            "nnodes": launchers,
            "rdzv-backend": "c10d",
            "rdzv-id": f"{job}.{step}",
            "rdzv-endpoint": f"{hosts[0]}:{port}",
            # Else torchrun looks for its own name among the endpoint's, and aliases mislead it.
            "rdzv-conf": f"is_host={int(environment['SLURM_PROCID'] == '0')}",
            "local-addr": here,
        }
    except (KeyError, ValueError, IndexError, OSError, subprocess.SubprocessError) as error:
        raise InputError(
            f"SLURM_STEP_NUM_NODES is {nodes}, but this is not such a step of Slurm ({error}); "
            "start with `srun`, or unset it"
        ) from None
    return [f"--{name}={value}" for name, value in options.items()], launchers


def _addresses(nodes: str) -> list[str]:
    """Return where Slurm itself reaches each of some nodes: not every name can be looked up."""

    def scontrol(*arguments: str) -> str:
        command = ["scontrol", *arguments, nodes]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    described = scontrol("--oneliner", "show", "node")
    known = dict(re.findall(r"^NodeName=(\S+) .*?\bNodeAddr=(\S+)", described, re.MULTILINE))
    return [known.get(name, name) for name in scontrol("show", "hostnames").split()]


def elastic(arguments: Sequence[str]) -> int:
    """Run torchrun in this process; return the code that `launch` returns."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    def as_sigterm(number: int, frame: FrameType | None) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGUSR1, as_sigterm)
    try:
        run(parse_args(arguments))
    except SignalException:
        return STOPPED
    except ChildFailedError as error:
        codes = [failure.exitcode for failure in error.failures.values()]
        first = error.get_first_failure()[1].exitcode
        # The others lose one that has stopped.
        return STOPPED if STOPPED in codes else 128 - first if first < 0 else first
    finally:
        signal.signal(signal.SIGUSR1, before)
    return 0
