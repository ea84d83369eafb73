"""How fast fine-tuning is: its loop, its data, several seeds in one process, task folders.

As fine-tuning itself, all runs on a GPU where there is one. What needs a file that is not there
says so, and is left out or done with random bases.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import inputs
import numpy as np
import pandas as pd
import torch
from finetune_loop import loop_row
from finetune_seeds import Sweep, sweep_rows
from task_folders import dnastudents, genome_rows, gue_rows
from timing import Row, hardware, report

from dnastudents.config import load_config
from dnastudents.finetune import features, fit
from dnastudents.finetune.data import TokenSplit, training_batches
from dnastudents.finetune.options import Finetuning
from dnastudents.finetune.sweep import finetune
from dnastudents.training.pretrain import pretrain

SMALL: dict[str, dict[str, Any]] = {  # students like the demo's
    "hybrid": {
        "architecture": "hybrid",
        "hidden_size": 64,
        "num_hidden_layers": 1,
        "heads": 2,
        "head_size": 16,
        "attention_heads": 4,
        "intermediate_size": 128,
    },
    "bert": {
        "architecture": "bert",
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 256,
        "max_position_embeddings": 512,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    },
}
PRETRAINING: dict[str, Any] = {
    "objective": {"name": "masked_lm"},
    "masking": {"name": "bernoulli", "probability": 0.15},
    "seed": 0,
    "pretraining": {
        "steps": 10,
        "batch_size": 8,
        "window": {"kind": "windows", "length": 126},
        "optimizer": {"learning_rate": 1e-3},
        "splits": {"train": ["all"]},
    },
}
SIZES = {  # of the real tasks
    "tf_0": {"train": 32_378, "dev": 1000, "test": 1000},
    "mouse_2": {"train": 2620, "dev": 328, "test": 328},
}


@dataclass(frozen=True)
class Bench:
    """What all parts share: where the real data are, where to work, and how much.

    Attributes
    ----------
    data, folder : Path
    turns, seeds : int
    quick : bool
        Tiny sizes, and random bases for the real ones.
    device : torch.device
    """

    data: Path
    folder: Path
    turns: int
    seeds: int
    quick: bool
    device: torch.device

    def task(self, name: str) -> Path:
        """The folder of a GUE task, or of one of its size with random bases; made once."""
        archive, output = self.data / "gue/GUE.zip", self.folder / "tasks" / name
        if output.is_dir():
            return output
        if archive.is_file() and not self.quick:
            dnastudents("benchmark", "gue", name, archive, "--output", output)
            return output
        print(f"{name} has random bases", file=sys.stderr)
        source, generator = self.folder / "csv" / name, np.random.default_rng(0)
        source.mkdir(parents=True)
        for split, count in SIZES[name].items():
            rows = generator.choice(list("ACGT"), (count // (20 if self.quick else 1), 101))
            frame = pd.DataFrame({"sequence": ["".join(row) for row in rows]})
            frame.assign(label=frame.index % 2).to_csv(source / f"{split}.csv", index=False)
        dnastudents("benchmark", "random", name, source, "--output", output)
        return output

    def student(self, name: str) -> Path:
        """A small student after ten steps on a simulated genome; made once."""
        place = self.folder / "students" / name
        if not place.is_dir():
            genome, _ = inputs.genome(place, quick=True)
            settings = {"student": SMALL[name], **PRETRAINING}
            where = {"output": place / "run", "state": place / "state"}
            pretrain(settings, **where, reference=genome, run=name)
        return place / "run"


def loop_rows(bench: Bench) -> list[Row]:
    """`Fit.train` against the bare step, for the small students and HAD's."""
    had = load_config(inputs.ROOT).pretrain_settings("had").student
    students = [*SMALL.items(), *([] if bench.quick else [("HAD's student", had)])]
    task, turns = bench.task("mouse_2"), bench.turns * (1 if bench.quick else 4)
    return [
        loop_row(name, student, task, 5 if name in SMALL else 2, turns, bench.device)
        for name, student in students
    ]


