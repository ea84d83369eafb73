"""The fine-tuning loop against the bare training step.

The bare step has its batches padded and on the device beforehand, and is forward, cross-entropy,
backward, clipping, AdamW; no order, random seeds, learning rates or log are in it. The first loss
of both must be equal. Both take turns of few steps, many times, so that what else runs on the
machine falls on both.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from timing import Row, interleaved
from torch import Tensor

from dnastudents import models
from dnastudents.benchmarks.task import load_task
from dnastudents.finetune.data import TokenSplit, tokenize, training_batches
from dnastudents.finetune.fit import Fit
from dnastudents.finetune.options import Finetuning
from dnastudents.genome import tokenizers
from dnastudents.randomness import numpy_generator
from dnastudents.training.optimizer import adamw

LIMIT = 60.0  # seconds a student


class Bare:
    """Training steps and nothing else.

    Parameters
    ----------
    model : SequenceClassification
    split : TokenSplit
        Its batches are made here, those of the first epoch of seed 0.
    options : Finetuning
    device : torch.device
    """

    def __init__(
        self,
        model: Any,
        split: TokenSplit,
        options: Finetuning,
        device: torch.device,
    ) -> None:
        self.model, self.options, self.device = model.to(device).train(), options, device
        generator = numpy_generator(0, "batches", 1)
        self.batches = [
            (
                {name: value.to(device) for name, value in split.inputs(rows).items()},
                torch.from_numpy(split.labels[rows]).to(device),
            )
            for rows in training_batches(split.lengths, options.batch_size, generator)
        ]

    def loss(self, number: int) -> Tensor:
        """Of one batch."""
        batch, labels = self.batches[number]
        lower = self.options.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=lower):
            logits = self.model(**batch).logits
        return F.cross_entropy(logits.float(), labels)

    def epoch(self) -> None:
        """One pass over the batches, with a new optimizer."""
        options, parameters = self.options, list(self.model.parameters())
        optimizer = adamw(self.model, options.learning_rate, options.weight_decay)
        for number in range(len(self.batches)):
            self.loss(number).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(parameters, options.gradient_clip)
            optimizer.step()
            optimizer.zero_grad()


def loop_row(
    name: str, student: dict[str, Any], task: Path, steps: int, turns: int, device: torch.device
) -> Row:
    """Tokens a second of `Fit.train` (on a GPU in bf16), and of the bare step."""
    tokenizer = tokenizers.build(models.tokenizer_name(student))
    torch.manual_seed(0)
    built = models.build(student, tokenizer)
    ours = models.classifier(built, ["0", "1"])
    settings: dict[str, Any] = {"epochs": 1, "dropout": 0.0}
    settings["precision"] = "bf16" if device.type == "cuda" else "no"
    options = Finetuning(**settings)
    part = load_task(task).train.iloc[: steps * options.batch_size]
    most = getattr(built.config, "max_position_embeddings", None)
    split = tokenize(part["sequence"].tolist(), part["label"].to_numpy(), tokenizer, most)
    bare = Bare(copy.deepcopy(ours), split, options, device)

    def train(**changes: Any) -> float:
        loop = Fit(ours, Finetuning(**settings, **changes), seed=0, device=device)
        _, history = loop.train(split, None, ["0", "1"], "mcc", lambda line: None)
        return float(history[0]["loss"])

    want = bare.loss(0).item()
    assert abs(train(max_steps=1) - want) < 1e-5 * want
    calls = {"loop": lambda _: train(), "bare": lambda _: bare.epoch()}
    seconds = interleaved(calls, turns, device, LIMIT)
    tokens = int(split.lengths.sum())
    both = tokens / seconds["loop"], tokens / seconds["bare"]
    size = f"{options.batch_size} x {int(split.lengths.max())}"
    text = f"fine-tuning loop against the bare step, {name}, {size}"
    return Row(text, *both, both[0] / both[1], ">= 0.9", "tokens/s")
