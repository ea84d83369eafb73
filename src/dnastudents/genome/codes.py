"""DNA as bytes: one base is one uint8 code.

A is 0, C is 1, G is 2, T is 3, so that `3 - code` is the complement and k-mers are base-4 numbers.
U, the T of RNA, is 3 too. Everything else a sequence may hold (N, other IUPAC letters, X, gaps) is
4. Rows of a batch that are shorter than the longest end with `PAD` (5); padding is always on the
right. Which letters there are is in `genome.letters`.
Functions that take `Codes` accept a NumPy array or a torch tensor of any shape (..., L) and return
the same kind. torch is imported when a tensor comes: reading a genome does not take its seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from dnastudents.genome.letters import BASES

if TYPE_CHECKING:
    import torch

ALPHABET = "ACGTN"
N = 4
PAD = 5

Codes = TypeVar("Codes", np.ndarray, "torch.Tensor")


def translation_table() -> bytes:
    """Make the 256-byte table for `bytes.translate` from letters of either case to codes."""
    table = bytearray([N]) * 256
    for code, bases in enumerate(BASES):
        for base in bases:
            table[ord(base)] = table[ord(base.lower())] = code
    return bytes(table)


_LETTER_TO_CODE = translation_table()
_CODE_TO_LETTER = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)


def encode(sequence: str | bytes) -> np.ndarray:
    """Turn letters of either case into codes.

    Parameters
    ----------
    sequence : str or bytes
        Letters; U becomes T, and anything but A, C, G, T becomes N.

    Returns
    -------
    numpy.ndarray
        uint8 (L,), writable.
    """
    letters = sequence.encode("ascii", "replace") if isinstance(sequence, str) else sequence
    return np.frombuffer(bytearray(letters.translate(_LETTER_TO_CODE)), dtype=np.uint8)


def decode(codes: np.ndarray) -> str:
    """Turn codes (L,) into upper-case letters; padding is left out."""
    codes = np.asarray(codes)
    return _CODE_TO_LETTER[codes[codes != PAD]].tobytes().decode("ascii")


def complement(codes: Codes) -> Codes:
    """Complement each base; N and PAD stay what they are."""
    if isinstance(codes, np.ndarray):
        return np.where(codes < N, 3 - codes, codes)
    return codes.where(codes >= N, 3 - codes)


def reverse_complement(codes: Codes) -> Codes:
    """Read (..., L) from the other strand. The rows must be unpadded.

    See Also
    --------
    reverse_complement_padded : keeps padding on the right.
    """
    if isinstance(codes, np.ndarray):
        return np.ascontiguousarray(complement(codes)[..., ::-1])
    return complement(codes).flip(-1)


def reverse_complement_padded(codes: Codes) -> Codes:
    """Read each row of (..., L) from the other strand and keep its padding on the right."""
    if isinstance(codes, np.ndarray):
        if not (codes == PAD).any():
            return reverse_complement(codes)  # a tenth of the time
        lengths = (codes != PAD).sum(-1, keepdims=True)
        position = np.arange(codes.shape[-1])
        source = np.where(position < lengths, lengths - 1 - position, position)
        return complement(np.take_along_axis(codes, source, axis=-1))
    import torch

    lengths = (codes != PAD).sum(-1, keepdim=True)
    position = torch.arange(codes.shape[-1], device=codes.device)
    source = torch.where(position < lengths, lengths - 1 - position, position)
    return complement(codes.gather(-1, source))


def kmer_codes(codes: np.ndarray, k: int) -> np.ndarray:
    """Number the k-mer that starts at each base.

    Parameters
    ----------
    codes : numpy.ndarray
        uint8 (..., L).
    k : int
        Length of the k-mers, 1 to 15.

    Returns
    -------
    numpy.ndarray
        int32 (..., L - k + 1), last axis empty when L < k: the k-mer as a base-4 number with its
        first base most significant, or -1 where it holds anything but A, C, G, T.
    """
    if not 1 <= k <= 15:
        raise ValueError(f"k is {k}; k-mers of 1 to 15 bases fit an int32")
    count = max(codes.shape[-1] - k + 1, 0)
    number = _concatenate_digits(codes, k)[..., :count]
    unknown = codes >= N
    if unknown.any():
        hit = np.zeros(number.shape, dtype=bool)
        for offset in range(k):
            hit |= unknown[..., offset : offset + count]
        number[hit] = -1
    return number


def _concatenate_digits(codes: np.ndarray, k: int) -> np.ndarray:
    """Make base-4 numbers of k digits by doubling (6 are 3 + 3, 3 are 2 + 1): log2(k) steps."""
    if k == 1:
        return codes.astype(np.int32)
    left = k // 2
    head, tail = _concatenate_digits(codes, left), _concatenate_digits(codes, k - left)
    tail = tail[..., left:]
    return (head[..., : tail.shape[-1]] << (2 * (k - left))) | tail
