"""How fast FinDNA's training is: the shift, the step against its bare matrix products, EMA.

The step is the package's own `Trainer.advance` on a run of the configuration: cutting windows, both
views, the student's forward and backward pass, the teacher's forward pass, clipping, AdamW, EMA.
Bare products are the same matrix products on operands of the same shapes, kept alive as in the
step (the student's until their gradients), and nothing between them: no bias, GELU, shift or loss.
The plain twin is the same step with split, roll, concatenate in place of the one-pass shift; its
losses are the same.
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import inputs
import torch
from accelerate import Accelerator
from timing import Row, always, hardware, interleaved, report
from torch import Tensor, nn

from dnastudents.models.chordmixer import model as chordmixer
from dnastudents.objectives.findna.ema import follow
from dnastudents.training.loop import Trainer
from dnastudents.training.state import StateFolder

sys.path.insert(0, str(inputs.ROOT / "tests/models"))
from plain_shift import split_roll_cat

SHORT = 0.05  # seconds that a turn of a short call lasts at least
QUICK = {"batch_size": 2, "window": {"length": 54}}
Weights = list[tuple[Tensor, Tensor]]


def shift_rows(x: Tensor, track_size: int, turns: int) -> list[Row]:
    """The shift of x (B, T, D) against its twin and against a copy, with and without gradients."""
    device, (batch, length, channels) = x.device, x.shape
    rows = chordmixer.shift_rows(batch, length, channels, track_size, device)
    ours = partial(chordmixer.shift, track_size=track_size)
    twin = partial(split_roll_cat, track_size=track_size)
    assert torch.equal(ours(x), twin(x))
    leaf, gradient = x.clone().requires_grad_(), torch.randn_like(x)
    calls: dict[str, Callable[[], object]] = {
        "copy": x.clone,
        "ours": lambda: ours(x),
        "twin": lambda: twin(x),
        "ours, backward": lambda: torch.autograd.grad(ours(leaf), leaf, gradient),
        "twin, backward": lambda: torch.autograd.grad(twin(leaf), leaf, gradient),
        "ours, residual": lambda: chordmixer.add_shifted(gradient, x, track_size, rows),
        "twin, residual": lambda: gradient + twin(x),
    }
    timed = {name: always(call) for name, call in calls.items()}
    seconds = interleaved(timed, turns, device, shortest=SHORT)
    time = {name: 1e3 * value for name, value in seconds.items()}
    size = f"{batch} x {length} x {channels}"
    pairs = [
        (f"shift {size} against split, roll, concatenate", "ours", "twin", ">= 3"),
        ("the same with its gradient", "ours, backward", "twin, backward", ""),
        ("the same with the residual added", "ours, residual", "twin, residual", ""),
    ]
    against = [
        Row(name, time[mine], time[other], time[other] / time[mine], target, "ms")
        for name, mine, other, target in pairs
    ]
    copied = time["ours"] / time["copy"]
    return [
        *against,
        Row(f"shift {size}: times a copy", time["ours"], time["copy"], copied, "< 3", "ms"),
    ]


def bare_products(student: Weights, teacher: Weights, x: Tensor) -> list[Tensor]:
    """The matrix products of a step whose input are features x (B * T, D); the last are returned.

    Student forward and backward, with gradients of features and weights, and teacher forward.
    """
    features, operands = x, []
    for first, second in student:
        hidden = features @ first.t()
        operands.append((features, hidden))
        features = hidden @ second.t()
    output = x
    for first, second in teacher:
        output = (output @ first.t()) @ second.t()
    gradient, gradients = x, [output]
    for (first, second), (features, hidden) in zip(
        reversed(student), reversed(operands), strict=True
    ):
        of_hidden = gradient @ second
        gradients += [gradient.t() @ hidden, of_hidden.t() @ features]
        gradient = of_hidden @ first
    return [*gradients, gradient]


def weights(model: Any, kind: torch.dtype) -> Weights:
    """Both matrices of each layer, in the precision of the step's products.

    Scaled from torch's initial variance, 1 / (3 fan_in), to 1 / fan_in: without residuals the
    numbers would else vanish from layer to layer, and denormal ones are slow.
    """
    mlps = [layer.mlp for block in model.block for layer in block.layer]
    return [
        tuple((fc.weight.detach() * 3**0.5).to(kind) for fc in (mlp.fc1, mlp.fc2)) for mlp in mlps
    ]  # type: ignore[misc]


def step_rows(run: inputs.Run, accelerator: Accelerator, folder: Path, turns: int) -> list[Row]:
    """The whole step against its products and its twin, and the parts of it that could be slow."""
    device, objective = accelerator.device, run.objective
    state = StateFolder(folder, run.name)
    trainer = Trainer(run.name, run.plan, run.seed, objective, run.corpus, state, accelerator)
    student, teacher = objective.student, objective.teacher
    first = objective.views(run.corpus.batch(0), run.seed, 0)
    batch, length = first.tensors["student_ids"].shape
    kind = torch.bfloat16 if trainer.precision.name == "bf16" else torch.float32
    features = torch.randn(batch * length, student.feature_size, device=device, dtype=kind)
    mine, theirs = weights(student, kind), weights(teacher, kind)
    _require_equal(trainer)
    for result in bare_products(mine, theirs, features):
        assert 1e-3 < result.abs().float().mean() < 1e6
    time = interleaved(
        {
            "step": always(trainer.advance),
            "bare": lambda _: bare_products(mine, theirs, features),
            "twin": lambda _: _twin_step(trainer),
        },
        turns,
        device,
    )
    views = {"views": lambda turn: objective.views(run.corpus.batch(turn), run.seed, turn)}
    time |= interleaved(views, turns, device, shortest=SHORT)
    time |= _ema(student, copy.deepcopy(teacher), turns, device)
    size = f"{batch} x {length}, {'float32' if kind == torch.float32 else 'bf16'}"
    # Two products a layer: three matrix multiplications in the student, one in the teacher.
    work = 2 * batch * length * 4 * sum(a.numel() + b.numel() for a, b in mine) / 1e12
    return _rows(time, size, work, ">= 1.5" if device.type == "cuda" else "")


def _rows(time: dict[str, float], size: str, work: float, twin_goal: str) -> list[Row]:
    """Seconds of each thing as lines of the table; `work` is TFLOP of a step's products."""
    step, bare, twin, views = (time[name] for name in ("step", "bare", "twin", "views"))
    fused, loop = time["fused"], time["loop"]
    products = f"step of {size}, against its bare products"
    rates = (work / step, work / bare, bare / step)
    return [
        Row(products, step, bare, step / bare, "< 1.15", "s"),
        Row("its matrix products a second", *rates, "", "TFLOP/s"),
        Row("step against the plain twin's", step, twin, twin / step, twin_goal, "s"),
        Row("windows, masks, augmentation in a step", views, step, views / step, "< 0.03", "s"),
        Row("EMA against a loop over tensors", fused, loop, loop / fused, "", "s"),
        Row("EMA in a step", fused, step, fused / step, "", "s"),
    ]


