"""Genomic Benchmarks in all its layouts: every base and label is as written."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest
from generated import random_bases, rows_of, table

from dnastudents.benchmarks import genomic_benchmarks as gb
from dnastudents.benchmarks import write_task
from dnastudents.benchmarks.task import load_task
from dnastudents.errors import InputError
from dnastudents.genome.reference import build


@pytest.fixture
def genome(tmp_path: Path) -> dict[str, str]:
    """Two chromosomes and a worm's, and their references `human` and `worm`."""
    bases = dict(zip(("chr1", "chrM", "I"), random_bases(3, 500, 3), strict=True))
    for name, chromosomes in {"human": ["chr1", "chrM"], "worm": ["I"]}.items():
        text = "".join(f">{chrom}\n{bases[chrom]}\n" for chrom in chromosomes)
        (tmp_path / f"{name}.fa").write_text(text)
        build(tmp_path / f"{name}.fa", tmp_path / name)
    return bases


def write_coordinates(folder: Path, human: str, worm: str) -> None:
    for split in ("train", "test"):
        (folder / "demo_human_or_worm" / split).mkdir(parents=True, exist_ok=True)
        for name, rows in {"human": human, "worm": worm}.items():
            content = f"id,region,start,end,strand\n{rows}".encode()
            path = folder / "demo_human_or_worm" / split / f"{name}.csv.gz"
            path.write_bytes(gzip.compress(content))


def test_coordinates_become_sequences(tmp_path: Path, genome: dict[str, str]) -> None:
    human = "0,chr1,10,30,+\n1,chr1,10,30,-\n2,chrMT,0,500,\n"
    write_coordinates(tmp_path / "c", human, "3,I,480,500,+\n4,I,1,2,+\n")
    files = sorted((tmp_path / "c").rglob("*.csv.gz"))  # one by one, as the rule gives them
    sources = [*files, tmp_path / "worm", tmp_path / "human"]
    with pytest.raises(InputError, match=r"of worm are of the worm genome, and none of human\.fa"):
        write_task(
            "genomic_benchmarks", "demo_human_or_worm", [*files, tmp_path / "human"], tmp_path / "t"
        )
    write_task("genomic_benchmarks", "demo_human_or_worm", sources, tmp_path / "t")
    read = load_task(tmp_path / "t")
    forward = genome["chr1"][10:30]
    backward = forward[::-1].translate(str.maketrans("ACGT", "TGCA"))
    expected = [(forward, 0), (backward, 0), (genome["chrM"], 0)]
    expected += [(genome["I"][480:500], 1), (genome["I"][1], 1)]
    assert rows_of(read.test) == sorted(expected)
    assert read.classes == ["human", "worm"]
    names, _, references = read.protocol.source.partition(" on ")
    assert (names, references.count("sha256")) == ("human.csv.gz, worm.csv.gz", 2)
    assert references.startswith("worm.fa (sha256 ")


