"""Names and lengths of a FASTA: what its index says is what its reader says, wherever it lies."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bgzipped import bgzip

from dnastudents.errors import InputError
from dnastudents.files import protecting
from dnastudents.genome import index
from dnastudents.genome.index import check_names, read_records
from dnastudents.genome.records import check_splits

FASTA = b">chr1 first\nACGTacgtNN\nRYACGT\n>chr2:100-108\nAAAACCCC\n>chr2:118-122\nGGTT\n"
UNEVEN = FASTA.replace(b"ACGTacgtNN", b"ACGT\nacgtNN\n")
FORMS = {
    "plain": ("genome.fa", FASTA, ".fai"),
    "windows": ("genome.fa", FASTA.replace(b"\n", b"\r\n"), ".fai"),
    "old mac": ("genome.fa", FASTA.replace(b"\n", b"\r"), ".sizes"),
    "byte order mark": ("genome.fa", b"\xef\xbb\xbf" + FASTA, ".sizes"),
    "old mac, bgzip": ("genome.fa.gz", bgzip(FASTA.replace(b"\n", b"\r")), ".sizes"),
    "bgzip": ("genome.fa.gz", bgzip(FASTA), ".fai"),
    "gzip": ("genome.fa.gz", gzip.compress(FASTA), ".sizes"),
    "bgzip by another name": ("genome.fa", bgzip(FASTA), ".sizes"),
    "plain by another name": ("genome.fa.gz", FASTA, ".sizes"),
    "bgzip without its end": ("genome.fa.gz", bgzip(FASTA)[:-28], ".sizes"),
    "uneven": ("genome.fa", UNEVEN, ".sizes"),
    "uneven bgzip": ("genome.fa.gz", bgzip(UNEVEN), ".sizes"),
}


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data/genome.fa"
    path.write_bytes(FASTA)
    return path


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def never(*_: object) -> None:
    raise AssertionError("the FASTA is read again")


def refuse_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_records_and_is_read_once(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, content, kind = FORMS[form]
    (tmp_path / "data").mkdir()
    fasta, folder = tmp_path / "data" / name, tmp_path / "results"
    fasta.write_bytes(content)
    for _ in range(2):
        records = read_records(fasta, folder)
        assert records.names == ("chr1", "chr2:100-108", "chr2:118-122")
        assert records.lengths == (16, 8, 4)
        assert records.source == name
        monkeypatch.setattr(index, "_write_index", never)
        monkeypatch.setattr(index, "read_fasta", never)
    made = {".fai"} if form in ("plain", "windows") else {".fai", ".gzi"}
    beside = {f"{name}{suffix}" for suffix in made} if kind == ".fai" else set()
    assert files(tmp_path / "data") == {name} | beside
    assert [Path(file).suffix for file in files(folder)] == ([] if beside else [".sizes"])


@pytest.mark.parametrize("form", ["plain", "bgzip"])
def test_the_index_of_a_read_only_folder_is_elsewhere(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, content, _ = FORMS[form]
    (tmp_path / "data").mkdir()
    fasta, folder = tmp_path / "data" / name, tmp_path / "results"
    fasta.write_bytes(content)
    refuse_to_write(monkeypatch)
    assert len(read_records(fasta, folder).names) == 3
    assert files(tmp_path / "data") == {name}
    assert {Path(file).suffix for file in files(folder)} == (
        {".fai"} if form == "plain" else {".fai", ".gzi"}
    )
    monkeypatch.setattr(index, "_write_index", never)
    assert len(read_records(fasta, folder).names) == 3


def test_the_index_of_a_fasta_inside_an_input_folder_is_elsewhere(
    fasta: Path, tmp_path: Path
) -> None:
    with protecting([fasta.parent]):
        read_records(fasta, tmp_path / "elsewhere")
    assert not fasta.with_name(f"{fasta.name}.fai").exists()
    (kept,) = (tmp_path / "elsewhere").iterdir()
    assert kept.suffix == ".fai"


@pytest.mark.parametrize("is_writable", [True, False])
def test_another_fasta_in_its_place_has_another_index(
    is_writable: bool, fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_writable:
        refuse_to_write(monkeypatch)
    read_records(fasta, tmp_path / "results")
    fasta.write_bytes(b">chr3\nACGT\n")
    later = fasta.stat().st_mtime_ns + 10**9
    os.utime(fasta, ns=(later, later))
    assert read_records(fasta, tmp_path / "results").names == ("chr3",)


def test_an_index_of_the_users_is_used(fasta: Path, tmp_path: Path) -> None:
    Path(f"{fasta}.fai").write_text("chrX\t99\t6\t60\t61\n")
    assert read_records(fasta, tmp_path).lengths == (99,)
    Path(f"{fasta}.fai").write_text("not an index\n")
    with pytest.raises(InputError, match=r"genome\.fa\.fai: not the index of a FASTA; remove it"):
        read_records(fasta, tmp_path)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (["chr1", "chr11"], "splits.train: no sequence 'chr11' in genome.fa; did you mean 'chr1'?"),
        (["chr2:106-120", "chr22:1-2"], "no sequence 'chr22' in genome.fa; did you mean 'chr2'?"),
        (["chr1:16-20"], "splits.train: chr1:16-20: no base of genome.fa lies in this region"),
    ],
)
def test_wrong_places_name_their_key(
    places: list[str], message: str, fasta: Path, tmp_path: Path
) -> None:
    right = {"splits.validation": ["chr1", "chr2", "chr2:118-122", "chr1:4-8", "all"]}
    check_names(fasta, right, tmp_path)
    with pytest.raises(InputError) as caught:
        check_names(fasta, {**right, "splits.train": places}, tmp_path)
    assert message in str(caught.value)


def test_splits_are_compared_on_the_chromosome(fasta: Path, tmp_path: Path) -> None:
    splits = {"train": ["chr1"], "validation": ["chr2:100-108"], "test": ["chr2:118-122"]}
    records = check_names(fasta, {}, tmp_path)
    check_splits(records, splits)
    with pytest.raises(InputError, match=r"splits 'train' and 'test' share chr1:4-8"):
        check_splits(records, {**splits, "test": ["chr1:4-8"]})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b">a\nAC\n>a\nAC\n", "two records are named 'a'"),
        (bytes(range(256)) * 20, "does not begin with '>'"),
        (bgzip(FASTA * 9999)[:-2000], "truncated gzip"),
    ],
)
@pytest.mark.parametrize("name", ["genome.fa", "genome.fa.gz"])
def test_what_is_no_fasta_is_one_clear_error(
    content: bytes, message: str, name: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_records(tmp_path / name, tmp_path / "results")
    assert "\n" not in str(caught.value)
    assert files(tmp_path) == {name}


def test_paths_of_the_wrong_kind(fasta: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "absent.fa", tmp_path / "data"):
        with pytest.raises(InputError, match=f"{path}: neither the file nor an index"):
            read_records(path, tmp_path / "results")
    fasta.write_bytes(UNEVEN)
    with pytest.raises(InputError, match="neither the file nor an index"):
        read_records(fasta, fasta)  # a file where a folder should be


def test_without_torch_and_without_pyfaidx_where_there_is_an_index(
    fasta: Path, tmp_path: Path
) -> None:
    code = (
        "import sys; from pathlib import Path; from dnastudents.genome.index import check_names;"
        f"check_names(Path({str(fasta)!r}), {{'key': ['chr1']}}, Path({str(tmp_path)!r}));"
        "print({'torch', 'numpy', 'pyfaidx'} & set(sys.modules))"
    )
    for _ in range(2):  # without an index, and with the one that it has then
        call = [sys.executable, "-c", code]
        shown = subprocess.run(call, capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "set()"
