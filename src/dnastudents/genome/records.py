"""Names and lengths of a genome's records, and which of their bases a list of regions means.

A record named `chrom:start-end` whose length is end - start (0-based, half open) is a part of a
chromosome: coordinates of the chromosome find it. Free of numpy, for checks before any job runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from dnastudents.errors import InputError, nearest

_SHOWN = 5  # records in a message
_REGION = re.compile(r"(?P<chrom>.+):(?P<start>\d+)-(?P<end>\d+)")


@dataclass(frozen=True, order=True)
class Interval:
    """Bases [start, end) of the record `name`, counted from the record's first base."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class Record:
    """Where a record lies: on its chromosome (`chrom`, `start`) and in the codes (`offset`)."""

    name: str
    chrom: str
    start: int
    length: int
    offset: int

    @property
    def end(self) -> int:
        """Where it ends on its chromosome."""
        return self.start + self.length


class Records:
    """The records of a genome, by name.

    Parameters
    ----------
    names : iterable of str
        In the order of the FASTA.
    lengths : iterable of int
        Bases of each record.
    source : str
        Name of the FASTA, for messages.

    Attributes
    ----------
    names, lengths : tuple
        As given.
    offsets : tuple of int
        Where each record begins when all lie end to end.
    """

    def __init__(self, names: Iterable[str], lengths: Iterable[int], source: str) -> None:
        self.names, self.lengths, self.source = tuple(names), tuple(lengths), source
        self.offsets: tuple[int, ...] = (0, *accumulate(self.lengths))[:-1]
        rows = zip(self.names, self.lengths, self.offsets, strict=True)
        self._records = {name: _record(name, length, offset) for name, length, offset in rows}
        self._chromosomes: dict[str, list[Record]] = {}
        for record in self._records.values():
            self._chromosomes.setdefault(record.chrom, []).append(record)

    def record(self, name: str) -> Record:
        """Find a record by name."""
        if name not in self._records:
            raise self._unknown(name)
        return self._records[name]

    def intervals(self, spec: Iterable[str]) -> list[Interval]:
        """Resolve a list of names and regions into intervals of records.

        Parameters
        ----------
        spec : iterable of str
            Each a record's name, a chromosome (also all its parts), a region `chrom:start-end` of
            a chromosome (0-based, half open), or "all".

        Returns
        -------
        list of Interval
            Sorted in the reference's order; overlapping entries are merged.

        Raises
        ------
        InputError
            An entry is unknown (the nearest name is given), or does not begin and end inside the
            reference; parts of a chromosome may have a gap between them.
        """
        entries = [spec] if isinstance(spec, str) else list(spec)
        resolved = [interval for entry in entries for interval in self._resolve(entry)]
        if not resolved:
            raise InputError('no sequences are named; give a list such as ["chr1"] or ["all"]')
        order = {name: position for position, name in enumerate(self.names)}
        merged: list[Interval] = []
        for new in sorted(resolved, key=lambda new: (order[new.name], new.start, new.end)):
            last = merged[-1] if merged else None
            if last and last.name == new.name and new.start <= last.end:
                merged[-1] = Interval(last.name, last.start, max(last.end, new.end))
            else:
                merged.append(new)
        return merged

    def _resolve(self, entry: str) -> list[Interval]:
        if entry == "all":
            return [Interval(record.name, 0, record.length) for record in self._records.values()]
        if entry in self._records:
            return [Interval(entry, 0, self._records[entry].length)]
        if entry in self._chromosomes:
            return [Interval(part.name, 0, part.length) for part in self._chromosomes[entry]]
        region = _REGION.fullmatch(entry)
        if region is None or region["chrom"] not in self._chromosomes:
            raise self._unknown(region["chrom"] if region else entry)
        start, end = int(region["start"]), int(region["end"])
        records = self._chromosomes[region["chrom"]]
        touched = [part for part in records if start < part.end and part.start < end]
        if not touched or start >= end:
            raise InputError(
                f"{entry}: no base of {self.source} lies in this region; {_extent(records)}"
            )
        inside = min(part.start for part in touched) <= start
        if not inside or max(part.end for part in touched) < end:
            raise InputError(
                f"{entry}: reaches beyond {self.source}, where {_extent(touched)}; "
                "give a region inside"
            )
        return [
            Interval(
                part.name, max(start, part.start) - part.start, min(end, part.end) - part.start
            )
            for part in touched
        ]

    def place(self, interval: Interval) -> tuple[str, int, int]:
        """Return chromosome, start and end of an interval, in the chromosome's coordinates."""
        record = self.record(interval.name)
        return record.chrom, record.start + interval.start, record.start + interval.end

    def _unknown(self, name: str) -> InputError:
        known = {*self._records, *self._chromosomes}
        return InputError(f"no sequence '{name}' in {self.source}; {nearest(name, known)}")


def _record(name: str, length: int, offset: int) -> Record:
    region = _REGION.fullmatch(name)
    if region and int(region["end"]) - int(region["start"]) == length:
        return Record(name, region["chrom"], int(region["start"]), length, offset)
    return Record(name, name, 0, length, offset)


def _extent(records: list[Record]) -> str:
    """Say how long the first few records are."""
    shown = [f"{record.name!r} has {record.length:,} bases" for record in records[:_SHOWN]]
    more = len(records) - len(shown)
    return ", ".join(shown) + (f", and {more:,} more end elsewhere" if more else "")


def check_splits(records: Records, splits: Mapping[str, Sequence[str]]) -> None:
    """Raise `InputError` if two splits share a base, in the coordinates of chromosomes.

    Records may overlap there (chr1:0-3000 and chr1:1000-4000).

    Parameters
    ----------
    records : Records
        Of the genome.
    splits : mapping of str to sequence of str
        Name of the split to the regions it is made of, as for `Records.intervals`.
    """
    places = sorted(
        (*records.place(interval), split)
        for split, spec in splits.items()
        for interval in records.intervals(spec)
    )
    here, reached = "", dict[str, int]()  # the chromosome, and where each split ends on it so far
    for chrom, start, end, split in places:
        if chrom != here:
            here, reached = chrom, {}
        for other, other_end in reached.items():
            if other != split and other_end > start:
                one, two = (name for name in splits if name in (split, other))
                raise InputError(
                    f"splits {one!r} and {two!r} share {chrom}:{start}-{min(end, other_end)}; "
                    "give each chromosome or region to one split"
                )
        reached[split] = max(end, reached.get(split, 0))
