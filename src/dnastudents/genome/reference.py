"""A genome as memory-mapped codes: build once from FASTA, then read any part at no cost.

A reference is a folder: `codes.npy` (uint8, all records end to end; a plain .npy file, so any tool
can map it) and `reference.json` (names, lengths, offsets, source and its SHA-256, how many letters
were N or others that are read as N, and which records are the same sequence). That of a simulated
genome keeps its `truth.json`.

A record named `chrom:start-end` whose length is end - start (0-based, half open) is a part of a
chromosome: coordinates of the chromosome find it. Splits are made of chromosomes or regions, never
of windows, so that overlapping windows cannot leak between them.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from dnastudents.errors import InputError
from dnastudents.files import atomic_directory, read_json, sha256, write_json
from dnastudents.genome import codes as sequence
from dnastudents.genome.fasta import read_fasta
from dnastudents.genome.letters import Letters
from dnastudents.genome.records import Interval, Record, Records
from dnastudents.provenance import FILE, write_provenance

logger = logging.getLogger(__name__)

TRUTH = "truth.json"  # of a simulated genome
_SHOWN = 5  # names in a message
_CODES = sequence.translation_table()


class Reference(Records):
    """A built reference, memory-mapped and read-only.

    Attributes
    ----------
    names : tuple of str
        Records in the order of the FASTA.
    lengths, offsets : tuple of int
        Bases of each record, and where it begins in `codes`.
    codes : numpy.ndarray
        uint8 (total bases,), see `dnastudents.genome.codes`.
    letters : dict of str to int
        `bases`, `n` and `other` (read as N) of the FASTA; empty for a folder of an earlier version.
    same_sequence : list of list of str
        Names of records that are one sequence.
    """

    def __init__(self, codes: np.ndarray, index: dict[str, Any]) -> None:
        self.codes = codes
        super().__init__(index["names"], index["lengths"], index["source"])
        self.sha256: str = index["sha256"]
        self.simulated: bool = index["simulated"]
        self.letters: dict[str, int] = index.get("letters", {})
        self.same_sequence: list[list[str]] = index.get("same_sequence", [])

    @classmethod
    def open(cls, folder: str | Path) -> Reference:
        """Map the reference in `folder`, as written by `build`."""
        folder = Path(folder)
        index = read_json(folder / "reference.json")
        try:
            codes = np.load(folder / "codes.npy", mmap_mode="r", allow_pickle=False)
            # A plain view: slices of np.memmap itself cost microseconds each.
            reference = cls(np.asarray(codes), index)
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise InputError(
                f"{folder}: not a complete reference ({error}); build it again"
            ) from None
        if len(codes) != sum(reference.lengths):
            raise InputError(f"{folder}: files of different references; build it again")
        return reference

    def sequence(self, name: str) -> np.ndarray:
        """Return the codes of the record `name` as a read-only view, uint8 (length,)."""
        record = self.record(name)
        return self.codes[record.offset : record.offset + record.length]

    def fetch(self, chrom: str, start: int, end: int) -> np.ndarray:
        """Return the codes of [start, end), 0-based and half open, as a read-only view.

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
        """Find where the bases that `fetch` reads lie in `codes`: [first, last)."""
        record, first, last = self.find(chrom, start, end)
        return record.offset + first, record.offset + last

    def find(self, chrom: str, start: int, end: int) -> tuple[Record, int, int]:
        """Find the record that holds the bases that `fetch` reads, and [first, last) in it."""
        if not 0 <= start <= end:
            raise InputError(f"{chrom}:{start}-{end}: a region is 0 <= start <= end")
        if chrom in self._records:
            record, shift = self._records[chrom], 0
        else:
            candidates = self._chromosomes.get(chrom) or [self.record(chrom)]
            inside = [part for part in candidates if part.start <= start and end <= part.end]
            record = (inside or candidates)[0]
            shift = record.start
        start, end = start - shift, end - shift
        if not 0 <= start <= end <= record.length:
            raise InputError(
                f"{chrom}:{start + shift}-{end + shift} is not inside {self.source}; "
                f"record {record.name!r} has {record.length:,} bases"
            )
        return record, start, end

    def name(self, first: int, last: int) -> str:
        """Name the region `chrom:start-end` of codes [first, last); undoes `locate`."""
        record = next(r for r in self._records.values() if first < r.offset + r.length)
        shift = record.start - record.offset
        return f"{record.chrom}:{first + shift}-{last + shift}"

    def span(self, interval: Interval) -> tuple[int, int]:
        """Return where `interval` lies in `codes`: [start, end)."""
        offset = self.record(interval.name).offset
        return offset + interval.start, offset + interval.end


