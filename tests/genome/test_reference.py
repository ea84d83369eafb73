import gzip
import hashlib
import tracemalloc

import numpy as np
import pytest
from bgzipped import bgzip

import dnastudents.genome.fasta as fasta
from dnastudents.cli import main
from dnastudents.errors import InputError
from dnastudents.genome import reference as module
from dnastudents.genome.codes import decode, encode
from dnastudents.genome.records import Interval, check_splits
from dnastudents.genome.reference import Reference, build


@pytest.fixture
def genome(tmp_path) -> Reference:
    """chr1 whole, chr2 in two parts with a gap of ten bases."""
    text = ">chr1 first\nACGTacgtNN\nRYACGT\n>chr2:100-108\nAAAACCCC\n>chr2:118-122\nGGTT\n"
    path = tmp_path / "genome.fa"
    path.write_text(text)
    return build(path, tmp_path / "reference")


def test_build_keeps_records_and_codes(genome, tmp_path):
    assert genome.names == ("chr1", "chr2:100-108", "chr2:118-122")
    assert genome.lengths == (16, 8, 4)
    assert genome.offsets == (0, 16, 24)
    assert decode(genome.codes) == "ACGTACGTNNNNACGTAAAACCCCGGTT"
    content = (tmp_path / "genome.fa").read_bytes()
    assert genome.sha256 == hashlib.sha256(content).hexdigest()


def test_the_files_are_plain_npy(genome, tmp_path):
    codes = np.load(tmp_path / "reference" / "codes.npy", mmap_mode="r")
    assert isinstance(codes, np.memmap)
    assert codes.dtype == np.uint8
    assert (codes == genome.codes).all()
    with pytest.raises(ValueError, match="read-only"):
        genome.codes[0] = 1


@pytest.mark.parametrize("compress", [gzip.compress, bgzip])
def test_gzip_bgzip_and_case_make_no_difference(genome, tmp_path, compress):
    content = (tmp_path / "genome.fa").read_bytes().replace(b"\n", b"\r\n")
    (tmp_path / "genome.fa.gz").write_bytes(compress(content))
    other = build(tmp_path / "genome.fa.gz", tmp_path / "other")
    assert (other.codes == genome.codes).all()
    assert (other.names, other.lengths) == (genome.names, genome.lengths)


def test_several_files_are_read_as_one(tmp_path):
    """As a chromosome a file is: codes, names and SHA-256 are those of the files end to end."""
    texts = [b">chr21\nACGTN\n", b">chr22:5-8\nggt\n>chrX\nTTTT\n"]
    files = [tmp_path / "chr21.fa.gz", tmp_path / "rest.fa"]
    files[0].write_bytes(gzip.compress(texts[0]))
    files[1].write_bytes(texts[1])
    (tmp_path / "all.fa").write_bytes(b"".join(texts))
    arguments = [*map(str, files), "--output", str(tmp_path / "several")]
    assert main(["reference", *arguments]) == 0
    several, one = (
        Reference.open(tmp_path / "several"),
        build(tmp_path / "all.fa", tmp_path / "one"),
    )
    assert (several.codes == one.codes).all()
    assert (several.names, several.lengths) == (one.names, one.lengths)
    assert (several.letters, several.source) == (one.letters, "chr21.fa.gz rest.fa")
    content = files[0].read_bytes() + files[1].read_bytes()
    assert several.sha256 == hashlib.sha256(content).hexdigest()
    again = tmp_path / "again.fa"
    again.write_bytes(texts[1])
    with pytest.raises(InputError, match=r"again\.fa: 'chr22:5-8' is in a file before it too"):
        build([*files, again], tmp_path / "twice")
    assert not (tmp_path / "twice").exists()


def test_building_takes_memory_of_blocks_not_of_the_genome(tmp_path, monkeypatch):
    monkeypatch.setattr(fasta, "BLOCK", 1 << 16)
    line = b"ACGTacgtAC" * 10
    (tmp_path / "a.fa").write_bytes(b">a\n" + b"\n".join([line] * 40_000) + b"\n")
    tracemalloc.start()
    built = build(tmp_path / "a.fa", tmp_path / "reference")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert built.lengths == (4_000_000,)
    assert peak < 1_500_000


def test_a_failed_build_leaves_nothing(tmp_path):
    (tmp_path / "bad.fa").write_text(">a\nACGT\n>a\nACGT\n")
    with pytest.raises(InputError, match="two records"):
        build(tmp_path / "bad.fa", tmp_path / "reference")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.fa"]


