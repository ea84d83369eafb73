"""What is wrong inside a file whose kind can tell: archives, BED, JSON, Parquet, safetensors."""

from __future__ import annotations

import gzip
import json
import zipfile
import zlib
from pathlib import Path

from dnastudents.downloads.archives import CHUNK, LIMITS, check_members
from dnastudents.downloads.content import disguise
from dnastudents.errors import InputError

WHOLE = (".gz", ".json", ".parquet", ".safetensors", ".zip")  # kinds that show that they are cut
GZIP, PARQUET = b"\x1f\x8b", b"PAR1"


def damage(path: Path, name: str) -> str | None:
    """Return what is wrong inside a file whose kind can tell; None for a good one and for others.

    A cut transfer shows here where neither hash nor length is known.
    """
    check = CHECKS.get(Path(name).suffix)
    try:
        return None if check is None else check(path, name)
    except InputError as error:
        return str(error).removeprefix(f"{path}: ")
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        return f"a damaged archive ({error})"


def _damage_of_zip(path: Path, _: str) -> str | None:
    with zipfile.ZipFile(path) as archive:
        check_members(path, archive)
        bad = archive.testzip()
    return f"a damaged zip archive: {bad}" if bad else None


def _damage_of_parquet(path: Path, _: str) -> str | None:
    with path.open("rb") as handle:
        begins = handle.read(4) == PARQUET
        handle.seek(-min(4, path.stat().st_size), 2)
        return None if begins and handle.read() == PARQUET else "no Parquet file, or a cut one"


def _damage_of_json(path: Path, _: str) -> str | None:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return "no JSON, or a part of it"
    return None


def _damage_of_bed(path: Path, _: str) -> str | None:
    """Look for an interval at the start, behind any lines of comments and tracks."""
    with path.open("rb") as handle:
        lines = [line.split() for line in handle.read(CHUNK).splitlines()]
    if any(len(line) > 2 and line[1].isdigit() and line[2].isdigit() for line in lines):
        return None
    return "no BED file: its beginning has no chromosome, start and end"


def _damage_of_gzip(path: Path, name: str) -> str | None:
    """Read a gzip file through; say what is wrong with it or with the file inside."""
    packed, size = path.stat().st_size, 0
    with gzip.open(path) as handle:
        start = chunk = handle.read(CHUNK)
        while chunk:
            size += len(chunk)
            if reason := LIMITS.bomb(packed, size):
                return reason
            chunk = handle.read(CHUNK)
    if start.startswith(GZIP):
        return "it is packed twice, by the server too"
    found = disguise(start, size, name.removesuffix(".gz"))
    return None if found is None else f"{found} is in it instead of the file"


def _damage_of_safetensors(path: Path, _: str) -> str | None:
    """Compare the size with what the header says; a text has no such header."""
    size = path.stat().st_size
    with path.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        if not 2 <= length <= size - 8:
            return "no safetensors file, or a cut one"
        try:
            header = json.loads(handle.read(length))
            tensors = [x for name, x in header.items() if name != "__metadata__"]
            end = 8 + length + max((x["data_offsets"][1] for x in tensors), default=0)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            return "no safetensors file: its header cannot be read"
    if size != end:
        return f"a cut safetensors file: {size:,} bytes, but its header says {end:,}"
    return None


CHECKS = {
    ".bed": _damage_of_bed,
    ".zip": _damage_of_zip,
    ".gz": _damage_of_gzip,
    ".json": _damage_of_json,
    ".parquet": _damage_of_parquet,
    ".safetensors": _damage_of_safetensors,
}
