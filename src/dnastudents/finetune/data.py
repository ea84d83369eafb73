"""Sequences of a task as batches of token ids, with little padding and without loss.

Batches of training are drawn from pools of many batches that are sorted by length, so sequences of
like length meet, while order and company are new in each epoch. No row is ever dropped. A sequence
longer than the student can read (BERT has 512 places) loses its end, and is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dnastudents import sequence
from dnastudents.tokenizers import Tokenizer

POOL = 32  # batches that are sorted together


@dataclass(frozen=True)
class TokenSplit:
    """A split of a task as token ids.

    Attributes
    ----------
    ids : list of numpy.ndarray
        int64 (T,) each.
    labels : numpy.ndarray
        int64 (n,).
    pad_id : int
    truncated : numpy.ndarray
        bool (n,), True at sequences that lost their end.
    """

    ids: list[np.ndarray]
    labels: np.ndarray
    pad_id: int
    truncated: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each sequence, int64 (n,)."""
        return np.array([len(row) for row in self.ids], dtype=np.int64)

    def inputs(self, rows: np.ndarray) -> dict[str, Tensor]:
        """`input_ids` (B, T), and `attention_mask` where there is padding."""
        chosen = [self.ids[row] for row in rows]
        longest = max(map(len, chosen))
        batch = np.full((len(chosen), longest), self.pad_id, dtype=np.int64)
        for place, row in zip(batch, chosen, strict=True):
            place[: len(row)] = row
        inputs = {"input_ids": torch.from_numpy(batch)}
        if min(map(len, chosen)) < longest:
            inputs["attention_mask"] = inputs["input_ids"] != self.pad_id
        return inputs

    def take(self, rows: np.ndarray) -> TokenSplit:
        """Some of the sequences."""
        ids = [self.ids[row] for row in rows]
        return TokenSplit(ids, self.labels[rows], self.pad_id, self.truncated[rows])


@dataclass(frozen=True)
class FeatureSplit:
    """A split as fixed features, float32 (n, D), of a frozen student."""

    features: Tensor
    labels: np.ndarray
    truncated: np.ndarray

    def __len__(self) -> int:
        return len(self.features)

    @property
    def lengths(self) -> np.ndarray:
        """All alike."""
        return np.ones(len(self), dtype=np.int64)

    def inputs(self, rows: np.ndarray) -> dict[str, Tensor]:
        """`features` (B, D)."""
        return {"features": self.features[torch.from_numpy(rows)]}

    def take(self, rows: np.ndarray) -> FeatureSplit:
        """Some of the sequences."""
        features = self.features[torch.from_numpy(rows)]
        return FeatureSplit(features, self.labels[rows], self.truncated[rows])


Split = TokenSplit | FeatureSplit


def tokenize(
    sequences: Sequence[str], labels: np.ndarray, tokenizer: Tokenizer, most: int | None
) -> TokenSplit:
    """Tokenise a split.

    Parameters
    ----------
    sequences : sequence of str
    labels : numpy.ndarray
        int64 (n,).
    tokenizer : Tokenizer
        The student's.
    most : int or None
        Tokens that the student can read, with its special ones. None is any number.
    """
    rows, truncated = [], np.zeros(len(sequences), dtype=bool)
    for number, text in enumerate(sequences):
        codes = sequence.encode(text)
        ids = tokenizer.encode_codes(codes)
        if most is not None and len(ids) > most:
            # Students with a limit read overlapping k-mers: one base more is one token more.
            ids = tokenizer.encode_codes(codes[: len(codes) - (len(ids) - most)])
            truncated[number] = True
        rows.append(ids)
    return TokenSplit(rows, np.asarray(labels, dtype=np.int64), tokenizer.pad_id, truncated)


def training_batches(
    lengths: np.ndarray, batch_size: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """Rows of each batch of one epoch, every row once, in an order by the generator."""
    order = generator.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), POOL * batch_size):
        pool = order[start : start + POOL * batch_size]
        batches += _cut(pool[np.argsort(lengths[pool], kind="stable")], batch_size)
    return [batches[number] for number in generator.permutation(len(batches))]


def evaluation_batches(lengths: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Rows of each batch, every row once, shortest first."""
    return _cut(np.argsort(lengths, kind="stable"), batch_size)


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
