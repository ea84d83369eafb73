"""Fetch the files of the manifest: checked before they are put in place, and only then.

An id is also a path, so a mirror is a folder (or address) that holds each file under its id; a file
there may be gzipped where the manifest's is not.

- A published SHA-256 is enforced. Where none is published, the first download's is written to a
  lock file, and enforced from then on; keep the lock file to pin the data.
- Every address is tried in turn, each several times with growing pauses, and an interrupted
  transfer of a file with a known hash goes on where it stopped.
- A web page in the place of a file (logins, quotas, virus warnings) is recognised as such.
"""

from __future__ import annotations

import csv
import fcntl
import gzip
import shutil
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from rich.console import Console
from rich.progress import DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress import TransferSpeedColumn as SpeedColumn
from urllib3.exceptions import HTTPError

from dnastudents.benchmarks.sources import looks_like_html
from dnastudents.errors import InputError, nearest
from dnastudents.files import read_json, sha256, write_json

CHUNK = 1 << 20
TIMEOUT = (15, 60)  # seconds to connect, seconds without a byte
ATTEMPTS = 3
PAUSE = 2.0  # seconds before the second attempt, doubled before each later one
GONE = (401, 403, 404, 410)  # asking again does not help


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
    urls: tuple[str, ...]
    sha256: str | None
    bytes: int | None
    note: str


class _Refused(Exception):
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
    with path.open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle)
        wanted = {"id", "url", "alternative_urls", "sha256", "bytes", "note"}
        if missing := wanted - set(reader.fieldnames or ()):
            raise InputError(f"{path}: no column {sorted(missing)[0]!r}")
        for row in reader:
            name = row["id"]
            if name in datasets or Path(name).is_absolute() or ".." in Path(name).parts:
                raise InputError(f"{path}: id {name!r} repeats or leaves the folder")
            urls = (row["url"], *row["alternative_urls"].split())
            size = int(row["bytes"]) if row["bytes"] else None
            datasets[name] = Dataset(name, urls, row["sha256"] or None, size, row["note"])
    return datasets


def fetch(
    dataset: str,
    manifest: str | Path,
    output: str | Path,
    mirror: str | Path | None = None,
    lock: str | Path | None = None,
) -> Path:
    """Get one file of the manifest.

    Parameters
    ----------
    dataset : str
        An id of the manifest, such as gue/GUE.zip or nt_v2_500m/model.safetensors.
    manifest : path
        The CSV of all files.
    output : path
        The file to write. One that is there already is checked and kept.
    mirror : path or str, optional
        A folder, or the address of one, that is asked first. Default is none.
    lock : path, optional
        JSON of the hashes at first use. Default is `download-lock.json` beside `output`.

    Returns
    -------
    Path
        `output`.

    Raises
    ------
    InputError
        Unknown id, wrong hash, or no source gave the file; the message says what to put where.
    """
    datasets = read_manifest(manifest)
    if dataset not in datasets:
        raise InputError(f"{manifest}: no dataset {dataset!r}; {nearest(dataset, datasets)}")
    entry = datasets[dataset]
    target = Path(output)
    lock = Path(lock) if lock else target.parent / "download-lock.json"
    expected = entry.sha256 or (read_json(lock).get(entry.id) if lock.is_file() else None)
    if not target.is_file():
        _obtain(entry, target, mirror, expected)
    elif expected and sha256(target) != expected:
        raise InputError(f"{target}: not the file of the manifest or lock file; remove it")
    if expected is None:
        _record(lock, entry.id, sha256(target))
    return target


