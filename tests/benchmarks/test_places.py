"""Which files a task is read from: its own, all of one folder, and never the next best."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from generated import kmers, random_bases, rows_of, table

from dnastudents.benchmarks import csv_files, mtcdna, write_task
from dnastudents.benchmarks.own_tables import task_tables
from dnastudents.benchmarks.task import load_task
from dnastudents.errors import InputError

NT = "nucleotide_transformer"


def write_tables(folder: Path, *names: str, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Tables of 20 rows that differ; returns them by name."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = {name: table(20, 60, seed + number) for number, name in enumerate(names)}
    for name, frame in frames.items():
        frame.to_csv(folder / name, index=False)
    return frames


# ---- your own tables


def test_a_misspelt_task_is_not_another_one(tmp_path: Path) -> None:
    for task in ("enhancers", "promoters"):
        write_tables(tmp_path / "data" / task, "train.csv", "test.csv")
    message = (
        r"no folder 'promotors' with train\.csv in .*/data; there are .*/enhancers \(test\.csv, "
        r"train\.csv\), .*/promoters .*: did you mean 'promoters'\?"
    )
    with pytest.raises(InputError, match=message):
        write_task("mine", "promotors", [tmp_path / "data"], tmp_path / "t")
    write_tables(tmp_path / "data", "train.csv", "test.csv")  # now also tables of no task
    with pytest.raises(InputError, match="did you mean 'promoters'"):
        write_task("mine", "promotors", [tmp_path / "data"], tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_a_missing_split_is_not_taken_from_another_task(tmp_path: Path) -> None:
    write_tables(tmp_path / "enhancers", "train.csv", "test.csv")
    write_tables(tmp_path / "promoters", "test.csv")
    with pytest.raises(InputError, match=r"promoters/train\.csv: no such file"):
        write_task("mine", "promoters", [tmp_path], tmp_path / "t")
    with pytest.raises(InputError, match="no folder 'silencers' with train"):  # one of each
        files = [tmp_path / "enhancers/train.csv", tmp_path / "promoters/test.csv"]
        write_task("mine", "silencers", files, tmp_path / "t")


def test_two_folders_of_one_name_are_listed(tmp_path: Path) -> None:
    for folder in ("enhancers", "old/enhancers"):
        write_tables(tmp_path / folder, "train.csv", "test.csv")
    with pytest.raises(
        InputError, match=r"2 folders match enhancers: .*/enhancers \(.*; .*/old/enh"
    ):
        write_task("mine", "enhancers", [tmp_path], tmp_path / "t")
    write_task("mine", "enhancers", [tmp_path / "old"], tmp_path / "t")


def test_tables_without_a_folder_of_the_task(tmp_path: Path) -> None:
    """A folder, an archive, or files that hold nothing else are the task's, whatever their name."""
    frames = write_tables(tmp_path / "some", "train.csv", "test.csv")
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        for name in frames:
            archive.write(tmp_path / "some" / name, name)
    for sources in (
        [tmp_path / "some"],
        [tmp_path / "some.zip"],
        [tmp_path / "some/train.csv", tmp_path / "some/test.csv"],
    ):
        write_task("mine", "enhancers", sources, tmp_path / "t")
        assert rows_of(load_task(tmp_path / "t").test) == rows_of(frames["test.csv"])


@pytest.mark.parametrize("name", ["", "-x", "a b", "../mine", "a/b"])
def test_names_that_are_no_part_of_a_path(tmp_path: Path, name: str) -> None:
    write_tables(tmp_path / "mine", "train.csv", "test.csv")
    for suite, task, what in ((name, "mine", "suite"), ("suite", name, "task")):
        with pytest.raises(InputError, match=f"{what}: must be a name of .*, not '{name}'"):
            write_task(suite, task, [tmp_path / "mine"], tmp_path / "t")


