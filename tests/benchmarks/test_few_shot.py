"""Few-shot tasks: pools and draws, official tests, and substitutes by name."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from generated import kmers, random_bases, rows_of, table

from dnastudents.benchmarks import few_shot, write_task
from dnastudents.benchmarks.draws import draw
from dnastudents.benchmarks.task import Task, load_task
from dnastudents.errors import InputError


def write_kmers(path: Path, frame: pd.DataFrame, quoted: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = frame.assign(sequence=[kmers(bases) for bases in frame["sequence"]])
    quoting = csv.QUOTE_NONNUMERIC if quoted else csv.QUOTE_NONE
    text.to_csv(path, sep="\t", index=False, quoting=quoting)


def splice_task(tmp_path: Path, draws: int) -> Task:
    """A Splice-40 folder from a file with so many draws of ten a class."""
    pool, test = table(draws * 30, 40, 0, 3), table(30, 40, 1, 3)
    write_kmers(tmp_path / "Splice-40/10/train_splice40_10.tsv", pool, quoted=True)
    write_kmers(tmp_path / "Splice-40/test.tsv", test, quoted=False)
    few_shot.write(tmp_path, "splice_40_10", tmp_path / "t")
    read = load_task(tmp_path / "t")
    pd.testing.assert_frame_equal(read.train, pool)
    pd.testing.assert_frame_equal(read.test, test)
    return read


def test_few_shot_folder_holds_the_pool_and_no_dev(tmp_path: Path) -> None:
    read = splice_task(tmp_path, draws=10)
    assert (read.shots, read.has_dev, read.splits) == (10, False, ("train", "test"))
    assert read.protocol.n_sequences == {"train": 300, "dev": 0, "test": 30}
    assert list(read.protocol.notes) == []
    with pytest.raises(InputError, match="no dev split; the splits are train and test"):
        read.split("dev")


@pytest.mark.parametrize("selection", ["best_dev", "last"])
def test_seeds_draw_different_shots_from_a_pool(tmp_path: Path, selection: str) -> None:
    read = splice_task(tmp_path, draws=10)
    seen = set()
    for seed in range(10):
        drawn = draw(read, seed, selection)
        again = draw(read, seed, selection)
        assert drawn.train.tolist() == again.train.tolist() == sorted(set(drawn.train.tolist()))
        train, dev = (read.train["label"].iloc[rows].tolist() for rows in (drawn.train, drawn.dev))
        held = int(selection == "best_dev")
        assert [train.count(label) for label in range(3)] == [10 - held] * 3
        assert [dev.count(label) for label in range(3)] == [held] * 3
        assert drawn.dev_of == "train" or not held
        assert not set(drawn.train.tolist()) & set(drawn.dev.tolist())
        seen.add(tuple(sorted([*drawn.train.tolist(), *drawn.dev.tolist()])))
    assert len(seen) == 10


def test_seeds_share_the_one_draw_of_a_file(tmp_path: Path) -> None:
    read = splice_task(tmp_path, draws=1)
    assert [draw(read, seed, "last").train.tolist() for seed in (0, 7)] == [list(range(30))] * 2
    assert "one draw, so every seed draws the same" in read.protocol.notes[0]


@pytest.fixture
def prom_300(tmp_path: Path) -> tuple[Path, pd.DataFrame, pd.DataFrame]:
    """Folders of Prom-300's train files and of a substitute that shares three rows with them."""
    train, other = table(20, 300, 0), table(20, 300, 1)
    for shots in few_shot.SHOTS["prom_300"]:
        write_kmers(tmp_path / f"Prom-300/{shots}/train.tsv", train, quoted=True)
    (tmp_path / "prom_300_all").mkdir()
    both = pd.concat([other, train[:3]])
    both.to_csv(tmp_path / "prom_300_all/test.csv", index=False)
    return tmp_path, train, other


def test_few_shot_substitutes_are_taken_by_name(
    prom_300: tuple[Path, pd.DataFrame, pd.DataFrame],
) -> None:
    folder, _, other = prom_300
    few_shot.write(folder, "prom_300_10", folder / "t", route="substitutes")
    read = load_task(folder / "t")
    assert rows_of(read.test) == rows_of(other)
    assert list(read.protocol.notes) == [
        "substitute for the official test split: GUE prom_300_all, test",
        "3 test sequences that are in a Prom-300 train file are left out",
        "the file holds one draw, so every seed draws the same sequences",
    ]


def test_few_shot_takes_official_tests_alone(
    prom_300: tuple[Path, pd.DataFrame, pd.DataFrame],
) -> None:
    """A substitute that lies there is not taken unasked."""
    folder, train, _ = prom_300
    with pytest.raises(InputError, match=r"no Prom-300/test\.tsv in .*`route: substitutes`"):
        few_shot.write(folder, "prom_300_10", folder / "t")
    test = pd.concat([table(8, 300, 2), train[:1]], ignore_index=True)
    write_kmers(folder / "Prom-300/test.tsv", test, quoted=False)
    few_shot.write(folder, "prom_300_10", folder / "t")
    read = load_task(folder / "t")
    pd.testing.assert_frame_equal(read.test, test)
    assert read.protocol.duplicates.across["train/test"] == 1  # reported, not taken out
    with pytest.raises(InputError, match="no route 'archive'; it has tables, substitutes"):
        few_shot.write(folder, "prom_300_10", folder / "t", route="archive")


def test_few_shot_substitute_from_the_archive(tmp_path: Path) -> None:
    write_kmers(tmp_path / "Cohn-enh/10/train.tsv", table(20, 50, 0), quoted=True)
    test = dict(zip(("negative", "positive"), random_bases(2, 50, 1), strict=True))
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        for name, bases in test.items():
            archive.writestr(f"human_enhancers_cohn/test/{name}/7.txt", bases)
    files = [tmp_path / "Cohn-enh", tmp_path / "c.zip"]
    write_task("few_shot", "cohn_enh_10", files, tmp_path / "t", route="substitutes")
    expected = [(test["negative"], 0), (test["positive"], 1)]
    assert rows_of(load_task(tmp_path / "t").test) == sorted(expected)


def test_few_shot_needs_kmers_and_enough_of_them(tmp_path: Path) -> None:
    assert few_shot.join_kmers("ACG CGT GTT") == "ACGTT"
    with pytest.raises(ValueError, match="do not overlap"):
        few_shot.join_kmers("ACG GTT")
    pool = table(12, 70, 0)
    write_kmers(tmp_path / "Prom-core/10/train.tsv", pool, quoted=True)
    write_kmers(tmp_path / "Prom-core/test.tsv", pool, quoted=False)
    with pytest.raises(InputError, match="class 0 has 6 sequences; 10 are needed"):
        few_shot.write(tmp_path, "prom_core_10", tmp_path / "t")
    with pytest.raises(InputError, match=r"no Splice-40/10/train\.tsv"):
        few_shot.write(tmp_path, "splice_40_10", tmp_path / "t")


def test_other_suites_have_no_use_for_a_route(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gue: every route of it is read alike; drop `--route t"):
        write_task("gue", "tf_0", [tmp_path], tmp_path / "t", route="tables")
