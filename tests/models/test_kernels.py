"""Which inputs a compiled kernel gets, what it is told, and that its numbers are ours."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from plain_gated_delta import recurrent_gated_delta_rule
from recipes import settings_of
from torch import Tensor

from dnastudents.devices import Precision
from dnastudents.models.hybrid import kernels
from dnastudents.models.hybrid.gated_deltanet import (
    BidirectionalGatedDeltaNet,
    gated_delta_rule,
)
from dnastudents.training import loop
from dnastudents.training.pretrain import pretrain
from stand_in_gpu import GPU, Watch, stand_in_gpu

NO_GPU = not torch.cuda.is_available()
NO_FLA = find_spec("fla") is None


class FakeFla:
    """`chunk_gated_delta_rule` of releases 0.2 and later by our recurrence; keeps what it got."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        g: Tensor,
        beta: Tensor,
        scale: float | None = None,
        initial_state: Tensor | None = None,
        output_final_state: bool = False,
        use_qk_l2norm_in_kernel: bool = False,
        head_first: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        assert q.dtype == k.dtype == v.dtype != torch.float32  # the package's own conditions
        assert not (use_qk_l2norm_in_kernel or head_first)
        assert not torch.is_autocast_enabled(q.device.type)
        self.calls.append({"g": g, "beta": beta, "state": initial_state})
        output, state = recurrent_gated_delta_rule(q, k, v, g, beta, initial_state)
        size = q.shape[-1]
        output = output * size**0.5 * (size**-0.5 if scale is None else scale)
        return output.to(q.dtype), state if output_final_state else None


@pytest.fixture(autouse=True)
def look_again() -> Iterator[None]:
    """The package is looked for once a process: once a test here."""
    kernels.find_fla.cache_clear()
    yield
    kernels.find_fla.cache_clear()


