"""Fetch the files of the manifest: checked before they are put in place, and only then.

An id is also a path, so a mirror is a folder (or address) that holds each file under its id; in a
folder it may be gzipped where the manifest's is not.

- A published SHA-256 or git blob id is enforced. Where no SHA-256 is published, the first
  download's is written to a lock file, and enforced from then on; the commit of a repository on the
  hub too. See `manifest`.
- Every address is tried in turn, each several times with growing pauses, and an interrupted
  transfer of a file with a known hash resumes where it stopped. See `transfer`.
- What is no file is refused with the reason, and never recorded: pages, messages and pointers
  (`content`), archives that cannot be read (`damage`), and answers that contradict themselves, are
  endless or too slow (`http`).
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from dnastudents.downloads.http import transfer
from dnastudents.downloads.manifest import (
    CHUNK,
    Dataset,
    Unusable,
    add_to_lock,
    find,
    is_address,
    is_packed,
    mirror_files,
    pinned,
    read_lock,
    read_manifest,
    repository_of,
    verify,
)
from dnastudents.errors import InputError
from dnastudents.files import ANYTHING, check_file


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
        JSON of the hashes and commits at first use. Default is `download-lock.json` beside
        `output`.

    Returns
    -------
    Path
        `output`.

    Raises
    ------
    InputError
        Unknown id, wrong file, or no source gave the file; the message says what to put where.
    """
    entry = find(read_manifest(manifest), dataset, manifest)
    target = check_file(output, ANYTHING)  # which is kept, if it is there
    lock = Path(lock) if lock else target.parent / "download-lock.json"
    if target.is_file():
        _keep(entry, target, lock)
    else:
        _obtain(entry, target, mirror, lock)
    return target


def _keep(entry: Dataset, target: Path, lock: Path) -> None:
    """Check a file that is in place."""
    expected = entry.sha256 or read_lock(lock).get(entry.id)
    try:
        found = verify(target, entry, expected)
    except Unusable as error:
        raise InputError(
            f"{target}: not the file of the manifest or lock file ({error}); remove it"
        ) from None
    if expected is None:
        add_to_lock(lock, {entry.id: found})


def _obtain(entry: Dataset, target: Path, mirror: str | Path | None, lock: Path) -> None:
    """Try the mirror, then every address; put the file in place once it is checked and locked."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.download")
    reasons = []
    sources: list[Path | str] = [*mirror_files(mirror, entry.id), *entry.urls]
    if mirror is not None and is_address(mirror):
        sources.insert(0, f"{str(mirror).rstrip('/')}/{entry.id}")
    for source in sources:
        try:
            if isinstance(source, Path):
                _copy(source, partial, is_packed(source, entry), entry.most)
                new = _check(partial, entry, lock)
            else:
                new = _download(source, partial, entry, lock)
        except Unusable as error:
            reasons.append(f"{source}: {error}")
            continue
        if new:
            add_to_lock(lock, new)
        partial.replace(target)
        return
    raise InputError(
        f"{entry.id} could not be fetched ({'; '.join(reasons)}). Without internet: get it from "
        f"{entry.urls[0]} on another machine and put it at {target}, or let `mirror:` name a "
        f"folder that holds {entry.id}. {entry.note}".rstrip()
    )


def _copy(source: Path, partial: Path, unpack: bool, most: int) -> None:
    try:
        with (
            gzip.open(source) if unpack else source.open("rb") as reader,
            partial.open("wb") as writer,
        ):
            while chunk := reader.read(CHUNK):
                if writer.tell() + len(chunk) > most:
                    raise Unusable(f"it has more than {most:,} bytes")
                writer.write(chunk)
    except (OSError, EOFError, zlib.error, Unusable) as error:
        partial.unlink(missing_ok=True)
        raise Unusable(str(error)) from None


def _download(url: str, partial: Path, entry: Dataset, lock: Path) -> dict[str, str]:
    """Transfer a file at the commit of the lock file, and check it; what is new in the lock."""
    locked = read_lock(lock)
    resume = entry.is_hashed or entry.id in locked
    leftover = resume and partial.is_file()
    served = transfer(pinned(url, locked), partial, entry, resume)
    try:
        new = _check(partial, entry, lock, served.sha256)
    except Unusable:
        if not leftover:
            raise
        # what was left was of another file, and is gone
        served = transfer(pinned(url, locked), partial, entry, resume)
        new = _check(partial, entry, lock, served.sha256)
    repository = repository_of(url)
    if repository and served.commit:
        new[repository] = served.commit
    return new


def _check(partial: Path, entry: Dataset, lock: Path, served: str | None = None) -> dict[str, str]:
    """Refuse, and remove, a file that is not the dataset's; else give what is new in the lock.

    `served` is the SHA-256 that the server named; it counts where no other is known.
    """
    known = entry.sha256 or read_lock(lock).get(entry.id)
    try:
        found = verify(partial, entry, known or served)
    except Unusable:
        partial.unlink(missing_ok=True)
        raise
    return {} if known else {entry.id: found}
