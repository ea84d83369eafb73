"""The launcher leaves nothing to a file in the home folder."""

from __future__ import annotations

from dnastudents.launch import launch_command


def test_one_process_needs_no_launcher() -> None:
    command = launch_command(1, 4, ["pretrain", "had"])
    assert command[1:] == ["-m", "dnastudents", "pretrain", "had"]


def test_several_processes_share_the_threads() -> None:
    command = launch_command(2, 5, ["pretrain"])
    assert "--multi_gpu" in command
    assert command[command.index("--num_processes") + 1] == "2"
    assert command[command.index("--num_cpu_threads_per_process") + 1] == "2"
