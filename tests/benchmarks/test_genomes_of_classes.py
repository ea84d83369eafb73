"""Coordinates are read from the genome of their class, never from the first that has the name."""

from __future__ import annotations

from pathlib import Path

import pytest
from generated import random_bases, rows_of

from dnastudents.benchmarks import write_task
from dnastudents.benchmarks.class_genomes import CDNA, Named, genome_of
from dnastudents.benchmarks.coordinates import Genomes
from dnastudents.benchmarks.task import load_task
from dnastudents.errors import InputError
from dnastudents.genome.reference import Reference, build

TASK = "demo_human_or_worm"


def reference(folder: Path, fasta: str, records: dict[str, str]) -> Path:
    """A reference folder beside a FASTA of this name; its folder is called as the FASTA."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(f">{name}\n{bases}\n" for name, bases in records.items())
    (folder / f"{fasta}.fa").write_text(text)
    build(folder / f"{fasta}.fa", folder / fasta)
    return folder / fasta


def coordinates(folder: Path, task: str, classes: dict[str, list[str]]) -> Path:
    """Four intervals of ten bases in each of the regions of a class."""
    for split in ("train", "test"):
        (folder / task / split).mkdir(parents=True)
        for label, regions in classes.items():
            rows = [f"{r},{i},{i + 10},+" for r in regions for i in range(0, 40, 10)]
            text = "\n".join(
                ["id,region,start,end,strand", *(f"{i},{r}" for i, r in enumerate(rows))]
            )
            (folder / task / split / f"{label}.csv").write_text(text + "\n")
    return folder


def bases_of(folder: Path) -> dict[str, set[str]]:
    """Letters of the test sequences of each class."""
    read = load_task(folder)
    return {
        name: {letter for row, label in rows_of(read.test) if label == number for letter in row}
        for number, name in enumerate(read.classes)
    }


@pytest.mark.parametrize("names", [("human", "worm"), ("hg38", "wbcel235"), ("one", "two")])
@pytest.mark.parametrize("order", [1, -1])
def test_a_name_that_two_genomes_share(tmp_path: Path, names: tuple[str, str], order: int) -> None:
    """Ensembl calls a chromosome of both X. Where no name helps, only the worm's file has I."""
    human = reference(tmp_path, names[0], {"1": "C" * 50, "X": "A" * 50})
    worm = reference(tmp_path, names[1], {"I": "T" * 50, "X": "G" * 50})
    places = coordinates(tmp_path / "c", TASK, {"human": ["chr1", "chrX"], "worm": ["I", "X"]})
    write_task("genomic_benchmarks", TASK, [places, *[human, worm][::order]], tmp_path / "t")
    assert bases_of(tmp_path / "t") == {"human": set("CA"), "worm": set("TG")}


def test_a_shared_name_that_nothing_tells_apart(tmp_path: Path) -> None:
    first = reference(tmp_path, "one", {"X": "A" * 50})
    second = reference(tmp_path, "two", {"X": "G" * 50})
    places = coordinates(tmp_path / "c", TASK, {"human": ["chrX"], "worm": ["X"]})
    message = r"human\.csv: 'chrX' is in one\.fa, two\.fa; name the references by their genomes"
    with pytest.raises(InputError, match=message):
        write_task("genomic_benchmarks", TASK, [places, first, second], tmp_path / "t")
    named = [reference(tmp_path / "hg38", "one", {"X": "A" * 50}), second]
    named[0] = named[0].rename(tmp_path / "hg38" / "hg38")  # the folder's name is enough
    write_task("genomic_benchmarks", TASK, [places, *named], tmp_path / "t")
    assert bases_of(tmp_path / "t") == {"human": {"A"}, "worm": {"G"}}


def test_the_genome_of_another_species_is_not_read(tmp_path: Path) -> None:
    human = reference(tmp_path, "grch38", {"X": "A" * 50})
    places = coordinates(tmp_path / "c", TASK, {"human": ["chrX"], "worm": ["X"]})
    message = "the coordinates of worm are of the worm genome, and none of grch38.fa is it"
    with pytest.raises(InputError, match=message):
        write_task("genomic_benchmarks", TASK, [places, human], tmp_path / "t")


def test_transcripts_and_chromosomes(tmp_path: Path) -> None:
    task = "demo_coding_vs_intergenomic_seqs"
    cdna = reference(tmp_path, "grch38_cdna", {"ENST00000000001.2": "A" * 50})
    genome = reference(tmp_path, "hg38", {"chr1": "C" * 50})
    classes = {"coding_seqs": ["ENST00000000001"], "intergenomic_seqs": ["chr1"]}
    places = coordinates(tmp_path / "c", task, classes)
    write_task("genomic_benchmarks", task, [places, cdna, genome], tmp_path / "t")
    assert bases_of(tmp_path / "t") == {"coding_seqs": {"A"}, "intergenomic_seqs": {"C"}}
    assert genome_of(task, "coding_seqs") == CDNA


@pytest.mark.parametrize("name", ["mitochondrion_genome", "MtDNA", "MT", "chrM"])
@pytest.mark.parametrize("asked", ["chrM", "chrMT", "MT"])
def test_names_of_a_mitochondrion(tmp_path: Path, name: str, asked: str) -> None:
    """One row of drosophila_enhancers_stark is on chrM; BDGP6.28 says mitochondrion_genome."""
    (bases,) = random_bases(1, 50)
    folder = reference(tmp_path, "bdgp6_28", {"2L": "C" * 50, name: bases})
    genomes = Genomes([Reference.open(folder)])
    assert genomes.fetch(asked, 10, 30) == bases[10:30]
    assert genomes.fetch("chr2L", 0, 3) == "CCC"


@pytest.mark.parametrize(
    ("name", "genome"),
    [
        ("hg38 hg38.fa.gz", "human"),
        ("x Homo_sapiens.GRCh38.dna.toplevel.fa.gz", "human"),
        ("x Homo_sapiens.GRCh38.cdna.all.fa.gz", CDNA),
        ("grch38_cdna grch38_cdna.fa.gz", CDNA),
        ("wbcel235 Caenorhabditis_elegans.WBcel235.dna.toplevel.fa.gz", "worm"),
        ("x Mus_musculus.GRCm38.dna.toplevel.fa.gz", "mouse"),
        ("bdgp6_28 bdgp6_28.fa.gz", "fly"),
        ("human_and_worm both.fa", None),
        ("reference genome.fa", None),
    ],
)
def test_what_a_name_tells(name: str, genome: str | None, tmp_path: Path) -> None:
    folder = reference(tmp_path, "any", {"1": "ACGT"})
    assert Named(Reference.open(folder), name).genome == genome
