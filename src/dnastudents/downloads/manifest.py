"""The files that can be downloaded, the lock file beside them, and whether a file is the right one.

The lock file keeps what no one publishes, as it was at first use. It is one flat JSON object:

- `id: SHA-256`, of a file that the manifest has no hash of;
- `address: commit`, of a repository on the Hugging Face hub whose addresses say `main`. All its
  files are asked for at that commit from then on, so they belong together.

Keep it under version control to pin the data of a study (`download_lock:` of the configuration says
where it is); remove an entry to take what is served today.
"""

from __future__ import annotations

import csv
import fcntl
import gzip
import hashlib
import logging
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dnastudents.benchmarks.sources import looks_like_html
from dnastudents.errors import InputError, nearest
from dnastudents.files import ANYTHING, read_json, reading, write_json

logger = logging.getLogger(__name__)

CHUNK = 1 << 20
MANIFEST_COLUMNS = {"id", "url", "alternative_urls", "sha256", "bytes", "note"}
MOVING = re.compile(r"(?P<repository>.+?)/resolve/main/")  # another revision is taken as it is


@dataclass(frozen=True)
class Dataset:
    """One row of the manifest.

    Attributes
    ----------
    id : str
        Also the path below a mirror.
    urls : tuple of str
        Addresses in the order in which they are tried.
    sha256 : str or None
    bytes : int or None
    note : str
    """

    id: str
    urls: tuple[str, ...] = ()
    sha256: str | None = None
    bytes: int | None = None
    note: str = ""


class Unusable(Exception):
    """A source has no usable file; the message says why. Asking again does not help."""


def read_manifest(path: str | Path) -> dict[str, Dataset]:
    """Read datasets.csv: id, url, alternative_urls (separated by spaces), sha256, bytes, note, ...

    Raises
    ------
    InputError
        The file or a column is missing, or an id repeats or leaves the folder.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such manifest")
    datasets: dict[str, Dataset] = {}
    with reading(path), path.open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle, restval="")
        if missing := MANIFEST_COLUMNS - set(reader.fieldnames or ()):
            raise InputError(f"{path}: no column {sorted(missing)[0]!r}")
        for row in reader:
            name = row["id"]
            if name in datasets or Path(name).is_absolute() or ".." in Path(name).parts:
                raise InputError(f"{path}: id {name!r} repeats or leaves the folder")
            urls = (row["url"], *row["alternative_urls"].split())
            size = int(row["bytes"]) if row["bytes"] else None
            datasets[name] = Dataset(name, urls, row["sha256"] or None, size, row["note"])
    return datasets


def find(datasets: Mapping[str, Dataset], name: str, manifest: str | Path) -> Dataset:
    """Find the row of an id; raise an `InputError` with the nearest one where there is none."""
    if name not in datasets:
        raise InputError(f"{manifest}: no dataset {name!r}; {nearest(name, datasets)}")
    return datasets[name]


def mirror_files(mirror: str | Path | None, name: str) -> list[Path]:
    """List the files of a mirror folder that can stand for an id: itself, or gzipped.

    Raises
    ------
    InputError
        `mirror` is neither an address, which has no such files, nor a folder.
    """
    if mirror is None or is_address(mirror):
        return []
    folder = Path(mirror)
    if not folder.is_dir():
        raise InputError(f"mirror: no folder {folder}; correct it, or leave it out")
    return [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]


def is_address(mirror: str | Path) -> bool:
    """Return whether a mirror is an address rather than a folder."""
    return str(mirror).startswith(("http://", "https://"))


def is_packed(path: Path, dataset: Dataset) -> bool:
    """Return whether a file of a mirror is the gzipped form of the dataset."""
    return path.name == f"{Path(dataset.id).name}.gz"


# ---- the lock file


def read_lock(path: Path) -> dict[str, str]:
    """Read the entries of a lock file; none where there is no file.

    Raises
    ------
    InputError
        It is not a JSON object of strings.
    """
    entries = read_json(path) if path.exists() else {}
    if not isinstance(entries, dict) or not all(isinstance(v, str) for v in entries.values()):
        raise InputError(f"{path}: not an object of hashes and commits; restore or remove it")
    return entries


def add_to_lock(path: Path, entries: Mapping[str, str]) -> None:
    """Add entries to a lock file; downloads may run side by side.

    Raises
    ------
    InputError
        An entry is there with another value, which another download has just written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.guard").open("w") as guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX)
        except OSError as error:  # as of Lustre without -o flock
            logger.warning(
                f"{path}: no file locks here ({error.strerror}); of two downloads that end at once "
                "one may not be in it"
            )
        known = read_lock(path)
        for name, value in entries.items():
            if known.get(name, value) != value:
                raise InputError(
                    f"{path}: {name} is locked at {known[name]}, but {value} was served; "
                    "start the download again"
                )
        if not entries.items() <= known.items():
            write_json(path, dict(sorted({**known, **entries}.items())), ANYTHING)


def repository_of(url: str) -> str | None:
    """Return the repository of an address that asks for `main` of one on the hub, else None."""
    found = MOVING.match(url)
    return found["repository"] if found else None


def pinned(url: str, lock: Mapping[str, str]) -> str:
    """Put the commit of the lock file, if there is one, for `main` in an address."""
    commit = lock.get(repository_of(url) or "")
    return url.replace("/resolve/main/", f"/resolve/{commit}/", 1) if commit else url


# ---- the content of a file


def verify(path: Path, dataset: Dataset, expected: str | None, packed: bool = False) -> str:
    """Read a file through and check whether it is the dataset.

    Parameters
    ----------
    path : Path
        The file.
    dataset : Dataset
        What it should be. Size and, for `.zip` and `.gz`, readability count where no hash is known.
    expected : str or None
        Its SHA-256, from the manifest or the lock file.
    packed : bool
        The file is the gzipped form of the dataset. Default is False.

    Returns
    -------
    str
        The SHA-256 of the dataset.

    Raises
    ------
    Unusable
        It is not the dataset; the message says why.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with gzip.open(path) if packed else path.open("rb") as handle:
            start = handle.read(CHUNK)
            chunk = start
            while chunk:
                digest.update(chunk)
                size += len(chunk)
                chunk = handle.read(CHUNK)
    except (OSError, EOFError, zlib.error) as error:
        raise Unusable(f"it cannot be read ({error})") from None
    found = digest.hexdigest()
    if found == expected:
        return found
    if looks_like_html(start):
        raise Unusable("a web page came instead of the file")
    if size == 0:
        raise Unusable("the file is empty")
    if dataset.bytes not in (None, size):
        raise Unusable(f"{size:,} bytes came, {dataset.bytes:,} were expected")
    if expected:
        raise Unusable(f"the SHA-256 is not {expected[:12]}..., so it is another or a damaged file")
    if not packed and (damage := _damage(path, dataset.id)):
        raise Unusable(damage)
    return found


def _damage(path: Path, name: str) -> str | None:
    """Return what is wrong with an archive; None for a good one and for every other file."""
    try:
        if name.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                bad = archive.testzip()
            return f"a damaged zip archive: {bad}" if bad else None
        if name.endswith(".gz"):
            with gzip.open(path) as handle:
                while handle.read(CHUNK):
                    pass
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        return f"a damaged archive ({error})"
    return None
