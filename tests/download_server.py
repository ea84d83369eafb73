"""A local server that answers well, badly, partly, and not at all, and a hub that moves on."""

from __future__ import annotations

import gzip
import hashlib
import io
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 8192  # 2 MiB, two chunks
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PAGE = b"<!DOCTYPE html><html><body>Quota exceeded</body></html>"


ZIPPED = io.BytesIO()
with zipfile.ZipFile(ZIPPED, "w") as archive:
    archive.writestr("train.csv", "sequence,label\nACGT,0\n")
FIRST, SECOND = "1" * 40, "2" * 40  # commits of a repository on the hub


class Handler(BaseHTTPRequestHandler):
    """Each path is one behaviour; the server counts the requests."""

    server: Server

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        name = self.path.strip("/").split("/")[0]
        if name == "hub":
            self.hub(*self.path.strip("/").split("/")[1:])
            return
        self.server.requests[name] += 1
        first = self.server.requests[name] == 1
        wanted = self.headers.get("Range")
        if name == "absent":
            self.send_error(404)
        elif name == "broken" or (name == "unsteady" and first):
            self.send_error(503)
        elif name == "stalled":
            self.reply(CONTENT[: len(CONTENT) // 2], announced=len(CONTENT))
            self.server.stopping.wait(30)
        elif name == "moved":
            self.send_response(302)
            self.send_header("Location", "/good")
            self.end_headers()
        elif name == "page":
            self.reply(PAGE)
        elif name == "truncated" or (name == "breaks" and first):
            self.reply(CONTENT[: len(CONTENT) // 2], announced=len(CONTENT))
        elif name in ("breaks", "ranges") and wanted:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            self.server.starts.append(start)
            self.reply(CONTENT[start:], status=206)
        elif name == "other_part" and wanted:
            self.start(206, Content_Length="100", Content_Range=f"bytes 0-99/{len(CONTENT)}")
            self.wfile.write(CONTENT[:100])
        elif name == "packed":
            self.reply(gzip.compress(CONTENT), encoding="gzip")
        elif name == "zip":
            self.reply(ZIPPED.getvalue())
        elif name == "cut_zip":  # without a length, so that nothing shows where it was cut
            self.reply(ZIPPED.getvalue()[:-30])
        elif name == "cut_gz":
            self.reply(gzip.compress(CONTENT)[:-30])
        elif name in SAID:
            self.reply(SAID[name])
        elif name in LIES:
            LIES[name](self)
        else:
            self.reply(CONTENT)

    def start(self, status: int = 200, **headers: str) -> None:
        """Send the head of an answer, with these headers and no other."""
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()

    def unnamed_length(self) -> None:
        """Half of the file, and nothing says that there is more."""
        self.start()
        self.wfile.write(CONTENT[: len(CONTENT) // 2])

    def unasked_part(self) -> None:
        self.start(206, Content_Length="100", Content_Range=f"bytes 0-99/{len(CONTENT)}")
        self.wfile.write(CONTENT[:100])

    def no_content(self) -> None:
        self.start(204)

    def more_than_declared(self) -> None:
        self.start(Content_Length=str(len(CONTENT) - 100))
        self.wfile.write(CONTENT)

    def length_in_words(self) -> None:
        self.start(Content_Length="many")
        self.wfile.write(CONTENT)

    def negative_length(self) -> None:
        self.start(Content_Length="-5")
        self.wfile.write(CONTENT)

    def huge(self) -> None:
        self.start(Content_Length="9" * 14)
        self.wfile.write(CONTENT)

    def drip(self) -> None:
        """A byte now and then; each comes before any timeout."""
        self.start(Content_Length=str(len(CONTENT)))
        with suppress(OSError):
            while not self.server.stopping.wait(0.02):
                self.wfile.write(b"A")

    def slow_head(self) -> None:
        """A header without an end, byte by byte."""
        with suppress(OSError):
            self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Long: ")
            while not self.server.stopping.wait(0.02):
                self.wfile.write(b"a")

    def endless(self) -> None:
        """Chunk after chunk, as long as anyone reads."""
        self.protocol_version = "HTTP/1.1"
        self.start(Transfer_Encoding="chunked")
        self.close_connection = True
        with suppress(OSError):
            while not self.server.stopping.is_set():
                self.wfile.write(b"10000\r\n" + CONTENT[: 1 << 16] + b"\r\n")

    def moved_without_end(self) -> None:
        """A redirect whose own body never ends."""
        self.start(302, Location="/good")
        with suppress(OSError):
            while not self.server.stopping.is_set():
                self.wfile.write(CONTENT)

    def moved_nowhere(self) -> None:
        self.start(302, Location="/\xff\xfe")

    def no_http(self) -> None:
        self.wfile.write(b"HTTP/1.0 " + bytes(10_000) + b"\r\n\r\n")

    def cut_chunks(self) -> None:
        """Chunks that end without the last, empty one."""
        self.protocol_version = "HTTP/1.1"
        self.start(Transfer_Encoding="chunked")
        self.close_connection = True
        self.wfile.write(b"10000\r\n" + CONTENT[: 1 << 16] + b"\r\n")

    def hub(self, repository: str, resolve: str, revision: str, file: str) -> None:
        """A repository whose `main` moves: large files on another address, small ones nearby."""
        if resolve == "at":
            self.reply(revision.encode() + file.encode())
            return
        commit = self.server.main if revision == "main" else revision
        content = CONTENT if file == "large" else commit.encode() + file.encode()
        etag = hashlib.sha256(content).hexdigest() if file == "large" else "3" * 40
        if file == "replaced":
            etag = "0" * 64
        host = f"http://127.0.0.1:{self.server.server_address[1]}"
        place = f"{host}/breaks" if file == "large" else f"/hub/{repository}/at/{commit}/{file}"
        self.send_response(302 if file == "large" else 307)
        self.send_header("Location", place)
        self.send_header("X-Repo-Commit", commit)
        self.send_header("X-Linked-Etag", f'"{etag}"')
        self.end_headers()

    def reply(
        self, body: bytes, status: int = 200, announced: int | None = None, encoding: str = ""
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(announced or len(body)))
        if encoding:
            self.send_header("Content-Encoding", encoding)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


SAID = {  # instead of the file, with status 200
    "xml": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    "json": b'{"error": "Repository not found"}',
    "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 2097152\n",
    "busy": b"Too many requests",
    "cut_table": b"sequence,label",
}
LIES = {
    name: getattr(Handler, name)
    for name in (
        *("unnamed_length", "unasked_part", "no_content", "more_than_declared", "huge"),
        *("length_in_words", "negative_length", "drip", "slow_head", "endless", "cut_chunks"),
        *("moved_without_end", "moved_nowhere", "no_http"),
    )
}


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: Counter[str] = Counter()
        self.paths: list[str] = []
        self.starts: list[int] = []
        self.main = FIRST
        self.stopping = threading.Event()


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server until the block ends."""
    running = Server()
    threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield running
    finally:
        running.stopping.set()
        running.shutdown()
        running.server_close()
