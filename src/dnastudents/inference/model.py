"""A model folder as a function from sequences to numbers, batch by batch, in the order given.

Sequences come as a stream, are tokenised and sorted by length some thousand at a time, and run on a
GPU where there is one. What memory does not hold at once is halved, as in training.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import transformers
from torch import Tensor

from dnastudents import models
from dnastudents.devices import choose_device
from dnastudents.finetune.data import TokenSplit, tokenize_codes
from dnastudents.finetune.features import in_batches
from dnastudents.genome import tokenizers
from dnastudents.genome.tokenizers import Tokenizer
from dnastudents.models import model_folder

logger = logging.getLogger(__name__)

Key = TypeVar("Key")

CHUNK = 4096  # sequences that are tokenised and sorted together
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
        self.network = models.load(self.folder, use)
        self.tokenizer: Tokenizer = tokenizers.load(self.folder)
        self.device = choose_device()
        self.network = self.network.to(self.device).eval()
        self.at_once = batch_size

    @property
    def longest(self) -> int | None:
        """Bases of the longest sequence that it reads; None is any."""
        most = getattr(self.network.config, "max_position_embeddings", None)
        if most is None:
            return None
        around = 2 if self.tokenizer.sep_id is not None else 1
        return int(most - around + self.tokenizer.k - 1)

    def tokens(self, codes: list[np.ndarray], both_strands: bool = False) -> TokenSplit:
        """Tokenise sequences within what the model reads."""
        most = getattr(self.network.config, "max_position_embeddings", None)
        labels = np.zeros(len(codes), dtype=np.int64)
        return tokenize_codes(codes, labels, self.tokenizer, most, both_strands)

    def run(self, split: TokenSplit, compute: Callable[[dict[str, Tensor]], Tensor]) -> np.ndarray:
        """Compute one row per sequence, float32 (n, ...), in their order."""
        result, self.at_once = in_batches(split, compute, self.device, self.at_once)
        return result

    def over(
        self,
        items: Iterable[tuple[Key, np.ndarray]],
        compute: Callable[[list[np.ndarray]], np.ndarray],
    ) -> Iterator[tuple[Key, np.ndarray]]:
        """Yield each key with the row that `compute` gives for its codes, and log the progress."""
        began = said = time.perf_counter()
        done = 0
        stream = iter(items)
        while chunk := list(islice(stream, CHUNK)):
            keys, codes = zip(*chunk, strict=True)
            yield from zip(keys, compute(list(codes)), strict=True)
            done += len(chunk)
            if (now := time.perf_counter()) - said > SECONDS:
                said = now
                logger.info(f"{done:,} sequences, {done / (now - began):,.0f} per second")


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
