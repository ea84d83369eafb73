"""What came instead of a file: told by its first bytes, and by what its name says it is.

Servers answer 200 with pages, error messages and pointers. Recorded as the file at first use, such
an answer would have the right file refused from then on; so every kind of it belongs here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

SHORT = 2048  # bytes; what a server says instead of a file is mostly shorter
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
TABLES = (".csv", ".tsv")  # a header and a row are two lines
KINDS = (*TABLES, ".bed", ".fa", ".txt", ".gz", ".zip", ".parquet", ".safetensors")
PAGES = (b"<!doctype html", b"<html", b"<head", b"<!--", b"<body", b"<script", b"<title", b"<meta")
REFUSALS = re.compile(
    r"too many requests|rate.?limit|quota|not found|access denied|forbidden|unauthori[sz]ed"
    r"|bad gateway|service unavailable|internal server error|try again later",
    re.IGNORECASE,
)


def looks_like_html(content: bytes) -> bool:
    """Return whether a download is a web page, such as a login or a virus-scan warning."""
    start = content[:SHORT].removeprefix(BYTE_ORDER_MARK).lstrip().lower()
    return start.startswith(PAGES)


def disguise(start: bytes, size: int, name: str) -> str | None:
    """Say what is there instead of a file.

    Parameters
    ----------
    start : bytes
        Its first bytes, all of it where it is short.
    size : int
        Of the whole file.
    name : str
        Of the file; the ending says what it should be.

    Returns
    -------
    str or None
        Such as "a web page"; None where it may be the file.
    """
    kind = Path(name).suffix.lower()
    text = start.removeprefix(BYTE_ORDER_MARK).lstrip()
    line = text.partition(b"\n")[0][:SHORT].strip()
    said = ascii(line[:60].decode("utf-8", "replace"))
    if looks_like_html(start):
        return "a web page"
    if start.startswith(b"version https://git-lfs"):
        return "a git-lfs pointer"
    if text[:6].lower().startswith((b"<?xml", b"<error")) and kind not in (".xml", ".svg"):
        return "an XML message"
    if text.startswith((b"{", b"[")):
        is_message = size <= SHORT or kind in KINDS
        if _is_error(text) if kind == ".json" else is_message:
            return f"a JSON message ({said})"
    elif size <= SHORT and REFUSALS.search(line.decode("latin-1")) and not text.startswith(b">"):
        return f"a message ({said})"
    elif size <= SHORT and kind in TABLES and b"\n" not in text.strip():
        return f"one line ({said})"
    return None


def _is_error(text: bytes) -> bool:
    """Return whether a JSON text is a server's message rather than a file."""
    try:
        content = json.loads(text)
    except ValueError:
        return False
    return isinstance(content, dict) and not {"error", "errors", "message"}.isdisjoint(content)
