"""A genome as memory-mapped codes: build once from FASTA, then read any part at no cost.

A reference is a folder: `codes.npy` (uint8, all records end to end), `soft_mask.npy` (bool, lower
case in the FASTA) and `reference.json` (names, lengths, offsets, source and its SHA-256). Both
arrays are plain .npy files, so any tool can map them.

A record named `chrom:start-end` whose length is end - start (0-based, half open) is a part of a
chromosome: coordinates of the chromosome find it. Splits are made of chromosomes or regions, never
of windows, so that overlapping windows cannot leak between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from dnastudents.errors import InputError, nearest
from dnastudents.files import atomic_directory, read_json, sha256, write_json
from dnastudents.genome import codes as sequence
from dnastudents.genome.fasta import read_fasta
from dnastudents.provenance import write_provenance

_REGION = re.compile(r"(?P<chrom>.+):(?P<start>\d+)-(?P<end>\d+)")
_CODES = sequence.translation_table()
_IS_LOWER = bytes(chr(byte).islower() and byte < 128 for byte in range(256))


@dataclass(frozen=True, order=True)
class Interval:
    """Bases [start, end) of the record `name`, counted from the record's first base."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class _Record:
    """Where a record lies: on its chromosome (`chrom`, `start`) and in the codes (`offset`)."""

    name: str
    chrom: str
    start: int
    length: int
    offset: int

    @property
    def end(self) -> int:
        return self.start + self.length


class Reference:
    """A built reference, memory-mapped and read-only.

    Attributes
    ----------
    names : tuple of str
        Records in the order of the FASTA.
    lengths, offsets : tuple of int
        Bases of each record, and where it begins in `codes`.
    codes : numpy.ndarray
        uint8 (total bases,), see `dnastudents.genome.codes`.
    soft_mask : numpy.ndarray
        bool (total bases,), True where the FASTA had lower case.
    """

    def __init__(self, codes: np.ndarray, soft_mask: np.ndarray, index: dict[str, Any]) -> None:
        self.codes = codes
        self.soft_mask = soft_mask
        self.names: tuple[str, ...] = tuple(index["names"])
        self.lengths: tuple[int, ...] = tuple(index["lengths"])
        self.offsets: tuple[int, ...] = tuple(index["offsets"])
        self.source: str = index["source"]
        self.sha256: str = index["sha256"]
        self.simulated: bool = index["simulated"]
        rows = zip(self.names, self.lengths, self.offsets, strict=True)
        self._records = {name: _place(name, length, offset) for name, length, offset in rows}
        self._chromosomes: dict[str, list[_Record]] = {}
        for record in self._records.values():
            self._chromosomes.setdefault(record.chrom, []).append(record)

    @classmethod
    def open(cls, folder: str | Path) -> Reference:
        """Map the reference in `folder`, as written by `build`."""
        folder = Path(folder)
        index = read_json(folder / "reference.json")
        try:
            codes = np.load(folder / "codes.npy", mmap_mode="r", allow_pickle=False)
            soft_mask = np.load(folder / "soft_mask.npy", mmap_mode="r", allow_pickle=False)
            # A plain view: slices of np.memmap itself cost microseconds each.
            reference = cls(np.asarray(codes), np.asarray(soft_mask), index)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{folder}: not a complete reference ({error}); build it again"
            ) from None
        if not len(codes) == len(soft_mask) == sum(reference.lengths):
            raise InputError(f"{folder}: files of different references; build it again")
        return reference

    def sequence(self, name: str) -> np.ndarray:
        """The codes of the record `name` as a read-only view, uint8 (length,)."""
        record = self._record(name)
        return self.codes[record.offset : record.offset + record.length]

    def fetch(self, chrom: str, start: int, end: int) -> np.ndarray:
        """The codes of [start, end), 0-based and half open, as a read-only view.

        Parameters
        ----------
        chrom : str
            A record's name, counted from the record's first base; or a chromosome of which
            records named `chrom:start-end` are parts, counted from the chromosome's first base.
        start, end : int
            The region; it must lie within one record.

        Raises
        ------
        InputError
            The name is unknown or no record holds the whole region.
        """
        first, last = self.locate(chrom, start, end)
        return self.codes[first:last]

    def locate(self, chrom: str, start: int, end: int) -> tuple[int, int]:
        """Where the bases that `fetch` reads lie in `codes`: [first, last)."""
        if not 0 <= start <= end:
            raise InputError(f"{chrom}:{start}-{end}: a region is 0 <= start <= end")
        if chrom in self._records:
            record, shift = self._records[chrom], 0
        else:
            candidates = self._chromosomes.get(chrom) or [self._record(chrom)]
            inside = [part for part in candidates if part.start <= start and end <= part.end]
            record = (inside or candidates)[0]
            shift = record.start
        start, end = start - shift, end - shift
        if not 0 <= start <= end <= record.length:
            raise InputError(
                f"{chrom}:{start + shift}-{end + shift} is not inside {self.source}; "
                f"record {record.name!r} has {record.length:,} bases"
            )
        return record.offset + start, record.offset + end

    def name(self, first: int, last: int) -> str:
        """The region `chrom:start-end` of codes [first, last) of one record; undoes `locate`."""
        record = next(r for r in self._records.values() if first < r.offset + r.length)
        shift = record.start - record.offset
        return f"{record.chrom}:{first + shift}-{last + shift}"

    def intervals(self, spec: Iterable[str]) -> list[Interval]:
        """Resolve a list of places into intervals of records.

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
            An entry is unknown (the nearest name is given) or outside of the reference.
        """
        entries = [spec] if isinstance(spec, str) else list(spec)
        found = [interval for entry in entries for interval in self._resolve(entry)]
        if not found:
            raise InputError('no sequences are named; give a list such as ["chr1"] or ["all"]')
        order = {name: position for position, name in enumerate(self.names)}
        merged: list[Interval] = []
        for part in sorted(found, key=lambda part: (order[part.name], part.start, part.end)):
            last = merged[-1] if merged else None
            if last and last.name == part.name and part.start <= last.end:
                merged[-1] = Interval(last.name, last.start, max(last.end, part.end))
            else:
                merged.append(part)
        return merged

    def span(self, interval: Interval) -> tuple[int, int]:
        """Where `interval` lies in `codes`: [start, end)."""
        offset = self._record(interval.name).offset
        return offset + interval.start, offset + interval.end

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
        parts = [
            Interval(
                part.name, max(start, part.start) - part.start, min(end, part.end) - part.start
            )
            for part in self._chromosomes[region["chrom"]]
            if start < part.end and part.start < end
        ]
        if not parts or start >= end:
            raise InputError(f"{entry}: no base of {self.source} lies in this region")
        return parts

    def _record(self, name: str) -> _Record:
        if name not in self._records:
            raise self._unknown(name)
        return self._records[name]

    def _unknown(self, name: str) -> InputError:
        known = {*self._records, *self._chromosomes}
        return InputError(f"no sequence '{name}' in {self.source}; {nearest(name, known)}")


