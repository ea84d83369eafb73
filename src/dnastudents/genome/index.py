"""Names and lengths of a FASTA without reading all of it, from its index.

That is the index of `samtools faidx`: FILE.fai, and FILE.gzi beside it where bgzip compressed the
file. One that is not older than its FASTA is used; else pyfaidx writes it, or, where the folder of
the FASTA is read-only, writes it into a folder that the caller names.

Other gzip cannot be read from the middle, and lines of uneven length cannot be counted by an index;
nor can lines that end with CR alone, or what stands behind a byte order mark. Such a FASTA is read
once from end to end, and its names and lengths are kept in that folder.
"""

from __future__ import annotations

import gzip
import logging
import os
import zlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dnastudents.errors import InputError
from dnastudents.files import ANYTHING, atomic_file, check_place, digest
from dnastudents.genome.fasta import read_fasta
from dnastudents.genome.records import Records

logger = logging.getLogger(__name__)

_COMPRESSED = (".gz", ".bgz")  # pyfaidx goes by the name
_HEAD = 1 << 16  # bytes that show what kind of text it is
_GZIP, _WITH_EXTRA, _BLOCKS = b"\x1f\x8b", 4, b"BC"  # magic, flag and field of bgzip's headers


def read_records(fasta: Path, folder: Path) -> Records:
    """Read the names and lengths of a FASTA's records.

    Parameters
    ----------
    fasta : Path
        FASTA, plain, bgzipped or gzipped.
    folder : Path
        For what cannot be written beside it.

    Raises
    ------
    InputError
        The FASTA, its index or the folder cannot be read or written, see also `read_fasta`.
    """
    try:
        index = _index(fasta, folder)
        rows = [line.split("\t") for line in index.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise InputError(
            f"{fasta}: neither the file nor an index of it can be read ({error})"
        ) from None
    try:
        lengths = {row[0]: int(row[1]) for row in rows}
    except (ValueError, IndexError):
        raise _no_index(index) from None
    if not lengths:
        raise _no_index(index)
    return Records(list(lengths), list(lengths.values()), fasta.name)


def _no_index(file: Path) -> InputError:
    return InputError(f"{file}: not the index of a FASTA; remove it")


def check_names(fasta: Path, wanted: Mapping[str, Sequence[str]], folder: Path) -> Records:
    """Read the records of a FASTA, see `read_records`, and do as `require_names`."""
    records = read_records(fasta, folder)
    require_names(records, wanted)
    return records


def require_names(records: Records, wanted: Mapping[str, Sequence[str]]) -> None:
    """Raise `InputError` if a sequence that a setting names is not among a genome's records.

    Parameters
    ----------
    records : Records
        Of the genome.
    wanted : mapping of str to sequence of str
        Key of the setting, for the message, to regions as for `Records.intervals`.
    """
    for key, regions in wanted.items():
        try:
            if regions:
                records.intervals(regions)
        except InputError as error:
            raise InputError(f"{key}: {error}") from None


def _index(fasta: Path, folder: Path) -> Path:
    """Find a file whose first two columns are names and lengths; make it if there is none."""
    beside = fasta.with_name(f"{fasta.name}.fai")
    if beside.exists() and beside.stat().st_mtime >= fasta.stat().st_mtime:
        return beside
    facts = fasta.stat()
    stem = f"{fasta.name}.{digest([str(fasta.resolve()), facts.st_size, facts.st_mtime_ns])}"
    for suffix in (".fai", ".sizes"):
        if (folder / f"{stem}{suffix}").exists():
            return folder / f"{stem}{suffix}"
    target = beside if _is_free(beside) else folder / f"{stem}.fai"
    if _can_be_indexed(fasta) and _write_index(fasta, target):
        return target
    return _write_sizes(fasta, folder / f"{stem}.sizes")


def _is_free(place: Path) -> bool:
    """Return whether a file may be written there, see `files.check_place`."""
    try:
        check_place(place)
    except InputError:
        return False
    return os.access(place.parent, os.W_OK)


def _can_be_indexed(fasta: Path) -> bool:
    """Return whether the file is plain or bgzipped, named so, and text as pyfaidx reads it."""
    with fasta.open("rb") as handle:
        head = handle.read(_HEAD)
    is_gzip = head.startswith(_GZIP)
    in_blocks = is_gzip and len(head) >= 14 and head[3] == _WITH_EXTRA and head[12:14] == _BLOCKS
    if not in_blocks == is_gzip == (fasta.suffix.lower() in _COMPRESSED):
        return False
    if is_gzip:
        with gzip.open(fasta) as content:
            try:
                head = content.read(_HEAD)
            except (OSError, EOFError, zlib.error):
                return False
    text = head.removesuffix(b"\r")
    return text.startswith(b">") and text.count(b"\r") == text.count(b"\r\n")


def _write_index(fasta: Path, target: Path) -> bool:
    """Write the index of pyfaidx to `target`, complete or not at all; False where it has none."""
    from pyfaidx import Faidx  # slow to import, and needed once

    logger.info(f"{fasta} has no index; {target} is written now, and used from then on")
    try:
        with ExitStack() as files:
            partial, blocks = files.enter_context(atomic_file(target, ANYTHING)), None
            if fasta.suffix.lower() in _COMPRESSED:
                blocks = files.enter_context(atomic_file(target.with_suffix(".gzi"), ANYTHING))
            Faidx(fasta, indexname=partial, gzi_indexname=blocks).close()
    except Exception:  # of many kinds; `read_fasta` reads what it can, and says why not
        return False
    return True


def _write_sizes(fasta: Path, target: Path) -> Path:
    """Write names and lengths as read from the whole FASTA."""
    logger.info(
        f"{fasta} cannot be indexed (gzip other than bgzip's, lines of uneven length, or text of "
        "another kind): it is read to its end now, and its names are kept"
    )
    lengths: dict[str, int] = {}
    for name, letters in read_fasta(fasta):
        lengths[name] = lengths.get(name, 0) + len(letters)
    with atomic_file(target, ANYTHING) as partial:
        rows = (f"{name}\t{length}\n" for name, length in lengths.items())
        partial.write_text("".join(rows), encoding="utf-8")
    return target


def open_fasta(fasta: Path, folder: Path) -> Any:
    """Open a FASTA for reading by region, as a `pyfaidx.Fasta`.

    Parameters
    ----------
    fasta, folder : Path
        As for `read_records`.

    Raises
    ------
    InputError
        The FASTA cannot be read by region, or not at all.
    """
    from pyfaidx import Fasta

    if not fasta.is_file():
        raise InputError(f"{fasta}: no such file; give a FASTA")
    index = _index(fasta, folder)
    if index.suffix == ".sizes":
        raise InputError(
            f"{fasta}: cannot be read by region (gzip other than bgzip's, or lines of uneven "
            "length); unpack it, or compress it with bgzip"
        )
    blocks = index.with_suffix(".gzi") if fasta.suffix.lower() in _COMPRESSED else None
    options = {"indexname": str(index), "gzi_indexname": blocks, "rebuild": False}
    try:
        opened = Fasta(str(fasta), as_raw=True, **options)
    except ValueError:  # a line of the index has too few columns, or words in place of numbers
        raise _no_index(index) from None
    if not opened.keys():
        raise _no_index(index)
    return opened
