"""Sequences of a task as batches of token ids, with little padding and without loss.

Batches of training are drawn from pools of many batches that are sorted by length, so sequences of
like length meet, while order and company are new in each epoch. No row is ever dropped. A sequence
longer than the student can read (BERT has 512 places) loses its end, and is counted.

A split may hold both strands of each sequence. The other strand is the reverse complement of all
the bases, tokenised like any sequence, so a student that reads only a part of a long sequence reads
another part of it on the other strand. Both strands have the same number of tokens.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from dnastudents.genome import codes as sequence
from dnastudents.genome.tokenizers import Tokenizer

POOL = 32  # batches that are sorted together
CHUNK = 256  # sequences that are tokenised together


@dataclass(frozen=True)
class Split(ABC):
    """A split of a task as what a model reads.

    Attributes
    ----------
    values : numpy.ndarray
        (n, ...), one entry for each sequence.
    labels : numpy.ndarray
        int64 (n,).
    truncated : numpy.ndarray
        bool (n,), True at sequences that lost their end.
    other : numpy.ndarray or None
        The same sequences on the other strand. None where it is never read.
    """

    values: np.ndarray
    labels: np.ndarray
    truncated: np.ndarray
    other: np.ndarray | None

    def __len__(self) -> int:
        return len(self.values)

    @property
    @abstractmethod
    def lengths(self) -> np.ndarray:
        """How long each sequence is to the model, int64 (n,)."""

    @abstractmethod
    def inputs(self, rows: np.ndarray) -> dict[str, Tensor]:
        """Return what the model takes of these B sequences."""

    def take(self, rows: np.ndarray) -> Self:
        """Take some of the sequences."""
        other = None if self.other is None else self.other[rows]
        labels, truncated = self.labels[rows], self.truncated[rows]
        return replace(
            self, values=self.values[rows], labels=labels, truncated=truncated, other=other
        )

    def flip(self, chosen: np.ndarray) -> Self:
        """Turn the sequences at True in `chosen`, bool (n,), to their other strand."""
        if self.other is None:
            raise ValueError("this split holds one strand only")
        side = chosen.reshape(-1, *[1] * (self.values.ndim - 1))
        there, here = (
            np.where(side, self.other, self.values),
            np.where(side, self.values, self.other),
        )
        return replace(self, values=there, other=here)

    def joined(self, more: Self) -> Self:
        """Put more sequences behind these."""
        other = None
        if self.other is not None and more.other is not None:
            other = np.concatenate([self.other, more.other])
        return replace(
            self,
            values=np.concatenate([self.values, more.values]),
            labels=np.concatenate([self.labels, more.labels]),
            truncated=np.concatenate([self.truncated, more.truncated]),
            other=other,
        )


@dataclass(frozen=True)
class TokenSplit(Split):
    """A split as token ids: `values` are arrays of int64 (T,), as long as each sequence."""

    pad_id: int

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each sequence."""
        return np.array([len(ids) for ids in self.values], dtype=np.int64)

    def inputs(self, rows: np.ndarray) -> dict[str, Tensor]:
        """Return `input_ids` (B, T), and `attention_mask` where there is padding."""
        chosen = self.values[rows]
        longest = max(map(len, chosen))
        batch = np.full((len(chosen), longest), self.pad_id, dtype=np.int64)
        for padded, ids in zip(batch, chosen, strict=True):
            padded[: len(ids)] = ids
        inputs = {"input_ids": torch.from_numpy(batch)}
        if min(map(len, chosen)) < longest:
            inputs["attention_mask"] = inputs["input_ids"] != self.pad_id
        return inputs


@dataclass(frozen=True)
class FeatureSplit(Split):
    """A split as fixed features, float32 (n, D), of a frozen student."""

    @property
    def lengths(self) -> np.ndarray:
        """All alike."""
        return np.ones(len(self), dtype=np.int64)

    def inputs(self, rows: np.ndarray) -> dict[str, Tensor]:
        """Return `features` (B, D)."""
        return {"features": torch.from_numpy(self.values[rows])}


def ragged(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Make one array of objects (n,) of arrays of any lengths, so that NumPy indexes and joins."""
    return np.fromiter(rows, dtype=object, count=len(rows))


def tokenize(
    sequences: Sequence[str],
    labels: np.ndarray,
    tokenizer: Tokenizer,
    most: int | None,
    both_strands: bool = False,
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
    both_strands : bool
        Tokenise the reverse complements too. Default is False.
    """
    codes = [sequence.encode(text) for text in sequences]
    rows, truncated = _ids(codes, tokenizer, most)
    other = None
    if both_strands:
        other, _ = _ids([sequence.reverse_complement(row) for row in codes], tokenizer, most)
    labels = np.asarray(labels, dtype=np.int64)
    return TokenSplit(rows, labels, truncated, other, tokenizer.pad_id)


def _ids(
    codes: list[np.ndarray], tokenizer: Tokenizer, most: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Tokenise each sequence, to at most so many tokens, and note (n,) which lost their end."""
    rows = []
    for start in range(0, len(codes), CHUNK):
        chunk = codes[start : start + CHUNK]
        padded = np.full((len(chunk), max(map(len, chunk))), sequence.PAD, dtype=np.uint8)
        for padded_row, row in zip(padded, chunk, strict=True):
            padded_row[: len(row)] = row
        ids = tokenizer.encode_batch(padded)
        counts = (ids != tokenizer.pad_id).sum(1)
        rows += [row[:count].copy() for row, count in zip(ids, counts, strict=True)]
    truncated = np.zeros(len(rows), dtype=bool)
    for number, ids in enumerate(rows):
        if most is not None and len(ids) > most:
            # Students with a limit read overlapping k-mers: one base more is one token more.
            begin = codes[number][: len(codes[number]) - (len(ids) - most)]
            rows[number], truncated[number] = tokenizer.encode_codes(begin), True
    return ragged(rows), truncated


def training_batches(
    lengths: np.ndarray, batch_size: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """Draw the rows of each batch of one epoch, every row once."""
    order = generator.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), POOL * batch_size):
        pool = order[start : start + POOL * batch_size]
        batches += cut(pool[np.argsort(lengths[pool], kind="stable")], batch_size)
    return [batches[number] for number in generator.permutation(len(batches))]


def evaluation_batches(lengths: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Choose the rows of each batch, every row once, shortest first."""
    return cut(np.argsort(lengths, kind="stable"), batch_size)


def cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """Cut the rows into pieces of at most `size`."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]