def _place(name: str, length: int, offset: int) -> _Record:
    region = _REGION.fullmatch(name)
    if region and int(region["end"]) - int(region["start"]) == length:
        return _Record(name, region["chrom"], int(region["start"]), length, offset)
    return _Record(name, name, 0, length, offset)


def build(fasta: str | Path, output: str | Path, simulated: bool = False) -> Reference:
    """Write the reference folder of a FASTA, in one pass and with bounded memory.

    Parameters
    ----------
    fasta : str or Path
        FASTA or gzipped FASTA.
    output : str or Path
        Folder to write; it is complete or absent.
    simulated : bool
        Whether the genome is made up; kept, so that figures can say so. Default is False.

    Returns
    -------
    Reference
        The reference, opened from `output`.

    Raises
    ------
    InputError
        The FASTA is damaged or holds no DNA, see `dnastudents.genome.fasta.read_fasta`.
    """
    fasta = Path(fasta)
    lengths: dict[str, int] = {}
    with atomic_directory(output) as folder:
        with (
            _NpyStream(folder / "codes.npy", np.uint8) as codes,
            _NpyStream(folder / "soft_mask.npy", np.bool_) as soft_mask,
        ):
            for name, letters in read_fasta(fasta):
                codes.write(letters.translate(_CODES))
                soft_mask.write(letters.translate(_IS_LOWER))
                lengths[name] = lengths.get(name, 0) + len(letters)
        ends = np.cumsum(list(lengths.values())).tolist()
        index = {
            "names": list(lengths),
            "lengths": list(lengths.values()),
            "offsets": [0, *ends[:-1]],
            "source": fasta.name,
            "simulated": simulated,
            "sha256": sha256(fasta),
        }
        write_json(folder / "reference.json", index)
        write_provenance(folder)
    return Reference.open(output)


def check_splits(reference: Reference, splits: dict[str, list[str]]) -> None:
    """Raise `InputError` if two splits share a base.

    Parameters
    ----------
    reference : Reference
        The genome.
    splits : dict of str to list of str
        Name of the split to the places it is made of, as for `Reference.intervals`.
    """
    resolved = {name: reference.intervals(spec) for name, spec in splits.items()}
    for (one, mine), (other, theirs) in combinations(resolved.items(), 2):
        for a in mine:
            for b in theirs:
                if a.name == b.name and a.start < b.end and b.start < a.end:
                    raise InputError(
                        f"splits {one!r} and {other!r} share bases of {a.name}; "
                        "give each chromosome or region to one split"
                    )


class _NpyStream:
    """A one-dimensional .npy file of one-byte items whose length is known at its end only."""

    def __init__(self, path: Path, dtype: type[np.generic]) -> None:
        self._handle = path.open("wb")
        self._dtype = np.dtype(dtype)
        self._count = 0
        self._write_header()
        self._data_start = self._handle.tell()

    def write(self, data: bytes) -> None:
        self._handle.write(data)
        self._count += len(data)

    def _write_header(self) -> None:
        # NumPy pads its header so that the count can grow in place to any int64.
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": (self._count,)}
        np.lib.format.write_array_header_1_0(self._handle, header)

    def __enter__(self) -> _NpyStream:
        return self

    def __exit__(self, *_: object) -> None:
        with self._handle:
            self._handle.seek(0)
            self._write_header()
            assert self._handle.tell() == self._data_start
