"""What a reader sees around hidden tokens, base by base.

A base is seen where a token shows it that is not the mask token. Tokens that overlap contradict one
that was replaced at random, so that one is left out; tokens that do not overlap are read as they
stand, random ones too, since nothing tells them from others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dnastudents.genome.codes import ALPHABET, N
from dnastudents.genome.tokenizers import Tokenizer

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Hidden:
    """Hidden tokens among what is seen of their sequences; rows R, bases L, hidden tokens M.

    Attributes
    ----------
    seen : numpy.ndarray
        uint8 (R, L), codes of the bases that are seen, N elsewhere.
    row, start, size : numpy.ndarray
        int64 (M,), the sequence of each token, its first base, its number of bases.
    bases : numpy.ndarray
        uint8 (M, k), its true bases; N behind its last one, and where they are not known.
    """

    seen: NDArray[np.uint8]
    row: Integers
    start: Integers
    size: Integers
    bases: NDArray[np.uint8]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether all bases of a token are known, (M,)."""
        return (self.bases < N).sum(axis=1) == self.size


def read(
    tokenizer: Tokenizer, ids: Integers, true_ids: Integers, hidden: NDArray[np.bool_]
) -> Hidden:
    """Read a masked batch.

    Parameters
    ----------
    tokenizer : Tokenizer
        Whose ids these are.
    ids : numpy.ndarray
        int64 (R, T), as a model sees them.
    true_ids : numpy.ndarray
        int64 (R, T), before masking.
    hidden : numpy.ndarray
        bool (R, T), the tokens to predict.
    """
    letters, sizes = _letters(tokenizer)
    size = sizes[true_ids]
    step = np.minimum(size, 1) if tokenizer.overlaps else size
    start = step.cumsum(1) - step
    is_shown = (size > 0) & (ids != tokenizer.mask_id)
    if tokenizer.overlaps and tokenizer.k > 1:
        is_shown &= ids == true_ids
    seen = np.full((len(ids), int((start + size).max(initial=0))), N, dtype=np.uint8)
    for place in range(tokenizer.k):
        base = letters[ids, place]
        row, token = np.nonzero(is_shown & (place < size) & (base < N))
        seen[row, start[row, token] + place] = base[row, token]
    row, token = np.nonzero(hidden)
    true = true_ids[row, token]
    return Hidden(seen, row, start[row, token], sizes[true], letters[true])


def _letters(tokenizer: Tokenizer) -> tuple[NDArray[np.uint8], Integers]:
    """Return the codes of the bases of each id, uint8 (V, k), and how many it has, int64 (V,)."""
    letters = np.full((tokenizer.vocab_size, tokenizer.k), N, dtype=np.uint8)
    sizes = np.zeros(tokenizer.vocab_size, dtype=np.int64)
    for number, text in enumerate(tokenizer.vocabulary):
        if set(text) <= set(ALPHABET):
            letters[number, : len(text)] = [ALPHABET.index(letter) for letter in text]
            sizes[number] = len(text)
    if not sizes[tokenizer.unk_id]:
        sizes[tokenizer.unk_id] = tokenizer.k  # bases of which one is N
    return letters, sizes
