"""All that one GPU can tell in minutes: CM-GEMS, HAD's parts, and a training step per student.

The students have the papers' sizes, batches and micro-batches, from `config.yaml`, and are trained
by the package's own loop in the configured precision. All learn to predict masked tokens, so that
no teacher is needed. Last come seeds of a fine-tuning, by one worker and by several.
`benchmarks/gpu.sh` starts this on a bare machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import cmgems
import had
import inputs
import torch
from accelerate import Accelerator
from finetune_workers import workers_row
from timing import Row, always, hardware, interleaved, report

from dnastudents.genome.codes import PAD
from dnastudents.training.loop import Trainer
from dnastudents.training.pretrain import start_accelerator
from dnastudents.training.state import StateFolder

# Run of the configuration, and what it learns here instead.
MASKED: dict[str, Any] = {
    "objective": {"name": "masked_lm"},
    "masking": {"name": "bernoulli", "probability": 0.15},
}
RUNS: dict[str, dict[str, Any]] = {
    "logo_random": {},
    "dnabert_random": {},
    "had": MASKED,
    "findna": MASKED,
}
LIMIT = 60.0  # seconds a student
WORKERS = 4
QUICK = {"batch_size": 4, "micro_batch_size": 2, "window": {"length": 60}}


def student_rows(
    name: str, where: Path, folder: Path, accelerator: Accelerator, turns: int, quick: bool
) -> list[Row]:
    """Time of a training step of one student, and its peak memory."""
    changes = {**RUNS[name], "pretraining": QUICK} if quick else RUNS[name]
    run = inputs.run(name, where, quick, **changes)
    plan, device = run.plan, accelerator.device
    trainer = Trainer(
        name, plan, run.seed, run.objective, run.corpus, StateFolder(folder, name), accelerator
    )
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with trainer.batches:  # the next one is built beside the step, as in a training
        seconds = interleaved({"step": always(trainer.advance)}, turns, device, LIMIT)["step"]
    bases = int((run.corpus.batch(0) != PAD).sum())
    precision = {"no": "float32"}.get(trainer.precision.name, trainer.precision.name)
    size = f"{name}: {plan.batch_size} x {plan.window.length} bases"
    rows = [
        Row(f"{size}, {precision}", bases / seconds, None, None, "", "bases/s"),
        Row(f"{name}: {plan.steps:,} such steps", seconds * plan.steps / 3600, None, None, "", "h"),
    ]
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device) / 2**30
        rows.append(Row(f"{name}: peak memory", peak, None, None, "", "GiB"))
    accelerator.free_memory()
    return rows


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file to write")
    parser.add_argument("--turns", type=int, default=10, help="steps timed a student")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, on a CPU too")
    options = parser.parse_args()
    if not (torch.cuda.is_available() or options.quick):
        sys.exit("gpu.py: no CUDA device is visible; --quick tries it out on a CPU")
    accelerator = start_accelerator()
    device = accelerator.device
    machine = hardware(device)
    turns = 1 if options.quick else options.turns
    what, rows = cmgems.measure(device, options.quick, turns, count=50)
    rows += had.measure(device, options.quick, turns)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        where, _ = inputs.genome(folder, options.quick)
        for name in RUNS:
            try:
                rows += student_rows(name, where, folder / name, accelerator, turns, options.quick)
            except torch.OutOfMemoryError as error:  # what the others need may still be there
                print(f"{name}: {str(error).splitlines()[0]}", file=sys.stderr)
        workers = 2 if options.quick else WORKERS
        rows.append(workers_row(folder / "workers", workers, options.quick))
    report(f"One {device.type} machine, {what}", rows, machine, options.json)


if __name__ == "__main__":
    main()
