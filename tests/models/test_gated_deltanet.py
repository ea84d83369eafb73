"""The chunked rule against golden vectors, the recurrence and finite differences; the layer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from plain_gated_delta import recurrent_gated_delta_rule
from safetensors.torch import load_file
from torch import Tensor

from dnastudents.errors import InputError
from dnastudents.models.hybrid.gated_deltanet import (
    BidirectionalGatedDeltaNet,
    gated_delta_rule,
    reversed_rows,
)

NAMES = ("query", "key", "value", "log_decay", "beta")
CHUNKS = (1, 2, 5, 16, 31, 32, 64, 128, 512)


def random_inputs(
    length: int, decay: float = 1.0, dtype: torch.dtype = torch.float32, seed: int = 0
) -> dict[str, Tensor]:
    """Inputs for 2 sequences, 3 heads, keys of 4 and values of 6."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(2, length, 3, *shape, generator=generator, dtype=dtype)

    return {
        "query": F.normalize(normal(4), dim=-1),
        "key": F.normalize(normal(4), dim=-1),
        "value": normal(6),
        "log_decay": -decay * normal().exp(),
        "beta": normal().sigmoid(),
    }


def largest_difference(a: Tensor, b: Tensor) -> float:
    return float((a.detach().double() - b.detach().double()).abs().max())


@pytest.mark.parametrize("name", ["short", "long", "strong_decay"])
def test_golden(golden: Path, name: str) -> None:
    vectors = load_file(golden / f"gated_delta_rule_{name}.safetensors")
    inputs = {key: vectors[key] for key in NAMES}
    start = vectors["initial_state"]

    output, state = recurrent_gated_delta_rule(**inputs, initial_state=start)
    assert largest_difference(output, vectors["output"]) <= 1e-5
    assert largest_difference(state, vectors["final_state"]) <= 1e-5
    for chunk_size in CHUNKS:
        output, state = gated_delta_rule(**inputs, initial_state=start, chunk_size=chunk_size)
        assert largest_difference(output, vectors["output"]) <= 1e-5
        assert largest_difference(state, vectors["final_state"]) <= 1e-5
        output, _ = gated_delta_rule(**inputs, chunk_size=chunk_size)
        assert largest_difference(output, vectors["output_without_initial_state"]) <= 1e-5


@pytest.mark.parametrize("decay", [0.0, 1e-3, 1.0, 100.0, 1e4])
@pytest.mark.parametrize("length", [1, 7, 64, 65])
def test_equals_recurrence_at_any_decay_and_length(decay: float, length: int) -> None:
    inputs = random_inputs(length, decay)
    exact = {name: x.double() for name, x in inputs.items()}
    reference, final = recurrent_gated_delta_rule(**exact)
    output, state = gated_delta_rule(**inputs, chunk_size=32)
    assert largest_difference(output, reference) <= 1e-6
    assert largest_difference(state, final) <= 1e-6


def test_strong_then_weak_decay_keeps_its_digits() -> None:
    inputs = random_inputs(64, 0.01)
    inputs["log_decay"][:, ::5] = -1000.0  # cumulative sums that leave float32 few digits
    exact = {name: x.double() for name, x in inputs.items()}
    output, _ = gated_delta_rule(**inputs)
    assert largest_difference(output, recurrent_gated_delta_rule(**exact)[0]) <= 1e-6


def test_state_passes_from_call_to_call() -> None:
    inputs = random_inputs(50)
    whole, final = gated_delta_rule(**inputs, chunk_size=16)
    first, state = gated_delta_rule(**{k: x[:, :19] for k, x in inputs.items()}, chunk_size=16)
    rest, last = gated_delta_rule(**{k: x[:, 19:] for k, x in inputs.items()}, initial_state=state)
    assert largest_difference(torch.cat([first, rest], dim=1), whole) <= 1e-6
    assert largest_difference(last, final) <= 1e-6


@pytest.mark.parametrize("decay", [0.1, 30.0])
def test_gradients_against_finite_differences(decay: float) -> None:
    inputs = random_inputs(5, decay, torch.float64)
    inputs = {name: x[:1, :, :2].clone().requires_grad_() for name, x in inputs.items()}
    start = torch.randn(1, 2, 4, 6, dtype=torch.float64).requires_grad_()

    def rule(*values: Tensor) -> tuple[Tensor, Tensor]:
        return gated_delta_rule(*values, chunk_size=3)

    assert torch.autograd.gradcheck(rule, (*inputs.values(), start))


def test_gradients_equal_those_of_the_recurrence() -> None:
    inputs = {name: x.requires_grad_() for name, x in random_inputs(70, 5.0).items()}
    exact = {n: x.detach().double().requires_grad_() for n, x in inputs.items()}
    gated_delta_rule(**inputs, chunk_size=32)[0].square().sum().backward()
    recurrent_gated_delta_rule(**exact)[0].square().sum().backward()
    for name in NAMES:
        assert largest_difference(inputs[name].grad, exact[name].grad) <= 1e-4, name


