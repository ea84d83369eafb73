"""Files that are either complete or absent: everything is written beside its place, then moved.

What is there is never lost: a result takes the place of an older one of its kind or of an empty
folder, and never of an input of the command, of a folder around one, or of anything inside one.

A crash leaves at most a `.NAME.partial-NODE-PID` beside the result; the next writer of the same
result removes what dead processes left. A link is followed: the result is written where it points.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import platform
import re
import shutil
import stat
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnastudents.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

ANYTHING = b""  # for files that nobody but this package writes
_HEAD = 4096  # bytes of a file that tell its kind
_NOBODYS = (".snakemake_timestamp", ".DS_Store", ".nfs*")  # what systems put into folders
_FORGOTTEN = 86_400  # seconds after which another node's writer counts as gone
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_DAMAGE = (  # what libraries raise over broken text, CSV, Parquet, NumPy, zip and gzip files
    *(ValueError, KeyError, NotImplementedError, OverflowError, MemoryError),
    *(csv.Error, EOFError, OSError, zipfile.BadZipFile, zlib.error),
)
_inputs: list[Path] = []


@contextmanager
def protecting(inputs: Iterable[Path]) -> Iterator[None]:
    """Refuse, until the context ends, results that would touch one of these files and folders."""
    before = list(_inputs)
    _inputs.extend(inputs)
    try:
        yield
    finally:
        _inputs[:] = before


def check_place(path: str | Path) -> Path:
    """Find where a result is written: the path, or what it links to.

    Raises
    ------
    InputError
        It is, holds or lies inside an input, see `protecting`.
    """
    place = Path(os.path.realpath(path))
    for source in _inputs:
        if relation := overlap(place, source):
            raise InputError(f"{path}: {relation} {source}; name another place")
    return place if Path(path).is_symlink() else Path(path)


def overlap(path: Path, source: Path) -> str:
    """Say how two paths overlap, as `holds the input`; empty where they do not."""
    place, real = Path(os.path.realpath(path)), Path(os.path.realpath(source))
    if place == real:
        return "is the input"
    if place in real.parents:
        return "holds the input"
    return "lies inside the input" if real in place.parents else ""


def check_file(path: str | Path, like: bytes | None) -> Path:
    """Find where a file is written, see `check_place`.

    Parameters
    ----------
    path : str or Path
    like : bytes or None
        Pattern of how a file of the same kind begins, which is replaced; None: no file is.

    Raises
    ------
    InputError
        Something else is there.
    """
    place = check_place(path)
    if place.exists():
        if not place.is_file():
            what = "folder" if place.is_dir() else "device"
            raise InputError(f"{path}: is a {what}, and the result is a file; name another place")
        if like is None or not _begins(place, like):
            raise InputError(
                f"{path}: is there and not such a result; remove it, or name another place"
            )
    return place


def check_folder(path: str | Path, *holds: str, like: bytes = ANYTHING) -> Path:
    """Find where a folder is written, see `check_place`.

    Parameters
    ----------
    path : str or Path
    *holds : str
        Names of what is in a result of this kind, with `*` for any letters. One that holds the
        first of them, and nothing that has none of these names, is replaced; so is an empty folder.
    like : bytes
        Pattern of how that first one begins, where it is a file. Default is any.

    Raises
    ------
    InputError
        Something else is there.
    """
    place = check_place(path)
    if place.exists():
        if not place.is_dir():
            raise InputError(f"{path}: is a file, and the result is a folder; name another place")
        found = sorted(each.name for each in place.iterdir())
        found = [name for name in found if not any(fnmatch(name, each) for each in _NOBODYS)]
        others = [name for name in found if not any(fnmatch(name, each) for each in holds)]
        if found and (others or holds[0] not in found or not _begins(place / holds[0], like)):
            what = f"holds {(others or found)[0]}"
            raise InputError(
                f"{path}: {what} and is not such a result; remove it, or name another place"
            )
    return place


def _begins(file: Path, like: bytes) -> bool:
    """Whether the first bytes of a file match the pattern."""
    if like == ANYTHING:
        return True
    with file.open("rb") as handle:
        return re.match(like, handle.read(_HEAD), re.DOTALL) is not None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _name_beside(path: Path, kind: str = "partial") -> Path:
    """Name what this process writes beside `path`: others may on other nodes of a cluster."""
    return path.with_name(f".{path.name}.{kind}-{platform.node()}-{os.getpid()}")


def _is_left(partial: Path, path: Path) -> bool:
    """Return whether its writer is gone; that of another node is believed to live for a day."""
    node, _, pid = partial.name.removeprefix(f".{path.name}.partial-").rpartition("-")
    try:
        if node.removeprefix("old-") != platform.node() or not pid.isdigit():
            return time.time() - partial.stat().st_mtime > _FORGOTTEN
        os.kill(int(pid), 0)
    except (FileNotFoundError, ProcessLookupError):
        return True
    except PermissionError:  # another user's, which lives
        pass
    return False


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _finish(path: Path, mask: int) -> None:
    """Put a file on the disk, as readable as others: some libraries write for the owner alone."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if (readable := mode | (0o666 & ~mask)) != mode:
        path.chmod(readable)
    _sync(path)


