"""Fixed intervals of a genome, each in one fold: the pretraining corpus of HyenaDNA and Caduceus.

The file is Basenji2's `sequences_human.bed`, or any of its form: chrom, start, end (0-based, half
open) and fold, separated by tabs; blank lines, comments (#) and the lines `track` and `browser` of
genome browsers are passed over. As in Caduceus, windows lie end to end from an interval's first
base, and an epoch goes through all of them in a new order. Where intervals of a fold overlap, as
Basenji's do in `train`, so do their windows.

Two differences. Caduceus reads 2**20 bases from each start, whatever the end in the file, so that
its splits share bases; here a window lies inside its interval. And a base that is in two folds is
held out: what `train` shares with `valid` or `test` is cut out of it, and so is what `valid` shares
with `test`. That is compared in the coordinates of chromosomes, on which records may overlap. Bases
at an interval's end that fill no window are not read.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dnastudents.errors import InputError, nearest
from dnastudents.genome.fasta import open_binary
from dnastudents.genome.records import Record
from dnastudents.genome.reference import Reference

logger = logging.getLogger(__name__)

SPLITS = {"train": "train", "valid": "validation", "test": "test"}  # a fold's split


def read_intervals(bed: Path, reference: Reference) -> dict[str, np.ndarray]:
    """Read the intervals of each split of the file, in its order and without shared bases.

    Parameters
    ----------
    bed : Path
        chrom, start, end, fold (train, valid or test), separated by tabs; plain or gzip.
    reference : Reference
        The genome; its records may be parts of chromosomes, see `Reference.fetch`.

    Returns
    -------
    dict of str to numpy.ndarray
        `train`, and `validation` and `test` if there are any: int64 (intervals, 2), each
        [start, end) in `reference.codes`.

    Raises
    ------
    InputError
        Naming file and line: a line of another form, an unknown fold, or an interval that is not
        inside the reference. Or nothing is in `train`.
    """
    rows = list(_rows(bed, reference))
    ground = _ground(reference)
    found: dict[str, np.ndarray] = {}
    held_out = np.empty((0, 2), dtype=np.int64)
    for fold, split in reversed(SPLITS.items()):
        mine = [row for row in rows if row.fold == fold]
        # Where each lies when all chromosomes lie end to end, and how far that is from the codes.
        bases = np.array([ground[row.record.chrom] for row in mine], dtype=np.int64)
        shifts = np.array([row.record.offset - row.record.start for row in mine], np.int64) - bases
        spans = _pairs([(row.start, row.end) for row in mine]) + bases[:, None]
        kept, owner = cut_out(spans, held_out)
        if lost := int(np.diff(spans).sum() - np.diff(kept).sum()):
            logger.warning(f"{bed}: {lost:,} bases of {split} are held out elsewhere")
        found[split] = kept + shifts[owner][:, None]
        held_out = np.concatenate([held_out, spans])
    if not len(found["train"]):
        why = "every interval of the fold 'train' is held out too; add others to learn from"
        if not mine:
            why = "no interval has the fold 'train'; add those to learn from"
        raise InputError(f"{bed}: {why}")
    return {split: found[split] for split in SPLITS.values() if len(found[split])}


def cut_out(spans: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find what of `spans`, int64 (n, 2), is in none of `held_out` (m, 2); all are [start, end).

    Returns
    -------
    pieces, owner : numpy.ndarray
        int64 (pieces, 2), and of which span each is left, int64 (pieces,).
    """
    if not len(held_out):
        return spans, np.arange(len(spans))
    held_out = held_out[held_out[:, 0].argsort()]
    furthest = np.maximum.accumulate(held_out[:, 1])
    opens = np.append(True, held_out[1:, 0] > furthest[:-1])  # where no earlier one reaches
    starts, ends = held_out[opens, 0], furthest[np.append(opens[1:], True)]
    pieces: list[tuple[int, int]] = []
    owner: list[int] = []
    for number, (start, end) in enumerate(spans.tolist()):
        touching = slice(np.searchsorted(ends, start, "right"), np.searchsorted(starts, end))
        edges = [start, *np.stack([starts[touching], ends[touching]], axis=1).ravel(), end]
        left = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]
        pieces += left
        owner += [number] * len(left)
    return _pairs(pieces), np.array(owner, dtype=np.int64)


class _Row(NamedTuple):
    """A line: its fold, and [start, end) on the chromosome of the record that holds it."""

    record: Record
    start: int
    end: int
    fold: str


def _pairs(values: list[tuple[int, int]]) -> np.ndarray:
    return np.array(values, dtype=np.int64).reshape(-1, 2)


def _ground(reference: Reference) -> dict[str, int]:
    """Lay all chromosomes end to end: where each begins."""
    ends: dict[str, int] = {}
    for record in map(reference.record, reference.names):
        ends[record.chrom] = max(ends.get(record.chrom, 0), record.end)
    return dict(zip(ends, accumulate(ends.values(), initial=0), strict=False))


def _rows(bed: Path, reference: Reference) -> Iterator[_Row]:
    """Read the intervals of the file, line by line."""
    try:
        with open_binary(bed) as handle:
            lines = handle.read().decode("utf-8-sig").splitlines()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{bed}: not a readable BED file ({error})") from None
    for number, line in enumerate(lines, start=1):
        if is_passed_over(line):
            continue
        try:
            chrom, start, end, fold = line.split("\t")
            first, last = int(start), int(end)
        except ValueError:
            raise InputError(
                f"{bed}:{number}: {line[:80]!r} is not chrom, start, end and fold between tabs; "
                "repair the line, or download the file again"
            ) from None
        if fold not in SPLITS:
            raise InputError(f"{bed}:{number}: unknown fold '{fold}'; {nearest(fold, SPLITS)}")
        if first >= last:
            raise InputError(f"{bed}:{number}: {chrom}:{first}-{last} holds no base; drop the line")
        try:
            record, first, last = reference.find(chrom, first, last)
        except InputError as error:
            raise InputError(f"{bed}:{number}: {error}") from None
        yield _Row(record, record.start + first, record.start + last, fold)


def is_passed_over(line: str) -> bool:
    """Return whether a line says nothing of intervals, as the BED format has it."""
    words = line.split(maxsplit=1)
    return not words or words[0].startswith("#") or words[0] in ("track", "browser")
