"""Records that are shorter than a window or a thousand bases: all kinds of window read them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dnastudents.errors import InputError
from dnastudents.genome.codes import PAD, N, decode
from dnastudents.genome.reference import Reference, build
from dnastudents.genome.windows import WINDOWS, Sampler
from dnastudents.genome.windows.base import are_short_records
from dnastudents.genome.windows.pieces import LONG, Pieces
from dnastudents.genome.windows.tiles import Tiles
from dnastudents.genome.windows.uniform import Windows


def genome_of(folder: Path, records: dict[str, str]) -> Reference:
    path = folder / "genome.fa"
    path.write_text("".join(f">{name}\n{letters}\n" for name, letters in records.items()))
    return build(path, folder / "reference")


def random_letters(length: int, seed: int, n_share: float = 0.0) -> str:
    weights = [(1 - n_share) / 4] * 4 + [n_share]
    return "".join(np.random.default_rng(seed).choice(list("ACGTN"), length, p=weights))


@pytest.fixture
def contigs(tmp_path: Path) -> Reference:
    """Many contigs of 20 to 300 bases, and one of 3 bases."""
    sizes = np.random.default_rng(0).integers(20, 300, 40).tolist()
    records = {f"c{n}": random_letters(size, n) for n, size in enumerate(sizes)}
    return genome_of(tmp_path, records | {"tiny": "ACG"})


def every_row(sampler: Any) -> list[str]:
    return [decode(row) for row in sampler.fixed(len(sampler), 0)]


def plain_unread(genome: Reference, rows: set[int]) -> int:
    """Bases that are not N and that no row covers, by a set of all positions."""
    return sum(code != N and at not in rows for at, code in enumerate(genome.codes.tolist()))


def covered(sampler: Sampler, steps: int) -> set[int]:
    spans = np.concatenate([sampler.spans(0, step, 64) for step in range(steps)]).tolist()
    return {at for first, last in spans for at in range(first, last)}


def test_pieces_read_all_of_short_records(contigs: Reference) -> None:
    pieces = Pieces(contigs, ["all"], duplicates="keep")
    assert pieces.known == sum(contigs.lengths)
    unread = plain_unread(contigs, covered(pieces, -(-len(pieces) // 64)))
    assert pieces.unread == unread <= 5 * len(contigs.names)  # ends below 6 bases, and `tiny`
    starts = {record: contigs.record(record).offset for record in contigs.names}
    begun = set(pieces._runs.to_codes(pieces._starts).tolist())
    assert {starts[name] for name in contigs.names if name != "tiny"} <= begun


@pytest.mark.parametrize("unknown", ["split", "delete"])
def test_a_tiny_genome_has_pieces(tmp_path: Path, unknown: Any) -> None:
    letters = {"chr1": random_letters(100, 1), "chr2": random_letters(60, 2)}
    genome = genome_of(tmp_path, letters)
    pieces = Pieces(genome, ["all"], max_length=511, unknown=unknown)
    assert pieces.unread < 12
    assert all(any(row in text for text in letters.values()) for row in every_row(pieces))


def test_pieces_of_long_records_are_what_they_were(tmp_path: Path) -> None:
    """Those that an earlier version cut: the random start of a long record is skipped."""
    size = LONG + 2000
    genome = genome_of(tmp_path, {"a": random_letters(size, 0), "b": random_letters(size, 1)})
    pieces = Pieces(genome, ["all"], duplicates="keep")
    second = pieces._starts[pieces._starts >= size]
    assert (int(pieces._starts[0]), int(second[0]) - size) == (276, 842)
    assert (len(pieces), int(pieces._starts[-1])) == (285, 103_920)
    assert 276 + 842 <= pieces.unread <= 276 + 842 + 10
    short = Pieces(genome, ["a:0-49999"], duplicates="keep")
    assert short._starts[0] == 0


def test_why_there_is_no_piece(tmp_path: Path) -> None:
    genome = genome_of(tmp_path, {"a": "ACGTN" * 100})
    with pytest.raises(InputError, match=r"no piece of 6 bases in a: .* without N has 4 bases"):
        Pieces(genome, ["a"])


@pytest.mark.parametrize("sampling", ["by_length", "by_name"])
def test_windows_of_short_records_are_padded(contigs: Reference, sampling: Any) -> None:
    windows = Windows(contigs, ["all"], 128, sampling=sampling)
    texts = [decode(contigs.sequence(name)) for name in contigs.names]
    expected = [
        text[start : start + 128]
        for text in texts
        if len(text) >= 6
        for start in range(max(1, len(text) - 127))
    ]
    assert every_row(windows) == expected
    rows = windows.batch(3, 5, 64)
    assert rows.shape == (64, 128)
    spans = windows.spans(3, 5, 64).tolist()
    assert [decode(row) for row in rows] == [decode(contigs.codes[a:b]) for a, b in spans]
    assert (windows.fixed(len(windows), 0) == PAD).any(axis=1).sum() > 5
    assert (windows.known, windows.unread) == (sum(contigs.lengths), 3)


def test_windows_longer_than_the_whole_genome(tmp_path: Path) -> None:
    genome = genome_of(tmp_path, {"a": "ACGTACGT", "b": "GGGGGGGGG"})
    assert every_row(Windows(genome, ["all"], 100)) == ["ACGTACGT", "GGGGGGGGG"]
    with pytest.raises(InputError, match="no window of 100 bases"):
        Windows(genome, ["a:0-7"], 100)  # not a record, so not all there is


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("length", [20, 60])
def test_what_windows_do_not_read_equals_the_plain_twin(
    tmp_path: Path, share: float, length: int
) -> None:
    sizes = (300, 59, 20, 7, 5, 400)
    records = {f"r{n}": random_letters(size, n, 0.04) for n, size in enumerate(sizes)}
    genome = genome_of(tmp_path, records | {"gap": "ACGTACGT" + "N" * 90 + "ACGTACGT"})
    windows = Windows(genome, ["all"], length, max_n_fraction=share)
    starts = windows._starts(np.arange(len(windows)))
    ends = starts + windows._lengths(starts)
    rows = {at for a, b in zip(starts.tolist(), ends.tolist(), strict=True) for at in range(a, b)}
    assert windows.unread == plain_unread(genome, rows)
    whole = {name: (genome.record(name).offset, len(text)) for name, text in records.items()}
    for offset, size in whole.values():
        few_n = np.count_nonzero(genome.codes[offset : offset + size] == N) <= share * size + 1e-9
        if 6 <= size < length:
            assert (offset in starts) == few_n


def test_a_record_with_too_many_n_is_not_read(tmp_path: Path) -> None:
    genome = genome_of(tmp_path, {"a": "ACGTACGTAN", "b": "ACGTACGTAC"})
    assert every_row(Windows(genome, ["all"], 50)) == ["ACGTACGTAC"]
    assert len(Windows(genome, ["all"], 50, max_n_fraction=0.1)) == 2


def test_tiles_of_short_records_are_padded(tmp_path: Path) -> None:
    letters = {"long": random_letters(95, 0), "a": random_letters(25, 1), "b": "ACGTN" * 5}
    genome = genome_of(tmp_path, letters)
    bed = tmp_path / "intervals.bed"
    bed.write_text("long\t0\t70\ttrain\na\t0\t25\ttrain\nb\t0\t25\ttrain\n")
    window = WINDOWS.parse({"kind": "intervals", "length": 30})
    tiles = window.samplers(genome, {}, bed)["train"]
    assert every_row(tiles) == [letters["long"][:30], letters["long"][30:60], letters["a"]]
    assert (tiles.known, tiles.unread) == (70 + 25 + 20, 10 + 20)
    spans = tiles.spans(0, 0, 3).tolist()
    rows = [decode(row) for row in tiles.batch(0, 0, 3)]
    assert rows == [decode(genome.codes[a:b]) for a, b in spans]
    assert len(Tiles(genome.codes, np.array([[95, 120], [0, 30]]), 30)) == 1


def test_only_whole_records_are_short_records(contigs: Reference) -> None:
    spans = np.array([contigs.span(interval) for interval in contigs.intervals(["all"])])
    sizes = np.array(contigs.lengths)
    assert (are_short_records(contigs, spans, 128) == ((sizes < 128) & (sizes >= 6))).all()
    for change in ([[1, 0]], [[0, -1]]):
        assert not are_short_records(contigs, spans[:-1] + change, 128).any()


def test_what_is_not_read_is_said(contigs: Reference, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    window = WINDOWS.parse({"kind": "windows", "length": 128})
    window.samplers(contigs, {"train": ["all"]}, None)
    total = sum(contigs.lengths)
    assert f"train: 3 of {total:,} known bases" in caplog.text
    assert caplog.records[-1].levelno == logging.INFO
    window.samplers(contigs, {"train": ["c1"], "validation": ["c0", "c2", "tiny"]}, None)
    assert "validation: 3 of" in caplog.text
    assert "train: 0" not in caplog.text


def test_much_that_is_not_read_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    genome = genome_of(tmp_path, {"a": random_letters(30, 0), "b": "ACGTN" * 6})
    WINDOWS.parse({"kind": "windows", "length": 20}).samplers(genome, {"train": ["all"]}, None)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "train: 24 of 54 known bases (44.44%) are never read" in caplog.text


def test_copies_in_two_splits_are_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    letters = random_letters(60, 0)
    genome = genome_of(tmp_path, {"a": letters, "b": letters, "c": random_letters(60, 1)})
    window = WINDOWS.parse({"kind": "windows", "length": 20})
    caplog.clear()
    window.samplers(genome, {"train": ["a", "b"], "validation": ["c"]}, None)
    assert not caplog.records
    window.samplers(genome, {"train": ["a"], "validation": ["b", "c"]}, None)
    assert "1 sequences have copies in several splits (a = b)" in caplog.text
