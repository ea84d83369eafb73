"""The readers on real files: counts that the publishers state, and bases that they published."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from dnastudents.benchmarks import few_shot, gue, write_task
from dnastudents.benchmarks import genomic_benchmarks as gb
from dnastudents.benchmarks.coordinates import Genomes
from dnastudents.benchmarks.draws import draw
from dnastudents.benchmarks.sources import Sources
from dnastudents.benchmarks.task import Task, load_task
from dnastudents.errors import InputError
from dnastudents.genome.reference import Reference, build

HUMAN = ("human_enhancers_cohn", "human_enhancers_ensembl", "human_ensembl_regulatory")
HUMAN += ("human_nontata_promoters",)


@pytest.fixture(scope="module")
def data(shared: Path) -> Path:
    return shared / "data"


@pytest.fixture(scope="module")
def hg38_mini(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return build(data / "reference/hg38_mini.fa.gz", tmp_path_factory.mktemp("ref") / "mini")


def read_gue(data: Path, folder: Path, task: str) -> Task:
    gue.write(data / "gue/GUE.zip", task, folder / task)
    return load_task(folder / task)


@pytest.mark.parametrize(
    ("task", "rows", "length", "shared_with_test", "conflicts"),
    [
        ("tf_0", (32378, 1000, 1000), 101, 0, 0),
        ("tf_1", (30672, 1000, 1000), 101, 1, 0),
        ("tf_3", (27294, 1000, 1000), 101, 1, 0),
        ("mouse_2", (2620, 328, 328), 101, 0, 0),
        ("mouse_3", (1904, 239, 239), 101, 0, 0),
        ("prom_core_all", (47356, 5920, 5920), 70, 42, 64),
        ("prom_core_tata", (4904, 613, 613), 70, 16, 15),
        ("prom_300_tata", (4904, 613, 613), 300, 6, 15),
    ],
)
def test_gue_tasks(
    data: Path,
    tmp_path: Path,
    task: str,
    rows: tuple[int, int, int],
    length: int,
    shared_with_test: int,
    conflicts: int,
) -> None:
    read = read_gue(data, tmp_path, task)
    assert (len(read.train), len(read.dev), len(read.test)) == rows
    assert read.max_length == length
    assert read.protocol.duplicates.across["train/test"] == shared_with_test
    assert read.protocol.conflicting_labels == conflicts


@pytest.mark.parametrize("task", ["H3", "H4", "H3K4me3", "splice_reconstructed", "prom_300_all"])
def test_gue_tasks_that_are_not_complete(data: Path, tmp_path: Path, task: str) -> None:
    with pytest.raises(InputError, match=r"train\.csv in .*GUE\.zip/GUE/.*\(.*\); download it"):
        read_gue(data, tmp_path, task)
    assert not any(tmp_path.iterdir())


def test_leaks_are_removed_from_train_and_dev_only(data: Path, tmp_path: Path) -> None:
    reported = read_gue(data, tmp_path, "prom_core_all")
    write_task("gue", "prom_core_all", [data / "gue/GUE.zip"], tmp_path / "clean", "remove")
    clean = load_task(tmp_path / "clean")
    tested = set(reported.test["sequence"])
    pd.testing.assert_frame_equal(clean.test, reported.test)
    removed = {}
    for name in ("train", "dev"):
        before, after = reported.split(name), clean.split(name)
        kept = [row for row in before.to_numpy().tolist() if row[0] not in tested]
        assert after.to_numpy().tolist() == kept
        removed[name] = len(before) - len(kept)
    assert removed == {"train": 42, "dev": 8}
    assert clean.protocol.leakage.as_json() == {"rule": "remove", "removed": removed}
    across = clean.protocol.duplicates.across
    assert (across["train/test"], across["dev/test"]) == (0, 0)


def test_gue_table_by_table(data: Path, tmp_path: Path) -> None:
    """The mirror's files, as the route `tables` downloads them, give what the archive gives."""
    archive, files = Sources(data / "gue/GUE.zip"), []
    for split in ("train", "dev", "test"):
        files.append(tmp_path / f"downloads/gue/human_tf_3/{split}.csv")
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        files[-1].write_bytes(archive.read(f"{data}/gue/GUE.zip/GUE/tf/3/{split}.csv"))
    write_task("gue", "tf_3", files, tmp_path / "t")
    tables, whole = load_task(tmp_path / "t"), read_gue(data, tmp_path, "tf_3")
    for split in ("train", "dev", "test"):
        pd.testing.assert_frame_equal(tables.split(split), whole.split(split))
    assert tables.protocol.sha256 == whole.protocol.sha256


def test_gue_rows_are_those_of_the_archive(data: Path, tmp_path: Path) -> None:
    read = read_gue(data, tmp_path, "mouse_2")
    zipped = data / "gue/GUE.zip"
    text = Sources(zipped).read(f"{zipped}/GUE/mouse/2/test.csv").decode()
    rows = [(row["sequence"], int(row["label"])) for row in csv.DictReader(text.splitlines())]
    assert list(zip(read.test["sequence"], read.test["label"], strict=True)) == rows


ABSENT = {"cohn_enh_1000", "splice_40_1000"}


