"""Get one file over HTTP: several attempts, resumed where that is safe, with a visible progress.

The Hugging Face hub names in its first answer, mostly a redirect, the commit of the repository
(`X-Repo-Commit`) and, of a large file, the SHA-256 (`X-Linked-Etag`); both are handed on.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from rich.console import Console
from rich.filesize import decimal
from rich.progress import DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress import TransferSpeedColumn as SpeedColumn
from urllib3.exceptions import HTTPError

from dnastudents.downloads.manifest import CHUNK, Unusable

logger = logging.getLogger(__name__)

TIMEOUT = (15, 60)  # seconds to connect, seconds without a byte
ATTEMPTS = 3
PAUSE = 2.0  # seconds before the second attempt, doubled before each later one
GONE = (401, 403, 404, 410)  # asking again does not help
EVERY = 10.0  # seconds between two lines of progress in a log

COMMIT = re.compile(r"[0-9a-f]{40}")
SHA256 = re.compile(r"[0-9a-f]{64}")


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


def transfer(url: str, partial: Path, resume: bool) -> Served:
    """Transfer one address to a file; what breaks off is tried again.

    Parameters
    ----------
    url : str
        The address. Redirects are followed.
    partial : Path
        The file to write.
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
        The server refuses, or every attempt failed.
    """
    if not resume:
        partial.unlink(missing_ok=True)
    served = Served()
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            _request(url, partial, resume or served.sha256 is not None, served)
            return served
        except (requests.RequestException, HTTPError, OSError) as error:
            problem = error
            logger.warning(f"{url}: attempt {attempt + 1} of {ATTEMPTS}: {error}")
    raise Unusable(f"{type(problem).__name__} after {ATTEMPTS} attempts")


def _request(url: str, partial: Path, resume: bool, served: Served) -> None:
    """Make one request; continue after the bytes that are there if both sides can."""
    start = partial.stat().st_size if resume and partial.is_file() else 0
    # The bytes as stored: a server that unpacks or packs on the way would break the hash.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code in GONE:
            raise Unusable(f"HTTP status {response.status_code}")
        if response.status_code == 416:  # nothing is left to ask for
            return
        response.raise_for_status()
        served.note(response)
        is_rest = response.status_code == 206
        missing = response.headers.get("Content-Length")
        total = int(missing) + start * is_rest if missing else None
        with partial.open("ab" if is_rest else "wb") as handle, _progress(url, total) as advance:
            for chunk in response.raw.stream(CHUNK, decode_content=False):
                handle.write(chunk)
                advance(handle.tell())


@contextmanager
def _progress(url: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal; elsewhere, as in a job's log, a plain line now and then."""
    name = url.rpartition("/")[2][:60]
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