@pytest.mark.parametrize("name", ["GUE", "Genomic-Benchmark", "few.shots", "nucleotideTransformer"])
def test_a_suite_of_ours_that_is_misspelt(tmp_path: Path, name: str) -> None:
    write_tables(tmp_path / "mine", "train.csv", "test.csv")
    with pytest.raises(InputError, match=r"suite: did you mean '\w+'\? Your own suite"):
        write_task(name, "mine", [tmp_path], tmp_path / "t")


def test_tables_of_no_split_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_tables(tmp_path / "mine", "train.csv", "test.csv", "VAL.csv", "notes.txt")
    write_task("suite", "mine", [tmp_path], tmp_path / "t")
    assert [text for text in caplog.messages if text.endswith("so not read")] == [
        f"{tmp_path}/mine/VAL.csv: of no split by name, so not read"
    ]


@pytest.mark.parametrize("name", ["dev", "val", "valid", "validation"])
def test_names_of_dev(tmp_path: Path, name: str) -> None:
    names = ("train.csv", "test.csv", f"{name}.tsv")
    frames = write_tables(tmp_path / "mine", *names)
    frames[names[2]].to_csv(tmp_path / "mine" / names[2], index=False, sep="\t")
    files = task_tables(tmp_path / "mine")  # those that the workflow passes on
    assert files == [str(tmp_path / "mine" / each) for each in names]
    write_task("suite", "mine", [Path(file) for file in files], tmp_path / "t")
    read = load_task(tmp_path / "t")
    assert rows_of(read.dev) == rows_of(frames[names[2]])
    assert read.protocol.dev_rule.origin == "official"
    assert len(read.train) == 20


@pytest.mark.parametrize("other", ["val.csv", "train.csv.gz", "test.tsv"])
def test_two_tables_of_one_split(tmp_path: Path, other: str) -> None:
    write_tables(tmp_path / "mine", "train.csv", "test.csv", "dev.csv", other)
    with pytest.raises(InputError, match=rf"2 files hold one split: .*/mine/{other}"):
        write_task("suite", "mine", [tmp_path], tmp_path / "t")
    with pytest.raises(InputError, match="2 files hold one split"):
        files = [Path(file) for file in task_tables(tmp_path / "mine")]
        write_task("suite", "mine", files, tmp_path / "t")


def test_gzip_is_told_by_content(tmp_path: Path) -> None:
    frames = write_tables(tmp_path / "mine", "train.csv", "test.csv")
    train, test = tmp_path / "mine/train.csv", tmp_path / "mine/test.csv"
    train.write_bytes(gzip.compress(train.read_bytes()))
    test.rename(tmp_path / "mine/test.csv.gz")
    write_task("suite", "mine", [tmp_path], tmp_path / "t")
    assert rows_of(load_task(tmp_path / "t").test) == rows_of(frames["test.csv"])


