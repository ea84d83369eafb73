"""Windows in the intervals of a BED file: what is read, what is refused, and a run on real hg38."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dnastudents.cli import main
from dnastudents.config import load_config
from dnastudents.errors import InputError
from dnastudents.genome.codes import decode
from dnastudents.genome.intervals import read_intervals
from dnastudents.genome.reference import Reference, build
from dnastudents.genome.windows.tiles import Tiles
from dnastudents.settings import parse
from dnastudents.training.corpus import Corpus
from dnastudents.training.options import Pretraining, RunSettings, SplitOptions
from small_students import HYBRID

BED = "chrA\t0\t25\ttrain\nchrB\t110\t140\tvalid\nchrA\t15\t55\ttrain\nchrA\t60\t70\ttest\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A genome of chrA, with N at 30 and 31, and of a part of chrB that begins at its base 100."""
    folder = tmp_path_factory.mktemp("genome")
    bases = np.random.default_rng(0).choice(list("ACGT"), 150)
    bases[30:32] = "N"
    letters = "".join(bases)
    (folder / "genome.fa").write_text(f">chrA\n{letters[:80]}\n>chrB:100-170\n{letters[80:]}\n")
    build(folder / "genome.fa", folder / "reference")
    return folder / "reference"


def bed_of(folder: Path, text: str) -> Path:
    (folder / "intervals.bed").write_text(text)
    return folder / "intervals.bed"


def plan(**changes: Any) -> Pretraining:
    given = {"steps": 5, "batch_size": 4, "optimizer": {"learning_rate": 1e-3}}
    given["window"] = {"kind": "intervals", "length": 10}
    return parse(Pretraining, {**given, **changes}, "pretraining")


def test_intervals_have_the_coordinates_of_chromosomes(folder: Path, tmp_path: Path) -> None:
    genome = Reference.open(folder)
    found = read_intervals(bed_of(tmp_path, BED), genome)
    assert {split: spans.tolist() for split, spans in found.items()} == {
        "train": [[0, 25], [15, 55]],
        "validation": [[90, 120]],  # behind the 80 bases of chrA, less the 100 before the part
        "test": [[60, 70]],
    }
    assert set(read_intervals(bed_of(tmp_path, "chrA\t0\t9\ttrain\n"), genome)) == {"train"}


@pytest.mark.parametrize(
    ("most_n", "starts"), [(0, [0, 10, 15, 35, 45]), (2, [0, 10, 15, 25, 35, 45])]
)
def test_an_epoch_is_all_windows_end_to_end(
    folder: Path, tmp_path: Path, most_n: int, starts: list[int]
) -> None:
    window = {"kind": "intervals", "length": 10, "max_n_fraction": most_n / 10}
    corpus = Corpus(folder, plan(window=window), 0, bed_of(tmp_path, BED))
    letters = decode(Reference.open(folder).codes)
    epochs = [
        [decode(row) for row in corpus.train.batch(0, epoch, len(starts))] for epoch in range(3)
    ]
    assert [sorted(epoch) for epoch in epochs] == [
        sorted(letters[start : start + 10] for start in starts)
    ] * 3
    assert epochs[0] != epochs[1]
    held_out = corpus.validation()
    assert held_out is not None
    assert [decode(row) for row in held_out] == [letters[at : at + 10] for at in (90, 100, 110)]


def test_tiles_equal_the_plain_twin() -> None:
    generator = np.random.default_rng(1)
    codes = generator.choice(5, 4000, p=[0.24, 0.24, 0.24, 0.24, 0.04]).astype(np.uint8)
    starts = generator.integers(0, 3000, 20)
    spans = np.stack([starts, starts + generator.integers(1, 900, 20)], axis=1)
    for length, most_n in ((7, 0), (100, 3), (100, 100)):
        tiles = Tiles(codes, spans, length, most_n / length)
        every = sorted(map(decode, tiles.batch(0, 0, len(tiles))))
        texts = [
            decode(codes[at : at + length])
            for start, end in spans.tolist()
            for at in range(start, end - length + 1, length)
        ]
        assert every == sorted(text for text in texts if text.count("N") <= most_n)


