"""Get one file over HTTP: several attempts, resumed where that is safe, with a visible progress.

The Hugging Face hub names in its first answer, mostly a redirect, the commit of the repository
(`X-Repo-Commit`) and, of a large file, the SHA-256 (`X-Linked-Etag`); both are handed on.

What a server says of its answer is not believed: see `_request`, `_total` and `_receive` for what
is refused.
"""

from __future__ import annotations

import errno
import logging
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import requests
from rich.console import Console
from rich.filesize import decimal
from rich.progress import DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress import TransferSpeedColumn as SpeedColumn
from urllib3.exceptions import HTTPError

from dnastudents.downloads.content import disguise
from dnastudents.downloads.damage import WHOLE
from dnastudents.downloads.manifest import CHUNK, Dataset, Unusable

logger = logging.getLogger(__name__)

TIMEOUT = (15, 60)  # seconds to connect, seconds without a byte
PATIENCE = 180.0  # seconds for the head of an answer, with all redirects
SLOWEST = (60.0, 1 << 16)  # seconds, and the bytes that must come in them
ATTEMPTS = 3
PAUSE = 2.0  # seconds before the second attempt, doubled before each later one
GONE = (401, 403, 404, 410)  # asking again does not help
EVERY = 10.0  # seconds between two lines of progress in a log
LONGEST = 300  # letters of a reason
RESERVE = 1 << 26  # bytes of the disk that a file of unknown length leaves free

COMMIT = re.compile(r"[0-9a-f]{40}")
SHA256 = re.compile(r"[0-9a-f]{64}")
LENGTH = re.compile(r"[0-9]{1,15}")


@dataclass
class Served:
    """What the hub said of the file, known before its content is.

    Attributes
    ----------
    commit : str or None
        That the file was taken from. None on other servers.
    sha256 : str or None
        Of the file. None for small files and on other servers.
    """

    commit: str | None = None
    sha256: str | None = None

    def note(self, response: requests.Response) -> None:
        """Take what the answers on the way to a response say, the first ones first."""
        answers = [answer.headers for answer in (*response.history, response)]
        commits = [headers.get("X-Repo-Commit", "") for headers in answers]
        etags = [headers.get("X-Linked-Etag", "").strip('"') for headers in answers]
        self.commit = next(filter(COMMIT.fullmatch, commits), None)
        self.sha256 = next(filter(SHA256.fullmatch, etags), None)


def transfer(url: str, partial: Path, entry: Dataset, resume: bool) -> Served:
    """Transfer one address to a file; what breaks off is tried again.

    Parameters
    ----------
    url : str
        The address. Redirects are followed.
    partial : Path
        The file to write. Of what is refused nothing stays.
    entry : Dataset
        What the file should be.
    resume : bool
        Whether bytes that are there already may be kept: the caller knows the file's hash. Where
        the server names it, later attempts continue after those of the earlier ones too.

    Returns
    -------
    Served
        What the server said of the file.

    Raises
    ------
    Unusable
        The server refuses, its answer is no file, or every attempt failed.
    """
    if not resume:
        partial.unlink(missing_ok=True)
    served = Served()
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            _request(url, partial, entry, resume or served.sha256 is not None, served)
            return served
        except (requests.RequestException, HTTPError, OSError) as error:
            problem = error
            logger.warning(f"{url}: attempt {attempt + 1} of {ATTEMPTS}: {_short(error)}")
    if not resume:
        partial.unlink(missing_ok=True)
    raise Unusable(f"{type(problem).__name__} after {ATTEMPTS} attempts: {_short(problem)}")


def _short(error: Exception) -> str:
    """Say what is wrong; of an answer that is no HTTP, libraries show all of it."""
    text = str(error)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _request(url: str, partial: Path, entry: Dataset, resume: bool, served: Served) -> None:
    """Make one request; continue after the bytes that are there if both sides can."""
    start = partial.stat().st_size if resume and partial.is_file() else 0
    # The bytes as stored: a server that unpacks or packs on the way would break the hash.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with _ask(url, headers) as response:
        status = response.status_code
        if status in GONE:
            raise Unusable(f"HTTP status {status}")
        if status == 416 and start:  # nothing is left to ask for
            return
        response.raise_for_status()
        served.note(response)
        if status != 200 and (status != 206 or not start):
            part = ", a part that was not asked for" if status == 206 else ""
            raise Unusable(f"the server answered with HTTP status {status}{part}")
        rest = response.headers.get("Content-Range", f"bytes {start}-")
        if status == 206 and not rest.startswith(f"bytes {start}-"):
            partial.unlink()  # the next attempt asks for all of it
            raise ConnectionError(f"bytes from {start} on were asked for, {rest[:60]} came")
        start *= status == 206
        try:
            _receive(response, partial, start, entry, resume or served.sha256 is not None)
        except Unusable:
            partial.unlink(missing_ok=True)
            raise
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            partial.unlink(missing_ok=True)
            raise Unusable(f"the disk of {partial.parent} is full") from None


