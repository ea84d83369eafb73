"""Counts of k-mers, dense and exact: the number of a k-mer is the index of its count.

Only the longest k-mers are counted; a shorter one occurs as often as the k-mers that begin with it,
plus the few times that it stands at the end of a stretch of known bases. Numbers have the smallest
type that holds them and are made in blocks that fit the processor's cache. What is read from a file
is read in ranges, never mapped, so memory does not grow with the genome; several processes divide
the ranges among them.

Imports NumPy alone, so that a worker process starts fast and stays small.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np

from dnastudents.errors import InputError

if TYPE_CHECKING:
    from dnastudents.genome.reference import Reference

_N = 4  # as in dnastudents.genome.codes, which imports torch
_BLOCK = 1 << 17  # bases numbered at a time, while the table of counts fits the cache as well
_LARGE_BLOCK = 1 << 20  # for larger tables, which are added to the total once a block
_RANGE = 1 << 22  # bases read at a time
_WORTH_A_PROCESS = 1 << 26  # bases counted while another process starts


@dataclass(frozen=True)
class _FileRange:
    """Bytes [first, last) of a file, at which k-mers start; they may reach up to byte `end`."""

    path: str
    first: int
    last: int
    end: int


class _Tables:
    """Counts in the making.

    Attributes
    ----------
    max_k : int
        Bases of the longest k-mers.
    longest : numpy.ndarray
        int64 (4**max_k,), their counts.
    ends : dict of int to numpy.ndarray
        k < max_k to int64 (4**k,), counts of what stands at the end of a stretch of known bases.
    """

    def __init__(self, max_k: int) -> None:
        self.max_k = max_k
        self.longest = np.zeros(4**max_k, dtype=np.int64)
        self.ends = {k: np.zeros(4**k, dtype=np.int64) for k in range(1, max_k)}

    def count(self, codes: np.ndarray, starts: int) -> None:
        """Add all k-mers that start at the first `starts` of `codes`; behind `codes` are only N."""
        size = _BLOCK if self.max_k <= 8 else _LARGE_BLOCK
        for first in range(0, starts, size):
            count = min(size, starts - first)
            block = codes[first : first + count + self.max_k - 1]
            behind = count + self.max_k - 1 - len(block)
            self._count_block(np.pad(block, (0, behind), constant_values=_N) if behind else block)

    def add(self, other: _Tables) -> None:
        """Add what another process counted."""
        self.longest += other.longest
        for k, counts in self.ends.items():
            counts += other.ends[k]

    def by_size(self) -> dict[int, np.ndarray]:
        """Return the counts of all sizes."""
        counts = {self.max_k: self.longest}
        for k in range(self.max_k - 1, 0, -1):
            counts[k] = self.ends[k] + marginalise(counts[k + 1])
        return counts

    def _count_block(self, block: np.ndarray) -> None:
        """Count the max_k-mers of a block, and the ends among all starts that have one."""
        has_unknown = block.max() >= _N
        numbers = _numbers(block & 3 if has_unknown else block, self.max_k)
        if has_unknown:
            # k-mers with an N are counted as A...A and taken back: no branch, so never slow.
            known = _all_known(block, self.max_k)
            numbers *= known
            self.longest[0] -= len(known) - np.count_nonzero(known)
            self._count_ends(block, len(numbers))
        self.longest += np.bincount(numbers, minlength=4**self.max_k)

    def _count_ends(self, block: np.ndarray, starts: int) -> None:
        """Count the k-mers before each N, from the shortest on, that begin before `starts`."""
        unknown = block >= _N
        # Where the k-mer begins: just before the N for k = 1, then one base earlier each time.
        # The end of a sequence has an N of padding behind it, see `count`.
        first = np.flatnonzero(~unknown[:-1] & unknown[1:])
        number = np.zeros(len(first), dtype=np.int64)
        for k, counts in self.ends.items():
            number += block[first].astype(np.int64) << (2 * (k - 1))
            counts += np.bincount(number[first < starts], minlength=4**k)
            continues = first > 0
            continues[continues] = ~unknown[first[continues] - 1]
            first, number = first[continues] - 1, number[continues]


def count_kmers(
    corpus: Reference | Iterable[np.ndarray], max_k: int, processes: int = 1
) -> dict[int, np.ndarray]:
    """Count all k-mers of 1 to `max_k` bases on the forward strand.

    Parameters
    ----------
    corpus : Reference or iterable of numpy.ndarray
        Each uint8 (L,); no k-mer spans two of them or holds an N. Views of a file mapped read-only,
        such as those of a `Reference`, are read from that file, at most 4 MiB at a time.
    max_k : int
        1 to 12; tables take 11 * 4**max_k bytes per process, and once more while they are added.
    processes : int
        Processes that share the bases of files; fewer are used when there is little to count. The
        counts are equal for any number. They are spawned, so a script that asks for several needs
        the usual `if __name__ == "__main__"`. Default is 1.

    Returns
    -------
    dict of int to numpy.ndarray
        k to int64 (4**k,), by the base-4 number of the k-mer (A 0, C 1, G 2, T 3, first base most
        significant).

    Raises
    ------
    InputError
        When `max_k` or `processes` is out of range, or a file was cut short meanwhile.
    """
    if not 1 <= max_k <= 12:
        raise InputError(f"k-mers of up to {max_k} bases cannot be counted densely; give 1 to 12")
    if processes < 1:
        raise InputError(f"{processes} processes cannot count; give 1 or more")
    tables = _Tables(max_k)
    ranges: list[_FileRange] = []
    sequences = corpus if isinstance(corpus, Iterable) else map(corpus.sequence, corpus.names)
    for codes in sequences:
        location = _file_of(codes)
        if location is None:
            tables.count(codes, len(codes))
        else:
            ranges += _ranges(*location, len(codes))
    total = sum(file_range.last - file_range.first for file_range in ranges)
    processes = min(processes, total // _WORTH_A_PROCESS)
    for counted in _count_ranges(ranges, max_k, processes):
        tables.add(counted)
    return tables.by_size()


def marginalise(counts: np.ndarray) -> np.ndarray:
    """Count (k-1)-mers as the first bases of counted k-mers, (4**k,) to (4**(k-1),)."""
    return counts.reshape(-1, 4).sum(1)


def _numbers(codes: np.ndarray, k: int) -> np.ndarray:
    """Number the k-mer at each base of codes (L,) without N: unsigned (L - k + 1,)."""
    count = len(codes) - k + 1
    numbers = codes[:count].copy()
    for offset in range(1, k):
        # Widened only when one more base needs it: most steps are on single bytes.
        numbers = numbers.astype(np.min_scalar_type(4 ** (offset + 1) - 1), copy=False)
        numbers *= 4  # NumPy has no SIMD shift of bytes
        numbers |= codes[offset : offset + count]
    return numbers


def _all_known(codes: np.ndarray, k: int) -> np.ndarray:
    """Mark the bases whose k-mer has no N: bool (L - k + 1,)."""
    known = codes < _N
    count = len(codes) - k + 1
    result = known[:count].copy()
    for offset in range(1, k):
        result &= known[offset : offset + count]
    return result


def _file_of(codes: np.ndarray) -> tuple[str, int] | None:
    """Find the file that `codes` are a view of, and the byte where they begin in it."""
    # A slice's base is what it was cut from: go back to the array that was mapped.
    root = codes
    while isinstance(root.base, np.ndarray):
        root = root.base
    # A map that can be written may hold what the file does not.
    if not isinstance(root, np.memmap) or root.filename is None or root.mode != "r":
        return None
    if codes.dtype != np.uint8 or not codes.flags.c_contiguous:
        return None
    ahead = codes.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    return str(root.filename), root.offset + ahead


def _ranges(path: str, start: int, length: int) -> Iterator[_FileRange]:
    end = start + length
    for first in range(start, end, _RANGE):
        yield _FileRange(path, first, min(first + _RANGE, end), end)


def _count_ranges(ranges: Sequence[_FileRange], max_k: int, processes: int) -> Iterator[_Tables]:
    """Count here, or in processes that take every n-th range of n processes."""
    if processes < 2:
        yield _count_files(ranges, max_k)
        return
    # Not forked: the threads of torch may hold locks.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        assigned = [ranges[number::processes] for number in range(processes)]
        yield from pool.map(_count_files, assigned, [max_k] * processes)


def _count_files(ranges: Iterable[_FileRange], max_k: int) -> _Tables:
    tables = _Tables(max_k)
    for file_range in ranges:
        # Beyond the range by a k-mer less one base, so that those over its border count once, here.
        size = min(file_range.last + max_k - 1, file_range.end) - file_range.first
        codes = np.fromfile(file_range.path, dtype=np.uint8, count=size, offset=file_range.first)
        if len(codes) < size:
            raise InputError(
                f"{file_range.path}: cut short while it was read; build the reference again"
            )
        tables.count(codes, file_range.last - file_range.first)
    return tables
