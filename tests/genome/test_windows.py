import numpy as np
import pytest

from dnastudents.errors import InputError
from dnastudents.genome.codes import PAD, N, decode
from dnastudents.genome.reference import Reference, build
from dnastudents.genome.windows import WINDOWS, base, pieces
from dnastudents.genome.windows.base import valid_runs
from dnastudents.genome.windows.pieces import Pieces
from dnastudents.genome.windows.uniform import Windows


def genome_of(folder, records: dict[str, str]) -> Reference:
    path = folder / "genome.fa"
    path.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in records.items()))
    return build(path, folder / "reference")


@pytest.fixture
def random_genome(tmp_path) -> Reference:
    rng = np.random.default_rng(0)
    sequence = {
        name: "".join(rng.choice(list("ACGT"), n)) for name, n in (("a", 9000), ("b", 3000))
    }
    sequence["a"] = sequence["a"][:4000] + "N" * 50 + sequence["a"][4050:]
    return genome_of(tmp_path, sequence)


def plain_starts(codes, start, end, length, most_n):
    return [
        s for s in range(start, end - length + 1) if (codes[s : s + length] == N).sum() <= most_n
    ]


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize(("length", "most_n"), [(1, 0), (5, 0), (5, 2), (40, 8), (301, 0)])
def test_valid_runs_equal_the_plain_twin(monkeypatch, block, length, most_n):
    monkeypatch.setattr(base, "_BLOCK", block)
    rng = np.random.default_rng(length)
    codes = rng.choice(5, 300, p=[0.22, 0.22, 0.22, 0.22, 0.12]).astype(np.uint8)
    runs = valid_runs(codes, 20, 290, length, most_n)
    starts = [s for first, last in runs.tolist() for s in range(first, last)]
    assert starts == plain_starts(codes, 20, 290, length, most_n)
    assert (runs[1:, 0] > runs[:-1, 1]).all()


def test_windows_are_all_and_only_the_valid_ones(tmp_path):
    genome = genome_of(tmp_path, {"a": "ACGTNACGTAC", "b": "AC", "c": "GGGCC"})
    windows = Windows(genome, ["all"], 4)
    every = windows._read(np.arange(len(windows)))
    expected = ["ACGT", "ACGT", "CGTA", "GTAC", "GGGC", "GGCC"]
    assert [decode(row) for row in every] == expected
    assert len(Windows(genome, ["c"], 4)) == 2
    assert len(Windows(genome, ["a"], 4, max_n_fraction=0.25)) == 8


def test_windows_come_in_proportion_to_length(tmp_path):
    genome = genome_of(tmp_path, {"a": "A" * 300, "n": "N" * 500, "c": "C" * 100})
    rows = Windows(genome, ["all"], 1).sample(8000, np.random.default_rng(0))
    assert abs((rows == 0).mean() - 0.75) < 4 * np.sqrt(0.75 * 0.25 / 8000)
    assert (rows != N).all()


def test_a_batch_is_a_function_of_seed_and_step(random_genome):
    windows = Windows(random_genome, ["a"], 100)
    batch = windows.batch(3, 17, 8)
    assert batch.shape == (8, 100)
    assert batch.dtype == np.uint8
    assert (batch == Windows(random_genome, ["a"], 100).batch(3, 17, 8)).all()
    assert (batch != windows.batch(3, 18, 8)).any()
    assert (batch != windows.batch(4, 17, 8)).any()


def plain_by_name(genome, names, length, count, generator):
    """The plain twin: all windows of each record as a list, then two draws."""
    texts = {name: decode(genome.sequence(name)) for name in names}
    windows = [
        [text[s : s + length] for s in range(len(text) - length + 1)] for text in texts.values()
    ]
    windows = [[window for window in each if "N" not in window] for each in windows]
    windows = [each for each in windows if each]
    chosen = [windows[number] for number in generator.integers(len(windows), size=count)]
    starts = generator.integers(0, [len(each) for each in chosen])
    return [each[start] for each, start in zip(chosen, starts, strict=True)]


