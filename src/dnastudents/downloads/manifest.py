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
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dnastudents.downloads.content import disguise
from dnastudents.downloads.damage import damage
from dnastudents.errors import InputError, nearest
from dnastudents.files import ANYTHING, read_json, reading, write_json

logger = logging.getLogger(__name__)

CHUNK = 1 << 20
MOST = 1 << 34  # bytes of a file whose size the manifest does not give
MANIFEST_COLUMNS = {"id", "url", "alternative_urls", "sha256", "bytes", "note"}
FORMS = {
    "sha256": re.compile("[0-9a-f]{64}"),
    "git_blob": re.compile("[0-9a-f]{8,40}"),
    "bytes": re.compile("[0-9]+"),
}
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
    git_blob : str or None
        The id that git gives the content, or its first digits where no more is known: the SHA-1 of
        `blob <bytes>`, a zero byte, and the content.
    """

    id: str
    urls: tuple[str, ...] = ()
    sha256: str | None = None
    bytes: int | None = None
    note: str = ""
    git_blob: str | None = None

    @property
    def most(self) -> int:
        """The bytes that it may have."""
        return MOST if self.bytes is None else self.bytes

    @property
    def is_hashed(self) -> bool:
        """Whether the manifest has a hash of it."""
        return self.sha256 is not None or self.git_blob is not None


class Unusable(Exception):
    """A source has no usable file; the message says why. Asking again does not help."""


def read_manifest(path: str | Path) -> dict[str, Dataset]:
    """Read datasets.csv: id, url, alternative_urls (separated by spaces), sha256, bytes, note, ...

    A column `git_blob` may be absent.

    Raises
    ------
    InputError
        The file or a column is missing, an id repeats or leaves the folder, or a hash is none.
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
            for key, form in FORMS.items():
                if (value := row.get(key)) and not form.fullmatch(value):
                    raise InputError(f"{path}: {key} {value!r} of {name} is none; correct it")
            datasets[name] = Dataset(
                id=name,
                urls=(row["url"], *row["alternative_urls"].split()),
                sha256=row["sha256"] or None,
                bytes=int(row["bytes"]) if row["bytes"] else None,
                note=row["note"],
                git_blob=row.get("git_blob") or None,
            )
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
    start, size, found = _read(path, dataset, packed)
    blob = dataset.git_blob
    is_blob = blob is None or git_blob(path, size, packed).startswith(blob)
    if is_blob and (found == expected or (blob is not None and expected is None)):
        return found
    if size == 0:
        raise Unusable("the file is empty")
    if what := disguise(start, size, dataset.id):
        raise Unusable(f"{what} came instead of the file")
    if dataset.bytes not in (None, size):
        raise Unusable(f"{size:,} bytes came, {dataset.bytes:,} were expected")
    if expected and found != expected:
        raise Unusable(f"the SHA-256 is not {expected[:12]}..., so it is another or a damaged file")
    if not is_blob:
        part = "is not" if len(str(blob)) == 40 else "does not begin with"
        raise Unusable(f"the git blob id {part} {blob}, so it is another or a damaged file")
    if not packed and (reason := damage(path, dataset.id)):
        raise Unusable(reason)
    return found


def _read(path: Path, dataset: Dataset, packed: bool) -> tuple[bytes, int, str]:
    """Return the first bytes, the size and the SHA-256 of a file, unpacked."""
    digest, size, start = hashlib.sha256(), 0, b""
    try:
        with gzip.open(path) if packed else path.open("rb") as handle:
            while chunk := handle.read(CHUNK):
                start = start or chunk
                digest.update(chunk)
                size += len(chunk)
                if packed and size > dataset.most:
                    raise Unusable(f"unpacked it has more than {dataset.most:,} bytes")
    except (OSError, EOFError, zlib.error) as error:
        raise Unusable(f"it cannot be read ({error})") from None
    return start, size, digest.hexdigest()


def git_blob(path: Path, size: int, packed: bool) -> str:
    """Compute the id that git gives the content of a file, gzipped or not, of `size` bytes."""
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with gzip.open(path) if packed else path.open("rb") as handle:
        while chunk := handle.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
