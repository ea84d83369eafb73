"""Fixed features of a pretrained student: for the frozen probe, and for t-SNE."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from dnastudents import models, tokenizers
from dnastudents.benchmarks.task import load_task
from dnastudents.files import atomic_file
from dnastudents.finetune.data import TokenSplit, evaluation_batches, tokenize
from dnastudents.finetune.fit import EVALUATION_BATCH, in_order
from dnastudents.models import SequenceClassifier
from dnastudents.objectives import model_folder
from dnastudents.randomness import numpy_generator
from dnastudents.tokenizers import Tokenizer


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

    def tokenize(self, sequences: list[str], labels: np.ndarray) -> TokenSplit:
        """Tokenise a split, within what the student can read."""
        config = self.student.config
        most = getattr(config, "max_position_embeddings", None)
        return tokenize(sequences, labels, self.tokenizer, most)


@torch.inference_mode()
def pooled_features(
    classifier: SequenceClassifier, split: TokenSplit, device: torch.device
) -> np.ndarray:
    """Features of a split before the head, float32 (n, D), in its order."""
    classifier = classifier.to(device).eval()
    batches = evaluation_batches(split.lengths, EVALUATION_BATCH)
    pooled = [
        classifier.pool(**{name: value.to(device) for name, value in split.inputs(rows).items()})
        for rows in batches
    ]
    return in_order(batches, torch.cat(pooled))


def embed(
    checkpoint: Path, task: Path, split: str, max_sequences: int | None, output: Path
) -> None:
    """Write mean-pooled features of a task's sequences.

    Parameters
    ----------
    checkpoint : Path
        Folder of a pretrained student.
    task : Path
        Task folder.
    split : {'train', 'dev', 'test'}
    max_sequences : int or None
        A fixed draw of so many, the same for every student. None is all.
    output : Path
        npz with `embeddings` float32 (n, D), mean over a sequence's own bases of the last hidden
        state; `labels` int64 (n,); `index` int64 (n,), the rows of the split.
    """
    frame = load_task(task).split(split)
    index = np.arange(len(frame))
    if max_sequences is not None and max_sequences < len(frame):
        index = np.sort(numpy_generator(0, "embed").permutation(len(frame))[:max_sequences])
    chosen = frame.iloc[index]
    loaded = Checkpoint.load(checkpoint)
    tokens = loaded.tokenize(chosen["sequence"].tolist(), chosen["label"].to_numpy())
    special = loaded.tokenizer.special_ids
    classifier = SequenceClassifier(loaded.student, classes=1, special_ids=special)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    features = pooled_features(classifier, tokens, device)
    # Through a handle, because savez adds .npz to a name that lacks it.
    with atomic_file(output) as partial, partial.open("wb") as handle:
        np.savez(handle, embeddings=features, labels=tokens.labels, index=index)
