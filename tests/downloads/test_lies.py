"""A server's answer that is no file is refused with the reason; nothing of it stays or is locked.

The manifest knows neither hash nor size here: what is recorded at first use would be enforced.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnastudents.benchmarks.sources import Sources
from dnastudents.downloads import archives, damage, http, manifest
from dnastudents.downloads.archives import Limits, unpack_gzip
from dnastudents.downloads.check import State, check_data
from dnastudents.downloads.content import disguise
from dnastudents.downloads.fetch import fetch
from dnastudents.downloads.manifest import Dataset, Unusable, verify
from dnastudents.errors import InputError
from download_server import CONTENT, Server, serving

LIES = {
    ("page", "x.bin"): "a web page came instead of the file",
    ("xml", "x.bin"): "an XML message came instead of the file",
    ("json", "x.bin"): r"a JSON message \('{\"error\": \"Repository not found\"}'\) came instead",
    ("json", "config.json"): "a JSON message .* came instead of the file",
    ("busy", "config.json"): r"a message \('Too many requests'\) came instead of the file",
    ("cut_table", "config.json"): "no JSON, or a part of it",
    ("pointer", "model.safetensors"): "a git-lfs pointer came instead of the file",
    ("pointer", "train.tsv"): "a git-lfs pointer came instead of the file",
    ("busy", "train.tsv"): "a message .'Too many requests'. came instead of the file",
    ("busy", "x.bin"): "a message .'Too many requests'. came instead of the file",
    ("cut_table", "train.csv"): r"one line \('sequence,label'\) came instead of the file",
    ("good", "train.parquet"): "no Parquet file, or a cut one",
    ("good", "model.safetensors"): "no safetensors file",
    ("cut_table", "x.bed"): "no BED file",
    ("cut_gz", "x.fa.gz"): "a damaged archive",
    ("packed", "x.csv"): r"the server packed it on the way \(Content-Encoding gzip\)",
    ("unnamed_length", "x.bin"): "names no length and no hash is known, so it may be cut",
    ("unasked_part", "x.bin"): "HTTP status 206, a part that was not asked for",
    ("no_content", "x.bin"): "the server answered with HTTP status 204",
    ("more_than_declared", "x.bin"): "more bytes came than the server declared",
    ("length_in_words", "x.bin"): "the server declares a length of 'many'",
    ("negative_length", "x.bin"): "the server declares a length of '-5'",
    ("huge", "x.bin"): "the server declares 99,999,999,999,999 bytes, 3,145,728 were expected",
    ("drip", "x.bin"): r"TimeoutError after 3 attempts: only \d+ bytes came in",
    ("slow_head", "x.bin"): "TimeoutError after 3 attempts: no answer came in",
    ("endless", "x.bin"): "more than 3,145,728 bytes came",
    ("cut_chunks", "x.bin"): "after 3 attempts: ",
    ("moved_nowhere", "x.bin"): "ConnectionError after 3 attempts: the answer is no HTTP",
    ("no_http", "x.bin"): r"after 3 attempts: [^)]{,300}\.\.\.\)",
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(http, "PAUSE", 0.0)
    monkeypatch.setattr(manifest, "MOST", 3 << 20)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as running:
        yield running


def table(folder: Path, server: Server, path: str, name: str, **known: str) -> Path:
    """A manifest of one file; of what is not given nothing is known."""
    url = f"http://127.0.0.1:{server.server_address[1]}/{path}"
    columns = ["id", "url", "alternative_urls", "sha256", "git_blob", "bytes", "note"]
    row = {"id": name, "url": url} | known
    lines = [",".join(columns), ",".join(row.get(column, "") for column in columns)]
    (folder / "datasets.csv").write_text("\n".join(lines))
    return folder / "datasets.csv"


@pytest.mark.parametrize(("path", "name"), LIES)
def test_a_lie_is_refused(
    tmp_path: Path, server: Server, path: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if path in ("drip", "slow_head"):  # the others are given time, on a busy machine too
        monkeypatch.setattr(http, "PATIENCE", 0.3)
        monkeypatch.setattr(http, "SLOWEST", (0.1, 1000))
    with pytest.raises(InputError, match=LIES[path, name]) as caught:
        fetch(name, table(tmp_path, server, path, name), tmp_path / "out" / name)
    assert f"put it at {tmp_path / 'out' / name}" in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_what_comes_with_a_redirect_is_not_read(tmp_path: Path, server: Server) -> None:
    listed = table(tmp_path, server, "moved_without_end", "x.bin")
    assert fetch("x.bin", listed, tmp_path / "x.bin").read_bytes() == CONTENT
    assert server.requests["moved_without_end"] == 1


def test_a_hash_makes_good_what_headers_lack(tmp_path: Path, server: Server) -> None:
    """What a server says of its answer does not matter where the content is known."""
    half = CONTENT[: len(CONTENT) // 2]
    known = {"sha256": hashlib.sha256(half).hexdigest()}
    listed = table(tmp_path, server, "unnamed_length", "x.bin", **known)
    assert fetch("x.bin", listed, tmp_path / "x.bin").read_bytes() == half


def test_a_file_stored_as_gzip_may_be_called_so(tmp_path: Path, server: Server) -> None:
    found = fetch("x.gz", table(tmp_path, server, "packed", "x.gz"), tmp_path / "x.gz")
    assert gzip.decompress(found.read_bytes()) == CONTENT


def test_a_full_disk_is_not_filled(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(http.shutil, "disk_usage", lambda _: usage)
    for path, reason in (
        ("good", "2.1 MB are to come, 1.0 kB are free on the disk"),
        ("endless", "bytes came without an end, and the disk is full"),
    ):
        with pytest.raises(InputError, match=reason):
            fetch("x.bin", table(tmp_path, server, path, "x.bin"), tmp_path / "out" / "x.bin")
        assert list((tmp_path / "out").iterdir()) == []


def test_another_part_than_the_rest_is_not_gone_on_with(tmp_path: Path, server: Server) -> None:
    (tmp_path / ".x.bin.download").write_bytes(CONTENT[:1000])
    known = {"sha256": hashlib.sha256(CONTENT).hexdigest()}
    listed = table(tmp_path, server, "other_part", "x.bin", **known)
    assert fetch("x.bin", listed, tmp_path / "x.bin").read_bytes() == CONTENT
    assert server.requests == {"other_part": 2}


def test_a_broken_transfer_without_a_hash_leaves_nothing(tmp_path: Path, server: Server) -> None:
    with pytest.raises(InputError, match="IncompleteRead"):
        fetch("x.bin", table(tmp_path, server, "truncated", "x.bin"), tmp_path / "out" / "x.bin")
    assert list((tmp_path / "out").iterdir()) == []


# ---- git blob ids


def blob(content: bytes) -> str:
    return hashlib.sha1(b"blob " + str(len(content)).encode() + b"\0" + content).hexdigest()


def test_the_blob_id_is_gits() -> None:
    """Of the line `hello`, as `git hash-object` says it."""
    assert blob(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


@pytest.mark.parametrize("digits", [8, 40])
def test_a_git_blob_id_is_enforced(tmp_path: Path, server: Server, digits: int) -> None:
    right, wrong = blob(CONTENT)[:digits], "0" * digits
    listed = table(tmp_path, server, "good", "x.tsv", git_blob=right)
    assert fetch("x.tsv", listed, tmp_path / "x.tsv").read_bytes() == CONTENT
    assert json.loads((tmp_path / "download-lock.json").read_text()) == {
        "x.tsv": hashlib.sha256(CONTENT).hexdigest()
    }
    listed = table(tmp_path, server, "good", "x.tsv", git_blob=wrong)
    said = f"the git blob id {'is not' if digits == 40 else 'does not begin with'} {wrong}, so"
    with pytest.raises(InputError, match=said):  # whatever the lock file says
        fetch("x.tsv", listed, tmp_path / "x.tsv")
    with pytest.raises(InputError, match=said):
        fetch("x.tsv", listed, tmp_path / "out" / "x.tsv")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("digits", "said"),
    [(40, "downloaded"), (8, "downloaded; of its git blob id only the first 8 digits are known")],
)
def test_data_check_says_where_a_blob_id_is_a_part(
    tmp_path: Path, server: Server, digits: int, said: str
) -> None:
    listed = table(tmp_path, server, "good", "x.tsv", git_blob=blob(CONTENT)[:digits])
    (tmp_path / "x.tsv").write_bytes(CONTENT)
    needs = {"a/task": {"datasets": ["x.tsv"]}}
    (found,) = check_data(needs, listed, tmp_path).files
    assert (found.state, found.detail) == (State.PRESENT, said)
    (tmp_path / "x.tsv").write_bytes(CONTENT[:-1])
    (found,) = check_data(needs, listed, tmp_path).files
    assert found.state == State.WRONG
    assert not server.requests


def test_a_blob_id_lets_a_broken_transfer_go_on(tmp_path: Path, server: Server) -> None:
    listed = table(tmp_path, server, "breaks", "x.tsv", git_blob=blob(CONTENT)[:8])
    assert fetch("x.tsv", listed, tmp_path / "x.tsv").read_bytes() == CONTENT
    assert server.starts == [len(CONTENT) // 2]


def test_the_blob_id_of_a_packed_file_is_that_of_its_content(tmp_path: Path) -> None:
    (tmp_path / "x.tsv.gz").write_bytes(gzip.compress(CONTENT))
    entry = Dataset("x.tsv", git_blob=blob(CONTENT))
    assert verify(tmp_path / "x.tsv.gz", entry, None, packed=True)


@pytest.mark.parametrize(
    ("key", "value"), [("sha256", "12ab"), ("git_blob", "12ab"), ("bytes", "1 MB")]
)
def test_a_hash_that_is_none(tmp_path: Path, server: Server, key: str, value: str) -> None:
    listed = table(tmp_path, server, "good", "x.tsv", **{key: value})
    with pytest.raises(InputError, match=rf"datasets\.csv: {key} '{value}' of x\.tsv is none"):
        fetch("x.tsv", listed, tmp_path / "x.tsv")


# ---- archives


def packed(kind: str, size: int) -> bytes:
    """An archive of one member of so many zeros."""
    if kind == "gz":
        return gzip.compress(bytes(size), 1)
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", bytes(size))
    return whole.getvalue()


@pytest.mark.parametrize("kind", ["zip", "gz"])
def test_a_small_archive_of_much_is_refused(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"x.{kind}"
    file.write_bytes(packed(kind, (1 << 26) + 1))
    with pytest.raises(Unusable, match="unpacks to more than 100 times its size"):
        verify(file, Dataset(file.name), None)


def test_readers_refuse_it_too(tmp_path: Path) -> None:
    file = tmp_path / "x.zip"
    file.write_bytes(packed("zip", (1 << 26) + 1))
    with pytest.raises(InputError, match=r"x\.zip: member 'a\.csv' unpacks to more than 100 times"):
        Sources(file)
    with pytest.raises(InputError, match=r"x\.csv\.gz: unpacks to more than 100 times its size"):
        unpack_gzip("x.csv.gz", packed("gz", (1 << 26) + 1))


def test_an_archive_that_understates_its_sizes_takes_no_memory(tmp_path: Path) -> None:
    """The member says that it has 10 bytes; what is unpacked at once is bounded all the same."""
    content = bytearray(packed("zip", 1 << 26))
    directory = content.index(b"PK\x01\x02")
    for place in (22, directory + 24):
        content[place : place + 4] = (10).to_bytes(4, "little")
    (tmp_path / "x.zip").write_bytes(content)
    files = Sources(tmp_path / "x.zip")
    tracemalloc.start()
    with pytest.raises(InputError, match=r"member 'a\.csv' is damaged"):
        files.read(files.require(["a.csv"]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 24


def test_a_mirror_cannot_fill_the_disk(tmp_path: Path, server: Server) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/x.tsv.gz").write_bytes(packed("gz", 4 << 20))
    listed = table(tmp_path, server, "absent", "x.tsv")
    with pytest.raises(InputError, match="it has more than 3,145,728 bytes"):
        fetch("x.tsv", listed, tmp_path / "out" / "x.tsv", mirror=tmp_path / "mirror")
    assert list((tmp_path / "out").iterdir()) == []


def test_good_archives_stay_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large ratio is harmless where little comes out; limits are those of each member."""
    file = tmp_path / "x.zip"
    file.write_bytes(packed("zip", 1 << 20))
    assert damage.damage(file, file.name) is None
    for limits, reason in (
        (Limits(members=0), "holds 1 members; 0 at most"),
        (Limits(size=1000), r"member 'a\.csv' has more than 1\.0 kB, unpacked"),
        (Limits(small=1000), r"member 'a\.csv' unpacks to more than 100 times its size"),
    ):
        monkeypatch.setattr(archives, "LIMITS", limits)
        with pytest.raises(Unusable, match=reason):
            verify(file, Dataset("x.zip"), None)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.json", b'{"hidden_size": 8}'),
        ("x.tsv", b"sequence\tlabel\nACGT\t0\n"),
        ("x.fa", b">not found anywhere\nACGT\n" * 200),
        ("x.gz", gzip.compress(b"ACGT")),
        ("vocab.txt", b"<unk>\n<pad>\n"),
        ("x.bed", b"chr1\t0\t100\n"),
    ],
)
def test_files_are_taken_for_what_they_are(name: str, content: bytes) -> None:
    assert disguise(content, len(content), name) is None
