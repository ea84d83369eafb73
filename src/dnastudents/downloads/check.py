"""Which data of a configuration are present, missing or wrong; nothing is asked of the network.

Every file is read through: its hash is compared where the manifest or the lock file has one; else
its size, whether it is a web page, and whether an archive can be unpacked. Nothing is kept of it,
so a second call takes as long. A task is present when all of its files are.
"""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from dnastudents.downloads.manifest import (
    Dataset,
    Unusable,
    find,
    is_packed,
    mirror_files,
    pinned,
    read_lock,
    read_manifest,
    verify,
)
from dnastudents.settings import parse

logger = logging.getLogger(__name__)

Needs = Mapping[str, Mapping[str, Sequence[str]]]
LOG_WIDTH = 120  # columns of the table where no terminal says how many there are


class State(StrEnum):
    """Of a file, or of what is made from files."""

    PRESENT = "present"
    MISSING = "missing"
    WRONG = "wrong"


STYLES = {State.PRESENT: "green", State.MISSING: "yellow", State.WRONG: "bold red"}


@dataclass(frozen=True)
class Finding:
    """A file or task and its state; `detail` says where the file is, or what is wrong."""

    name: str
    state: State
    detail: str


@dataclass(frozen=True)
class DataCheck:
    """All findings of a configuration.

    Attributes
    ----------
    files : list of Finding
        One for each id of the manifest and for each of the user's own paths.
    needs : list of Finding
        One for each reference, intervals, teacher and task.
    instructions : list of str
        For each missing file a command that gets it, on a machine with internet, to its place.
    missing_bytes : int
        Size of the missing files, as far as the manifest knows it.
    """

    files: list[Finding]
    needs: list[Finding]
    instructions: list[str]
    missing_bytes: int

    def count(self, state: State) -> int:
        """Number of files in a state."""
        return sum(finding.state == state for finding in self.files)

    @property
    def status(self) -> int:
        """Exit status: 1 if a file is wrong. Missing ones alone give 0: the workflow gets them."""
        return 1 if self.count(State.WRONG) else 0


def check_data(
    needs: Needs,
    manifest: str | Path,
    downloads: str | Path,
    mirror: str | Path | None = None,
    lock: str | Path | None = None,
) -> DataCheck:
    """Look at all files of a configuration.

    Parameters
    ----------
    needs : mapping
        What each reference, teacher and task is made from, as `Config.data` gives it: `datasets`,
        ids of the manifest, or `files`, own paths. With neither it is made by a rule.
    manifest : path
        The CSV of all files that can be downloaded.
    downloads : path
        Folder that holds the downloaded files under their ids.
    mirror : path or str, optional
        Folder that is looked at next. An address is not asked. Default is none.
    lock : path, optional
        JSON of hashes and commits at first use. Default is `download-lock.json` in `downloads`.

    Returns
    -------
    DataCheck

    Raises
    ------
    InputError
        An id that the manifest does not have, or a mirror that is not a folder.
    """
    needs = parse(dict[str, dict[str, list[str]]], needs, "needs")
    known, downloads = read_manifest(manifest), Path(downloads)
    locked = read_lock(Path(lock) if lock else downloads / "download-lock.json")
    ids = sorted({name for need in needs.values() for name in need.get("datasets", ())})
    own_paths = sorted({name for need in needs.values() for name in need.get("files", ())})
    entries = {name: find(known, name, manifest) for name in ids}
    candidates = {name: [downloads / name, *mirror_files(mirror, name)] for name in ids}
    _announce([*(p for paths in candidates.values() for p in paths), *map(Path, own_paths)])
    files = {name: _check_dataset(entries[name], candidates[name], locked) for name in ids}
    files |= {name: _check_own(name) for name in own_paths}
    missing = [entries[name] for name in ids if files[name].state == State.MISSING]
    return DataCheck(
        files=list(files.values()),
        needs=[_check_need(name, need, files) for name, need in needs.items()],
        instructions=[_instruction(entry, downloads, locked) for entry in missing],
        missing_bytes=sum(entry.bytes or 0 for entry in missing),
    )