def _plain_add(x: Tensor, mixed: Tensor, track_size: int, rows: object) -> Tensor:
    return x + split_roll_cat(mixed, track_size)


def _twin_step(trainer: Trainer) -> None:
    with patch.object(chordmixer, "add_shifted", _plain_add):
        trainer.advance()


@torch.no_grad()
def _require_equal(trainer: Trainer) -> None:
    """Step and twin have the same loss on the same views."""
    objective = trainer.objective.eval()
    views = objective.views(trainer.corpus.batch(0), trainer.seed, 0)
    rows = views.rows(0, 1, trainer.accelerator.device)
    ours = objective(rows, views.counts)["loss"]
    with patch.object(chordmixer, "add_shifted", _plain_add):
        assert torch.equal(ours, objective(rows, views.counts)["loss"])


def _ema(
    student: nn.Module, teacher: nn.Module, turns: int, device: torch.device
) -> dict[str, float]:
    """Seconds of the fused update and of one that goes from tensor to tensor."""

    @torch.no_grad()
    def loop() -> None:
        for mine, other in zip(teacher.parameters(), student.parameters(), strict=True):
            mine.mul_(0.996).add_(other, alpha=0.004)

    calls = {"fused": always(lambda: follow(teacher, student, 0.996)), "loop": always(loop)}
    return interleaved(calls, turns, device, shortest=SHORT)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file to write")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rows", type=int, help="sequences a step; 4, on a GPU 64")
    parser.add_argument("--turns", type=int, default=5, help="repetitions of the step")
    parser.add_argument("--quick", action="store_true", help="seconds, tiny, says nothing on speed")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    on_gpu = options.device == "cuda"
    if on_gpu and not torch.cuda.is_available():
        sys.exit("findna.py: no CUDA device is visible; use --device cpu")
    accelerator = Accelerator(cpu=not on_gpu)
    machine = hardware(accelerator.device)
    turns = 1 if options.quick else options.turns
    block = QUICK if options.quick else {"batch_size": options.rows or (64 if on_gpu else 4)}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        where, what = inputs.genome(folder, options.quick)
        run = inputs.run("findna", where, options.quick, pretraining=block)
        config = run.objective.student.config
        x = torch.randn(4, config.max_length, config.channels, device=accelerator.device)
        rows = shift_rows(x, config.track_size, 4 * turns)
        rows += step_rows(run, accelerator, folder / "state", turns)
    what += ", --quick: too small to tell" if options.quick else ""
    report(f"FinDNA on {options.device}, {what}", rows, machine, options.json)


if __name__ == "__main__":
    main()
