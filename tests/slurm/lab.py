"""A real Slurm on this machine: one controller, one CPU node, two nodes with stand-in GPUs.

It builds on DNASTUDENTS_SHARED/slurm, which starts the daemons; this adds a partition that
preempts, and what the tests do to a cluster.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

FOLDER = Path(os.environ.get("SLURM_LAB", "/tmp/slurm-lab"))
NODES = {"SLURM_LAB_CPU_NODES": "1", "SLURM_LAB_GPU_NODES": "2", "SLURM_LAB_CPUS": "16"}
GPU_NODES = ("g1", "g2")
# Jobs of `urgent` push those of `gpu` back into the queue.
PREEMPTION = """
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=urgent Nodes=g1,g2 PriorityTier=10 MaxTime=01:00:00 State=UP
"""


def start(scripts: Path) -> None:
    """Bring the cluster up; one that is up stays."""
    subprocess.run(["bash", str(scripts / "up.sh")], env=os.environ | NODES, check=True)
    configuration = FOLDER / "slurm.conf"
    configuration.write_text(configuration.read_text() + PREEMPTION)
    restart_controller()
    wait_until(lambda: "urgent" in slurm("sinfo", "-h", "-o", "%P"), 60, "the new partition")
    wait_until(lambda: states() == {"idle"}, 60, "all nodes")


def stop(scripts: Path) -> None:
    """Stop what `start` started."""
    subprocess.run(["bash", str(scripts / "down.sh")], check=True)


def slurm(*command: str) -> str:
    """What a command of Slurm prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def states() -> set[str]:
    """The states of the nodes."""
    return set(slurm("sinfo", "-h", "-N", "-o", "%T").split())


def restart_controller() -> None:
    """Kill the controller, and start it again."""
    _kill("slurmctld")
    _launch("slurmctld", "slurmctld", "-D")
    wait_until(lambda: "is UP" in slurm("scontrol", "ping"), 60, "the controller")


def kill_node(node: str) -> None:
    """Let a node die as by a power cut: its daemon, and all processes of its jobs."""
    jobs = [job for job, place in running() if place == node]
    _kill(f"slurmd-{node}")
    # What watches over a job first: it would tell the controller how the job ended.
    for file, mark in (("cmdline", "slurmstepd: [{}."), ("environ", "SLURM_JOB_ID={}\0")):
        marks = [mark.format(job).encode() for job in jobs]
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # a process that ended meanwhile
                content = (entry / file).read_bytes()
                if any(mark in content for mark in marks):
                    os.kill(int(entry.name), signal.SIGKILL)


def clear() -> None:
    """No jobs, and all nodes in use."""
    slurm("scancel", "--user=root")
    for node in GPU_NODES:
        if not _pid(f"slurmd-{node}"):
            _launch(f"slurmd-{node}", "slurmd", "-D", "-N", node)
    wait_until(lambda: not slurm("squeue", "-h", "-o", "%A"), 60, "the end of all jobs")
    for node in GPU_NODES:
        if "drain" in slurm("sinfo", "-h", "-n", node, "-o", "%T"):
            slurm("scontrol", "update", f"NodeName={node}", "State=RESUME")
    wait_until(lambda: states() == {"idle"}, 60, "all nodes")


def _pid(daemon: str) -> int:
    """The process of a daemon, 0 when it does not run; up.sh wrote its id and start time."""
    pid, began = (FOLDER / "pid" / daemon).read_text().split()
    return int(pid) if _began(int(pid)) == began else 0


def _began(pid: int) -> str:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # a child of ours would stay a zombie
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[19]
    return ""


def _kill(daemon: str) -> None:
    os.kill(_pid(daemon), signal.SIGKILL)
    wait_until(lambda: not _pid(daemon), 10, f"the end of {daemon}")


def _launch(daemon: str, *command: str) -> None:
    """Start a daemon as up.sh does: its pid file is what down.sh reads."""
    with (FOLDER / f"log/{daemon}.log").open("a") as log:
        new = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    (FOLDER / "pid" / daemon).write_text(f"{new.pid} {_began(new.pid)}\n")


def running() -> list[tuple[str, str]]:
    """Id and node of every running job."""
    lines = slurm("squeue", "-h", "-t", "RUNNING", "-o", "%A %N").splitlines()
    return [(line.split()[0], line.split()[1]) for line in lines]


def wait_until(happened: Callable[[], object], seconds: float, what: str) -> None:
    """Return once it happened; an `AssertionError` when it did not in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(subprocess.SubprocessError):  # while the controller starts
            if happened():
                return
        time.sleep(0.2)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")
