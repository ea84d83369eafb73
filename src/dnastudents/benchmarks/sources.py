"""Where a reader finds its files: folders, single files and zip archives, looked up by path ending.

Upstream moves its files between a repository, an archive and a mirror, with other folders around
them; the end of the path (`Prom-core/100/train.tsv`) stays. Archives are read in place: see
`downloads.archives`.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from dnastudents.downloads.archives import open_zip, read_member, safe_members, unpack_gzip
from dnastudents.downloads.content import looks_like_html
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
            archive = open_zip(path)
            for name in safe_members(path, archive):
                self._members[name] = partial(read_member, path, archive, name)
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
            content = unpack_gzip(name, content)
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
