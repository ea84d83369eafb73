"""Downloads against a local server that answers well, badly, partly, and not at all."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dnastudents import download
from dnastudents.download import fetch, read_manifest
from dnastudents.errors import InputError

CONTENT = bytes(range(256)) * 8192  # 2 MiB, two chunks
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PAGE = b"<!DOCTYPE html><html><body>Quota exceeded</body></html>"


class Handler(BaseHTTPRequestHandler):
    """Each path is one behaviour; the server counts the requests."""

    def do_GET(self) -> None:
        name = self.path.strip("/").split("/")[0]
        self.server.requests[name] += 1  # type: ignore[attr-defined]
        first = self.server.requests[name] == 1  # type: ignore[attr-defined]
        wanted = self.headers.get("Range")
        if name == "absent":
            self.send_error(404)
        elif name == "broken" or (name == "unsteady" and first):
            self.send_error(503)
        elif name == "moved":
            self.send_response(302)
            self.send_header("Location", "/good")
            self.end_headers()
        elif name == "page":
            self.reply(PAGE)
        elif name == "truncated" or (name == "breaks" and first):
            self.reply(CONTENT[: len(CONTENT) // 2], announced=len(CONTENT))
        elif name == "breaks" and wanted:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            self.server.starts.append(start)  # type: ignore[attr-defined]
            self.reply(CONTENT[start:], status=206)
        elif name == "packed":
            self.reply(gzip.compress(CONTENT), encoding="gzip")
        else:
            self.reply(CONTENT)

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


class Server(ThreadingHTTPServer):
    requests: Counter[str]
    starts: list[int]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = Server(("127.0.0.1", 0), Handler)
    running.requests, running.starts = Counter(), []
    threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def manifest(
    folder: Path, server: Server, *paths: str, sha256: str = SHA256, size: str = ""
) -> Path:
    urls = [f"http://127.0.0.1:{server.server_address[1]}/{path}" for path in paths]
    row = {"id": "set/file.bin", "url": urls[0], "alternative_urls": " ".join(urls[1:])}
    row |= {"sha256": sha256, "bytes": size, "licence": "", "citation": "", "note": "Ask us."}
    with (folder / "datasets.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(row))
        writer.writeheader()
        writer.writerow(row)
    return folder / "datasets.csv"


def leftovers(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.name != "datasets.csv")


@pytest.mark.parametrize(
    ("paths", "requests"),
    [
        (["good"], {"good": 1}),
        (["moved"], {"moved": 1, "good": 1}),
        (["unsteady"], {"unsteady": 2}),
        (["absent", "good"], {"absent": 1, "good": 1}),
        (["broken", "good"], {"broken": 3, "good": 1}),
        (["page", "good"], {"page": 1, "good": 1}),
        (["truncated", "good"], {"truncated": 3, "good": 1}),
    ],
)
def test_what_works(
    tmp_path: Path, server: Server, paths: list[str], requests: dict[str, int]
) -> None:
    table = manifest(tmp_path, server, *paths)
    target = fetch("set/file.bin", table, tmp_path / "out" / "file.bin")
    assert target.read_bytes() == CONTENT
    assert server.requests == requests
    assert leftovers(tmp_path) == ["file.bin"]
    fetch("set/file.bin", table, target)
    assert server.requests == requests


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("absent", "HTTP status 404"),
        ("broken", "HTTPError after 3 attempts"),
        ("page", "a web page came in the place of the file"),
        ("truncated", "IncompleteRead after 3 attempts|ProtocolError after 3 attempts"),
    ],
)
def test_what_does_not(tmp_path: Path, server: Server, path: str, reason: str) -> None:
    table = manifest(tmp_path, server, path, sha256="")
    with pytest.raises(InputError, match=reason) as caught:
        fetch("set/file.bin", table, tmp_path / "file.bin")
    assert "Without internet: get it from http" in str(caught.value)
    assert "folder that holds set/file.bin. Ask us." in str(caught.value)
    assert not (tmp_path / "file.bin").exists()


def test_a_wrong_hash_or_size_is_never_put_in_place(tmp_path: Path, server: Server) -> None:
    wrong = {"SHA-256 is not 000000": {"sha256": "0" * 64}}
    wrong["5 were expected"] = {"sha256": "", "size": "5"}
    for reason, options in wrong.items():
        table = manifest(tmp_path, server, "good", **options)
        with pytest.raises(InputError, match=reason):
            fetch("set/file.bin", table, tmp_path / "file.bin")
        assert leftovers(tmp_path) == []


def test_a_transfer_goes_on_where_it_broke_off(tmp_path: Path, server: Server) -> None:
    table = manifest(tmp_path, server, "breaks")
    assert fetch("set/file.bin", table, tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.requests["breaks"] == 2
    assert server.starts == [len(CONTENT) // 2]


def test_without_a_hash_a_broken_transfer_starts_again(tmp_path: Path, server: Server) -> None:
    table = manifest(tmp_path, server, "breaks", sha256="")
    assert fetch("set/file.bin", table, tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.starts == []


def test_bytes_are_kept_as_stored(tmp_path: Path, server: Server) -> None:
    table = manifest(tmp_path, server, "packed", sha256="")
    fetch("set/file.bin", table, tmp_path / "file.bin")
    assert gzip.decompress((tmp_path / "file.bin").read_bytes()) == CONTENT


def test_the_first_hash_is_recorded_and_then_enforced(tmp_path: Path, server: Server) -> None:
    table, lock = manifest(tmp_path, server, "good", sha256=""), tmp_path / "lock.json"
    target = fetch("set/file.bin", table, tmp_path / "file.bin", lock=lock)
    assert json.loads(lock.read_text()) == {"set/file.bin": SHA256}
    target.write_bytes(b"changed")
    with pytest.raises(InputError, match="not the file of the manifest or lock file; remove it"):
        fetch("set/file.bin", table, target, lock=lock)
    target.unlink()
    lock.write_text(json.dumps({"set/file.bin": "1" * 64}))
    with pytest.raises(InputError, match="SHA-256 is not 111111"):
        fetch("set/file.bin", table, target, lock=lock)


@pytest.mark.parametrize("packed", [False, True])
def test_a_mirror_folder_comes_first(tmp_path: Path, server: Server, packed: bool) -> None:
    table, mirror = manifest(tmp_path, server, "good"), tmp_path / "mirror"
    (mirror / "set").mkdir(parents=True)
    content = gzip.compress(CONTENT) if packed else CONTENT
    (mirror / "set" / f"file.bin{'.gz' if packed else ''}").write_bytes(content)
    target = fetch("set/file.bin", table, tmp_path / "file.bin", mirror=mirror)
    assert target.read_bytes() == CONTENT
    assert not server.requests


def test_a_bad_mirror_is_passed_over(tmp_path: Path, server: Server) -> None:
    table, mirror = manifest(tmp_path, server, "good"), tmp_path / "mirror"
    (mirror / "set").mkdir(parents=True)
    (mirror / "set" / "file.bin").write_bytes(CONTENT[:-1])
    target = fetch("set/file.bin", table, tmp_path / "file.bin", mirror=mirror)
    assert target.read_bytes() == CONTENT
    with pytest.raises(InputError, match="mirror: no folder"):
        fetch("set/file.bin", table, tmp_path / "other.bin", mirror=tmp_path / "absent")


def test_a_mirror_address(tmp_path: Path, server: Server) -> None:
    table = manifest(tmp_path, server, "absent")
    address = f"http://127.0.0.1:{server.server_address[1]}/good/"
    fetch("set/file.bin", table, tmp_path / "file.bin", mirror=address)
    assert server.requests == {"good": 1}


def test_manifests_are_checked(tmp_path: Path, server: Server) -> None:
    table = manifest(tmp_path, server, "good")
    with pytest.raises(InputError, match=r"no dataset 'set/file\.bim'; did you mean 'set/file"):
        fetch("set/file.bim", table, tmp_path / "x")
    table.write_text("id,url\na,b\n")
    with pytest.raises(InputError, match="no column 'alternative_urls'"):
        read_manifest(table)
    table.write_text("id,url,alternative_urls,sha256,bytes,note\n../a,u,,,,\n")
    with pytest.raises(InputError, match="repeats or leaves the folder"):
        read_manifest(table)
    with pytest.raises(InputError, match="no such manifest"):
        read_manifest(tmp_path / "absent.csv")
