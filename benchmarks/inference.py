"""How fast `predict`, `embed` and `scan` are, against a bare loop over batches made beforehand.

Ours is the whole command but for loading the model: reading, windows, tokens, batches, forward
passes, and writing a file. The bare loop calls the model on the same batches, which lie ready on
the device. Both must come to the same numbers.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import inputs
import numpy as np
import pandas as pd
import torch
from timing import Row, always, hardware, interleaved, report
from torch import Tensor

from dnastudents import models
from dnastudents.config import load_config, read_config
from dnastudents.devices import choose_device
from dnastudents.genome import tokenizers
from dnastudents.inference import embed, predict, scan
from dnastudents.inference.embed import Embedder
from dnastudents.inference.model import Model
from dnastudents.inference.predict import Classifier
from dnastudents.models import StudentOptions

LENGTH = 1000  # bases of a sequence
STEP = LENGTH // 4  # of the scan
RUNS = {"HAD": "had", "LOGO": "logo_random"}
Batch = dict[str, Tensor]
Compute = Callable[[Batch], Tensor]


def students(quick: bool) -> dict[str, StudentOptions]:
    """What is measured: the demo's students, and the papers'."""
    demo = read_config([inputs.ROOT / "demo/demo.yaml"])
    found = {f"{name} of the demo": demo.pretrain_settings(run) for name, run in RUNS.items()}
    if not quick:
        full = load_config(inputs.ROOT)
        found |= {name: full.pretrain_settings(run) for name, run in RUNS.items()}
    return {name: settings.student for name, settings in found.items()}


def write_classifier(student: StudentOptions, folder: Path) -> None:
    """Write a classifier with random weights."""
    tokenizer = tokenizers.build(student.tokenizer)
    torch.manual_seed(0)
    backbone = models.build(student, tokenizer)
    models.classifier(backbone, ["no", "yes"], trained_length=LENGTH).save_pretrained(folder)
    models.DNATokenizer(name=tokenizer.name).save_pretrained(folder)


def batches_of(model: Model, command: Callable[[], object]) -> list[Batch]:
    """Run a command, and keep the batches that its model gets."""
    seen: list[Batch] = []
    run = model.run

    def keep(split: Any, compute: Compute) -> np.ndarray:
        return run(split, lambda batch: (seen.append(batch), compute(batch))[1])

    with patch.object(model, "run", keep):
        command()
    return seen


@torch.inference_mode()
def bare(compute: Compute, batches: list[Batch]) -> np.ndarray:
    """Call the model batch by batch, and fetch what it says."""
    return torch.cat([compute(batch) for batch in batches]).cpu().numpy()


def same(found: pd.DataFrame, wanted: np.ndarray) -> None:
    """All pieces are of one length, so batches are in the order of the file."""
    mean = wanted.reshape(len(found), -1, wanted.shape[-1]).mean(1)
    np.testing.assert_allclose(found.to_numpy(), mean, rtol=1e-4, atol=1e-5)


def rows_of(
    name: str, student: StudentOptions, count: int, folder: Path, turns: int, device: torch.device
) -> list[Row]:
    """Time the three commands for one student, on `count` sequences or as many windows."""
    write_classifier(student, folder)
    texts = ["".join(row) for row in np.random.default_rng(0).choice([*"ACGT"], (count, LENGTH))]
    fasta, genome = folder / "x.fa", folder / "g.fa"
    fasta.write_text("".join(f">s{number}\n{text}\n" for number, text in enumerate(texts)))
    genome.write_text(">chr\n" + "".join(f"{text}\n" for text in texts[: count * STEP // LENGTH]))
    scorer, embedder = Classifier(folder), Embedder(folder)
    told, vectors, track = folder / "p.csv", folder / "e.npz", folder / "t.bedgraph"
    commands: dict[str, tuple[Model, Compute, Callable[[], object]]] = {
        "predict": (
            scorer,
            lambda batch: scorer.network(**batch).logits.softmax(-1),
            partial(predict.predict, folder, str(fasta), told),
        ),
        "embed": (
            embedder,
            lambda batch: embedder.network(**batch).last_hidden_state.mean(1),
            partial(embed.embed, folder, str(fasta), vectors),
        ),
        "scan": (
            scorer,
            lambda batch: scorer.network(**batch).logits.softmax(-1)[:, 1:],
            partial(scan.scan, folder, genome, track, step=STEP),
        ),
    }
    read = {
        "predict": lambda: pd.read_csv(told)[["p_no", "p_yes"]],
        "embed": lambda: pd.DataFrame(np.load(vectors)["embeddings"]),
        "scan": lambda: pd.read_csv(track, sep="\t", skiprows=1, header=None)[[3]],
    }
    rows = []
    with (
        patch.object(predict, "Classifier", lambda *_: scorer),
        patch.object(scan, "Classifier", lambda *_: scorer),
        patch.object(embed, "Embedder", lambda *_: embedder),
    ):
        for command, (model, compute, ours) in commands.items():
            batches = batches_of(model, ours)
            if command != "embed" or not model.tokenizer.starts_with_cls:
                same(read[command](), bare(compute, batches))
            calls = {"ours": always(ours), "bare": always(partial(bare, compute, batches))}
            time = interleaved(calls, turns, device)
            speed = {side: count / seconds for side, seconds in time.items()}
            text = f"{command}, {name}, {count} x {LENGTH:,}"
            ratio = speed["ours"] / speed["bare"]
            rows.append(Row(text, speed["ours"], speed["bare"], ratio, ">= 0.9", "sequences/s"))
    return rows


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; default 1")
    parser.add_argument("--turns", type=int, default=5, help="default 5")
    parser.add_argument("--sequences", type=int, default=64, help="of each command; default 64")
    parser.add_argument("--quick", action="store_true", help="small students, few sequences")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device = choose_device()
    machine = hardware(device)
    count, turns = (8, 1) if given.quick else (given.sequences, given.turns)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, student in students(given.quick).items():
            place = Path(folder) / name
            more = 1 if "demo" not in name or given.quick else 4
            rows += rows_of(name, student, more * count, place, turns, device)
    report("commands against a bare loop", rows, machine, given.json)


if __name__ == "__main__":
    main()
