"""Fixed intervals of a genome, each in one fold: the pretraining corpus of HyenaDNA and Caduceus.

The file is Basenji2's `sequences_human.bed`, or any of its form: chrom, start, end (0-based, half
open) and fold, separated by tabs. As in Caduceus, windows lie end to end from an interval's first
base, and an epoch goes through all of them in a new order. Where intervals of a fold overlap, as
Basenji's do in `train`, so do their windows.

Two differences. Caduceus reads 2**20 bases from each start, whatever the end in the file, so that
its splits share bases; here a window lies inside its interval. And a base that is in two folds is
held out: what `train` shares with `valid` or `test` is cut out of it, and so is what `valid` shares
with `test`. Bases at an interval's end that fill no window are not read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dnastudents.errors import InputError, nearest
from dnastudents.genome.reference import Reference

logger = logging.getLogger(__name__)

SPLITS = {"train": "train", "valid": "validation", "test": "test"}  # a fold's split


def read_intervals(bed: Path, reference: Reference) -> dict[str, np.ndarray]:
    """Read the intervals of each split of the file, in its order and without shared bases.

    Parameters
    ----------
    bed : Path
        chrom, start, end, fold (train, valid or test), separated by tabs.
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
    found = {
        split: np.array([span for span, of in rows if of == fold], dtype=np.int64).reshape(-1, 2)
        for fold, split in SPLITS.items()
    }
    held_out = np.empty((0, 2), dtype=np.int64)
    for split in reversed(SPLITS.values()):
        whole, found[split] = found[split], cut_out(found[split], held_out)
        if lost := int((whole[:, 1] - whole[:, 0]).sum() - np.diff(found[split]).sum()):
            logger.warning(f"{bed}: {lost:,} bases of {split} are held out elsewhere")
        held_out = np.concatenate([held_out, whole])
    if not len(found["train"]):
        raise InputError(f"{bed}: no interval has the fold 'train'; add those to learn from")
    return {split: spans for split, spans in found.items() if len(spans)}


def cut_out(spans: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Return what of `spans`, int64 (n, 2), is in none of `held_out` (m, 2); both [start, end)."""
    if not len(held_out):
        return spans
    held_out = held_out[held_out[:, 0].argsort()]
    furthest = np.maximum.accumulate(held_out[:, 1])
    opens = np.append(True, held_out[1:, 0] > furthest[:-1])  # where no earlier one reaches
    starts, ends = held_out[opens, 0], furthest[np.append(opens[1:], True)]
    pieces = []
    for start, end in spans.tolist():
        touching = slice(np.searchsorted(ends, start, "right"), np.searchsorted(starts, end))
        for first, last in zip(starts[touching], ends[touching], strict=True):
            if start < first:
                pieces.append((start, first))
            start = last
        if start < end:
            pieces.append((start, end))
    return np.array(pieces, dtype=np.int64).reshape(-1, 2)


def _rows(bed: Path, reference: Reference) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield each line's [start, end) in the codes of the reference, and its fold."""
    try:
        lines = bed.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{bed}: not a readable BED file ({error})") from None
    for number, line in enumerate(lines, start=1):
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
            yield reference.locate(chrom, first, last), fold
        except InputError as error:
            raise InputError(f"{bed}:{number}: {error}") from None
