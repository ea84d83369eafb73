"""The device of a job: what is refused, and what moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from dnastudents.devices import (
    ON_CPU,
    Precision,
    as_many_as_fit,
    choose_device,
    device_name,
    gives_gpu,
    moved,
)
from dnastudents.errors import InputError


@pytest.mark.parametrize(
    ("environment", "given"),
    [
        ({}, ""),
        ({"CUDA_VISIBLE_DEVICES": ""}, ""),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, ""),
        ({"CUDA_VISIBLE_DEVICES": "0,1"}, "CUDA_VISIBLE_DEVICES is 0,1"),
        ({"SLURM_JOB_GPUS": "3"}, "SLURM_JOB_GPUS is 3"),
        ({"SLURM_GPUS": "1"}, "SLURM_GPUS is 1"),
    ],
)
def test_what_gives_a_gpu(environment: dict[str, str], given: str) -> None:
    assert gives_gpu(environment) == given


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing gives a GPU, and nothing has been chosen."""
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "SLURM_GPUS", ON_CPU):
        monkeypatch.delenv(name, raising=False)
    choose_device.cache_clear()
    yield
    choose_device.cache_clear()


@pytest.mark.usefixtures("fresh")
def test_a_gpu_that_torch_cannot_use_ends_the_job_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def init() -> None:
        raise RuntimeError("The NVIDIA driver on your system is too old.\nUpdate it.")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", init)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    reason = (
        r"CUDA_VISIBLE_DEVICES is 0, but torch .* cannot use a GPU: The NVIDIA .* old\.; install"
    )
    with pytest.raises(InputError, match=reason):
        choose_device()
    monkeypatch.setenv(ON_CPU, "1")
    assert choose_device().type == "cpu"


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("processes", "launched", "enough"),
    [("2", True, True), ("3", True, False), ("3", False, True)],  # the last is left of a session
)
def test_each_process_of_a_node_needs_a_gpu(
    processes: str, launched: bool, enough: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DNASTUDENTS_PROCESSES", "FORK_LAUNCHED", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    if launched:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
    if enough:
        assert choose_device().type == "cuda"
        return
    with pytest.raises(InputError, match=r"3 processes start on this node, but torch sees 2 GPU"):
        choose_device()


@pytest.mark.parametrize(
    ("message", "full"),
    [
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED", True),
        ("GET was unable to find an engine to execute this computation", True),
        ("CUDA error: out of memory", True),  # pinned memory
        ("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory", True),
        ("CUDA error: an illegal memory access was encountered", False),
        ("mat1 and mat2 shapes cannot be multiplied", False),
    ],
)
def test_all_ways_to_run_out_of_memory_halve_the_batch(message: str, full: bool) -> None:
    def work(at_once: int) -> int:
        if at_once > 2:
            raise RuntimeError(message)
        return 7

    if full:
        assert as_many_as_fit(work, 8, torch.device("cpu")) == (7, 2)
        return
    with pytest.raises(RuntimeError, match=r"memory access|mat1"):
        as_many_as_fit(work, 8, torch.device("cpu"))


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