def test_missing_intervals(tmp_path: Path, genome: dict[str, str]) -> None:
    human = "0,chr1,10,30,+\n2,chr1,20,40,+\n1,chr1,490,501,-\n"
    write_coordinates(tmp_path / "c", human, "3,I,0,9,+\n4,I,9,18,+\n")
    sources = [tmp_path / "c", tmp_path / "human", tmp_path / "worm"]
    message = (
        r"human\.csv\.gz: chr1:490-501 is not inside human\.fa; record 'chr1' has 500 bases; name"
    )
    with pytest.raises(InputError, match=message):
        gb.write(sources, "demo_human_or_worm", tmp_path / "t")
    assert not (tmp_path / "t").exists()
    gb.write(sources, "demo_human_or_worm", tmp_path / "t", skip_missing=True)
    assert len(load_task(tmp_path / "t").test) == 4
    assert "train: 1 intervals" in load_task(tmp_path / "t").protocol.notes[0]
    with pytest.raises(InputError, match="coordinates need a reference"):
        gb.write(tmp_path / "c", "demo_human_or_worm", tmp_path / "t")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("0,chr1,-1,5,+\n", "0 <= start < end: '0,chr1,-1,5,\\+'"),
        ("0,chr1,1,5,+\n1,chr1,9,9,+\n", "0 <= start < end: '1,chr1,9,9,\\+'"),
        ("0,chr1,9,5,+\n", "0 <= start < end"),
        ("0,chr1,1,x,+\n", "start and end are not whole numbers: '0,chr1,1,x,\\+'"),
        (f"0,chr1,1,{10**30},+\n", "no genome has 1,000,000,000,000 bases: '0,chr1,1,10+,\\+'"),
        ("0,chr1,1.5,4,+\n", "start and end are not whole numbers"),
        ("0,chr1,1,5,+\n1,chr", "start and end are not whole numbers: '1,chr"),  # cut short
        ("0,chr1,1,5,.\n", "the strand is \\+, - or empty: '0,chr1,1,5,.'"),
        ("0,chr1,1,5,+\n0,chr1,2,5,+\n", "the id is another row's too: '0,chr1,2,5,\\+'"),
        ("0,chr7,1,5,+\n", "no 'chr7' in human.fa; name"),
        ("0,chr1,1,501,+\n", "chr1:1-501 is not inside human.fa"),
        ("", "holds a header and no row"),
    ],
)
def test_coordinates_that_are_none(
    tmp_path: Path, genome: dict[str, str], rows: str, message: str
) -> None:
    write_coordinates(tmp_path / "c", rows, "3,I,0,9,+\n4,I,9,18,+\n")
    sources = [tmp_path / "c", tmp_path / "human", tmp_path / "worm"]
    with pytest.raises(InputError, match=rf"train/human\.csv\.gz: .*{message}"):
        gb.write(sources, "demo_human_or_worm", tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_coordinates_need_their_columns(tmp_path: Path, genome: dict[str, str]) -> None:
    folder = tmp_path / "c/demo_human_or_worm/train"
    folder.mkdir(parents=True)
    (folder / "human.csv").write_text("id,chrom,start,end,strand\n0,chr1,1,5,+\n")
    with pytest.raises(InputError, match=r"human\.csv: no column 'region'; expected id, region"):
        gb.write([tmp_path / "c", tmp_path / "human"], "demo_human_or_worm", tmp_path / "t")


def test_masked_and_ambiguous_bases_of_a_reference(tmp_path: Path) -> None:
    """Lower case is read as upper case, IUPAC letters as N."""
    (tmp_path / "both.fa").write_text(">chr1\nacgtRYKMacgtACGT\n")
    build(tmp_path / "both.fa", tmp_path / "both")
    write_coordinates(
        tmp_path / "c", "0,chr1,0,8,+\n1,chr1,4,12,-\n", "2,chr1,8,12,\n3,1,12,16,+\n"
    )
    with pytest.raises(InputError, match="no '1' in both"):
        gb.write([tmp_path / "c", tmp_path / "both"], "demo_human_or_worm", tmp_path / "t")
    write_coordinates(
        tmp_path / "c", "0,chr1,0,8,+\n1,chr1,4,12,-\n", "2,chr1,8,12,\n3,chr1,12,16,+\n"
    )
    gb.write([tmp_path / "c", tmp_path / "both"], "demo_human_or_worm", tmp_path / "t")
    expected = [("ACGTNNNN", 0), ("ACGTNNNN", 0), ("ACGT", 1), ("ACGT", 1)]
    assert rows_of(load_task(tmp_path / "t").test) == sorted(expected)


def test_the_sequence_archive(tmp_path: Path) -> None:
    task, bases = "human_ensembl_regulatory", random_bases(18, 80)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for index, sequence in enumerate(bases):
            split, name = ("train", "test")[index >= 12], ("promoter", "enhancer", "ocr")[index % 3]
            archive.writestr(f"{task}/{split}/{name}/{index}.txt", sequence)
    gb.write(tmp_path / "a.zip", task, tmp_path / "t")
    read = load_task(tmp_path / "t")
    assert read.classes == ["enhancer", "ocr", "promoter"]
    labels = {0: 2, 1: 0, 2: 1}
    assert rows_of(read.test) == sorted((bases[i], labels[i % 3]) for i in range(12, 18))
    assert len(read.train) + len(read.dev) == 12


def test_rows_of_sequences(tmp_path: Path) -> None:
    """Names of classes win over numbers, which need not be theirs in sorted order."""
    task, splits = "human_nontata_promoters", {}
    (tmp_path / task).mkdir()
    for seed, split in enumerate(("train", "test")):
        frame = table(12, 50, seed).rename(columns={"sequence": "seq"})
        splits[split] = frame.assign(**{"class": frame["label"].map({0: "b", 1: "a"})})
        splits[split].to_csv(tmp_path / task / f"{split}.csv.gz", index=False)
    gb.write(tmp_path, task, tmp_path / "t")
    read = load_task(tmp_path / "t")
    assert read.classes == ["a", "b"]
    test = splits["test"]
    assert rows_of(read.test) == sorted(zip(test["seq"], 1 - test["label"], strict=True))
    assert len(read.train) + len(read.dev) == 12


def test_rows_of_sequences_need_their_columns(tmp_path: Path) -> None:
    task = "human_nontata_promoters"
    (tmp_path / task).mkdir()
    table(4, 50, 0).to_csv(tmp_path / task / "train.csv", index=False)
    with pytest.raises(InputError, match=r"train\.csv: .* columns seq .* found sequence"):
        gb.write(tmp_path, task, tmp_path / "t")
    assert not (tmp_path / "t").exists()
