"""What is said of data that are present, missing or wrong, and that no network is asked."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dnastudents.cli import main
from dnastudents.config import load_config
from dnastudents.downloads.check import DataCheck, State, check_data
from dnastudents.errors import InputError

CONTENT = b"sequence,label\nACGT,0\n"
PAGE = b"<!DOCTYPE html><html><body>Sign in</body></html>"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HUB = "https://hub.example/data"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A manifest of a file with a hash, one with a size, one of the hub, and an archive."""
    rows = [
        {"id": "set/hash.csv", "sha256": SHA256, "bytes": len(CONTENT)},
        {"id": "set/size.csv", "bytes": len(CONTENT), "note": "Ask us."},
        {"id": "set/hub.csv", "url": f"{HUB}/resolve/main/hub.csv"},
        {"id": "set/archive.zip"},
    ]
    columns = ["id", "url", "alternative_urls", "sha256", "bytes", "note"]
    with (tmp_path / "datasets.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, columns, restval="")
        writer.writeheader()
        for row in rows:
            writer.writerow({"url": f"https://x.example/{row['id']}"} | row)
    return tmp_path / "datasets.csv"


def place(folder: Path, name: str, content: bytes = CONTENT) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def check(table: Path, *names: str, mirror: Path | None = None) -> DataCheck:
    return check_data({"a/task": {"datasets": names}}, table, table.parent / "downloads", mirror)


@pytest.mark.parametrize(
    ("name", "content", "state", "detail"),
    [
        ("set/hash.csv", CONTENT, State.PRESENT, "downloaded"),
        ("set/size.csv", CONTENT, State.PRESENT, "no hash is known before first use"),
        ("set/hash.csv", None, State.MISSING, ""),
        ("set/hash.csv", CONTENT[:-1], State.WRONG, "21 bytes came, 22 were expected"),
        ("set/hash.csv", CONTENT.lower(), State.WRONG, f"SHA-256 is not {SHA256[:12]}"),
        ("set/size.csv", CONTENT[:-1], State.WRONG, "21 bytes came"),
        ("set/hub.csv", PAGE, State.WRONG, "a web page came instead of the file"),
        ("set/hub.csv", b"", State.WRONG, "the file is empty"),
        ("set/archive.zip", CONTENT, State.WRONG, "a damaged archive"),
    ],
)
def test_a_downloaded_file(
    table: Path, name: str, content: bytes | None, state: State, detail: str
) -> None:
    if content is not None:
        place(table.parent / "downloads", name, content)
    found = check(table, name)
    assert [(f.name, f.state) for f in found.files] == [(name, state)]
    assert detail in found.files[0].detail
    assert [(f.name, f.state) for f in found.needs] == [("a/task", state)]
    assert found.status == (state == State.WRONG)


def test_the_lock_file_is_enforced(table: Path) -> None:
    downloads = table.parent / "downloads"
    place(downloads, "set/hub.csv")
    lock = place(downloads, "download-lock.json", json.dumps({"set/hub.csv": SHA256}).encode())
    assert check(table, "set/hub.csv").files[0].detail == "downloaded"
    lock.write_text(json.dumps({"set/hub.csv": "1" * 64}))
    assert check(table, "set/hub.csv").files[0].state == State.WRONG


def test_the_mirror_stands_in_for_what_is_not_downloaded(table: Path) -> None:
    mirror = table.parent / "mirror"
    path = place(mirror, "set/hash.csv.gz", gzip.compress(CONTENT))
    assert check(table, "set/hash.csv", mirror=mirror).files[0].detail == "in the mirror"
    path.write_bytes(gzip.compress(CONTENT)[:-9])
    found = check(table, "set/hash.csv", mirror=mirror).files[0]
    assert found.state == State.WRONG
    assert "cannot be read" in found.detail
    place(mirror, "set/hash.csv")  # one good file of the two is enough
    assert check(table, "set/hash.csv", mirror=mirror).status == 0
    place(table.parent / "downloads", "set/hash.csv", PAGE)  # but it would not be replaced
    assert check(table, "set/hash.csv", mirror=mirror).status == 1
    with pytest.raises(InputError, match="mirror: no folder"):
        check(table, "set/hash.csv", mirror=table.parent / "absent")


def test_own_files(table: Path) -> None:
    own = table.parent / "own"
    good, folder = place(own, "genome.fa"), place(own, "folder/train.csv").parent
    cut = place(own, "genome.fa.gz", gzip.compress(CONTENT)[:-9])
    (own / "empty").mkdir()
    needs = {"a": good, "b": folder, "c": own / "absent", "d": cut, "e": own / "empty"}
    as_settings = {name: {"files": [str(path)]} for name, path in needs.items()}
    found = check_data(as_settings | {"made": {}}, table, table.parent / "downloads")
    states = {finding.name: finding.state.value for finding in found.needs}
    good_ones, wrong_ones = dict.fromkeys("ab", "present"), dict.fromkeys("de", "wrong")
    assert states == {**good_ones, "c": "missing", **wrong_ones, "made": "present"}
    assert found.status == 1
    place(folder, "test.csv", PAGE)
    assert check_data({"b": as_settings["b"]}, table, table.parent).status == 1


def test_a_task_is_as_good_as_the_worst_of_its_files(table: Path) -> None:
    place(table.parent / "downloads", "set/hash.csv")
    found = check(table, "set/hash.csv", "set/size.csv")
    assert (found.needs[0].state, found.needs[0].detail) == (State.MISSING, "1 of 2 files")
    place(table.parent / "downloads", "set/hub.csv", PAGE)
    found = check(table, "set/hash.csv", "set/size.csv", "set/hub.csv")
    assert (found.needs[0].state, found.needs[0].detail) == (State.WRONG, "1 of 3 files")
    assert [found.count(state) for state in State] == [1, 1, 1]


def test_it_says_what_to_put_where(table: Path) -> None:
    downloads = table.parent / "downloads"
    place(downloads, "download-lock.json", json.dumps({HUB: "2" * 40}).encode())
    found = check(table, "set/hub.csv", "set/size.csv")
    assert found.missing_bytes == len(CONTENT)
    assert found.instructions == [
        f"curl -fL --create-dirs -o {downloads}/set/hub.csv {HUB}/resolve/{'2' * 40}/hub.csv",
        "# Ask us.\ncurl -fL --create-dirs -o "
        f"{downloads}/set/size.csv https://x.example/set/size.csv",
    ]
    with pytest.raises(InputError, match=r"no dataset 'set/hop\.csv'; did you mean"):
        check(table, "set/hop.csv")


def test_the_command_prints_one_table(table: Path, capsys: pytest.CaptureFixture) -> None:
    place(table.parent / "downloads", "set/hash.csv", PAGE)
    settings = json.dumps({"a/task": {"datasets": ["set/hash.csv", "set/size.csv"]}})
    command = ["data-check", "--settings", settings, "--manifest", str(table)]
    assert main([*command, "--downloads", str(table.parent / "downloads")]) == 1
    said = capsys.readouterr()
    assert said.err == "Reading 48 bytes in 1 files to check them\n"
    rows = [line.split("│") for line in said.out.splitlines() if line.startswith("│")]
    named = [row[1].strip() for row in rows if row[1].strip()]
    assert named == ["set/hash.csv", "set/size.csv", "a/task"]
    assert "Missing: 1 files (22 bytes and those of unknown size)." in said.out
    assert said.out.endswith("\n2 files: 0 present, 1 missing, 1 wrong\n")
    assert "\x1b" not in said.out


def test_what_the_paper_needs(root: Path) -> None:
    config = load_config(root)
    data = config.data()
    assert data["reference/hg38"] == {"datasets": ["reference/hg38.fa.gz"]}
    assert data["teacher/nt_v2_500m"]["datasets"] == [
        f"nt_v2_500m/{file}" for file in ("config.json", "model.safetensors", "vocab.txt")
    ]
    assert [name for name in data if name.startswith(("teacher/", "intervals/"))] == [
        "teacher/nt_v2_500m"  # the others are of no run, and no run reads intervals
    ]
    assert {f"{suite}/{task}" for suite, task in config.tasks()} < set(data)
    assert all(data[f"gue/{task}"]["datasets"] for task in config.suites["gue"].tasks)


def test_what_the_demo_and_own_files_need(root: Path, tmp_path: Path) -> None:
    demo = load_config(root, {"extends": str(root / "demo/demo.yaml")}).data()
    assert demo.keys() == {"reference/simulated", "teacher/small"} | {
        f"simulated/{task}" for task in ("words", "relics", "lexicon")
    }
    assert not any(need.get("datasets") or need.get("files") for need in demo.values())
    bed, fasta = place(tmp_path, "own.bed"), place(tmp_path, "own.fa", b">a\nACGT\n>b\nACGT\n")
    block = {"fasta": str(fasta), "intervals": {"bed": str(bed)}}
    block["splits"] = {"train": ["a"], "validation": ["b"], "test": None}
    window = {"kind": "intervals", "length": 1024}
    changes = {
        "results": str(tmp_path / "results"),
        "references": {"hg38": block},
        "runs": {"findna": {"pretraining": {"window": window}}},
        "suites": {"gue": {"source": str(tmp_path), "tasks": ["tf_0"]}},
    }
    assert load_config(root, changes).data() == {
        "reference/hg38": {"files": [str(fasta)]},
        "intervals/hg38": {"files": [str(bed)]},
        "gue/tf_0": {"files": [str(tmp_path)]},
    }


def test_it_needs_neither_torch_nor_requests() -> None:
    code = (
        "import sys, dnastudents.downloads.check, dnastudents.config.config\n"
        "print('heavy:', sorted({'torch', 'requests', 'snakemake'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "heavy: []" in shown.stdout
