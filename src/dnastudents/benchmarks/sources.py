"""Where a reader finds its files: folders, single files and zip archives, looked up by path ending.

Upstream moves its files between a repository, an archive and a mirror, with other folders around
them; the end of the path (`Prom-core/100/train.tsv`) stays. Archives are read in place and never
extracted, so no member can be written anywhere; members with absolute or climbing paths, and links,
are refused all the same, because a benchmark that holds one is not what it claims to be.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from dnastudents.errors import InputError

Paths = str | Path | Sequence[str | Path]


class Sources:
    """The files of folders, archives and single files under one roof.

    Parameters
    ----------
    paths : path or sequence of paths
        Folders (searched at every depth), zip archives and plain files; `.gz` files are read
        decompressed and found by the name without `.gz`.

    Raises
    ------
    InputError
        A path does not exist, or an archive is damaged or holds a dangerous member.
    """

    def __init__(self, paths: Paths) -> None:
        listed = [paths] if isinstance(paths, str | Path) else list(paths)
        self.paths = [Path(path) for path in listed]
        self._members: dict[str, Callable[[], bytes]] = {}
        self._hash = hashlib.sha256()
        for path in self.paths:
            self._add(path)

    def _add(self, path: Path) -> None:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.is_file():
                    self._members[file.as_posix()] = file.read_bytes
        elif not path.is_file():
            raise InputError(f"{path}: no such file or folder")
        elif path.suffix == ".zip":
            archive = _open_zip(path)
            for name in _safe_members(path, archive):
                self._members[name] = partial(_read_member, path, archive, name)
        else:
            self._members[path.as_posix()] = path.read_bytes

    def names(self, part: str) -> list[str]:
        """Return members whose path contains the folder `part` (as in `task/train`), sorted."""
        return sorted(name for name in self._members if f"/{part}/" in f"/{name}")

    def find(self, endings: Iterable[str]) -> str | None:
        """Find the member with the first possible of `endings`, shortest path first."""
        for ending in endings:
            for wanted in (f"/{ending}", f"/{ending}.gz"):
                matches = [name for name in self._members if f"/{name}".endswith(wanted)]
                if matches:
                    return min(matches, key=lambda name: (len(name), name))
        return None

    def member(self, names: Iterable[str]) -> str | None:
        """Find the first of the names that exists, itself or with .gz."""
        both = (name + end for name in names for end in ("", ".gz"))
        return next((name for name in both if name in self._members), None)

    def files(self, prefix: str) -> list[Path]:
        """Find files on disk (not in archives) whose name begins with `prefix` in either case."""
        files = (Path(name) for name in sorted(self._members))
        return [f for f in files if f.name.lower().startswith(prefix) and f.is_file()]

    def require(self, endings: Sequence[str]) -> str:
        """Do as `find`, but raise an `InputError` that names the file where there is none."""
        name = self.find(endings)
        if name is None:
            searched = ", ".join(map(str, self.paths))
            wanted = " or ".join(endings)
            raise InputError(f"no {wanted} in {searched}; download it, or name its folder")
        return name

    def read(self, name: str) -> bytes:
        """Read the decompressed content of a member."""
        content = self._members[name]()
        if name.endswith(".gz"):
            try:
                content = gzip.decompress(content)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise InputError(f"{name}: damaged gzip ({error}); download it again") from None
        if looks_like_html(content):
            raise InputError(f"{name}: a web page, not what its name says; download it again")
        self._hash.update(PurePosixPath(name).name.encode() + content)
        return content

    def table(self, name: str, separator: str = ",", **options: Any) -> pd.DataFrame:
        """Read a member with a header line as a frame; `sequence` and `seq` stay text."""
        content = self.read(name)
        try:
            return pd.read_csv(
                io.BytesIO(content),
                sep=separator,
                dtype={"sequence": str, "seq": str},
                keep_default_na=False,
                **options,
            )
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise InputError(f"{name}: not a table ({str(error).strip()})") from None

    @property
    def sha256(self) -> str:
        """Hash of everything that has been read so far, in the order of reading."""
        return self._hash.hexdigest()

    @property
    def origin(self) -> str:
        """The names of the sources without the folders of this machine."""
        return ", ".join(dict.fromkeys(path.name for path in self.paths))


def looks_like_html(content: bytes) -> bool:
    """Return whether a download is a web page, such as a login or a virus-scan warning."""
    start = content[:512].lstrip().lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head"))


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        with path.open("rb") as handle:
            page = looks_like_html(handle.read(512))
        reason = "a web page, not an archive" if page else f"not a zip archive ({error})"
        raise InputError(f"{path}: {reason}; download it again") from None


def _safe_members(path: Path, archive: zipfile.ZipFile) -> list[str]:
    names: dict[str, None] = {}
    for member in archive.infolist():
        parts = PurePosixPath(member.filename.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in "".join(parts.parts[:1]):
            raise InputError(f"{path}: member {member.filename!r} points outside of the archive")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise InputError(f"{path}: member {member.filename!r} is a link; links are refused")
        if member.filename in names:
            raise InputError(
                f"{path}: two members are named {member.filename!r}; download it again"
            )
        if not member.is_dir():
            names[member.filename] = None
    return list(names)


def _read_member(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InputError(
            f"{path}: member {name!r} is damaged ({error}); download it again"
        ) from None
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or an unknown compression
        raise InputError(f"{path}: member {name!r} cannot be read ({error})") from None
