"""How fast HAD's parts are: the gated delta rule, its memory, the student's step, the teacher.

The rule's rows are forward and backward passes of the function alone, on inputs as its layer makes
them. transformers' Qwen3-Next has the same rule in PyTorch: in 5.23 with two triangular solves a
chunk, in 4.57 (and in 5.23 for export) with an inverse made row by row; both are rows here.
What is compared must first give the same output and the same gradients.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

import torch
import torch.nn.functional as F
from had_models import student_rows, teacher_rows, views_row
from timing import Row, always, hardware, interleaved, report
from torch import Tensor
from transformers.models.qwen3_next import modeling_qwen3_next as qwen

from dnastudents.models.hybrid import kernels
from dnastudents.models.hybrid.gated_deltanet import gated_delta_rule

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/models"))
from plain_gated_delta import recurrent_gated_delta_rule

CHUNK = 32
# Unwrapped, since transformers puts flash-linear-attention in its place where that is installed.
THEIRS = inspect.unwrap(qwen.torch_chunk_gated_delta_rule)
SHORT = 0.1  # seconds that a turn of a short call lasts at least
Rule = Callable[..., tuple[Tensor, Tensor]]


def rule_inputs(batch: int, length: int, device: torch.device) -> list[Tensor]:
    """Query, key, value, log-decay and beta of 3 heads with K 32 and V 64, which want gradients."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(batch, length, 3, *shape, device=device)

    query, key = (F.normalize(normal(32), dim=-1) for _ in range(2))
    made = [query, key, normal(64), -0.1 * normal().exp(), normal().sigmoid()]
    return [x.requires_grad_() for x in made]


def forward_and_backward(rule: Rule, inputs: list[Tensor], gradient: Tensor) -> list[Tensor]:
    """The output, then the gradients of all inputs."""
    output = rule(*inputs)[0]
    return [output, *torch.autograd.grad(output, inputs, gradient)]


def row_by_row(*inputs: Tensor) -> tuple[Tensor, Tensor]:
    """transformers' form with the inverse of 4.57, whichever is installed."""
    with patch.object(qwen, "is_torchdynamo_exporting", lambda: True, create=True):
        return THEIRS(*inputs, chunk_size=CHUNK)


def rule_rows(device: torch.device, length: int, turns: int) -> list[Row]:
    """Forward and backward of the chunked rule against other forms of it, in float32."""
    inputs = rule_inputs(2, length, device)
    gradient = torch.randn_like(inputs[2])
    rules: dict[str, Rule] = {
        "ours": partial(gated_delta_rule, chunk_size=CHUNK),
        "recurrence": recurrent_gated_delta_rule,
        "transformers": partial(THEIRS, chunk_size=CHUNK),
        "row by row": row_by_row,
        "default": THEIRS,
    }
    calls = {
        name: partial(forward_and_backward, rule, inputs, gradient) for name, rule in rules.items()
    }
    expected = calls["recurrence"]()
    for call in calls.values():
        for got, want in zip(call(), expected, strict=True):
            assert (got - want).norm() < 1e-4 * want.norm()
    time = interleaved(
        {name: always(call) for name, call in calls.items()}, turns, device, shortest=SHORT
    )
    others = [
        ("recurrence", "against the recurrence", ">= 25"),
        ("transformers", "against transformers' Qwen3-Next", ">= 1.5"),
        ("row by row", "against that with its inverse row by row", ">= 1.5"),
        ("default", "against that at its chunk of 64", ""),
    ]
    size = f"gated delta rule, 2 x {length:,}, chunk {CHUNK}"
    return [
        Row(
            f"{size}, {what}",
            1e3 * time["ours"],
            1e3 * time[other],
            time[other] / time["ours"],
            target,
            "ms",
        )
        for other, what, target in others
    ]


def kernel_rows(device: torch.device, length: int, turns: int) -> list[Row]:
    """flash-linear-attention against our form on values in bf16; nothing where it is not used."""
    inputs = [x.detach() for x in rule_inputs(2, length, device)]
    inputs[2] = inputs[2].bfloat16()
    inputs = [x.requires_grad_() for x in inputs]
    if not kernels.fla_serves(inputs[2]):
        return []
    gradient = torch.randn_like(inputs[2]).float()
    ours = partial(forward_and_backward, gated_delta_rule, inputs, gradient)

    def without() -> list[Tensor]:
        with patch.object(kernels, "DEVICES", ()):
            return ours()

    for got, want in zip(ours(), without(), strict=True):
        assert (got.float() - want.float()).norm() < 0.03 * want.float().norm()
    time = interleaved(
        {"fla": always(ours), "ours": always(without)}, turns, device, shortest=SHORT
    )
    name = f"gated delta rule, 2 x {length:,}, bf16: flash-linear-attention against our form"
    both = 1e3 * time["fla"], 1e3 * time["ours"]
    return [Row(name, *both, both[1] / both[0], "", "ms")]


def saved_bytes(call: Callable[[], object]) -> int:
    """Bytes of all memory that a forward pass keeps for its backward pass, each counted once."""
    kept = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()  # held here, so that no later one gets its address
        kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        call()
    return sum(storage.nbytes() for storage in kept.values())


def memory_row(device: torch.device, shortest: int, longest: int) -> Row:
    """What the rule keeps for its gradients, a token: of long sequences against short ones."""

    def a_token(length: int) -> float:
        inputs = rule_inputs(1, length, device)
        return saved_bytes(lambda: gated_delta_rule(*inputs, chunk_size=CHUNK)) / length

    short, long = a_token(shortest), a_token(longest)
    name = f"gated delta rule, kept for the gradients at {longest:,} against {shortest:,} tokens"
    return Row(name, long, short, long / short, "< 1.1", "bytes/token")


def measure(device: torch.device, quick: bool, turns: int) -> list[Row]:
    """All rows.

    Parameters
    ----------
    device : torch.device
        On a GPU models compute in bf16, on 8 times the rows; the rule stays float32.
    quick : bool
        Tiny sizes.
    turns : int
        Repetitions.
    """
    torch.manual_seed(0)
    length = 64 if quick else 1024
    rows = rule_rows(device, length, turns)
    rows += kernel_rows(device, length, turns)
    rows += [memory_row(device, length, 4 * length if quick else 16_384)]
    more = 8 if device.type == "cuda" else 1
    lengths = [16, 32] if quick else [1024, 4096, 16_384]
    rows += student_rows(device, lengths, more * lengths[-1], turns)
    rows.append(views_row(16 if quick else 1024, length, turns))
    sizes = (64, 1, 32) if quick else (512, 6, 1024)
    return rows + teacher_rows(device, sizes, 8 * more, 16 if quick else 171, 2 * turns)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file to write")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--turns", type=int, default=5, help="repetitions")
    parser.add_argument("--quick", action="store_true", help="seconds, tiny, says nothing on speed")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.exit("had.py: no CUDA device is visible; use --device cpu")
    machine = hardware(device)
    rows = measure(device, options.quick, 1 if options.quick else options.turns)
    what = ", --quick: too small to tell" if options.quick else ""
    report(f"HAD on {device.type}{what}", rows, machine, options.json)


if __name__ == "__main__":
    main()
