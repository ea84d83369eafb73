"""Fixed features of a pretrained student: for the frozen probe, and for t-SNE."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import transformers
from torch import Tensor, nn

from dnastudents import models
from dnastudents.benchmarks.draws import draw_some
from dnastudents.benchmarks.task import load_task
from dnastudents.devices import as_many_as_fit, choose_device, moved
from dnastudents.errors import InputError
from dnastudents.files import atomic_file, check_file, read_json
from dnastudents.finetune.data import FeatureSplit, TokenSplit, evaluation_batches, ragged, tokenize
from dnastudents.finetune.fit import EVALUATION_BATCH, in_order
from dnastudents.genome import tokenizers
from dnastudents.genome.tokenizers import Tokenizer
from dnastudents.models import ChordMixerForMaskedLM, SequenceClassifier, model_folder
from dnastudents.objectives.findna.options import FinDNAOptions
from dnastudents.randomness import numpy_generator
from dnastudents.settings import parse
from dnastudents.training.options import RunSettings

ARCHIVE = rb"PK.{28}embeddings\.npy"  # how a file of `embed` begins
EmbedPooling = Literal["mean", "cls_tokens"]


class ClsTokens(nn.Module):
    """A ChordMixer whose features are its CLS tokens', one behind the other.

    Parameters
    ----------
    student : ChordMixerForMaskedLM
    cls_id : int
        Every sequence holds the same number of these ids.
    """

    def __init__(self, student: ChordMixerForMaskedLM, cls_id: int) -> None:
        super().__init__()
        self.student, self.cls_id = student, cls_id

    def pool(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Compute features (B, tokens * D) of a batch (B, T)."""
        hidden = self.student.backbone(input_ids, attention_mask)
        return hidden[input_ids == self.cls_id].reshape(len(input_ids), -1)


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
        config = self.student.config
        most = getattr(config, "max_position_embeddings", None)
        return tokenize(sequences, labels, self.tokenizer, most, both_strands)


@torch.inference_mode()
def pooled_features(
    model: SequenceClassifier | ClsTokens, split: TokenSplit, device: torch.device
) -> np.ndarray:
    """Compute features of a split before the head, float32 (n, D), in its order."""
    model = model.to(device).eval()

    def pool(at_once: int) -> np.ndarray:
        batches = evaluation_batches(split.lengths, at_once)
        pooled = [
            model.pool(**{name: moved(value, device) for name, value in split.inputs(rows).items()})
            for rows in batches
        ]
        return in_order(batches, torch.cat(pooled))

    return as_many_as_fit(pool, EVALUATION_BATCH, device)[0]


def feature_split(
    classifier: SequenceClassifier, split: TokenSplit, device: torch.device
) -> FeatureSplit:
    """Turn the split into features before the head, of both strands where it holds both."""
    features, other = pooled_features(classifier, split, device), None
    if split.other is not None:
        flipped = split.flip(np.ones(len(split), dtype=bool))
        other = pooled_features(classifier, flipped, device)
    return FeatureSplit(features, split.labels, split.truncated, other)


def embed(
    checkpoint: Path,
    task: Path,
    split: str,
    max_sequences: int | None,
    output: Path,
    pooling: EmbedPooling = "mean",
) -> None:
    """Write fixed features of a task's sequences.

    Parameters
    ----------
    checkpoint : Path
        Folder of a pretrained student.
    task : Path
        Task folder.
    split : {'train', 'dev', 'test'}
    max_sequences : int or None
        A fixed draw of so many, the same for every student, with some of each class. None is all.
    output : Path
        npz with `embeddings` float32 (n, D); `labels` int64 (n,); `index` int64 (n,), the rows of
        the split; `pooling`, its name.
    pooling : {'mean', 'cls_tokens'}
        The mean over a sequence's own bases of the last hidden state; or, for a chordmixer, CLS
        tokens appended as in FinDNA's pretraining, their hidden states one behind the other.
        Default is 'mean'.

    Raises
    ------
    InputError
        CLS tokens of another student, or a missing folder.
    """
    check_file(output, ARCHIVE)  # before what takes long
    frame = load_task(task).split(split)
    index = np.arange(len(frame))
    if max_sequences is not None and max_sequences < len(frame):
        labels, generator = frame["label"].to_numpy(), numpy_generator(0, "embed")
        index = draw_some(labels, max_sequences, generator, f"{task}: max_sequences")
    chosen = frame.iloc[index]
    loaded = Checkpoint.load(checkpoint)
    tokens = loaded.tokenize(chosen["sequence"].tolist(), chosen["label"].to_numpy())
    model: SequenceClassifier | ClsTokens = _mean(loaded)
    if pooling == "cls_tokens":
        model, tokens = _with_cls_tokens(loaded, tokens, checkpoint)
    features = pooled_features(model, tokens, choose_device())
    kind = np.array(pooling)
    # Through a handle, because savez adds .npz to a name that lacks it.
    with atomic_file(output, ARCHIVE) as partial, partial.open("wb") as handle:
        np.savez(handle, embeddings=features, labels=tokens.labels, index=index, pooling=kind)


def _mean(loaded: Checkpoint) -> SequenceClassifier:
    special = loaded.tokenizer.special_ids
    return SequenceClassifier(loaded.student, classes=1, special_ids=special)


def _with_cls_tokens(
    loaded: Checkpoint, split: TokenSplit, folder: Path
) -> tuple[ClsTokens, TokenSplit]:
    """Return the model, and the split with the CLS tokens of its pretraining (else 10)."""
    cls_id = loaded.tokenizer.cls_id
    if not isinstance(loaded.student, ChordMixerForMaskedLM) or cls_id is None:
        raise InputError(f"{folder}: CLS tokens are those of a chordmixer; use --pooling mean")
    file = folder / "settings.json"
    count = 0
    if file.is_file():
        count = parse(RunSettings, read_json(file), str(file)).objective.cls_positions
    count = count or FinDNAOptions().cls_positions
    ids = [np.append(row, np.full(count, cls_id)) for row in split.values]
    return ClsTokens(loaded.student, cls_id), replace(split, values=ragged(ids))