def build(
    fasta: str | Path | Sequence[str | Path], output: str | Path, simulated: bool = False
) -> Reference:
    """Write the reference folder of FASTA, in one pass and with bounded memory.

    Parameters
    ----------
    fasta : path or sequence of paths
        FASTA or gzipped FASTA. Several are read as if they were one file, which the SHA-256 of the
        reference is of.
    output : str or Path
        Folder to write; it is complete or absent.
    simulated : bool
        Whether the genome is made up; kept, so that figures can say so. The simulator's
        `truth.json` beside the FASTA is copied, for its oracle. Default is False.

    Returns
    -------
    Reference
        The reference, opened from `output`.

    Raises
    ------
    InputError
        A FASTA is damaged or holds no base, see `dnastudents.genome.fasta.read_fasta`, or two hold
        records of the same name.
    """
    files = [Path(fasta)] if isinstance(fasta, str | Path) else [Path(file) for file in fasta]
    with atomic_directory(output, "reference.json", "codes.npy", TRUTH, FILE) as folder:
        lengths, contents, letters = _write_codes(files, folder / "codes.npy")
        if not letters.bases:
            raise InputError(f"{files[0]}: every letter is N or read as N; give a FASTA with bases")
        ends = np.cumsum(list(lengths.values())).tolist()
        index = {
            "names": list(lengths),
            "lengths": list(lengths.values()),
            "offsets": [0, *ends[:-1]],
            "source": " ".join(file.name for file in files),
            "simulated": simulated,
            "sha256": sha256(*files),
            "letters": {"bases": letters.bases, "n": letters.n, "other": letters.other},
            "same_sequence": _same(contents),
        }
        write_json(folder / "reference.json", index)
        if simulated and (truth := files[0].with_name(TRUTH)).is_file():
            shutil.copyfile(truth, folder / TRUTH)
        write_provenance(folder)
    built = Reference.open(output)
    if built.same_sequence:
        count = sum(map(len, built.same_sequence))
        logger.warning(
            f"{built.source}: {count:,} records are copies of one another "
            f"({_named(built.same_sequence)}); keep one of each, or all of them in one split"
        )
    return built


def _write_codes(
    files: Sequence[Path], target: Path
) -> tuple[dict[str, int], dict[str, bytes], Letters]:
    """Write the codes of all records; return lengths, hashes of the codes, and letters."""
    lengths: dict[str, int] = {}
    contents: dict[str, bytes] = {}
    letters = Letters()
    records = ((file, *one) for file in files for one in groupby(read_fasta(file), itemgetter(0)))
    with _NpyStream(target) as stream:
        for file, name, pieces in records:
            if name in lengths:
                raise InputError(f"{file}: {name!r} is in a file before it too; leave one out")
            content = blake2b(digest_size=16)
            lengths[name] = 0
            for _, piece in pieces:
                letters.add(piece)
                codes = piece.translate(_CODES)
                stream.write(codes)
                content.update(codes)
                lengths[name] += len(codes)
            contents[name] = content.digest()
    return lengths, contents, letters


def _same(contents: Mapping[str, bytes]) -> list[list[str]]:
    """Group the names whose content is equal; those of one name are left out."""
    groups: dict[bytes, list[str]] = {}
    for name, content in contents.items():
        groups.setdefault(content, []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def _named(groups: list[list[str]]) -> str:
    """Name the first few groups of equal records."""
    shown = ["=".join(names[:_SHOWN]) + ("=..." if names[_SHOWN:] else "") for names in groups]
    return ", ".join(shown[:_SHOWN]) + (", ..." if shown[_SHOWN:] else "")


class _NpyStream:
    """A one-dimensional uint8 .npy file whose length is known at its end only."""

    def __init__(self, path: Path) -> None:
        self._handle = path.open("wb")
        self._count = 0
        self._write_header()
        self._data_start = self._handle.tell()

    def write(self, data: bytes) -> None:
        self._handle.write(data)
        self._count += len(data)

    def _write_header(self) -> None:
        # NumPy pads its header so that the count can grow in place to any int64.
        header = {"descr": "|u1", "fortran_order": False, "shape": (self._count,)}
        np.lib.format.write_array_header_1_0(self._handle, header)

    def __enter__(self) -> _NpyStream:
        return self

    def __exit__(self, *_: object) -> None:
        with self._handle:
            self._handle.seek(0)
            self._write_header()
            assert self._handle.tell() == self._data_start