def _mask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _partial(path: Path) -> Path:
    """Make a fresh name beside `path`; remove leftovers of dead writers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{path.name}.partial-*"):
        if _is_left(leftover, path):
            _remove(leftover)
    partial = _name_beside(path)
    _remove(partial)
    return partial


@contextmanager
def _naming(path: str | Path, partial: Path) -> Iterator[None]:
    """Let errors of the disk name the result, whatever library has met them."""
    try:
        yield
    except OSError as error:
        name = error.filename
        if error.errno is None or not (
            (name is None and error.errno in _DISK) or str(name).startswith(str(partial))
        ):
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    except Exception as error:  # safetensors is written in Rust
        number = re.search(r"\(os error (\d+)\)", str(error))
        if isinstance(error, InputError) or number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


@contextmanager
def atomic_file(path: str | Path, like: bytes | None = None) -> Iterator[Path]:
    """Yield a path to write; on success it becomes `path`, on an exception it is removed.

    A file is replaced if it is of the same kind, see `check_file`.
    """
    place = check_file(path, like)
    partial = _name_beside(place)
    with _naming(path, partial):
        _partial(place)
        try:
            yield partial
            _finish(partial, _mask())
            check_file(path, like)
            partial.replace(place)
            _sync(place.parent)
        finally:
            _remove(partial)


@contextmanager
def atomic_directory(path: str | Path, *holds: str, like: bytes = ANYTHING) -> Iterator[Path]:
    """Yield a new folder to fill; on success it becomes `path` whole, else it is removed.

    A folder is replaced if it is of the same kind, see `check_folder`.
    """
    place = check_folder(path, *holds, like=like)
    partial = _name_beside(place)
    with _naming(path, partial):
        _partial(place).mkdir()
        try:
            yield partial
            mask = _mask()
            for file in partial.rglob("*"):
                if file.is_file():
                    _finish(file, mask)
            check_folder(path, *holds, like=like)
            _exchange(partial, place)
            _sync(place.parent)
        finally:
            _remove(partial)


def _exchange(partial: Path, place: Path) -> None:
    """Rename a folder; the one in its place makes way, and comes back if anything stops this."""
    # rename() replaces only empty folders
    old = _name_beside(place, "partial-old")
    _remove(old)
    try:
        if place.exists():
            place.rename(old)
        partial.rename(place)
    finally:
        if old.exists() and not place.exists():
            old.rename(place)
    _remove(old)


def write_json(path: str | Path, value: Any, like: bytes | None = None) -> None:
    """Write `value` as indented JSON, atomically; what is replaced see `check_file`."""
    with atomic_file(path, like) as partial:
        partial.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read JSON; an absent or broken file is an `InputError` that names it."""
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid JSON ({error}); remove it and make it again") from None


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turn what libraries raise over the content of a file into an `InputError` that names it."""
    try:
        yield
    except InputError:
        raise
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"{path}: cannot be read ({reason}); repair it, or make it again"
        ) from None


def read_csv(path: str | Path, names: Iterable[str] = ()) -> pd.DataFrame:
    """Read a CSV of this package; what cannot be read is an `InputError` that names it.

    Parameters
    ----------
    path : str or Path
        The file.
    names : iterable of str
        Columns that hold names, which stay as they are written: NA, null, 001, 1. Others are read
        by what they look like, and what is empty there is missing.
    """
    import pandas as pd  # slow to import

    text = set(names)
    with reading(path):
        others = {str(name): [""] for name in pd.read_csv(path, nrows=0) if name not in text}
        types = dict.fromkeys(text, str)
        return pd.read_csv(path, dtype=types, keep_default_na=False, na_values=others)


def write_parquet(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a frame without its index, with the checksums that `read_parquet` looks at."""
    frame.to_parquet(path, index=False, write_page_checksum=True)


def read_parquet(path: str | Path, shown: str = "") -> pd.DataFrame:
    """Read a frame; of what is damaged, as by zeros inside, an `InputError` names the file.

    `shown` is what messages call it. Default is its path.
    """
    import pandas as pd  # slow to import

    with reading(shown or path):
        return pd.read_parquet(path, page_checksum_verification=True)


def sha256(*paths: str | Path) -> str:
    """Compute the SHA-256 of a file, or of several end to end, as a hexadecimal string."""
    whole = hashlib.sha256()
    for path in paths:
        with Path(path).open("rb") as handle:
            hashlib.file_digest(handle, lambda: whole)
    return whole.hexdigest()


def digest(value: Any) -> str:
    """Compute the first 16 hexadecimal digits of the SHA-256 of `value` as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def flat(block: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give the values of nested mappings, with their keys joined by dots."""
    for key, value in block.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