def test_windows_by_name_equal_the_plain_twin(tmp_path):
    rng = np.random.default_rng(4)
    sizes = {"a": 300, "short": 3, "b": 40, "c": 90}
    sequence = {name: "".join(rng.choice(list("ACGT"), size)) for name, size in sizes.items()}
    sequence |= {"n": "N" * 50, "a": sequence["a"][:70] + "NN" + sequence["a"][72:]}
    genome = genome_of(tmp_path, sequence)
    windows = Windows(genome, ["all"], 20, sampling="by_name")
    rows = windows.sample(200, np.random.default_rng(0))
    expected = plain_by_name(genome, sequence, 20, 200, np.random.default_rng(0))
    assert [decode(row) for row in rows] == expected
    by_length = Windows(genome, ["all"], 20)
    assert len(windows) == len(by_length)
    assert (windows.fixed(9, 0) == by_length.fixed(9, 0)).all()


def test_windows_by_name_do_not_mind_lengths(tmp_path):
    genome = genome_of(tmp_path, {"a": "A" * 3000, "n": "N" * 500, "c": "C" * 100})
    rows = Windows(genome, ["all"], 1, sampling="by_name").batch(0, 0, 8000)
    assert abs((rows == 0).mean() - 0.5) < 4 * np.sqrt(0.25 / 8000)
    regions = Windows(genome, ["a:0-10", "a:20-30", "c"], 1, sampling="by_name").batch(0, 0, 8000)
    assert abs((regions == 0).mean() - 0.5) < 4 * np.sqrt(0.25 / 8000)


@pytest.mark.parametrize("sampling", ["by_length", "by_name"])
def test_counted_windows_come_once_an_epoch(random_genome, sampling):
    windows = Windows(random_genome, ["all"], 40, sampling=sampling, count=30)
    rows = np.concatenate([windows.batch(5, step, 8) for step in range(15)])
    epochs = [sorted(map(bytes, rows[i * 30 : i * 30 + 30])) for i in range(4)]
    assert len(rows) == 120
    assert epochs[0] == epochs[1] == epochs[2] == epochs[3]
    assert (rows[:30] != rows[30:60]).any()
    fresh = Windows(random_genome, ["all"], 40, sampling=sampling, count=30)
    assert (fresh.batch(5, 9, 8) == rows[72:80]).all()  # a resumed run
    others = np.concatenate([windows.batch(6, step, 8) for step in range(4)])[:30]
    assert len(set(map(bytes, others)) & set(epochs[0])) < 5
    assert (windows.batch(5, 9, 8) == rows[72:80]).all()


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (
            "windows",
            {"sampling": "by_size"},
            "window.sampling: unknown value 'by_size'",
        ),
        ("windows", {"count": 0}, "window.count: must be at least 1, not 0"),
        ("windows", {"max_n_fraction": 1.5}, "window.max_n_fraction: must be at most 1, not 1.5"),
        ("windows", {"length": 0}, "window.length: must be at least 6, not 0"),
        (
            "pieces",
            {"unknown": "join"},
            "window.unknown: unknown value 'join'; known: delete",
        ),
    ],
)
def test_impossible_settings_are_errors(kind, options, message):
    with pytest.raises(InputError, match=message):
        WINDOWS.parse({"kind": kind, "length": 9, **options})


def test_the_validation_subset_is_evenly_spaced(random_genome):
    windows = Windows(random_genome, ["b"], 50)
    rows = windows.fixed(10, seed=0)
    starts = [decode(random_genome.sequence("b")).index(decode(row)) for row in rows]
    gaps = np.diff(starts)
    assert gaps.min() >= 295
    assert gaps.max() <= 296
    assert (rows == windows.fixed(10, seed=0)).all()


@pytest.mark.parametrize("length", [61, 51])
def test_no_window_is_an_error(tmp_path, length):
    genome = genome_of(tmp_path, {"a": "A" * 50 + "N" + "C" * 9})
    with pytest.raises(InputError, match=f"no window of {length} bases"):
        Windows(genome, ["a"], length)


def test_pieces_tile_the_sequence_and_stop_at_n(random_genome):
    pieces = Pieces(random_genome, ["all"], max_length=60)
    starts, lengths = pieces._runs.to_codes(pieces._starts), pieces._lengths
    assert lengths.min() >= 6
    assert lengths.max() == 60
    gaps = starts[1:] - (starts[:-1] + lengths[:-1])
    assert (gaps >= 0).all()
    assert (gaps < 6).sum() >= len(gaps) - 2  # larger ones only over the N and between records
    for start, length in zip(starts, lengths, strict=True):
        assert (random_genome.codes[start : start + length] != N).all()


