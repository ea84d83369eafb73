"""A model folder as a function from sequences to numbers, batch by batch, in the order given.

Sequences come as a stream, are tokenised and sorted by length some thousand at a time, and run on a
GPU where there is one. Memory does not grow with their number or length: so many bases are
tokenised together, and long ones make small batches. What memory does not hold at once is halved,
as in training.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import transformers
from torch import Tensor

from dnastudents import models
from dnastudents.devices import choose_device
from dnastudents.errors import InputError
from dnastudents.files import read_json
from dnastudents.finetune.data import TokenSplit, tokenize_codes
from dnastudents.finetune.features import in_batches
from dnastudents.genome import tokenizers
from dnastudents.genome.tokenizers import FILE_NAME, Tokenizer
from dnastudents.models import model_folder

logger = logging.getLogger(__name__)

Key = TypeVar("Key")
Asked = TypeVar("Asked")

CHUNK, BASES = 4096, 1 << 22  # sequences, and bases, that are tokenised and sorted together
TOKENS = 1024  # of each sequence of a full batch; longer ones make smaller batches
LONGEST = 1 << 15  # bases that a model without a longest sequence is given at once
SECONDS = 10.0  # between lines of progress


class Model:
    """A loaded model and its tokenizer.

    Parameters
    ----------
    folder : Path
        Of `dnastudents pretrain`, or a model folder.
    use : {"features", "masked", "classes"}
        Which of the student's classes is loaded.
    batch_size : int
        Sequences at a time. Default is 64.

    Raises
    ------
    InputError
        No such model, or one that is not for this use.
    """

    def __init__(self, folder: Path, use: str, batch_size: int = 64) -> None:
        transformers.utils.logging.disable_progress_bar()
        self.folder = model_folder(folder)
        _require_use(self.folder, use)
        self.network = models.load(self.folder, use)
        self.tokenizer: Tokenizer = tokenizers.load(self.folder)
        if (wanted := self.network.config.options.tokenizer) != self.tokenizer.name:
            raise InputError(
                f"{self.folder / FILE_NAME}: is the tokenizer {self.tokenizer.name!r}, but the "
                f"model reads {wanted!r}; copy the whole folder again"
            )
        self.device = choose_device()
        self.network = self.network.to(self.device).eval()
        self.at_once = batch_size
        self._began = self._said = time.perf_counter()
        self._done = 0

    @property
    def longest(self) -> int | None:
        """Bases of the longest sequence that it reads; None is any."""
        return models.longest_sequence(self.network)

    def window(self, asked: int | None, usual: int = LONGEST) -> int:
        """Choose the bases that are read together: `asked`, else `usual` or what it reads at most.

        Raises
        ------
        InputError
            More is asked than it reads.
        """
        most = self.longest
        if asked is not None and most is not None and asked > most:
            raise InputError(f"--window: {self.folder} reads {most} bases at most, not {asked}")
        return asked or min(usual, most or usual)

    def tokens(self, codes: list[np.ndarray], both_strands: bool = False) -> TokenSplit:
        """Tokenise sequences within what the model reads."""
        most = models.most_tokens(self.network)
        labels = np.zeros(len(codes), dtype=np.int64)
        k = self.tokenizer.k
        if self.tokenizer.overlaps and (short := sum(len(row) < k for row in codes)):
            logger.warning(f"sequences of fewer than {k} bases, of which nothing is read: {short}")
        return tokenize_codes(codes, labels, self.tokenizer, most, both_strands)

    def run(self, split: TokenSplit, compute: Callable[[dict[str, Tensor]], Tensor]) -> np.ndarray:
        """Compute one row per sequence, float32 (n, ...), in their order; log the progress."""

        def told(inputs: dict[str, Tensor]) -> Tensor:
            self._tell(len(inputs["input_ids"]))
            return compute(inputs)

        result, self.at_once = in_batches(split, told, self.device, self.at_once, batches)
        return result

    def _tell(self, more: int) -> None:
        """Count sequences, and say from time to time how many there were."""
        self._done += more
        if (now := time.perf_counter()) - self._said > SECONDS:
            rate = self._done / (now - self._began)
            logger.info(f"{self._done:,} sequences or windows, {rate:,.1f} per second")
            self._said = now

    def over(
        self,
        items: Iterable[tuple[Key, Asked]],
        compute: Callable[[list[Asked]], np.ndarray],
        size: Callable[[Asked], int] = len,  # type: ignore[assignment]
    ) -> Iterator[tuple[Key, np.ndarray]]:
        """Yield each key with the row that `compute` gives for what stands beside it.

        Parameters
        ----------
        items : iterable of (key, asked)
        compute : callable
            Takes what is asked of some thousand keys, and gives a row for each.
        size : callable
            Bases of what is asked. Default is its length.
        """
        for chunk in _chunks(items, size):
            keys, asked = zip(*chunk, strict=True)
            yield from zip(keys, compute(list(asked)), strict=True)


def _require_use(folder: Path, use: str) -> None:
    """Raise `InputError` where there is no model, or a classifier without its masked-token head."""
    missing = [name for name in ("config.json", FILE_NAME) if not (folder / name).is_file()]
    if missing and not (folder / "vocab.txt").is_file():  # a folder of the hub's has advice
        raise InputError(f"{folder}: has no {missing[0]}; give a model folder of this package")
    config = read_json(folder / "config.json")
    kinds = config.get("architectures") if isinstance(config, dict) else None
    if use == "masked" and kinds and "ForSequenceClassification" in str(kinds[0]):
        raise InputError(
            f"{folder}: is a classifier, without a masked-token head; give the pretrained model, "
            "as results/pretrain/RUN"
        )


def _chunks(
    items: Iterable[tuple[Key, Asked]], size: Callable[[Asked], int]
) -> Iterator[list[tuple[Key, Asked]]]:
    chunk, bases = list[tuple[Key, Asked]](), 0
    for item in items:
        chunk.append(item)
        bases += size(item[1])
        if len(chunk) == CHUNK or bases >= BASES:
            yield chunk
            chunk, bases = [], 0
    if chunk:
        yield chunk


def batches(lengths: np.ndarray, size: int) -> list[np.ndarray]:
    """Choose the rows of each batch, every row once, shortest first.

    Parameters
    ----------
    lengths : numpy.ndarray
        Tokens of each row, int64 (n,).
    size : int
        Rows of a batch at most; fewer where they are longer than `TOKENS`.
    """
    found, rows = list[np.ndarray](), list[int]()
    for row in np.argsort(lengths, kind="stable"):
        if rows and (len(rows) == size or (len(rows) + 1) * lengths[row] > size * TOKENS):
            found.append(np.array(rows))
            rows = []
        rows.append(int(row))
    return [*found, np.array(rows)]


def windows_of(length: int, window: int | None, overlap: float) -> list[tuple[int, int]]:
    """Cut a sequence into windows that overlap; the last one ends where the sequence does.

    Parameters
    ----------
    length : int
        Bases of the sequence.
    window : int or None
        Bases of a window. None is one window for all.
    overlap : float
        Share of a window that the next one reads again, 0 to below 1.

    Returns
    -------
    list of (int, int)
        Start and end, at least one.
    """
    if window is None or length <= window:
        return [(0, length)]
    step = max(1, round(window * (1 - overlap)))
    starts = [*range(0, length - window, step), length - window]
    return [(start, start + window) for start in starts]