def test_your_own_tables(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    train = table(40, 25, 0).replace({"label": {0: "weak", 1: "strong"}})
    train.to_csv(tmp_path / "mine" / "train.tsv", sep="\t", index=False)
    train[:4].to_csv(tmp_path / "mine" / "test.csv", index=False)
    write_task("my_suite", "mine", [tmp_path], tmp_path / "t")
    read = load_task(tmp_path / "t")
    assert (read.suite, read.classes) == ("my_suite", ["strong", "weak"])
    assert read.metric == "accuracy"
    write_task("my_suite", "mine", [tmp_path], tmp_path / "t", metric="f1")
    assert load_task(tmp_path / "t").metric == "f1"
    with pytest.raises(InputError, match="no metric 'auc'; known: accuracy, f1, f1_macro, mcc"):
        write_task("my_suite", "mine", [tmp_path], tmp_path / "t", metric="auc")
    with pytest.raises(InputError, match="gue: has a metric of its own; drop `--metric mcc`"):
        write_task("gue", "H3", [tmp_path], tmp_path / "t", metric="mcc")
    assert read.test["label"].tolist() == [1, 0, 1, 0]
    assert read.protocol.duplicates.across["train/test"] > 0
    (tmp_path / "mine" / "test.csv").write_text("dna,label\nACGT,weak\n")
    with pytest.raises(InputError, match="no column 'sequence'; the columns are dna, label"):
        csv_files.write(tmp_path, "mine", tmp_path / "t")


def test_a_table_of_another_task_is_not_taken(tmp_path: Path) -> None:
    for task, splits in {"a": ("train", "test"), "b": ("train", "dev", "test")}.items():
        (tmp_path / task).mkdir()
        for split in splits:
            table(40, 25, 0).to_csv(tmp_path / task / f"{split}.csv.gz", index=False)
    csv_files.write(tmp_path, "a", tmp_path / "t")
    assert load_task(tmp_path / "t").protocol.dev_rule.origin == "drawn"
    (tmp_path / "a/test.csv.gz").unlink()
    with pytest.raises(InputError, match=r"/a/test\.csv: no such file \(nor \.tsv\) in .*; add it"):
        csv_files.write(tmp_path, "a", tmp_path / "t")


# ---- GUE


def test_a_split_of_a_backup_is_not_taken(tmp_path: Path) -> None:
    folder = tmp_path / "gue/GUE/prom/prom_core_all"
    write_tables(folder, "train.csv", "test.csv")
    write_tables(tmp_path / "gue/old/backup/GUE/prom/prom_core_all", "dev.csv")
    message = (
        r"2 folders match prom/prom_core_all or prom_core_all: .*/gue/GUE/prom/prom_core_all "
        r"\(test\.csv, train\.csv\); .*/old/backup/GUE/prom/prom_core_all \(dev\.csv\)"
    )
    with pytest.raises(InputError, match=message):
        write_task("gue", "prom_core_all", [tmp_path / "gue"], tmp_path / "t")
    with pytest.raises(InputError, match=r"no dev\.csv in .*/gue/GUE/prom/prom_core_all"):
        write_task("gue", "prom_core_all", [tmp_path / "gue/GUE"], tmp_path / "t")


# ---- few-shot


def test_a_test_of_another_copy_is_not_taken(tmp_path: Path) -> None:
    for name, count in (("Prom-core/10/train.tsv", 20), ("old/Prom-core/test.tsv", 10)):
        frame = table(count, 70, count)
        frame["sequence"] = [kmers(bases) for bases in frame["sequence"]]
        (tmp_path / name).parent.mkdir(parents=True)
        frame.to_csv(tmp_path / name, sep="\t", index=False)
    message = (
        r"Prom-core/10/train\.tsv and .*/old/Prom-core/test\.tsv are of two copies of Prom-core"
    )
    with pytest.raises(InputError, match=message):
        write_task("few_shot", "prom_core_10", [tmp_path], tmp_path / "t")
    (tmp_path / "old/Prom-core/test.tsv").rename(tmp_path / "Prom-core/test.tsv")
    write_task("few_shot", "prom_core_10", [tmp_path], tmp_path / "t")


# ---- Nucleotide Transformer


@pytest.mark.parametrize(
    "names",
    [
        (f"{NT}_downstream_tasks", f"{NT}_downstream_tasks_revised"),
        (NT, f"{NT}_revised"),  # as in a mirror of the manifest
        *[
            (
                f"datasets--InstaDeepAI--{NT}_downstream_tasks{end}/snapshots/0a1b"
                for end in ("", "_revised")
            )
        ],
    ],
)
def test_each_version_reads_its_own(tmp_path: Path, names: tuple[str, str]) -> None:
    tests = {}
    for seed, (suite, name) in enumerate(zip((NT, f"{NT}_revised"), names, strict=True)):
        folder = tmp_path / name / "enhancers"
        folder.mkdir(parents=True)
        for split, count in (("train", 40), ("test", 10)):
            tests[suite] = table(count, 60, 2 * seed + count)
            tests[suite].to_parquet(folder / f"{split}.parquet")
    for suite, expected in tests.items():
        write_task(suite, "enhancers", [tmp_path], tmp_path / "t")
        assert rows_of(load_task(tmp_path / "t").test) == rows_of(expected)
    other = sorted(tmp_path.glob("*_revised*"))
    message = f"of {NT} in .*; .*/enhancers is of {NT}_revised; download it"
    with pytest.raises(InputError, match=message):
        write_task(NT, "enhancers", other, tmp_path / "t")
    (tmp_path / "more/enhancers").mkdir(parents=True)  # of which nothing tells the version
    tests[NT].to_parquet(tmp_path / "more/enhancers/train.parquet")
    with pytest.raises(InputError, match=rf"2 folders match {NT}/enhancers: .*/more/enh"):
        write_task(NT, "enhancers", [tmp_path], tmp_path / "t")


def test_rows_of_other_tasks_are_left(tmp_path: Path) -> None:
    """One file may hold several tasks, in its column `task`."""
    folder = tmp_path / "H3"
    folder.mkdir()
    frames = {}
    for seed, split in enumerate(("train", "test")):
        frame = table(120, 60, seed)
        tasks = ["H3", "H3", "H4", "H4", "enhancers", "enhancers"] * 20
        frame.assign(name="n", task=tasks).to_parquet(folder / f"{split}.parquet")
        frames[split] = frame[[task == "H3" for task in tasks]]
    write_task(NT, "H3", [tmp_path], tmp_path / "t")
    read = load_task(tmp_path / "t")
    assert rows_of(pd.concat([read.train, read.dev])) == rows_of(frames["train"])
    assert rows_of(read.test) == rows_of(frames["test"])
    folder.rename(tmp_path / "H3K9ac")
    message = (
        r"H3K9ac/train\.parquet: no row of the task 'H3K9ac'; its column 'task' has H3, H4, enh"
    )
    with pytest.raises(InputError, match=message):
        write_task(NT, "H3K9ac", [tmp_path], tmp_path / "t")


# ---- MTcDNA


def write_cdna(folder: Path) -> None:
    """Ensembl's cDNA files of the four species, five long transcripts each."""
    species = ("Chelonoidis_abingdonii.A", "Gopherus_evgoodei.B", "Mus_musculus.C", "Mus_spretus.D")
    for seed, name in enumerate(species):
        long = random_bases(5, 5001, seed)
        text = "".join(f">T{seed}{i} cdna gene:G{seed}{i}\n{b}\n" for i, b in enumerate(long))
        (folder / f"{name}.cdna.all.fa.gz").write_bytes(gzip.compress(text.encode()))


def test_files_of_other_kinds_are_no_cdna(tmp_path: Path) -> None:
    write_cdna(tmp_path)
    write_task("mtcdna", "mtcdna_1k", [tmp_path], tmp_path / "alone")
    alone = load_task(tmp_path / "alone")
    for kind in ("cds.all", "ncrna", "dna.toplevel", "dna_sm.toplevel", "pep.all"):
        content = gzip.compress(f">X\n{'A' * 6000}\n".encode())
        (tmp_path / f"Mus_musculus.C.{kind}.fa.gz").write_bytes(content)
    (tmp_path / "Mus_musculus.C.cdna.all.fa.gz.fai").write_text("an index")
    (tmp_path / "._Mus_musculus.C.cdna.all.fa.gz").write_text("of a file manager")
    write_task("mtcdna", "mtcdna_1k", [tmp_path], tmp_path / "t")
    for split in ("train", "dev", "test"):
        pd.testing.assert_frame_equal(load_task(tmp_path / "t").split(split), alone.split(split))


@pytest.mark.parametrize(
    "other",
    ["Mus_musculus.C.cdna.all.fa", "sub/Mus_musculus.C.cdna.abinitio.fa", "mus_musculus.fa"],
)
def test_two_cdna_files_of_a_species(tmp_path: Path, other: str) -> None:
    write_cdna(tmp_path)
    (tmp_path / "sub").mkdir()
    unpacked = gzip.decompress((tmp_path / "Mus_musculus.C.cdna.all.fa.gz").read_bytes())
    (tmp_path / other).write_bytes(unpacked)
    message = r"2 files may be the cDNA of mus_musculus: .*cdna\.all\.fa\.gz.*give only the one"
    with pytest.raises(InputError, match=message):
        mtcdna.write(tmp_path, "mtcdna_1k", tmp_path / "t")
