"""Sequences of a task as batches of token ids, with little padding and without loss.

Batches of training are drawn from pools of many batches that are sorted by length, so sequences of
like length meet, while order and company are new in each epoch. No row is ever dropped. A sequence
longer than the student can read (BERT has 512 places) loses its end, and is counted.

A split may hold both strands of each sequence. The other strand is the reverse complement of all
the bases, tokenised like any sequence, so a student that reads only a part of a long sequence reads
another part of it on the other strand. Both strands have the same number of tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dnastudents.genome import codes as sequence
from dnastudents.genome.tokenizers import Tokenizer

POOL = 32  # batches that are sorted together
CHUNK = 256  # sequences that are tokenised together


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
    other : list of numpy.ndarray or None
        The same sequences on the other strand, int64 (T,) each. None where it is never read.
    """

    ids: list[np.ndarray]
    labels: np.ndarray
    pad_id: int
    truncated: np.ndarray
    other: list[np.ndarray] | None = None

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
        other = None if self.other is None else [self.other[row] for row in rows]
        return TokenSplit(ids, self.labels[rows], self.pad_id, self.truncated[rows], other)

    def flip(self, chosen: np.ndarray) -> TokenSplit:
        """The sequences at True in `chosen`, bool (n,), on their other strand."""
        if self.other is None:
            raise ValueError("this split was tokenised on one strand only")
        strands = list(zip(chosen, self.ids, self.other, strict=True))
        ids = [there if flipped else here for flipped, here, there in strands]
        other = [here if flipped else there for flipped, here, there in strands]
        return replace(self, ids=ids, other=other)

    def joined(self, more: TokenSplit) -> TokenSplit:
        """These sequences and, behind them, more."""
        labels = np.concatenate([self.labels, more.labels])
        truncated = np.concatenate([self.truncated, more.truncated])
        other = None
        if self.other is not None and more.other is not None:
            other = self.other + more.other
        return TokenSplit(self.ids + more.ids, labels, self.pad_id, truncated, other)


@dataclass(frozen=True)
class FeatureSplit:
    """A split as fixed features, float32 (n, D), of a frozen student; `other` of the other strand.

    `other` is None where it is never read.
    """

    features: Tensor
    labels: np.ndarray
    truncated: np.ndarray
    other: Tensor | None = None

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
        index = torch.from_numpy(rows)
        other = None if self.other is None else self.other[index]
        return FeatureSplit(self.features[index], self.labels[rows], self.truncated[rows], other)

    def flip(self, chosen: np.ndarray) -> FeatureSplit:
        """The sequences at True in `chosen`, bool (n,), on their other strand."""
        if self.other is None:
            raise ValueError("this split holds features of one strand only")
        side = torch.from_numpy(chosen)[:, None]
        features = torch.where(side, self.other, self.features)
        return replace(self, features=features, other=torch.where(side, self.features, self.other))

    def joined(self, more: FeatureSplit) -> FeatureSplit:
        """These sequences and, behind them, more."""
        labels = np.concatenate([self.labels, more.labels])
        truncated = np.concatenate([self.truncated, more.truncated])
        other = None
        if self.other is not None and more.other is not None:
            other = torch.cat([self.other, more.other])
        return FeatureSplit(torch.cat([self.features, more.features]), labels, truncated, other)


Split = TokenSplit | FeatureSplit


def tokenize(
    sequences: Sequence[str],
    labels: np.ndarray,
    tokenizer: Tokenizer,
    most: int | None,
    both_strands: bool = False,
) -> TokenSplit:
    """Tokenise a split of texts; see `tokenize_codes`."""
    codes = [sequence.encode(text) for text in sequences]
    return tokenize_codes(codes, labels, tokenizer, most, both_strands)


def tokenize_codes(
    codes: list[np.ndarray],
    labels: np.ndarray,
    tokenizer: Tokenizer,
    most: int | None,
    both_strands: bool = False,
) -> TokenSplit:
    """Tokenise a split.

    Parameters
    ----------
    codes : list of numpy.ndarray
        uint8 (L,) each.
    labels : numpy.ndarray
        int64 (n,).
    tokenizer : Tokenizer
        The student's.
    most : int or None
        Tokens that the student can read, with its special ones. None is any number.
    both_strands : bool
        Tokenise the reverse complements too. Default is False.
    """
    rows, truncated = _ids(codes, tokenizer, most)
    other = None
    if both_strands:
        other, _ = _ids([sequence.reverse_complement(row) for row in codes], tokenizer, most)
    labels = np.asarray(labels, dtype=np.int64)
    return TokenSplit(rows, labels, tokenizer.pad_id, truncated, other)


def _ids(
    codes: list[np.ndarray], tokenizer: Tokenizer, most: int | None
) -> tuple[list[np.ndarray], np.ndarray]:
    """Tokens of each sequence, at most so many, and True (n,) at those that lost their end."""
    rows = []
    for start in range(0, len(codes), CHUNK):
        chunk = codes[start : start + CHUNK]
        padded = np.full((len(chunk), max(map(len, chunk))), sequence.PAD, dtype=np.uint8)
        for place, row in zip(padded, chunk, strict=True):
            place[: len(row)] = row
        ids = tokenizer.encode_batch(padded)
        counts = (ids != tokenizer.pad_id).sum(1)
        rows += [row[:count].copy() for row, count in zip(ids, counts, strict=True)]
    truncated = np.zeros(len(rows), dtype=bool)
    for number, ids in enumerate(rows):
        if most is not None and len(ids) > most:
            # Students with a limit read overlapping k-mers: one base more is one token more.
            kept = codes[number][: len(codes[number]) - (len(ids) - most)]
            rows[number], truncated[number] = tokenizer.encode_codes(kept), True
    return rows, truncated


def training_batches(
    lengths: np.ndarray, batch_size: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """Rows of each batch of one epoch, every row once, in an order by the generator."""
    order = generator.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), POOL * batch_size):
        pool = order[start : start + POOL * batch_size]
        batches += cut(pool[np.argsort(lengths[pool], kind="stable")], batch_size)
    return [batches[number] for number in generator.permutation(len(batches))]


def evaluation_batches(lengths: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Rows of each batch, every row once, shortest first."""
    return cut(np.argsort(lengths, kind="stable"), batch_size)


def cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """Parts of at most so many rows."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]
