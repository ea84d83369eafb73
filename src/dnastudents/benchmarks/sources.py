"""Where a reader finds its files: folders, single files and zip archives, looked up by exact place.

Upstream moves its files between a repository, an archive and a mirror, with other folders around
them; the folder of a task and the names in it stay. A reader asks for that one folder by its layout
(`task_folder`), and then for files in it (`pick`). Two places that both match are an error that
lists them, never a choice. Names that begin with a dot, and `__MACOSX`, are nobody's data.

Archives are read in place, see `downloads.archives`; a member is named as if the archive were a
folder.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import pandas as pd

from dnastudents.benchmarks.rows import placed
from dnastudents.downloads.archives import open_zip, read_member, safe_members, unpack_gzip
from dnastudents.downloads.content import looks_like_html
from dnastudents.errors import SHOWN, InputError
from dnastudents.text_tables import read_text_table

Paths = str | Path | Sequence[str | Path]
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_KINDS = {  # what begins so is no text
    _ZIP: "a zip archive or a spreadsheet",
    b"PAR1": "Parquet",
    b"BZh": "packed by bzip2",
    b"\xfd7zXZ": "packed by xz",
    b"\x28\xb5\x2f\xfd": "packed by zstd",
    b"\xff\xfe": "in UTF-16",
    b"\xfe\xff": "in UTF-16",
}


class Sources:
    """The files of folders, archives and single files under one roof.

    Parameters
    ----------
    paths : path or sequence of paths
        Folders (searched at every depth), zip archives and plain files. What is compressed is told
        by content; `.gz` at the end of a name counts for nothing.

    Attributes
    ----------
    tops : list of str
        The folders and archives that were given, and the folders of the files that were given.

    Raises
    ------
    InputError
        A path does not exist, or an archive is damaged or holds a dangerous member.
    """

    def __init__(self, paths: Paths) -> None:
        listed = [paths] if isinstance(paths, str | Path) else list(paths)
        self.paths = [Path(path) for path in listed]
        self._members: dict[str, Callable[[], bytes]] = {}
        self._entries: dict[str, set[str]] = defaultdict(set)  # names in each folder, without .gz
        self.tops: list[str] = []
        self._hash = hashlib.sha256()
        for path in self.paths:
            self._add(path)
        for name in self._members:
            self._enter(name)

    def _add(self, path: Path) -> None:
        top = path.as_posix()
        if path.is_dir():
            for file in sorted(_files_below(path)):
                self._members[file.as_posix()] = file.read_bytes
        elif not path.is_file():
            raise InputError(f"{path}: no such file or folder")
        elif path.suffix == ".zip" or _begins_with(path, _ZIP):
            archive = open_zip(path)
            for name in safe_members(path, archive):
                inner = PurePosixPath(name.replace("\\", "/"))
                if not _is_nobodys(inner):
                    self._members[f"{top}/{inner}"] = partial(read_member, path, archive, name)
        elif tarfile.is_tarfile(path):
            raise InputError(f"{path}: is a tar archive; unpack it, and name its folder")
        else:
            self._members[top] = path.read_bytes
            top = path.parent.as_posix()
        self.tops.append("" if top == "." else top)

    def _enter(self, name: str) -> None:
        """Note a file in its folder, and that folder in the one above."""
        entry = bare(name)
        while entry:
            folder, _, last = entry.rpartition("/")
            if last in self._entries[folder]:
                break  # and so all above are noted
            self._entries[folder].add(last)
            entry = folder

    def folders(self, places: Iterable[str], holding: Iterable[str]) -> list[str]:
        """List the folders whose path ends with one of `places` and that hold a name, sorted.

        Parameters
        ----------
        places : iterable of str
            Such as `tf/0`, whole names; an empty one is the end of every path.
        holding : iterable of str
            Names without .gz of files or folders, of which one is enough.
        """
        ends, names = tuple(f"/{place}" if place else "" for place in places), set(holding)
        return sorted(
            folder
            for folder, entries in self._entries.items()
            if not names.isdisjoint(entries) and _absolute(folder).endswith(ends)
        )

    def task_folder(self, places: Sequence[str], holding: Sequence[str]) -> str:
        """Find the one folder of a task, see `folders`.

        Raises
        ------
        InputError
            There is none, or there are several.
        """
        found = self.folders(places, holding)
        if not found:
            wanted = " or ".join(f"{place}/{holding[0]}" for place in places)
            raise InputError(f"no {wanted} in {self.searched}; download it, or name its folder")
        return one(found, f"folders match {' or '.join(places)}", self.describe)

    def describe(self, folder: str) -> str:
        """Name a folder and what is in it."""
        names = sorted(self._entries[folder])
        more = ["..."] if len(names) > 5 else []
        return f"{folder or '.'} ({', '.join([*names[:5], *more])})"

    def pick(self, folder: str, names: Iterable[str]) -> str | None:
        """Find the only file in a folder that has one of `names`, itself or with .gz.

        Raises
        ------
        InputError
            There are several.
        """
        prefix = f"{folder}/" if folder else ""
        both = (f"{prefix}{name}{end}" for name in names for end in ("", ".gz"))
        found = [name for name in both if name in self._members]
        return one(found, "files hold one split") if found else None

    def inside(self, folder: str) -> list[str]:
        """List the files below a folder, sorted; one that is there twice, with .gz, is an error."""
        prefix = f"{folder}/" if folder else ""
        found = sorted(name for name in self._members if name.startswith(prefix))
        first: dict[str, str] = {}
        for name in found:
            if (other := first.setdefault(bare(name), name)) != name:
                one([other, name], "files differ only by .gz")
        return found

    def find(self, endings: Iterable[str]) -> str | None:
        """Find the file whose path ends with the first possible of `endings`, whole names.

        Raises
        ------
        InputError
            Several files end with it.
        """
        for ending in endings:
            end = f"/{ending}"
            found = [name for name in self._members if _absolute(bare(name)).endswith(end)]
            if found:
                return one(sorted(found), f"files match {ending}")
        return None

    def require(self, endings: Sequence[str]) -> str:
        """Do as `find`, but raise an `InputError` that names the file where there is none."""
        name = self.find(endings)
        if name is None:
            wanted = " or ".join(endings)
            raise InputError(f"no {wanted} in {self.searched}; download it, or name its folder")
        return name

    def on_disk(self) -> list[Path]:
        """List the files that are not in archives, sorted."""
        return [file for file in map(Path, sorted(self._members)) if file.is_file()]

    def read(self, name: str) -> bytes:
        """Read the decompressed content of a member."""
        content = self._members[name]()
        if content.startswith(_GZIP):
            content = unpack_gzip(name, content)
        if looks_like_html(content):
            raise InputError(f"{name}: a web page, not what its name says; download it again")
        self._hash.update(PurePosixPath(name).name.encode() + content)
        return content

    def table(self, name: str, separator: str = ",") -> pd.DataFrame:
        """Read a member with a header line as a frame of text, its rows `placed`."""
        content = self.read(name)
        _require_text(name, content)
        table = read_text_table(io.BytesIO(content), name, separator)
        return placed(table, name, _lines(content, len(table)))

    @property
    def sha256(self) -> str:
        """Hash of everything that has been read so far, in the order of reading."""
        return self._hash.hexdigest()

    @property
    def origin(self) -> str:
        """The names of the sources without the folders of this machine."""
        return ", ".join(dict.fromkeys(path.name for path in self.paths))

    @property
    def searched(self) -> str:
        """The sources as they were given, for messages."""
        more = [f"and {len(self.paths) - SHOWN:,} more"] if self.paths[SHOWN:] else []
        return ", ".join([*map(str, self.paths[:SHOWN]), *more])


def one(found: Sequence[str], what: str, describe: Callable[[str], str] = str) -> str:
    """Take the only one, or raise an `InputError` that lists all."""
    if len(found) > 1:
        listed = "; ".join(map(describe, found))
        raise InputError(f"{len(found)} {what}: {listed}; give only the one that is meant")
    return found[0]


def bare(name: str) -> str:
    """Leave out .gz at the end of a name."""
    return name.removesuffix(".gz")


def _absolute(name: str) -> str:
    """Give the whole path, so that folders above the working directory count."""
    return Path(name).absolute().as_posix()


def _is_nobodys(path: PurePosixPath | Path) -> bool:
    """Whether a file is left by an editor or a file manager."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _files_below(folder: Path, above: tuple[str, ...] = ()) -> Iterator[Path]:
    """Give the files of a folder and of those inside; links are followed, but not in a circle."""
    real = os.path.realpath(folder)
    if real in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            path = folder / entry.name
            if _is_nobodys(PurePosixPath(entry.name)):
                continue
            if entry.is_dir():
                yield from _files_below(path, (*above, real))
            elif entry.is_file():
                yield path


def _begins_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as handle:
        return handle.read(len(magic)) == magic


def _require_text(name: str, content: bytes) -> None:
    """Refuse what is no text, by the reason: any bytes have commas and line ends."""
    for magic, kind in _KINDS.items():
        if content.startswith(magic):
            raise InputError(f"{name}: is {kind}, not a table of text; save it as CSV in UTF-8")
    if (zero := content.find(b"\0")) >= 0:
        line = content.count(b"\n", 0, zero) + 1
        raise InputError(
            f"{name}, line {line}: holds a zero byte, so it is damaged or no text; make it again"
        )


def _lines(content: bytes, rows: int) -> list[int] | None:
    """Line of each row below the header; None where a row has several lines."""
    lines = [number for number, line in enumerate(content.splitlines(), 1) if line.strip()]
    return lines[1:] if len(lines) == rows + 1 else None
