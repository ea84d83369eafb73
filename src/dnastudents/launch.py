"""Start a training in one process, or in several through `accelerate launch`.

A file in the home folder or a missing flag must not decide how many processes train: on a machine
without GPUs, `accelerate launch --cpu --num_processes 2` runs one process without a word. One
process needs no launcher, which would cost seconds and not hand a signal on to its child.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def launch_command(processes: int, threads: int, arguments: Sequence[str]) -> list[str]:
    """The command that runs `python -m dnastudents ARGUMENTS` in `processes` processes.

    Parameters
    ----------
    processes : int
        Processes on this machine; one drives one GPU, or shares the CPU.
    threads : int
        CPU threads of the whole job, shared by the processes.
    arguments : sequence of str
        The subcommand and its arguments.
    """
    if processes == 1:
        return [sys.executable, "-m", "dnastudents", *arguments]
    return [
        *(sys.executable, "-m", "accelerate.commands.launch"),
        "--multi_gpu",  # several processes: NCCL on GPUs, gloo on a CPU
        *("--num_processes", str(processes)),
        *("--num_machines", "1"),
        *("--mixed_precision", "no"),  # the run's own settings decide
        *("--dynamo_backend", "no"),
        *("--num_cpu_threads_per_process", str(max(1, threads // processes))),
        *("--main_process_port", "0"),
        *("-m", "dnastudents"),
        *arguments,
    ]


def launch(processes: int, threads: int, arguments: Sequence[str]) -> None:
    """Replace this process by the training."""
    os.environ["DNASTUDENTS_PROCESSES"] = str(processes)  # pretraining asserts it
    os.environ["OMP_NUM_THREADS"] = str(max(1, threads // processes))
    command = launch_command(processes, threads, arguments)
    os.execv(command[0], command)