def test_a_genome_without_a_base_is_none(tmp_path):
    (tmp_path / "n.fa").write_text(">a\nNNNN\n>b\nxx--N\n")
    with pytest.raises(InputError, match=r"n\.fa: every letter is N or read as N; give"):
        build(tmp_path / "n.fa", tmp_path / "r")
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("damage", ["codes.npy", "reference.json"])
def test_an_incomplete_folder_says_so(genome, tmp_path, damage):
    (tmp_path / "reference" / damage).unlink()
    with pytest.raises(InputError, match=r"build it again|no such file"):
        Reference.open(tmp_path / "reference")


def test_files_of_two_references_are_noticed(genome, tmp_path):
    np.save(tmp_path / "reference" / "codes.npy", np.zeros(3, dtype=np.uint8))
    with pytest.raises(InputError, match="different references"):
        Reference.open(tmp_path / "reference")


def test_a_folder_of_an_earlier_version_opens(genome, tmp_path):
    """It also holds which letters were lower case."""
    np.save(tmp_path / "reference" / "soft_mask.npy", np.zeros(28, dtype=bool))
    assert Reference.open(tmp_path / "reference").names == genome.names


def test_sequence_and_fetch(genome):
    assert decode(genome.sequence("chr2:118-122")) == "GGTT"
    assert decode(genome.fetch("chr1", 2, 6)) == "GTAC"
    assert decode(genome.fetch("chr2", 102, 106)) == "AACC"
    assert decode(genome.fetch("chr2", 118, 122)) == "GGTT"
    assert decode(genome.fetch("chr2:118-122", 1, 3)) == "GT"
    assert genome.fetch("chr1", 3, 3).shape == (0,)


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (("chr1", 10, 17), "chr1:10-17 is not inside"),
        (("chr2", 99, 101), "chr2:99-101 is not inside"),
        (("chr2", 106, 120), "chr2:106-120 is not inside"),
        (("chr1", 5, 2), "0 <= start <= end"),
        (("chr1", -1, 2), "0 <= start <= end"),
        (("chrom1", 0, 1), "no sequence 'chrom1'.*'chr1'"),
    ],
)
def test_fetch_outside_is_an_error(genome, region, message):
    with pytest.raises(InputError, match=message):
        genome.fetch(*region)


def test_intervals_of_names_chromosomes_regions_and_all(genome):
    assert genome.intervals(["chr1"]) == [Interval("chr1", 0, 16)]
    both = [Interval("chr2:100-108", 0, 8), Interval("chr2:118-122", 0, 4)]
    assert genome.intervals(["chr2"]) == both
    assert genome.intervals(["chr2:118-122"]) == both[1:]
    assert genome.intervals(["chr2:106-120"]) == [
        Interval("chr2:100-108", 6, 8),
        Interval("chr2:118-122", 0, 2),
    ]
    assert genome.intervals(["all"]) == [Interval("chr1", 0, 16), *both]
    assert genome.intervals(["chr1:4-9", "chr1:0-5"]) == [Interval("chr1", 0, 9)]
    assert genome.span(Interval("chr2:118-122", 1, 3)) == (25, 27)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (["chr3"], "no sequence 'chr3'"),
        (["chr9:1-2"], "no sequence 'chr9'"),
        (["chr1:16-20"], "no base .* 'chr1' has 16 bases"),
        (["chr1:5-5"], "no base"),
        (["chr1:10-17"], "chr1:10-17: reaches beyond genome.fa, where 'chr1' has 16 bases"),
        (["chr2:99-105"], "reaches beyond genome.fa, where 'chr2:100-108' has 8 bases"),
        (["chr2:100-110"], "reaches beyond genome.fa, where 'chr2:100-108' has 8 bases"),
        ([], "no sequences are named"),
    ],
)
def test_unknown_places_are_errors(genome, spec, message):
    with pytest.raises(InputError, match=message):
        genome.intervals(spec)


def test_splits_must_not_share_bases(genome):
    check_splits(genome, {"train": ["chr1:0-8"], "validation": ["chr1:8-16"], "test": ["chr2"]})
    with pytest.raises(InputError, match="'train' and 'test' share chr2:104-105"):
        check_splits(genome, {"train": ["chr2:100-105"], "test": ["chr2:104-108"]})


