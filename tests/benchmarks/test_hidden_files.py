"""What editors and file managers leave in folders and archives is nobody's data."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from generated import random_bases, rows_of

from dnastudents.benchmarks import genomic_benchmarks as gb
from dnastudents.benchmarks.sources import Sources
from dnastudents.benchmarks.task import load_task
from dnastudents.errors import InputError

TASK = "human_enhancers_cohn"


def write_archive(folder: Path) -> list[tuple[str, int]]:
    """The unpacked archive of a task; returns its test rows."""
    rows, bases = [], random_bases(24, 60)
    for index, sequence in enumerate(bases):
        split, label = ("train", "test")[index >= 12], ("negative", "positive")[index % 2]
        file = folder / TASK / split / label / f"{index}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(sequence)
        rows += [(sequence, index % 2)] if split == "test" else []
    return sorted(rows)


def test_unpacked(tmp_path: Path) -> None:
    expected = write_archive(tmp_path / "a")
    folder = tmp_path / "a" / TASK
    for place in ("train/positive/.ipynb_checkpoints", "train/.hidden", "__MACOSX/train/positive"):
        (folder / place).mkdir(parents=True)
        (folder / place / "0.txt").write_text("ACGT")
    (folder / "train/positive/._0.txt").write_bytes(b"\0\5\x16\7")
    (folder / "test/.DS_Store").write_bytes(b"\0\0")
    gb.write(tmp_path / "a", TASK, tmp_path / "t")
    read = load_task(tmp_path / "t")
    assert rows_of(read.test) == expected
    assert read.classes == ["negative", "positive"]
    assert len(read.train) + len(read.dev) == 12


def test_archive_of_a_mac(tmp_path: Path) -> None:
    expected = write_archive(tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "mac.zip", "w") as archive:
        for file in sorted((tmp_path / "a").rglob("*.txt")):
            name = file.relative_to(tmp_path / "a")
            archive.write(file, name)
            archive.writestr(f"__MACOSX/{name.parent}/._{name.name}", b"\0\5\x16\7 Mac OS X")
    gb.write(tmp_path / "mac.zip", TASK, tmp_path / "t")
    assert rows_of(load_task(tmp_path / "t").test) == expected


def test_a_hidden_folder_that_is_named_is_read(tmp_path: Path) -> None:
    """As ~/.genomic_benchmarks, where the package of the benchmark keeps them."""
    expected = write_archive(tmp_path / ".genomic_benchmarks")
    gb.write(tmp_path / ".genomic_benchmarks", TASK, tmp_path / "t")
    assert rows_of(load_task(tmp_path / "t").test) == expected
    assert not Sources(tmp_path).folders([TASK], ["train"])


def test_forms_of_one_split(tmp_path: Path) -> None:
    """Single sequences, a table of them, and coordinates: of two none is chosen."""
    write_archive(tmp_path)
    (tmp_path / TASK / "train.csv").write_text("seq,label\nACGT,0\n")
    with pytest.raises(
        InputError, match=rf"2 forms of {TASK}/train are there: .*\.txt; .*train\.csv"
    ):
        gb.write(tmp_path, TASK, tmp_path / "t")
    write_archive(tmp_path / "again")
    with pytest.raises(InputError, match=f"2 folders match {TASK}"):
        gb.write(tmp_path, TASK, tmp_path / "t")


def test_a_class_of_one_split_only(tmp_path: Path) -> None:
    """As what a file manager calls a copy."""
    write_archive(tmp_path)
    folder = tmp_path / TASK / "train/positive copy"
    folder.mkdir()
    (folder / "0.txt").write_text("ACGT")
    with pytest.raises(InputError, match=f"{TASK}: positive copy is a class of one split only"):
        gb.write(tmp_path, TASK, tmp_path / "t")