def test_batches_are_functions_of_seed_and_step(folder: Path, tmp_path: Path) -> None:
    bed = bed_of(tmp_path, BED)
    one, again, other = (Corpus(folder, plan(), seed, bed) for seed in (0, 0, 1))
    assert np.array_equal(one.batch(7), again.batch(7))
    assert not np.array_equal(one.batch(0), one.batch(1))
    assert not np.array_equal(one.batch(0), other.batch(0))
    assert np.array_equal(one.validation(), other.validation())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chrA\t0\t20", r":3: 'chrA\\t0\\t20' is not chrom, start, end and fold between tabs"),
        ("chrA 0 20 train", ":3: 'chrA 0 20 train' is not chrom"),
        ("chrA\t0\ttwenty\ttrain", ":3: .* is not chrom"),
        ("chrA\t40\t50\tvalidd", ":3: unknown fold 'validd'; did you mean 'valid'"),
        ("chrC\t0\t20\ttrain", ":3: no sequence 'chrC' in genome.fa; did you mean"),
        ("chrA\t70\t81\ttrain", ":3: chrA:70-81 is not inside genome.fa; .* 80 bases"),
        ("chrB\t90\t120\ttrain", ":3: chrB:90-120 is not inside genome.fa"),
        ("chrA\t-5\t20\ttrain", ":3: chrA:-5-20: a region is 0 <= start"),
        ("chrA\t20\t20\ttrain", ":3: chrA:20-20 holds no base"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    folder: Path, tmp_path: Path, line: str, message: str
) -> None:
    good = "chrA\t0\t25\ttrain\nchrB\t110\t140\tvalid\n"
    genome = Reference.open(folder)
    read_intervals(bed_of(tmp_path, good), genome)
    with pytest.raises(InputError, match=rf"intervals\.bed{message}"):
        read_intervals(bed_of(tmp_path, f"{good}{line}\nchrA\t25\t30\ttrain\n"), genome)


@pytest.mark.parametrize(
    "line",
    ["", " \t", "# a comment", "#chrom\tstart\tend\tfold", "track name=x description='y z'",
     "browser position chrA:1-9"],
)  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_that_are_no_intervals_are_passed_over(
    folder: Path, tmp_path: Path, line: str, end: str
) -> None:
    genome = Reference.open(folder)
    expected = read_intervals(bed_of(tmp_path, BED), genome)
    rows = BED.splitlines()
    for at in range(len(rows) + 1):
        bed = bed_of(tmp_path, end.join([*rows[:at], line, *rows[at:], ""]))
        found = read_intervals(bed, genome)
        assert {split: spans.tolist() for split, spans in found.items()} == {
            split: spans.tolist() for split, spans in expected.items()
        }
    wrong = bed_of(tmp_path, f"{line}\nchrA\t0\t20\n")
    with pytest.raises(InputError, match=r"intervals\.bed:2: "):
        read_intervals(wrong, genome)


def test_gzip_is_told_by_content(folder: Path, tmp_path: Path) -> None:
    plain = read_intervals(bed_of(tmp_path, BED), Reference.open(folder))
    (tmp_path / "packed.bed").write_bytes(gzip.compress(BED.encode()))
    packed = read_intervals(tmp_path / "packed.bed", Reference.open(folder))
    assert all(np.array_equal(plain[split], packed[split]) for split in plain)
    (tmp_path / "packed.bed").write_bytes(gzip.compress(BED.encode())[:-9])
    with pytest.raises(InputError, match=r"packed\.bed: not a readable BED file"):
        read_intervals(tmp_path / "packed.bed", Reference.open(folder))


def test_what_overlapping_records_share_is_held_out(tmp_path: Path) -> None:
    """A base of two records, one of which train names and the other the held-out interval."""
    base = "".join(np.random.default_rng(0).choice(list("ACGT"), 4000))
    text = f">chr1:0-3000\n{base[:3000]}\n>chr1:1000-4000\n{base[1000:]}\n>c\nACGTA\n"
    (tmp_path / "genome.fa").write_text(text)
    genome = build(tmp_path / "genome.fa", tmp_path / "reference")
    rows = "chr1\t2500\t3000\ttrain\nc\t0\t5\ttrain\nchr1\t2900\t3500\tvalid\n"
    found = read_intervals(bed_of(tmp_path, rows), genome)
    assert found["train"].tolist() == [[2500, 2900], [6000, 6005]]
    assert found["validation"].tolist() == [[3000 + 1900, 3000 + 2500]]


