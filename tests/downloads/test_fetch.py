"""Downloads against the local server of `download_server`."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnastudents.downloads import http as transfer
from dnastudents.downloads.fetch import fetch
from dnastudents.downloads.manifest import add_to_lock, read_manifest
from dnastudents.errors import InputError
from download_server import CONTENT, FIRST, PAGE, SECOND, SHA256, ZIPPED, Server, serving


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(transfer, "PAUSE", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as running:
        yield running


def manifest(
    folder: Path,
    server: Server,
    *paths: str,
    name: str = "set/file.bin",
    sha256: str = SHA256,
    size: str = "",
) -> Path:
    """A manifest of one file with these addresses; called again, it gets one more row."""
    urls = [f"http://127.0.0.1:{server.server_address[1]}/{path}" for path in paths]
    row = {"id": name, "url": urls[0], "alternative_urls": " ".join(urls[1:])}
    row |= {"sha256": sha256, "bytes": size, "licence": "", "citation": "", "note": "Ask us."}
    table = folder / "datasets.csv"
    rows = []
    if table.is_file():
        with table.open(newline="") as handle:
            rows = [old for old in csv.DictReader(handle) if old["id"] != name]
    with table.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(row))
        writer.writeheader()
        writer.writerows([*rows, row])
    return table


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
        ("page", "a web page came instead of the file"),
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


def test_the_first_hash_is_recorded_and_then_enforced(tmp_path: Path, server: Server) -> None:
    table, lock = manifest(tmp_path, server, "good", sha256=""), tmp_path / "lock.json"
    target = fetch("set/file.bin", table, tmp_path / "file.bin", lock=lock)
    assert json.loads(lock.read_text()) == {"set/file.bin": SHA256}
    target.write_bytes(b"changed")
    with pytest.raises(InputError, match=r"not the file of the manifest or lock file .* remove it"):
        fetch("set/file.bin", table, target, lock=lock)
    target.unlink()
    lock.write_text(json.dumps({"set/file.bin": "1" * 64}))
    with pytest.raises(InputError, match="SHA-256 is not 111111"):
        fetch("set/file.bin", table, target, lock=lock)


def test_pauses_grow(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(transfer, "PAUSE", 2.0)
    monkeypatch.setattr(transfer.time, "sleep", pauses.append)
    with pytest.raises(InputError, match="HTTPError after 3 attempts"):
        fetch("set/file.bin", manifest(tmp_path, server, "broken"), tmp_path / "file.bin")
    assert pauses == [2.0, 4.0]


def test_a_server_that_stops_sending_is_left(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "TIMEOUT", (5, 0.2))
    table = manifest(tmp_path, server, "stalled", "good")
    target = fetch("set/file.bin", table, tmp_path / "out" / "file.bin")
    assert target.read_bytes() == CONTENT
    assert server.requests == {"stalled": 3, "good": 1}
    assert leftovers(tmp_path) == ["file.bin"]


def test_what_another_file_left_is_not_gone_on_with(tmp_path: Path, server: Server) -> None:
    table = manifest(tmp_path, server, "ranges")
    (tmp_path / ".file.bin.download").write_bytes(b"of another file")
    assert fetch("set/file.bin", table, tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.starts == [15]
    assert server.requests == {"ranges": 2}


@pytest.mark.parametrize(
    ("path", "name", "reason"),
    [
        ("page", "set/file.zip", "a web page came instead of the file"),
        ("cut_zip", "set/file.zip", "a damaged archive"),
        ("good", "set/file.zip", "a damaged archive"),
        ("cut_gz", "set/file.gz", "a damaged archive"),
    ],
)
def test_a_bad_archive_is_not_recorded(
    tmp_path: Path, server: Server, path: str, name: str, reason: str
) -> None:
    table = manifest(tmp_path, server, path, name=name, sha256="")
    target = tmp_path / Path(name).name
    with pytest.raises(InputError, match=reason):
        fetch(name, table, target)
    assert leftovers(tmp_path) == []
    target.write_bytes(PAGE)  # saved by hand, from a browser
    with pytest.raises(InputError, match=r"a web page .* remove it"):
        fetch(name, table, target)
    assert leftovers(tmp_path) == [target.name]


def test_a_good_archive_is_recorded(tmp_path: Path, server: Server) -> None:
    table = manifest(tmp_path, server, "zip", name="set/file.zip", sha256="")
    target = fetch("set/file.zip", table, tmp_path / "file.zip", lock=tmp_path / "lock.json")
    assert target.read_bytes() == ZIPPED.getvalue()
    assert (tmp_path / "lock.json").is_file()


def test_progress_in_a_log_is_plain_lines(
    tmp_path: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(transfer, "EVERY", 0.0)
    fetch("set/file.bin", manifest(tmp_path, server, "good"), tmp_path / "file.bin")
    assert capsys.readouterr().out == ""
    assert caplog.messages == ["good: 1.0 MB of 2.1 MB", "good: 2.1 MB of 2.1 MB"]


def hub_manifest(folder: Path, server: Server, *files: str, revision: str = "main") -> Path:
    for file in files:
        path = f"hub/data/resolve/{revision}/{file}"
        table = manifest(folder, server, path, name=f"set/{file}", sha256="")
    return table


def test_files_of_one_repository_come_from_one_commit(tmp_path: Path, server: Server) -> None:
    table, lock = hub_manifest(tmp_path, server, "one", "two"), tmp_path / "lock.json"
    fetch("set/one", table, tmp_path / "one", lock=lock)
    server.main = SECOND
    assert fetch("set/two", table, tmp_path / "two", lock=lock).read_text() == FIRST + "two"
    repository = f"http://127.0.0.1:{server.server_address[1]}/hub/data"
    assert json.loads(lock.read_text()) == {
        repository: FIRST,
        "set/one": hashlib.sha256(f"{FIRST}one".encode()).hexdigest(),
        "set/two": hashlib.sha256(f"{FIRST}two".encode()).hexdigest(),
    }
    assert server.paths == [
        "/hub/data/resolve/main/one",
        f"/hub/data/at/{FIRST}/one",
        f"/hub/data/resolve/{FIRST}/two",
        f"/hub/data/at/{FIRST}/two",
    ]


def test_a_revision_of_the_manifest_is_taken_as_it_is(tmp_path: Path, server: Server) -> None:
    table = hub_manifest(tmp_path, server, "one", revision="v1.0")
    assert fetch("set/one", table, tmp_path / "one").read_text() == "v1.0one"
    assert list(json.loads((tmp_path / "download-lock.json").read_text())) == ["set/one"]


def test_the_hash_that_the_hub_names_is_enforced(tmp_path: Path, server: Server) -> None:
    table = hub_manifest(tmp_path, server, "replaced")
    with pytest.raises(InputError, match="SHA-256 is not 000000"):
        fetch("set/replaced", table, tmp_path / "replaced")
    assert leftovers(tmp_path) == []


def test_with_the_hash_of_the_hub_a_broken_transfer_goes_on(tmp_path: Path, server: Server) -> None:
    table = hub_manifest(tmp_path, server, "large")
    assert fetch("set/large", table, tmp_path / "large").read_bytes() == CONTENT
    assert server.starts == [len(CONTENT) // 2]
    assert FIRST in json.loads((tmp_path / "download-lock.json").read_text()).values()


def test_a_lock_file_of_hashes_alone_goes_on(tmp_path: Path, server: Server) -> None:
    table, lock = hub_manifest(tmp_path, server, "one"), tmp_path / "lock.json"
    old = {"set/one": hashlib.sha256(f"{SECOND}one".encode()).hexdigest(), "set/two": "4" * 64}
    lock.write_text(json.dumps(old))
    with pytest.raises(InputError, match="SHA-256 is not"):
        fetch("set/one", table, tmp_path / "one", lock=lock)
    assert json.loads(lock.read_text()) == old  # no commit without its file
    server.main = SECOND
    fetch("set/one", table, tmp_path / "one", lock=lock)
    assert old.items() < json.loads(lock.read_text()).items()


def test_a_lock_is_never_overwritten(tmp_path: Path) -> None:
    lock = tmp_path / "lock.json"
    add_to_lock(lock, {"set/one": "5" * 64})
    with pytest.raises(InputError, match=r"set/one is locked at 5+, but 6+ was served"):
        add_to_lock(lock, {"set/one": "6" * 64})
    lock.write_text('["set/one"]')
    with pytest.raises(InputError, match="not an object of hashes and commits"):
        add_to_lock(lock, {"set/one": "5" * 64})


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
