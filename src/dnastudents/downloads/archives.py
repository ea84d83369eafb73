"""Archives, read in place and within limits.

Nothing is extracted, so no member can be written anywhere; members with absolute or climbing paths,
and links, are refused all the same, because a benchmark that holds one is not what it claims to be.
A small archive can hold more than any memory (11 MB became 12 GB), so size, number of members and
ratio are limited before anything is unpacked, and what is unpacked is counted.
"""

from __future__ import annotations

import gzip
import io
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rich.filesize import decimal

from dnastudents.downloads.content import disguise
from dnastudents.errors import InputError

CHUNK = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What an archive may hold.

    Attributes
    ----------
    members : int
        Files and folders; the largest set of Genomic Benchmarks has 289,061 sequences, a file each.
    size : int
        Bytes, unpacked, of a file that is read into memory.
    ratio : int
        Of bytes unpacked to packed. Text of DNA packs to a quarter, k-mers to a tenth or less.
    small : int
        Bytes up to which any ratio is harmless.
    """

    members: int = 1_000_000
    size: int = 1 << 32
    ratio: int = 100
    small: int = 1 << 26

    def bomb(self, packed: int, size: int) -> str | None:
        """Say why so many bytes, packed and unpacked, are no data; None where they may be."""
        if size > max(self.small, self.ratio * packed):
            return f"unpacks to more than {self.ratio} times its size, so it is not a benchmark"
        return None

    def refuse(self, packed: int, size: int) -> str | None:
        """Say why a file is not read into memory; None where it may be."""
        if size > self.size:
            return f"has more than {decimal(self.size)}, unpacked"
        return self.bomb(packed, size)


LIMITS = Limits()


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open an archive.

    Raises
    ------
    InputError
        It is none.
    """
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        with path.open("rb") as handle:
            start = handle.read(CHUNK)
        found = disguise(start, path.stat().st_size, path.name)
        reason = f"{found}, not an archive" if found else f"not a zip archive ({error})"
        raise InputError(f"{path}: {reason}; download it again") from None


def check_members(path: Path, archive: zipfile.ZipFile) -> None:
    """Raise an `InputError` for an archive that is beyond the limits, by what it says of itself."""
    members = archive.infolist()
    if len(members) > LIMITS.members:
        raise InputError(f"{path}: holds {len(members):,} members; {LIMITS.members:,} at most")
    for member in members:
        if reason := LIMITS.refuse(member.compress_size, member.file_size):
            raise InputError(f"{path}: member {member.filename!r} {reason}")
    packed, size = (sum(getattr(m, key) for m in members) for key in ("compress_size", "file_size"))
    if reason := LIMITS.bomb(packed, size):
        raise InputError(f"{path}: {reason}")


def safe_members(path: Path, archive: zipfile.ZipFile) -> list[str]:
    """List the files of an archive.

    Raises
    ------
    InputError
        It is beyond the limits, or a member is a link, a path that leaves it, or there twice.
    """
    check_members(path, archive)
    names: dict[PurePosixPath, str] = {}
    for member in archive.infolist():
        parts = PurePosixPath(member.filename.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in "".join(parts.parts[:1]):
            raise InputError(f"{path}: member {member.filename!r} points outside of the archive")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise InputError(f"{path}: member {member.filename!r} is a link; links are refused")
        if parts in names:
            raise InputError(f"{path}: two members are named {str(parts)!r}; download it again")
        if not member.is_dir():
            names[parts] = member.filename
    return list(names.values())


def read_member(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    """Read a member; in pieces, since what an archive says of its sizes may be a lie.

    Raises
    ------
    InputError
        It is damaged, encrypted, or packed in an unknown way.
    """
    try:
        with archive.open(name) as handle:
            return b"".join(iter(lambda: handle.read(CHUNK), b""))
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InputError(
            f"{path}: member {name!r} is damaged ({error}); download it again"
        ) from None
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or an unknown compression
        raise InputError(f"{path}: member {name!r} cannot be read ({error})") from None


def unpack_gzip(name: str, content: bytes) -> bytes:
    """Unpack the content of a gzip file, within the limits.

    Raises
    ------
    InputError
        It is damaged, or unpacks to too much.
    """
    parts, size = [], 0
    try:
        with gzip.open(io.BytesIO(content)) as handle:
            while part := handle.read(CHUNK):
                size += len(part)
                if reason := LIMITS.refuse(len(content), size):
                    raise InputError(f"{name}: {reason}")
                parts.append(part)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{name}: damaged gzip ({error}); download it again") from None
    return b"".join(parts)