@contextmanager
def clocked(*places: tuple[Any, str]) -> Iterator[list[float]]:
    """Collect the seconds of all calls of functions, methods and properties: (owner, name) each."""
    seconds: list[float] = []

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def clock(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            result = call(*arguments, **named)
            seconds.append(time.perf_counter() - began)
            return result

        return clock

    with ExitStack() as stack:
        for owner, name in places:
            found = getattr(owner, name)
            is_property = isinstance(found, property)
            new = property(timed(found.fget)) if is_property else timed(found)
            stack.enter_context(patch.object(owner, name, new))
        yield seconds


def share_row(name: str, student: Path, task: Path, folder: Path) -> Row:
    """Tokenising and batching in a fine-tune; more seeds and epochs would share the tokens."""
    with clocked(
        (features, "tokenize"),
        (fit, "training_batches"),
        (fit, "evaluation_batches"),
        (TokenSplit, "inputs"),
        (TokenSplit, "lengths"),
        (TokenSplit, "take"),
    ) as parts:
        began = time.perf_counter()
        finetune(
            name,
            pretrained=[student],
            task=task,
            settings={"epochs": 1},
            seeds=[0],
            state=folder / name / "state",
            output=folder / name / "out",
        )
        whole = time.perf_counter() - began
    assert len(parts) > 10
    text = f"tokenising and batching in a fine-tune of one seed and epoch, {name}, {task.name}"
    return Row(text, sum(parts), whole, sum(parts) / whole, "< 0.05", "s")


def padding_row(data: Path) -> Row:
    """Padding among the tokens of an epoch, with batches of like length and without."""
    where = data / "genomic_benchmarks/coordinates/human_enhancers_ensembl/train"
    tables = [pd.read_csv(file) for file in sorted(where.glob("*.csv.gz"))]
    generator, size = np.random.default_rng(0), Finetuning().batch_size
    lengths = generator.integers(2, 574, 100_000)
    if tables:
        lengths = np.concatenate([(table["end"] - table["start"]).to_numpy() for table in tables])
    shuffled = generator.permutation(len(lengths))
    unsorted = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
    ours, other = (
        1 - lengths.sum() / sum(int(lengths[rows].max()) * len(rows) for rows in batches)
        for batches in (training_batches(lengths, size, generator), unsorted)
    )
    name = "human_enhancers_ensembl" if tables else "random lengths"
    text = f"padding, {len(lengths):,} sequences of {name}: by length, by chance"
    return Row(text, float(ours), float(other), float(ours), "< 0.05", "share")


def data_rows(bench: Bench) -> list[Row]:
    """What the data cost: tokens, batches, padding."""
    task = bench.task("mouse_2")
    rows = [share_row(name, bench.student(name), task, bench.folder / "share") for name in SMALL]
    return [*rows, padding_row(bench.data)]


def seeds_rows(bench: Bench) -> list[Row]:
    """The seeds of two small tasks: a short training, and a head on frozen features."""
    short = {"epochs": 2, "max_train_sequences": 500, "learning_rate": 2e-3}
    probe = {"epochs": 20, "learning_rate": 1e-2, "frozen": True}
    rows = []
    for student, task, settings, what in (
        ("hybrid", "tf_0", short, "500 sequences, 2 epochs"),
        ("bert", "mouse_2", probe, "frozen, 20 epochs of the head"),
    ):
        name, seeds = f"small {student}, {task}, {what}", range(bench.seeds)
        sweep = Sweep(name, bench.student(student), bench.task(task), settings, seeds)
        rows += sweep_rows(sweep, bench.folder / "seeds" / task, max(1, bench.turns // 3))
    return rows


def folder_rows(bench: Bench) -> list[Row]:
    """From official files to task folders; the whole genome is left out with `--quick`."""
    folder = bench.folder / "folders"
    rows = gue_rows(bench.data, folder, bench.quick)
    return rows if bench.quick else rows + genome_rows(bench.data, folder)


PARTS = {"loop": loop_rows, "data": data_rows, "seeds": seeds_rows, "folders": folder_rows}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--data", type=Path, default=inputs.ROOT.parent / "shared/data")
    parser.add_argument("--json", type=Path, help="file to write")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--turns", type=int, default=5, help="4 times of the loop, 1/3 of seeds")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--quick", action="store_true", help="seconds, tiny, says nothing on speed")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    machine = hardware(device)
    turns, seeds = (1, 2) if options.quick else (options.turns, options.seeds)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench(options.data, Path(temporary), turns, seeds, options.quick, device)
        for part in options.parts:
            rows += PARTS[part](bench)
    what = ", --quick: too small to tell" if options.quick else ""
    report(f"Fine-tuning on {device.type}{what}", rows, machine, options.json)


if __name__ == "__main__":
    main()
