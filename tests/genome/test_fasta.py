import gzip
import itertools

import pytest

import dnastudents.genome.fasta as fasta
from dnastudents.errors import InputError


def read(path) -> dict[str, str]:
    records: dict[str, str] = {}
    for name, letters in fasta.read_fasta(path):
        assert letters
        records[name] = records.get(name, "") + letters.decode()
    return records


def written(folder, content: bytes):
    path = folder / "genome.fa"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        b">a one\nACGT\nacg\n>b\nNNRY\n",
        b">a one\r\nACGT\r\nacg\r\n>b\r\nNNRY\r\n",
        b">a one\rACGT\racg\r>b\rNNRY\r",
        b"\xef\xbb\xbf>a one\nACGT\nacg\n>b\nNNRY\n",
        gzip.compress(b"\xef\xbb\xbf>a one\rACGT\racg\r\n>b\rNNRY"),
        b"\n\n>a\nAC GT\n\nacg\n\n>b\nNNRY",
        gzip.compress(b">a\nACGTacg\n>b\nNNRY\n"),
        gzip.compress(b">a\nACGT") + gzip.compress(b"acg\n>b\nNNRY\n"),
    ],
    ids=["plain", "crlf", "cr", "bom", "bom, cr, gzip", "blanks", "gzip", "gzip in blocks"],
)
def test_reads_what_is_fasta(tmp_path, content):
    assert read(written(tmp_path, content)) == {"a": "ACGTacg", "b": "NNRY"}


def test_whole_headers(tmp_path):
    path = written(tmp_path, b">a one  gene:G \r\nACGT\n>b\nNN\n")
    assert dict(fasta.read_fasta(path, whole_header=True)) == {"a one  gene:G": b"ACGT", "b": b"NN"}


@pytest.mark.parametrize("block", [1, 2, 3, 5, 8, 13, 21])
@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_border_of_blocks_does_not_matter(tmp_path, monkeypatch, block, end, mark):
    content = b">chr1 x>y\nACGT\nAC\n\n>chr2\nGG\n>chr3\nTTTT\n\n"
    path = written(tmp_path, mark + content.replace(b"\n", end))
    expected = {"chr1": "ACGTAC", "chr2": "GG", "chr3": "TTTT"}
    monkeypatch.setattr(fasta, "BLOCK", block)
    assert read(path) == expected


def test_small_blocks_split_long_lines(tmp_path, monkeypatch):
    sequence = "".join(itertools.islice(itertools.cycle("ACGTTGCA"), 1000))
    path = written(tmp_path, f">a\n{sequence}\n>b\n{sequence[3:]}\n".encode())
    for block in (4, 5, 7, 64, 999):
        monkeypatch.setattr(fasta, "BLOCK", block)
        assert read(path) == {"a": sequence, "b": sequence[3:]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (gzip.compress(b""), "empty"),
        (b"ACGT\n>a\nACGT\n", "does not begin with '>'"),
        (b"ACGT", "does not begin with '>'"),
        (bytes(range(256)) * 20, "does not begin with '>'"),
        (b"PK\x03\x04zip", "does not begin with '>'"),
        (b">a\nAC\n>b\nG\n>a\nT\n", "two records are named 'a'"),
        (b">a\nAC\x00\xffGT\n", "not a nucleotide letter"),
        (b">a\nMKLVPQ\n", "'L', which is not a nucleotide letter: this is protein"),
        (b">p1\nMKVSAAGHHSSDKRRTNNGY\n", "72% of the letters of record 'p1'.*this is protein"),
        (b">p1\nmkvs\naaghh\n>p2\nSSDKRRTNNGY\n", "letters of .*this is protein"),
        (
            b">chr1\n" + b"ACGT" * 999 + b"\n>p\nMKVSAAGHHSSDKRR\n",
            "letters of record 'p' are .*this is protein",
        ),
        (b"\xef\xbb\xbf", "empty"),
        (">a\nACGT\n".encode("utf-16"), "UTF-16; save it as UTF-8"),
        (b">a\nAC>GT\n", "not a nucleotide letter"),
        (b">a\n>b\nACGT\n", "record 'a' has no sequence"),
        (b">a\nACGT\n>b\n", "record 'b' has no sequence"),
        (b">a\nACGT\n>b", "record 'b' has no sequence"),
        (b">\nACGT\n", "no name"),
        (b"> a\nACGT\n", "no name"),
        (gzip.compress(b">a\n" + b"ACGT" * 999)[:-20], "truncated gzip"),
        (gzip.compress(b">a\n" + b"ACGT" * 999)[:12], "truncated gzip"),
        (b"\x1f\x8bno gzip at all", "truncated gzip"),
    ],
)
def test_what_is_no_dna_is_one_clear_error(tmp_path, content, message):
    path = written(tmp_path, content)
    with pytest.raises(InputError, match=message) as error:
        read(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_variants_masks_and_gaps_are_no_protein(tmp_path):
    text = "ACGTRYSWKMBDHVNacgtryswkmbdhvnX-." + "ACGT" * 20
    assert read(written(tmp_path, f">a\n{text}\n>b\nRYSWKMB\n".encode()))["a"] == text


def test_an_endless_header_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(fasta, "BLOCK", 64)
    monkeypatch.setattr(fasta, "LONGEST_HEADER", 100)
    with pytest.raises(InputError, match="header line has no end"):
        read(written(tmp_path, b">" + b"a" * 500))


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.fa: no such file"):
        read(tmp_path / "absent.fa")