def install(monkeypatch: pytest.MonkeyPatch, **functions: Any) -> None:
    """A package `fla` with these functions in `ops.gated_delta_rule`; the CPU passes for a GPU."""
    for name in ("fla", "fla.ops", "fla.ops.gated_delta_rule"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    for name, function in functions.items():
        setattr(sys.modules["fla.ops.gated_delta_rule"], name, function)
    monkeypatch.setattr(kernels, "DEVICES", ("cpu", "cuda"))


@pytest.fixture
def fla(monkeypatch: pytest.MonkeyPatch) -> FakeFla:
    fake = FakeFla()
    install(monkeypatch, chunk_gated_delta_rule=fake)
    return fake


def inputs(
    dtype: torch.dtype = torch.bfloat16, device: str = "cpu", sizes: tuple[int, int] = (4, 6)
) -> dict[str, Tensor]:
    """Inputs for 2 sequences of 70 and 3 heads, with values of `dtype`, as the layer gives them."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(2, 70, 3, *shape, generator=generator)

    key_size, value_size = sizes
    made = {
        "query": F.normalize(normal(key_size), dim=-1),
        "key": F.normalize(normal(key_size), dim=-1),
        "value": normal(value_size).to(dtype),
        "log_decay": -normal().exp(),
        "beta": normal().sigmoid(),
    }
    return {name: x.to(device) for name, x in made.items()}


def without_kernel(given: dict[str, Tensor], start: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The rule in float64, of the rounded inputs that a kernel sees."""
    half = given["value"].dtype
    rounded = {n: x.to(half) if n in ("query", "key") else x for n, x in given.items()}
    exact = {name: x.double() for name, x in rounded.items()}
    return recurrent_gated_delta_rule(**exact, initial_state=start)


@pytest.mark.parametrize("half", kernels.HALF)
def test_kernel_gets_the_rule_and_its_result_is_float32(fla: FakeFla, half: torch.dtype) -> None:
    given, start = inputs(half), torch.randn(2, 3, 4, 6)
    with torch.autocast("cpu", torch.bfloat16):
        output, state = gated_delta_rule(**given, initial_state=start)
    expected, final = without_kernel(given, start)
    assert output.dtype == state.dtype == torch.float32
    assert torch.equal(output, output.to(half).float())  # it went through the fake
    torch.testing.assert_close(output.double(), expected, rtol=2**-8, atol=1e-6)
    torch.testing.assert_close(state.double(), final, rtol=1e-5, atol=1e-6)
    (call,) = fla.calls
    assert torch.equal(call["g"], given["log_decay"]) and torch.equal(call["beta"], given["beta"])
    assert call["state"] is start


def test_gradients_reach_every_input(fla: FakeFla) -> None:
    given = {name: x.requires_grad_() for name, x in inputs().items()}
    own = {name: x.detach().clone().requires_grad_() for name, x in given.items()}
    weights = torch.randn(2, 70, 3, 6)
    (gated_delta_rule(**given)[0] * weights).sum().backward()
    (recurrent_gated_delta_rule(**own)[0] * weights).sum().backward()
    assert len(fla.calls) == 1
    for name, x in given.items():
        assert x.grad is not None and x.grad.dtype == x.dtype
        apart = (x.grad.float() - own[name].grad.float()).norm() / own[name].grad.float().norm()
        assert 0 < apart < 0.02, name  # rounding to eight bits, and not ours


def test_layer_under_autocast_uses_the_kernel(fla: FakeFla) -> None:
    torch.manual_seed(0)
    layer, x = BidirectionalGatedDeltaNet(hidden_size=8, heads=2, head_size=4), torch.randn(2, 9, 8)
    layer(x)
    assert not fla.calls  # float32
    with torch.autocast("cpu", torch.bfloat16):
        layer(x)
    assert len(fla.calls) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_full_precision_stays_ours(fla: FakeFla, dtype: torch.dtype) -> None:
    output, _ = gated_delta_rule(**inputs(dtype))
    assert output.dtype == dtype
    output, _ = gated_delta_rule(**{**inputs(), "beta": inputs()["beta"].double()})
    assert output.dtype == torch.float64
    assert not fla.calls


def test_other_devices_stay_ours(fla: FakeFla, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "DEVICES", ("cuda",))
    gated_delta_rule(**inputs())
    assert not fla.calls


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Importing fla fails because of this package; the CPU passes for a GPU."""

    def fail(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    monkeypatch.setattr(kernels, "DEVICES", ("cpu",))
    monkeypatch.setattr(kernels, "import_module", fail)


def test_a_missing_package_is_no_matter_for_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "fla")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        output, _ = gated_delta_rule(**inputs())
    exact = {name: x.double() for name, x in inputs().items()}
    torch.testing.assert_close(output.double(), recurrent_gated_delta_rule(**exact)[0])


def test_a_package_without_triton_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "triton")
    with pytest.warns(UserWarning, match="No module named 'triton'"):
        assert not kernels.fla_serves(inputs()["value"])


def heads_first(q: Tensor, head_first: bool = True) -> None:
    """As in release 0.1."""


@pytest.mark.parametrize(
    ("functions", "reason"),
    [
        ({}, "no attribute 'chunk_gated_delta_rule'"),
        ({"chunk_gated_delta_rule": heads_first}, "heads before tokens"),
    ],
)
def test_an_unusable_package_is_said_once(
    monkeypatch: pytest.MonkeyPatch, functions: dict[str, Any], reason: str
) -> None:
    install(monkeypatch, **functions)
    with pytest.warns(UserWarning, match=rf"unusable: .*{reason}.*dnastudents\[gpu\]") as said:
        first, _ = gated_delta_rule(**inputs())
        gated_delta_rule(**inputs())
    assert len(said) == 1
    exact = {name: x.double() for name, x in inputs().items()}
    torch.testing.assert_close(first.double(), recurrent_gated_delta_rule(**exact)[0])


STUB = """
from plain_gated_delta import recurrent_gated_delta_rule

def chunk_gated_delta_rule(q, k, v, g, beta, scale, initial_state, output_final_state):
    output, state = recurrent_gated_delta_rule(q, k, v, g, beta, initial_state)
    return output.to(v.dtype), state
"""


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package on the path of Python; gives what a training with it says."""
    ops = tmp_path / "stub/fla/ops"
    ops.mkdir(parents=True)
    (ops.parent / "__init__.py").write_text("__version__ = '9.8.7'")
    (ops / "__init__.py").touch()
    (ops / "gated_delta_rule.py").write_text(STUB)
    monkeypatch.syspath_prepend(tmp_path / "stub")
    yield "flash-linear-attention 9.8.7"
    for name in [name for name in sys.modules if name.partition(".")[0] == "fla"]:
        del sys.modules[name]


class Half(Precision):
    """That of a GPU, on a CPU."""

    def __init__(self, wanted: str, device: torch.device) -> None:
        super().__init__(wanted, device)
        self.name = wanted


@pytest.mark.parametrize("on_gpu", [True, False])
def test_a_training_says_what_computes(
    on_gpu: bool,
    stub: str,
    inputs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if on_gpu:
        monkeypatch.setattr(loop, "Precision", Half)
        monkeypatch.setattr(kernels, "DEVICES", ("cpu",))
    settings = settings_of("had", steps=2, precision="bf16")
    pretrain(settings, output=tmp_path / "a", state=tmp_path / "s", run="had", **inputs)
    expected, precision = (stub, "bf16") if on_gpu else ("torch", "float32")
    line = f"had trains on cpu in {precision}, gated delta rule by {expected}"
    assert caplog.messages.count(line) == 1
    metrics = json.loads((tmp_path / "a/metrics.json").read_text())
    assert metrics["gated_delta_rule"] == expected
    assert ("fla.ops.gated_delta_rule" in sys.modules) is on_gpu  # it was what computed


def operations(length: int, chunk: int = 32) -> int:
    """Count what a layer launches on a GPU for sequences of this length in half precision."""
    layer = BidirectionalGatedDeltaNet(hidden_size=8, heads=2, head_size=4, chunk_size=chunk)
    layer, x = layer.to(GPU, torch.bfloat16), torch.empty(2, length, 8, device=GPU)
    with stand_in_gpu(), Watch() as watch:
        layer(x.bfloat16())
    return watch.operations.total()


def test_what_is_launched_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel once, whatever the length; else our form, in chunks of 64 at least."""
    cpu = {chunk: operations(1024, chunk) for chunk in (32, 64, 128)}
    assert cpu[32] > cpu[64] > cpu[128]
    monkeypatch.setattr(kernels, "DEVICES", (GPU.type,))
    monkeypatch.setattr(kernels, "find_fla", lambda: None)
    assert [operations(1024, chunk) for chunk in cpu] == [cpu[64], cpu[64], cpu[128]]
    monkeypatch.setattr(kernels, "find_fla", lambda: lambda q, k, v, initial_state, **_: (v, v))
    assert operations(64) == operations(1024) < cpu[64] / 2


@pytest.mark.skipif(NO_GPU, reason="no GPU here")
@pytest.mark.skipif(NO_FLA, reason="flash-linear-attention is not installed")
def test_the_real_kernel_equals_ours_with_its_gradients() -> None:
    given = {n: x.requires_grad_() for n, x in inputs(device="cuda", sizes=(32, 64)).items()}
    assert kernels.fla_serves(given["value"])
    exact = {name: x.detach().double().requires_grad_() for name, x in given.items()}
    start = torch.randn(2, 3, 32, 64, device="cuda")
    weights = torch.randn(2, 70, 3, 64, device="cuda")
    output, state = gated_delta_rule(**given, initial_state=start)
    expected, final = recurrent_gated_delta_rule(**exact, initial_state=start)
    (output * weights).sum().backward()
    (expected * weights).sum().backward()

    def apart(a: Tensor, b: Tensor) -> float:
        return float((a.double() - b).norm() / b.norm())

    assert apart(output, expected) < 0.02 and apart(state, final) < 0.02
    for name, x in given.items():
        assert apart(x.grad, exact[name].grad) < 0.03, name
