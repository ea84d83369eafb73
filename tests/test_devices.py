"""The device of a job: what is warned of, and what moves."""

from __future__ import annotations

import pytest
import torch

from dnastudents.devices import Precision, choose_device, device_name, moved, unusable_gpu


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


@pytest.mark.parametrize("wanted", ["no", "bf16", "fp16"])
def test_a_cpu_computes_in_float32(wanted: str) -> None:
    precision = Precision(wanted, torch.device("cpu"))
    assert precision.name == "no"
    assert not precision.scaler.is_enabled()
    with precision.autocast():
        assert not torch.is_autocast_enabled("cpu")
    assert Precision("bf16", torch.device("cuda")).name == "bf16"


@pytest.mark.parametrize(("gradient", "bad"), [(3.0, False), (float("inf"), True)])
def test_a_gradient_is_clipped_and_a_bad_one_is_told(gradient: float, bad: bool) -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    precision = Precision("no", torch.device("cpu"))
    precision.backward((weight * gradient).sum())
    assert precision.clip(optimizer, [weight], 1.0).item() is bad
    if not bad:
        precision.step(optimizer)
        assert weight.item() == pytest.approx(-1.0)


def test_on_a_cpu_nothing_moves() -> None:
    tensor = torch.arange(3)
    assert moved(tensor, torch.device("cpu")) is tensor
    assert device_name(torch.device("cpu")) == "cpu"