# The copy of the authors' repository lacks files beyond 4 MiB: two tests, and two of 1000 shots.
@pytest.mark.parametrize("task", sorted(few_shot.TASKS.keys() - ABSENT))
def test_few_shot_tasks(data: Path, tmp_path: Path, task: str) -> None:
    folders = [data / "few_shot", data / "gue/GUE.zip", data / "genomic_benchmarks/official_test"]
    few_shot.write(folders, task, tmp_path / "t", route="substitutes")
    read = load_task(tmp_path / "t")
    name, shots = few_shot.TASKS[task]
    classes = 3 if name == "splice_40" else 2
    draws = 10 if name in ("splice_40", "silencer") else 1
    counts = read.train["label"].value_counts().to_dict()
    assert counts == dict.fromkeys(range(classes), shots * draws)
    drawn = [draw(read, seed, "last").train.tolist() for seed in (0, 1)]
    assert [len(rows) for rows in drawn] == [classes * shots] * 2
    assert (drawn[0] == drawn[1]) == (draws == 1)
    assert any("one draw" in note for note in read.protocol.notes) == (draws == 1)
    tests = {"prom_core": 5920, "prom_300": 5754, "cohn_enh": 6948, "splice_40": 3000}
    assert len(read.test) == tests.get(name, 1657)
    lengths = {"prom_core": 70, "prom_300": 300, "cohn_enh": 500, "splice_40": 40}
    if name in lengths:
        assert set(read.train["sequence"].str.len()) == {lengths[name]}
    shared = {"prom_core_1000": 1, "splice_40_500": 8, "silencer_10": 1, "silencer_50": 1}
    assert read.protocol.duplicates.across["train/test"] <= shared.get(task, 3)


def test_few_shot_bases_are_those_of_the_kmers(data: Path, tmp_path: Path) -> None:
    """Independent of the reader: cut the bases into 6-mers again and find them in the file."""
    few_shot.write(data / "few_shot", "prom_core_100", tmp_path / "t")
    read = load_task(tmp_path / "t")
    content = (data / "few_shot/genemask/Prom-core/100/train.tsv.gz").read_bytes()
    lines = gzip.decompress(content).decode().splitlines()[1:]
    official = Counter(line.replace('"', "") for line in lines)
    again: Counter[str] = Counter()
    for row in read.train.itertuples():
        words = " ".join(row.sequence[i : i + 6] for i in range(len(row.sequence) - 5))
        again[f"{words}\t{row.label}"] += 1
    assert again == official


@pytest.mark.parametrize("task", HUMAN)
def test_coordinates_give_the_stored_bases(
    data: Path, tmp_path: Path, hg38_mini: Reference, task: str
) -> None:
    source = data / "genomic_benchmarks/coordinates" / task
    gb.write(source, task, tmp_path / "t", [hg38_mini], skip_missing=True)
    read = load_task(tmp_path / "t")
    ours = {"train": pd.concat([read.train, read.dev]), "test": read.test}
    for split, frame in ours.items():
        stored = pd.read_csv(data / f"genomic_benchmarks/hg38_mini/{task}/{split}.csv.gz")
        expected = Counter(zip(stored["seq"], stored["label"], strict=True))
        assert Counter(zip(frame["sequence"], frame["label"], strict=True)) == expected


@pytest.mark.parametrize("task", HUMAN)
def test_stored_rows_are_read_as_they_are(data: Path, tmp_path: Path, task: str) -> None:
    gb.write(data / "genomic_benchmarks/hg38_mini", task, tmp_path / "t")
    read = load_task(tmp_path / "t")
    stored = pd.read_csv(data / f"genomic_benchmarks/hg38_mini/{task}/test.csv.gz")
    assert read.test["sequence"].tolist() == stored["seq"].tolist()
    assert read.test["label"].tolist() == stored["label"].tolist()


def test_291_official_test_rows(data: Path, tmp_path: Path, hg38_mini: Reference) -> None:
    """Intervals inside hg38_mini give exactly rows of the official test splits."""
    found = 0
    for task in ("human_enhancers_cohn", "human_nontata_promoters"):
        source = data / "genomic_benchmarks/coordinates" / task
        gb.write(source, task, tmp_path / task, [hg38_mini], skip_missing=True)
        test = load_task(tmp_path / task).test
        official = pd.read_csv(data / f"genomic_benchmarks/official_test/test_{task}.csv.gz")
        ours = Counter(test["sequence"])
        theirs = Counter(official["seq"])
        assert not ours - theirs
        found += ours.total()
    assert found == 291


def test_cdna_regions_ignore_versions(data: Path, tmp_path: Path) -> None:
    """Transcripts of chr21 give the coding class of the demo set, as stored."""
    cdna = build(data / "cdna/human_cdna_chr21.fa.gz", tmp_path / "cdna")
    genomes = Genomes([cdna])
    stored = pd.read_csv(
        data / "genomic_benchmarks/hg38_mini/demo_coding_vs_intergenomic_seqs/test.csv.gz"
    )
    coding = stored[(stored["class"] == "coding_seqs") & stored["region"].isin(cdna.names)]
    assert len(coding) > 50
    for row in coding.itertuples():
        assert genomes.fetch(row.region, row.start, row.end, row.strand) == row.seq