def _obtain(entry: Dataset, target: Path, mirror: str | Path | None, expected: str | None) -> None:
    """Try the mirror, then every address; put the file in place once it is checked."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.download")
    reasons = []
    for source in [*_mirror_places(mirror, entry.id), *entry.urls]:
        try:
            if isinstance(source, Path):
                _copy(source, partial, unpack=source.name == f"{Path(entry.id).name}.gz")
            else:
                _download(source, partial, resume=expected is not None)
            _check(partial, entry, expected)
        except _Refused as error:
            reasons.append(f"{source}: {error}")
            continue
        partial.replace(target)
        return
    raise InputError(
        f"{entry.id} could not be fetched ({'; '.join(reasons)}). Without internet: get it from "
        f"{entry.urls[0]} on another machine and put it at {target}, or let `mirror:` name a "
        f"folder that holds {entry.id}. {entry.note}".rstrip()
    )


def _mirror_places(mirror: str | Path | None, name: str) -> list[str | Path]:
    if mirror is None:
        return []
    if str(mirror).startswith(("http://", "https://")):
        return [f"{str(mirror).rstrip('/')}/{name}"]
    folder = Path(mirror)
    if not folder.is_dir():
        raise InputError(f"mirror: no folder {folder}; correct it, or leave it out")
    return [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]


def _copy(source: Path, partial: Path, unpack: bool) -> None:
    try:
        with (
            gzip.open(source) if unpack else source.open("rb") as reader,
            partial.open("wb") as writer,
        ):
            shutil.copyfileobj(reader, writer, CHUNK)
    except (OSError, EOFError, zlib.error) as error:
        partial.unlink(missing_ok=True)
        raise _Refused(str(error)) from None


def _download(url: str, partial: Path, resume: bool) -> None:
    """Transfer one address to `partial`; what breaks off is tried again."""
    if not resume:
        partial.unlink(missing_ok=True)
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            _transfer(url, partial, resume)
            return
        except (requests.RequestException, HTTPError, OSError) as error:
            problem = error
            print(f"{url}: attempt {attempt + 1} of {ATTEMPTS}: {error}", file=sys.stderr)
    raise _Refused(f"{type(problem).__name__} after {ATTEMPTS} attempts")


def _transfer(url: str, partial: Path, resume: bool) -> None:
    """One request; goes on after the bytes that are there if both sides can."""
    start = partial.stat().st_size if resume and partial.is_file() else 0
    # The bytes as stored: a server that unpacks or packs on the way would break the hash.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code in GONE:
            raise _Refused(f"HTTP status {response.status_code}")
        if response.status_code == 416:  # nothing is left to ask for
            return
        response.raise_for_status()
        is_rest = response.status_code == 206
        missing = response.headers.get("Content-Length")
        total = int(missing) + start * is_rest if missing else None
        with partial.open("ab" if is_rest else "wb") as handle, _progress(url, total) as advance:
            for chunk in response.raw.stream(CHUNK, decode_content=False):
                handle.write(chunk)
                advance(handle.tell())


def _check(path: Path, entry: Dataset, expected: str | None) -> None:
    """Refuse, and remove, a file that is not the dataset's."""
    with path.open("rb") as handle:
        is_page = looks_like_html(handle.read(512))
    size = path.stat().st_size
    if is_page:
        problem = "a web page came in the place of the file"
    elif expected is None and entry.bytes not in (None, size):
        problem = f"{size:,} bytes came, {entry.bytes:,} were expected"
    elif size == 0:
        problem = "the file is empty"
    elif expected and sha256(path) != expected:
        problem = f"the SHA-256 is not {expected[:12]}..., so it is another or a damaged file"
    else:
        return
    path.unlink()
    raise _Refused(problem)


def _record(lock: Path, name: str, value: str) -> None:
    """Add a hash to the lock file; downloads may run side by side."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.with_name(f".{lock.name}.guard").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        known = read_json(lock) if lock.is_file() else {}
        write_json(lock, dict(sorted({**known, name: value}.items())))


@contextmanager
def _progress(url: str, total: int | None) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), DownloadColumn(), SpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task(url.rpartition("/")[2][:60], total=total)
        yield lambda done: progress.update(task, completed=done)
