"""The device of a job: what is warned of, and what moves."""

from __future__ import annotations

import pytest
import torch

from dnastudents.devices import choose_device, device_name, moved, unusable_gpu


@pytest.mark.parametrize(
    ("environment", "given"),
    [
        ({}, ""),
        ({"CUDA_VISIBLE_DEVICES": ""}, ""),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, ""),
        ({"CUDA_VISIBLE_DEVICES": "0,1"}, "CUDA_VISIBLE_DEVICES is 0,1"),
        ({"SLURM_JOB_GPUS": "3"}, "SLURM_JOB_GPUS is 3"),
    ],
)
def test_what_gives_a_gpu(environment: dict[str, str], given: str) -> None:
    assert unusable_gpu(environment) == given


def test_a_gpu_that_torch_does_not_see_is_warned_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    choose_device.cache_clear()
    assert [choose_device().type for _ in range(2)] == ["cpu", "cpu"]
    choose_device.cache_clear()
    assert caplog.text.count("CUDA_VISIBLE_DEVICES is 0, but torch") == 1


def test_on_a_cpu_nothing_moves() -> None:
    tensor = torch.arange(3)
    assert moved(tensor, torch.device("cpu")) is tensor
    assert device_name(torch.device("cpu")) == "cpu"