@pytest.mark.parametrize("unknown", ["split", "delete"])
def test_pieces_hold_the_known_bases_in_their_order(tmp_path, unknown):
    rng = np.random.default_rng(1)
    letters = rng.choice(list("ACGTN"), 4000, p=[0.245, 0.245, 0.245, 0.245, 0.02])
    genome = genome_of(tmp_path, {"n": "N" * 9, "a": "".join(letters)})
    options = {"max_length": 40, "min_length": 1, "unknown": unknown, "duplicates": "keep"}
    pieces = Pieces(genome, ["all"], **options)
    rows = pieces._read(np.arange(len(pieces)))
    # The plain twin: delete every N, then slice.
    without_n = genome.codes[genome.codes != N]
    for row, start, length in zip(rows, pieces._starts, pieces._lengths, strict=True):
        assert decode(row) == decode(without_n[start : start + length])
    joined = "".join(map(decode, rows))
    known = "".join(letters).replace("N", "")
    assert known.endswith(joined)
    assert len(joined) >= len(known) - 1000
    gapped = [decode(row) for row in rows if decode(row) not in "".join(letters)]
    assert (len(gapped) > 20) == (unknown == "delete")


@pytest.mark.parametrize("digest", [hash, len, lambda row: row[0]])  # the latter collide
@pytest.mark.parametrize("unknown", ["split", "delete"])
def test_of_equal_pieces_the_first_stays(tmp_path, monkeypatch, digest, unknown):
    monkeypatch.setattr(pieces, "hash", digest, raising=False)
    monkeypatch.setattr(pieces, "_ROWS", 7)
    rng = np.random.default_rng(2)
    sequence = "".join(rng.choice(list("ACGTN"), 5000, p=[0.7, 0.1, 0.1, 0.09, 0.01]))
    genome = genome_of(tmp_path, {"a": sequence, "b": "A" * 2000})
    settings = {"max_length": 12, "min_length": 3, "unknown": unknown}
    every, kept = (
        Pieces(genome, ["all"], **settings, duplicates=duplicates)
        for duplicates in ("keep", "drop")
    )
    rows, fewer = (list(map(decode, each._read(np.arange(len(each))))) for each in (every, kept))
    assert len(fewer) < len(rows) - 150
    assert fewer == list(dict.fromkeys(rows))
    assert set(map(decode, kept.fixed(50, 0))) <= set(fewer)


def test_half_of_the_pieces_are_long_and_the_others_uniform(tmp_path):
    pieces = Pieces(genome_of(tmp_path, {"a": "ACGT" * 400_000}), ["a"], duplicates="keep")
    long = pieces._lengths == 511
    assert abs(long.mean() - 0.5) < 4 * np.sqrt(0.25 / len(pieces))
    others = pieces._lengths[~long]
    assert others.min() < 15
    assert abs(others.mean() - 258) < 4 * 146 / np.sqrt(len(others))


def test_an_epoch_holds_every_piece_once(random_genome):
    pieces = Pieces(random_genome, ["all"], max_length=60)
    total = len(pieces)
    rows = np.concatenate([pieces.batch(5, step, 10) for step in range(-(-2 * total // 10))])
    first, second = (sorted(map(bytes, rows[i * total : (i + 1) * total])) for i in (0, 1))
    every = sorted(map(bytes, pieces._read(np.arange(total))))
    assert first == second == every
    assert (rows[:total] != rows[total : 2 * total]).any()


def test_a_resumed_run_sees_the_same_pieces(random_genome):
    one = Pieces(random_genome, ["all"], max_length=60)
    for step in range(50):
        one.batch(5, step, 16)
    fresh = Pieces(random_genome, ["all"], max_length=60)
    assert (one.batch(5, 50, 16) == fresh.batch(5, 50, 16)).all()
    assert (Pieces(random_genome, ["all"], 60, seed=1)._starts[:9] != one._starts[:9]).any()


def test_short_pieces_are_padded_on_the_right(random_genome):
    rows = Pieces(random_genome, ["b"], max_length=60).fixed(20, seed=1)
    lengths = (rows != PAD).sum(1)
    assert lengths.min() < 60
    for row, length in zip(rows, lengths, strict=True):
        assert (row[length:] == PAD).all()


def test_no_piece_is_an_error(tmp_path):
    genome = genome_of(tmp_path, {"a": "ACGTN" * 100})
    with pytest.raises(InputError, match="no piece of 6 bases"):
        Pieces(genome, ["a"])
    with pytest.raises(InputError, match="1 <= min < max"):
        Pieces(genome, ["a"], max_length=6)