def show(check: DataCheck) -> None:
    """Print the findings as one table, then what to do."""
    console = Console(width=None if sys.stdout.isatty() else LOG_WIDTH, highlight=False)
    table = Table("data", "state", "detail", title="Files, then what is made from them")
    table.columns[0].overflow = table.columns[2].overflow = "fold"
    for section in (check.files, check.needs):
        for finding in section:
            state = f"[{STYLES[finding.state]}]{finding.state}[/]"
            table.add_row(escape(finding.name), state, escape(finding.detail))
        table.add_section()
    console.print(table)
    if check.instructions:
        size = f" ({decimal(check.missing_bytes)} and those of unknown size)"
        print(
            f"\nMissing: {len(check.instructions)} files{size if check.missing_bytes else ''}. "
            "The workflow downloads them. Without internet, run these lines on another machine and "
            "bring the files to the same paths here, or let `mirror:` name a folder that holds "
            "each under its name in the table.\n"
        )
        print("\n".join(check.instructions))
    counts = (f"{check.count(state)} {state}" for state in State)
    print(f"\n{len(check.files)} files: {', '.join(counts)}")


def _announce(paths: Sequence[Path]) -> None:
    """Say how much there is to read, since it may take a while."""
    sizes = [path.stat().st_size for path in paths if path.is_file()]
    logger.info(f"Reading {decimal(sum(sizes))} in {len(sizes)} files to check them")


def _check_dataset(
    entry: Dataset, candidates: Sequence[Path], locked: Mapping[str, str]
) -> Finding:
    """Check the downloaded file; where there is none, find the first good one of the mirror."""
    expected = entry.sha256 or locked.get(entry.id)
    downloaded, *mirrored = candidates
    wrong = Finding(entry.id, State.MISSING, "")
    for path in [downloaded] if downloaded.is_file() else mirrored:
        try:
            verify(path, entry, expected, packed=is_packed(path, entry))
        except Unusable as error:
            wrong = Finding(entry.id, State.WRONG, f"{path}: {error}; remove or replace it")
        else:
            where = "downloaded" if path == downloaded else "in the mirror"
            return Finding(entry.id, State.PRESENT, where + _how_sure(entry, expected))
    return wrong


def _how_sure(entry: Dataset, expected: str | None) -> str:
    """Say what a file could not be compared with."""
    if expected or len(entry.git_blob or "") == 40:
        return ""
    if entry.git_blob:
        return f"; of its git blob id only the first {len(entry.git_blob)} digits are known"
    return "; no hash is known before first use"


def _check_own(name: str) -> Finding:
    """Check a file or folder of the user, which has no published hash."""
    path = Path(name)
    if not path.exists():
        return Finding(name, State.MISSING, "your own path; correct it, or put the files there")
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    if not files:
        return Finding(name, State.WRONG, "an empty folder; put the files there")
    for file in files:
        try:
            verify(file, Dataset(file.name), expected=None)
        except Unusable as error:
            return Finding(name, State.WRONG, f"{file}: {error}; replace it")
    return Finding(name, State.PRESENT, f"your own: {len(files)} file{'s' * (len(files) > 1)}")


def _check_need(
    name: str, need: Mapping[str, Sequence[str]], files: Mapping[str, Finding]
) -> Finding:
    """Check a task, reference or teacher: it is as good as the worst of its files."""
    findings = [files[part] for part in (*need.get("datasets", ()), *need.get("files", ()))]
    if not findings:
        return Finding(name, State.PRESENT, "made by a rule; nothing to download")
    for state in (State.WRONG, State.MISSING):
        if bad := sum(finding.state == state for finding in findings):
            return Finding(name, state, f"{bad} of {len(findings)} file{'s' * (len(findings) > 1)}")
    return Finding(name, State.PRESENT, "")


def _instruction(entry: Dataset, downloads: Path, locked: Mapping[str, str]) -> str:
    target, address = downloads / entry.id, pinned(entry.urls[0], locked)
    note = f"# {entry.note}\n" if entry.note else ""
    return f"{note}curl -fL --create-dirs -o {shlex.quote(str(target))} {shlex.quote(address)}"