def _ask(url: str, headers: dict[str, str]) -> requests.Response:
    """Wait for the head of an answer, in a thread: byte by byte it would pass every timeout."""
    answers: SimpleQueue[requests.Response | Exception] = SimpleQueue()
    how: dict[str, Any] = {"stream": True, "timeout": TIMEOUT, "hooks": {"response": _drop}}

    def ask() -> None:
        try:
            answers.put(requests.get(url, headers=headers, **how))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=PATIENCE)
    except Empty:
        raise TimeoutError(f"no answer came in {PATIENCE:.0f} s") from None
    if isinstance(answer, UnicodeError):  # of the address that a redirect names
        raise ConnectionError(f"the answer is no HTTP ({answer})")
    if isinstance(answer, Exception):
        raise answer
    return answer


def _drop(response: requests.Response, **_: Any) -> None:
    """Close a redirect before requests reads what comes with it, which may have no end."""
    if response.is_redirect:
        response.close()


def _receive(
    response: requests.Response, partial: Path, start: int, entry: Dataset, has_hash: bool
) -> None:
    """Write the body of an answer, within limits of size and time."""
    pieces = _pieces(response)
    piece = next(pieces, b"")
    free = shutil.disk_usage(partial.parent).free
    total, problem = _total(response, start, entry, has_hash, free)
    if problem is not None:
        found = disguise(piece, max(total or 0, len(piece)), entry.id)
        raise Unusable(f"{found} came instead of the file" if found else problem)
    pace = _Pace()
    name = response.url.rpartition("/")[2]
    with partial.open("ab" if start else "wb") as handle, _progress(name, total) as advance:
        while piece:
            handle.write(piece)
            done = handle.tell()
            if done > entry.most:
                raise Unusable(f"more than {entry.most:,} bytes came, the most that it may have")
            if total is None and shutil.disk_usage(partial.parent).free < RESERVE:
                raise Unusable(f"{done:,} bytes came without an end, and the disk is full")
            if done == total or (done - start) % CHUNK == 0:
                advance(done)
            pace.add(len(piece))
            piece = next(pieces, b"")


class _Pace:
    """Ends what is too slow: a byte a second would keep a job for years."""

    def __init__(self) -> None:
        self.began, self.came = time.monotonic(), 0

    def add(self, count: int) -> None:
        self.came += count
        seconds = time.monotonic() - self.began
        if seconds < SLOWEST[0]:
            return
        if self.came < SLOWEST[1]:
            raise TimeoutError(f"only {self.came:,} bytes came in {seconds:.0f} s")
        self.began, self.came = time.monotonic(), 0


def _total(
    response: requests.Response, start: int, entry: Dataset, has_hash: bool, free: int
) -> tuple[int | None, str | None]:
    """Return the size of the file by the answer's headers, and what is wrong with these."""
    headers = response.headers
    encoding = headers.get("Content-Encoding", "identity").lower()
    # servers call a file that is stored as gzip so, too
    if encoding != "identity" and not (entry.id.endswith(".gz") and "gzip" in encoding):
        return None, f"the server packed it on the way (Content-Encoding {encoding})"
    if headers.get("Transfer-Encoding", "").lower() == "chunked":  # which has an end of its own
        return None, None
    declared = headers.get("Content-Length")
    if declared is None:
        if has_hash or entry.bytes is not None or entry.id.endswith(WHOLE):
            return None, None
        return None, "the server names no length and no hash is known, so it may be cut"
    if not LENGTH.fullmatch(declared.strip()):
        return None, f"the server declares a length of {declared[:30]!r}"
    total = start + int(declared)
    if total > entry.most:
        return total, f"the server declares {total:,} bytes, {entry.most:,} were expected at most"
    if total - start > free:
        return total, f"{decimal(total - start)} are to come, {decimal(free)} are free on the disk"
    return total, None


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """Give the body as it comes, so that the time is looked at however little that is."""
    raw: Any = response.raw  # of urllib3, which hides `peek`
    done = 0
    while raw.length_remaining is None or raw.length_remaining > 0:
        left = raw.length_remaining or CHUNK
        if left == 1 and len(raw._original_response.peek(2)) > 1:
            raise Unusable("more bytes came than the server declared")
        # The last byte is read alone, to see whether another one is behind it.
        piece = raw.read1(min(CHUNK - done % CHUNK, max(left - 1, 1)), decode_content=False)
        if not piece:
            return
        done += len(piece)
        yield piece


@contextmanager
def _progress(name: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal; elsewhere, as in a job's log, a plain line now and then."""
    name = name[:60]
    if not sys.stderr.isatty():
        yield _lines(name, total)
        return
    columns = (TextColumn("{task.description}"), DownloadColumn(), SpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=total)
        yield lambda done: progress.update(task, completed=done)


def _lines(name: str, total: int | None) -> Callable[[int], None]:
    last = time.monotonic()

    def advance(done: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last >= EVERY:
            last = time.monotonic()
            of = f" of {decimal(total)}" if total else ""
            logger.info(f"{name}: {decimal(done)}{of}")

    return advance
