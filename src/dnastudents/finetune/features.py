"""Fixed features of a pretrained student, for the frozen probe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor

from dnastudents import models
from dnastudents.devices import as_many_as_fit, moved
from dnastudents.finetune.data import FeatureSplit, TokenSplit, evaluation_batches, tokenize
from dnastudents.finetune.fit import in_order
from dnastudents.finetune.options import EVALUATION_BATCH
from dnastudents.genome import tokenizers
from dnastudents.genome.tokenizers import Tokenizer
from dnastudents.models import model_folder


@dataclass(frozen=True)
class Checkpoint:
    """A pretrained student and its tokenizer."""

    student: Any
    tokenizer: Tokenizer

    @classmethod
    def load(cls, folder: Path) -> Checkpoint:
        """Read a folder of `dnastudents pretrain`, or the checkpoint in it."""
        transformers.utils.logging.disable_progress_bar()  # it would fill the log
        folder = model_folder(folder)
        return cls(models.load(folder), tokenizers.load(folder))

    def tokenize(
        self, sequences: list[str], labels: np.ndarray, both_strands: bool = False
    ) -> TokenSplit:
        """Tokenise a split, within what the student can read."""
        most = models.most_tokens(self.student)
        return tokenize(sequences, labels, self.tokenizer, most, both_strands)


def pooled_features(model: Any, split: TokenSplit, device: torch.device) -> np.ndarray:
    """Compute features of a split before the head, float32 (n, D), in order; `model` has `pool`."""
    model = model.to(device).eval()
    return in_batches(split, lambda inputs: model.pool(**inputs), device)[0]


@torch.inference_mode()
def in_batches(
    split: TokenSplit,
    compute: Callable[[dict[str, Tensor]], Tensor],
    device: torch.device,
    at_once: int = EVALUATION_BATCH,
    cut: Callable[[np.ndarray, int], list[np.ndarray]] = evaluation_batches,
) -> tuple[np.ndarray, int]:
    """Compute one row per sequence, float32 (n, ...) in their order, and how many fit at once."""

    def attempt(size: int) -> np.ndarray:
        batches = cut(split.lengths, size)
        rows = [
            compute({name: moved(value, device) for name, value in inputs.items()})
            for inputs in map(split.inputs, batches)
        ]
        return in_order(batches, torch.cat(rows))

    return as_many_as_fit(attempt, at_once, device)


def feature_split(classifier: Any, split: TokenSplit, device: torch.device) -> FeatureSplit:
    """Turn the split into features before the head, of both strands where it holds both."""
    features, other = pooled_features(classifier, split, device), None
    if split.other is not None:
        flipped = split.flip(np.ones(len(split), dtype=bool))
        other = pooled_features(classifier, flipped, device)
    return FeatureSplit(features, split.labels, split.truncated, other)