def test_half_precision_inputs_are_computed_in_float32() -> None:
    inputs = {name: x.bfloat16() for name, x in random_inputs(40).items()}
    with torch.autocast("cpu", torch.bfloat16):
        output, state = gated_delta_rule(**inputs)
    reference, _ = recurrent_gated_delta_rule(**{n: x.double() for n, x in inputs.items()})
    assert output.dtype == state.dtype == torch.float32
    assert largest_difference(output, reference) <= 1e-6


def test_chunk_size_must_be_positive() -> None:
    with pytest.raises(InputError, match="chunk_size"):
        gated_delta_rule(**random_inputs(3), chunk_size=0)


def test_reversed_rows_reverse_real_tokens_only() -> None:
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]])
    rows = reversed_rows(mask).view(3, 5) - torch.tensor([[0], [5], [10]])
    assert rows.tolist() == [[2, 1, 0, 3, 4], [4, 3, 2, 1, 0], [0, 1, 2, 3, 4]]


def one_direction(layer: BidirectionalGatedDeltaNet, x: Tensor, direction: int) -> Tensor:
    """Gated DeltaNet of one direction, step by step, on one sequence x (T, D) in its own order."""
    heads, value_size = layer.heads, layer.value_size
    keys, _, values = layer.split_sizes
    in_proj = layer.in_proj.weight.chunk(2)[direction]
    convolution = layer.conv.weight.chunk(2)[direction][:, 0]
    query, key, value, step, strength = (x @ in_proj.T).split(
        [keys, keys, values, heads, heads], dim=-1
    )
    mixed = torch.cat([query, key, value], dim=-1)
    taps = convolution.shape[1]
    padded = torch.cat([mixed.new_zeros(taps - 1, mixed.shape[1]), mixed])
    mixed = F.silu(
        torch.stack([(padded[t : t + taps].T * convolution).sum(1) for t in range(len(x))])
    )
    query, key, value = (
        part.reshape(1, len(x), heads, -1) for part in mixed.split([keys, keys, values], dim=-1)
    )
    rate = layer.A_log.chunk(2)[direction].exp()
    log_decay = -rate * F.softplus(step + layer.dt_bias.chunk(2)[direction])
    output, _ = recurrent_gated_delta_rule(
        query / (query.square().sum(-1, keepdim=True) + 1e-6).sqrt(),
        key / (key.square().sum(-1, keepdim=True) + 1e-6).sqrt(),
        value,
        log_decay[None],
        strength.sigmoid()[None],
    )
    output = output[0] / (output[0].square().mean(-1, keepdim=True) + 1e-5).sqrt()
    output = output * layer.norm_weight.chunk(2)[direction]
    gate = (x @ layer.gate_proj.weight.chunk(2)[direction].T).view(len(x), heads, value_size)
    return (output * F.silu(gate)).flatten(1) @ layer.out_proj.weight.chunk(2, dim=1)[direction].T


def test_layer_is_the_sum_of_two_directions_read_on_their_own() -> None:
    torch.manual_seed(1)
    layer = BidirectionalGatedDeltaNet(hidden_size=10, heads=2, head_size=4, chunk_size=4)
    torch.nn.init.normal_(layer.norm_weight)
    x = torch.randn(3, 11, 10)
    lengths = [11, 6, 1]
    mask = torch.arange(11) < torch.tensor(lengths)[:, None]
    with torch.no_grad():
        output = layer(x, reversed_rows(mask))
        for row, length in enumerate(lengths):
            real = x[row, :length]
            expected = one_direction(layer, real, 0)
            expected = expected + one_direction(layer, real.flip(0), 1).flip(0)
            assert largest_difference(output[row, :length], expected) <= 1e-5


def test_layer_without_rows_takes_all_tokens_as_real() -> None:
    torch.manual_seed(2)
    layer = BidirectionalGatedDeltaNet(hidden_size=8, heads=2, head_size=4)
    x = torch.randn(2, 9, 8)
    rows = reversed_rows(torch.ones(2, 9))
    assert largest_difference(layer(x), layer(x, rows)) <= 1e-6


def test_initial_decay_is_that_of_flash_linear_attention() -> None:
    torch.manual_seed(3)
    layer = BidirectionalGatedDeltaNet(hidden_size=8, heads=500, head_size=2)
    steps = F.softplus(layer.dt_bias).detach()
    assert steps.min() >= 1e-3 * 0.999 and steps.max() <= 0.1 * 1.001
    assert abs(float(steps.log().mean()) - float(torch.tensor(1e-2).log())) < 0.2
    rates = layer.A_log.detach().exp()
    assert rates.min() > 0 and rates.max() <= 16
    assert 7 < float(rates.mean()) < 9