def test_records_that_overlap_on_their_chromosome_share_bases(tmp_path):
    base = "".join(np.random.default_rng(0).choice(list("ACGT"), 4000))
    text = f">chr1:0-3000\n{base[:3000]}\n>chr1:1000-4000\n{base[1000:]}\n"
    (tmp_path / "genome.fa").write_text(text)
    built = build(tmp_path / "genome.fa", tmp_path / "reference")
    for train, validation in (
        (["chr1:0-3000"], ["chr1:1000-4000"]),
        (["chr1:1000-4000"], ["chr1:0-3000"]),
        (["chr1"], ["chr1:1000-3000"]),
    ):
        with pytest.raises(InputError, match="'train' and 'validation' share chr1:1000-3000"):
            check_splits(built, {"train": train, "validation": validation})
    check_splits(built, {"train": ["chr1:0-2000"], "validation": ["chr1:2000-4000"]})


def test_shared_bases_equal_the_plain_twin(tmp_path):
    """Base by base of each chromosome, a set for each split."""
    rng = np.random.default_rng(3)
    parts = [(f"c{n % 2}", start, start + 12) for n, start in enumerate(range(0, 60, 6))]
    names = [f"{chrom}:{start}-{end}" for chrom, start, end in parts]
    (tmp_path / "genome.fa").write_text("".join(f">{name}\n{'ACGT' * 3}\n" for name in names))
    built = build(tmp_path / "genome.fa", tmp_path / "reference")
    refused = 0
    for _ in range(300):
        splits, bases = {}, {}
        for split in ("train", "validation", "test"):
            chosen = [parts[n] for n in rng.integers(len(parts), size=rng.integers(1, 3))]
            regions = [(c, a + rng.integers(4), b - rng.integers(4)) for c, a, b in chosen]
            splits[split] = [f"{c}:{a}-{b}" for c, a, b in regions]
            bases[split] = {(c, base) for c, a, b in regions for base in range(a, b)}
        shared = [
            (one, two)
            for one, two in (("train", "validation"), ("train", "test"), ("validation", "test"))
            if bases[one] & bases[two]
        ]
        if not shared:
            check_splits(built, splits)
            continue
        refused += 1
        with pytest.raises(InputError) as error:
            check_splits(built, splits)
        assert any(f"{one!r} and {two!r} share" in str(error.value) for one, two in shared)
    assert 30 < refused < 290


def test_rna_is_read_as_dna_and_letters_are_counted(tmp_path, capsys):
    (tmp_path / "rna.fa").write_text(">r\nACGUacguNNNNRYX-\n")
    assert main(["reference", f"{tmp_path}/rna.fa", "--output", f"{tmp_path}/reference"]) == 0
    built = Reference.open(tmp_path / "reference")
    assert decode(built.codes) == "ACGTACGTNNNNNNNN"
    assert built.letters == {"bases": 8, "n": 4, "other": 4}
    assert "16 bases: 25.00% N, 25.00% other letters (read as N)" in capsys.readouterr().out


def test_copies_of_a_sequence_are_reported(tmp_path, caplog):
    records = {"a": "ACGTACGT", "b": "TTTT", "c": "ac\nguACGT", "d": "TTTTT", "e": "TTTT"}
    text = "".join(f">{name}\n{letters}\n" for name, letters in records.items())
    (tmp_path / "genome.fa").write_text(text)
    built = build(tmp_path / "genome.fa", tmp_path / "reference")
    assert built.same_sequence == [["a", "c"], ["b", "e"]]
    assert "4 records are copies of one another (a=c, b=e)" in caplog.text


def test_a_name_that_only_looks_like_a_region_is_a_name(tmp_path):
    (tmp_path / "a.fa").write_text(">a:5-9\nACGTA\n")
    built = build(tmp_path / "a.fa", tmp_path / "reference")
    assert built.intervals(["a:5-9"]) == [Interval("a:5-9", 0, 5)]
    with pytest.raises(InputError, match="no sequence 'a'"):
        built.fetch("a", 5, 9)


def test_real_coordinates_find_the_official_sequences(shared, tmp_path):
    pandas = pytest.importorskip("pandas")
    real = build(shared / "data/reference/hg38_mini.fa.gz", tmp_path / "reference")
    assert sum(real.lengths) == 42_428_854
    assert len(real.names) == 27
    folder = shared / "data/genomic_benchmarks/hg38_mini/human_nontata_promoters"
    rows = pandas.read_csv(folder / "test.csv.gz", nrows=100)
    for row in rows[rows.strand != "-"].itertuples():
        assert decode(real.fetch(row.region, row.start, row.end)) == row.seq.upper()


def test_header_can_grow_in_place(tmp_path):
    with module._NpyStream(tmp_path / "a.npy") as stream:
        for _ in range(1000):
            stream.write(bytes(encode("ACGT")))
    assert np.load(tmp_path / "a.npy").shape == (4000,)
