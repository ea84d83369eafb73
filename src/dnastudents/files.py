"""Files that are either complete or absent: everything is written beside its place, then moved.

A crash leaves at most a `.NAME.partial-PID` beside the result; the next writer of the same result
removes what dead processes left.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnastudents.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_alive(pid: str) -> bool:
    return pid.isdigit() and Path(f"/proc/{pid}").exists()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _partial(path: Path) -> Path:
    """Make a fresh name beside `path`; remove leftovers of dead writers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{path.name}.partial-*"):
        if not _is_alive(leftover.name.rpartition("-")[2]):
            _remove(leftover)
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    _remove(partial)
    return partial


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yield a path to write; on success it becomes `path`, on an exception it is removed."""
    path = Path(path)
    partial = _partial(path)
    try:
        yield partial
        _sync(partial)
        partial.replace(path)
        _sync(path.parent)
    finally:
        _remove(partial)


@contextmanager
def atomic_directory(path: str | Path) -> Iterator[Path]:
    """Yield a new folder to fill; on success it replaces `path` whole, else it is removed."""
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: is a file, and the result is a folder; name another place")
    partial = _partial(path)
    partial.mkdir()
    try:
        yield partial
        for file in partial.rglob("*"):
            if file.is_file():
                _sync(file)
        if path.exists():
            # rename() replaces only empty folders, so an old result makes way first
            old = path.with_name(f".{path.name}.partial-old-{os.getpid()}")
            _remove(old)
            path.rename(old)
            partial.rename(path)
            _remove(old)
        else:
            partial.rename(path)
        _sync(path.parent)
    finally:
        _remove(partial)


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic_file(path) as partial:
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
    except (ValueError, csv.Error) as error:  # of text, CSV and Parquet
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


def sha256(path: str | Path) -> str:
    """Compute the SHA-256 of a file as a hexadecimal string."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


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
