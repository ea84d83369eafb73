"""A new project: what is read from the user's files, and what is refused."""

from __future__ import annotations

import gzip
import shutil
from itertools import chain
from pathlib import Path

import pytest
import yaml

from dnastudents import project
from dnastudents.cli import main
from dnastudents.config import load_config, read_config
from dnastudents.errors import InputError
from dnastudents.genome import index
from dnastudents.genome.records import Records
from dnastudents.project import init, split_sequences


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A genome of four chromosomes and a scrap, and two tasks beside what is none."""
    sizes = {"1": 900, "2L": 900, "chr3": 200, "no": 300, "scrap": 10}
    text = "".join(
        f">{name} of a genome\n{'ACGTA' * (size // 5)}\n" for name, size in sizes.items()
    )
    (tmp_path / "genome.fa").write_text(text)
    for name in (
        "b/train.csv",
        "b/test.csv",
        "a.too/train.tsv",
        "a.too/test.csv.gz",
        "c/train.csv",
    ):
        file = tmp_path / "own, data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path


def test_files_are_read(files: Path) -> None:
    folder = files / "new/project"
    init(folder, files / "genome.fa", files / "own, data")
    values = yaml.safe_load((folder / "config.yaml").read_text())
    mine = values["references"]["mine"]
    assert mine["fasta"] == str(files / "genome.fa")
    assert mine["splits"] == {"train": ["1", "2L"], "validation": ["chr3"], "test": ["no"]}
    assert values["suites"]["mine"]["csv"] == str(files / "own, data")
    assert values["suites"]["mine"]["tasks"] == ["a.too", "b"]
    for name in ("Snakefile", "slurm/config.yaml", "profiles/default/config.yaml"):
        assert (folder / name).is_file()


def test_a_project_without_files_is_a_selection_of_the_papers(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path / "new")]) == 0
    values = yaml.safe_load((tmp_path / "new/config.yaml").read_text())
    config = load_config(project.root(), values)
    assert config.runs == ["findna", "findna_scratch"]
    assert "gue" in config.suites


def test_what_is_there_is_kept(files: Path) -> None:
    with pytest.raises(InputError, match="own, data: is not empty; name a new folder"):
        init(files / "own, data")
    with pytest.raises(InputError, match=r"genome\.fa: is not empty; name a new folder"):
        init(files / "genome.fa")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"fasta": "one.fa"}, "one.fa: its one large sequence has 32 bases; give one of 10,000 or"),
        ({"csv": "own, data/b"}, "own, data/b: no TASK/train.csv with a test.csv"),
        ({"csv": "genome.fa"}, "genome.fa: no such folder"),
        ({"csv": "odd"}, r"odd/-x, y: must be a name of letters, digits, .*, not '-x, y'"),
    ],
)
def test_files_that_are_of_no_use(files: Path, given: dict[str, str], message: str) -> None:
    shutil.copytree(files / "own, data/b", files / "odd/-x, y")
    (files / "one.fa").write_text(">a\nACGTACGTACGTACGTACGTACGTACGTACGT\n>b\nA\n")
    paths = {name: files / value for name, value in given.items()}
    with pytest.raises(InputError, match=message):
        init(files / "new", **paths)
    assert not (files / "new").exists()


def _one_task(folder: Path) -> Path:
    """A folder of one task with two sequences."""
    for name in ("train", "test"):
        file = folder / f"data/starts/{name}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("sequence,label\nACGT,0\nCCCC,1\n")
    return folder / "data"


def test_a_single_chromosome_is_cut_into_regions(files: Path) -> None:
    """It is one split's where it ends another's, and small enough for a small student."""
    (files / "bacterium.fa").write_text(f">NC_1 whole\n{'ACGTT' * 4000}\n>plasmid\n{'A' * 900}\n")
    init(files / "new", files / "bacterium.fa", _one_task(files), "mcc")
    config = read_config([files / "new/config.yaml"])
    splits = config.settings.references["mine"].splits
    assert (splits.train, splits.validation, splits.test) == (
        ("NC_1:0-16000",),
        ("NC_1:16000-18000",),
        ("NC_1:18000-20000",),
    )
    settings = config.pretrain_settings("findna")
    assert settings.pretraining.splits.train == ("NC_1:0-16000",)
    assert settings.pretraining.steps == 500  # the least; thirty passes are 30 updates of 16,000
    assert settings.student.feature_size == 120
    assert config.settings.suites["mine"].metric == "mcc"
    assert config.settings.suites["mine"].finetuning.epochs == 20


def test_thirty_passes_over_a_small_genome_and_the_papers_over_a_large_one(files: Path) -> None:
    for size, steps, width in ((1_000_000, 1500, 120), (90_000_000, 46860, 308)):
        (files / "x.fa").write_text(">a\nACGT\n")
        (files / "x.fa.fai").write_text(f"a\t{size}\t3\t4\t5\n")
        init(files / str(size), files / "x.fa")
        settings = read_config([files / str(size) / "config.yaml"]).pretrain_settings("findna")
        assert (settings.pretraining.steps, settings.student.feature_size) == (steps, width)


def test_regions_of_a_part_of_a_chromosome_are_in_its_coordinates(files: Path) -> None:
    (files / "part.fa").write_text(f">chr1:500-20500\n{'ACGTT' * 4000}\n")
    init(files / "new", files / "part.fa")
    values = yaml.safe_load((files / "new/config.yaml").read_text())
    assert values["references"]["mine"]["splits"]["validation"] == ["chr1:16500-18500"]


def test_sequences_that_are_held_out() -> None:
    two, three = Records("ab", [5, 90], "x.fa"), Records("abc", [50, 50, 50], "x.fa")
    assert split_sequences(two) == {"train": ["b"], "validation": ["a"], "test": []}
    assert split_sequences(three)["test"] == []


def test_many_contigs_are_held_out_until_it_is_a_tenth() -> None:
    names = [f"c{number}" for number in range(200)]
    splits = split_sequences(Records(names, [20_000] * 200, "x.fa"))
    assert {name: len(of_it) for name, of_it in splits.items()} == {
        "train": 160,
        "validation": 20,
        "test": 20,
    }
    assert sorted(chain(*splits.values())) == sorted(names)


def test_a_path_that_no_configuration_can_name(files: Path) -> None:
    shutil.copy(files / "genome.fa", files / "ge{no}me.fa")
    with pytest.raises(InputError, match="has braces"):
        init(files / "new", files / "ge{no}me.fa")
    assert not (files / "new").exists()


def test_records_that_share_bases_are_in_one_split(tmp_path: Path) -> None:
    names = ["c:0-80", "d", "c:120-200", "c:60-140", "e:0-100"]
    found = split_sequences(Records(names, [80, 40, 80, 80, 100], "x.fa"))
    assert found == {"train": ["c:0-80", "c:60-140", "c:120-200", "e:0-100"]} | {
        "validation": ["d"],
        "test": [],
    }
    text = "".join(f">c:{start}-{start + 80}\n{'ACGTA' * 16}\n" for start in (0, 40, 60))
    (tmp_path / "one.fa").write_text(text)
    with pytest.raises(InputError, match=r"one large sequence only, in 3 records that share"):
        init(tmp_path / "new", tmp_path / "one.fa")
    (tmp_path / "all.fa").write_text(text.replace("c:0-80", "all").replace("c:60-140", "d"))
    with pytest.raises(InputError, match=r"all\.fa: splits .* share .*; rename such records"):
        init(tmp_path / "new", tmp_path / "all.fa")
    assert not (tmp_path / "new").exists()


def test_names_and_lengths_come_from_the_index(files: Path) -> None:
    """Nothing is read of a FASTA that has one."""
    (files / "big.fa").write_text(">a\nACGT\n")
    (files / "big.fa.fai").write_text("x\t90\t1\t4\t5\nNA\t9\t1\t4\t5\n")
    init(files / "new", files / "big.fa")
    values = yaml.safe_load((files / "new/config.yaml").read_text())
    assert values["references"]["mine"]["splits"] == {"train": ["x"], "validation": ["NA"]}
    assert not (files / "new/results").exists()


def test_what_is_read_of_a_fasta_is_kept_for_the_workflow(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (files / "genome.fa").read_bytes()
    (files / "genome.fa.gz").write_bytes(gzip.compress(text))  # cannot be indexed
    init(files / "new", files / "genome.fa.gz")
    monkeypatch.setattr(index, "read_fasta", lambda *_: pytest.fail("was read again"))
    monkeypatch.chdir(files / "new")
    config = read_config([Path("config.yaml")])
    assert config.settings.references["mine"].splits.validation == ("chr3",)


def test_a_file_of_a_project_extends_another_of_it(tmp_path: Path) -> None:
    """Wherever the command is called, and whatever comes with the package."""
    init(tmp_path / "new")
    (tmp_path / "new/long.yaml").write_text("extends: config.yaml\nfinetuning: {epochs: 50}\n")
    config = read_config([tmp_path / "new/long.yaml"])
    assert config.runs == ["findna", "findna_scratch"]
    assert config.settings.finetuning.epochs == 50