def test_shared_bases_are_held_out(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Base by base, a set is the plain twin; what several intervals of a fold share stays."""
    genome, generator = Reference.open(folder), np.random.default_rng(0)
    lost = 0
    for _ in range(200):
        starts = generator.integers(0, 70, 6)
        ends = starts + generator.integers(1, 12, 6)
        folds = ["train", "train", *generator.choice(["train", "valid", "test"], 4)]
        rows = list(zip(starts.tolist(), ends.tolist(), folds, strict=True))
        bases = {
            fold: [base for a, b, of in rows if of == fold for base in range(a, b)]
            for fold in ("train", "valid", "test")
        }
        kept = {
            "test": sorted(bases["test"]),
            "validation": sorted(b for b in bases["valid"] if b not in bases["test"]),
            "train": sorted(b for b in bases["train"] if b not in bases["test"] + bases["valid"]),
        }
        bed = bed_of(tmp_path, "".join(f"chrA\t{a}\t{b}\t{fold}\n" for a, b, fold in rows))
        if not kept["train"]:
            continue
        found = read_intervals(bed, genome)
        for split, expected in kept.items():
            spans = found.get(split, np.empty((0, 2), dtype=int)).tolist()
            assert sorted(base for a, b in spans for base in range(a, b)) == expected
        lost += len(bases["train"]) - len(kept["train"])
    assert lost > 500
    assert "bases of train are held out elsewhere" in caplog.text


def test_files_without_what_is_needed(folder: Path, tmp_path: Path) -> None:
    genome = Reference.open(folder)
    all_held_out = bed_of(tmp_path, "chrA\t0\t9\ttrain\nchrA\t0\t9\ttest\n")
    with pytest.raises(InputError, match="every interval of the fold 'train' is held out too"):
        read_intervals(all_held_out, Reference.open(folder))
    with pytest.raises(InputError, match="no interval has the fold 'train'"):
        read_intervals(bed_of(tmp_path, "chrA\t0\t20\tvalid\n"), genome)
    with pytest.raises(InputError, match=r"absent\.bed: not a readable BED file"):
        read_intervals(tmp_path / "absent.bed", genome)
    (tmp_path / "packed.bed").write_bytes(b"\x1f\x8b\x08\xff\xfe")
    with pytest.raises(InputError, match=r"packed\.bed: not a readable BED file"):
        read_intervals(tmp_path / "packed.bed", genome)
    with pytest.raises(InputError, match=r"no window of 10 bases .* in the 1 intervals of a fold"):
        Corpus(folder, plan(), 0, bed_of(tmp_path, "chrA\t0\t9\ttrain\n"))


def test_the_file_and_the_kind_belong_together(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--intervals\) belongs to kinds with folds"):
        Corpus(folder, plan(), 0)
    windows = {"window": {"kind": "windows", "length": 10}, "splits": {"train": ["chrA"]}}
    with pytest.raises(InputError, match="kind is windows"):
        Corpus(folder, plan(**windows), 0, bed_of(tmp_path, BED))
    with pytest.raises(InputError, match="intervals have folds of their own"):
        plan(splits={"train": ["chrA"]})
    with pytest.raises(InputError, match="'train' names nothing"):
        plan(window={"kind": "windows", "length": 10})
    with pytest.raises(InputError, match="window: unknown key 'sampling'"):
        plan(window={"kind": "intervals", "length": 10, "sampling": "by_name"})


# ---- configuration

TURNED_ON = {"pretraining": {"window": {"kind": "intervals", "length": 1024}}}


def test_a_run_turns_intervals_on(root: Path) -> None:
    plain = load_config(root)
    assert all("intervals" not in plain.needs(run) for run in plain.runs)
    config = load_config(root, {"runs": {"had": TURNED_ON, "findna": {}}})
    assert config.needs("had") == {**plain.needs("had"), "intervals": "hg38"}
    assert config.pretrain_settings("had").pretraining.splits == SplitOptions()
    assert plain.pretrain_settings("had").pretraining.splits != SplitOptions()
    assert config.pretrain_settings("findna") == plain.pretrain_settings("findna")
    for settings in (config.pretrain_settings("had"), plain.pretrain_settings("had")):
        assert parse(RunSettings, settings.as_json()) == settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"references": {"hg38": {"intervals": {"dataset": "reference/sequences_humam.bed"}}}},
            "references.hg38.intervals.dataset: no such name 'reference/sequences_humam.bed'; "
            "did you mean 'reference/sequences_human.bed'?",
        ),
        (
            {"references": {"hg38": {"intervals": {"bed": "no/such.bed"}}}},
            "references.hg38.intervals.bed: nothing at 'no/such.bed'; correct the path or drop it",
        ),
        (
            {"extends": "demo/demo.yaml", "runs": {"had": TURNED_ON}},
            "runs.had.pretraining.window.kind: 'intervals' needs references.simulated.intervals; "
            "give it a BED file",
        ),
        (
            {"extends": "demo/demo.yaml", "teachers": {"small": {"train": TURNED_ON}}},
            "teachers.small.train.pretraining.window.kind: "
            "a teacher that is trained here reads the genome's splits; choose another kind",
        ),
    ],
)
def test_what_is_wrong_in_the_configuration(
    root: Path, changes: dict[str, Any], message: str
) -> None:
    if "teachers" in changes:
        bed = {"bed": str(root / "README.md")}
        changes = {**changes, "references": {"simulated": {"intervals": bed}}}
    with pytest.raises(InputError) as caught:
        load_config(root, changes)
    assert str(caught.value) == message


# ---- a real run


@pytest.fixture(scope="module")
def hg38_mini(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hg38") / "reference"
    build(shared / "data/reference/hg38_mini.fa.gz", folder)
    return folder


def basenji_like(folder: Path, count: int) -> Path:
    """Intervals of 131,072 bases as Basenji's: those to learn from overlap by half."""
    starts = {
        "train": ("chr1", 52_100_000, 65_536),
        "valid": ("chr10", 87_100_000, 131_072),
        "test": ("chr21", 22_100_000, 131_072),
    }
    rows = [
        f"{chrom}\t{start + step * number}\t{start + step * number + 131_072}\t{fold}\n"
        for fold, (chrom, start, step) in starts.items()
        for number in range(count)
    ]
    return bed_of(folder, "".join(rows))


def test_a_run_on_hg38_and_its_identity(hg38_mini: Path, tmp_path: Path) -> None:
    settings = {
        "student": HYBRID,
        "objective": {"name": "had", "alignment_weight": 0.0},
        "masking": {"name": "teacher_groups", "mask_share": 0.8, "random_share": 0.1},
        "pretraining": {
            "steps": 3,
            "batch_size": 8,
            "window": {"kind": "intervals", "length": 1024},
            "optimizer": {"learning_rate": 1e-3},
            "reverse_complement": 0.5,
            "log_every": 1,
            "evaluate_every": 3,
            "validation_sequences": 8,
        },
        "seed": 0,
    }
    identities = []
    for count in (4, 5):
        bed = basenji_like(tmp_path, count)
        output = tmp_path / f"run{count}"
        arguments = ["pretrain", "had", "--reference", hg38_mini, "--intervals", bed]
        arguments += ["--state", tmp_path / f"state{count}", "--output", output]
        assert main([*map(str, arguments), "--settings", json.dumps(settings)]) == 0
        metrics = json.loads((output / "metrics.json").read_text())
        assert metrics["steps"] == 3
        identities.append(metrics["identity"])
    assert identities[0] != identities[1]
    spans = read_intervals(bed, Reference.open(hg38_mini))
    assert [len(spans[split]) for split in ("train", "validation", "test")] == [5, 5, 5]
    tiles = Tiles(Reference.open(hg38_mini).codes, spans["train"], 1024)
    assert len(tiles) == 5 * 128  # none of them has an N
    first = Reference.open(hg38_mini).fetch("chr1", 52_100_000, 52_101_024)
    assert (tiles.batch(0, 0, len(tiles)) == first).all(1).sum() == 1
