import json

import numpy as np
import pytest

from dnastudents.errors import InputError
from dnastudents.genome import tokenizers
from dnastudents.genome.codes import PAD, N, encode
from dnastudents.genome.tokenizers import ChordMixerTokenizer, KmerTokenizer, NucleotideTokenizer

NAMES = ["nucleotide", "chordmixer", "nucleotide_transformer", "kmer1", "kmer3", "kmer6"]


def padded(texts: list[str], width: int = 0) -> np.ndarray:
    batch = np.full((len(texts), max([width, *map(len, texts)])), PAD, dtype=np.uint8)
    for row, text in zip(batch, texts, strict=True):
        row[: len(text)] = encode(text)
    return batch


def random_texts(count: int, n_share: float = 0.05) -> list[str]:
    rng = np.random.default_rng(1)
    weights = [(1 - n_share) / 4] * 4 + [n_share]
    lengths = rng.integers(0, 70, count)
    return ["".join(rng.choice(list("ACGTN"), length, p=weights)) for length in lengths]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("kmer6", "dnabert6_tokens.json"),
        ("nucleotide_transformer", "nucleotide_transformer_tokens.json"),
    ],
)
def test_golden_tokens(golden, name, file):
    tokenizer = tokenizers.build(name)
    rows = json.loads((golden / file).read_text())
    assert len(rows) >= 60
    for row in rows:
        assert tokenizer.encode(row["sequence"]) == row["ids"]
    batch = tokenizer.encode_batch(padded([row["sequence"] for row in rows]))
    for ids, row in zip(batch, rows, strict=True):
        assert ids[: len(row["ids"])].tolist() == row["ids"]
        assert (ids[len(row["ids"]) :] == tokenizer.pad_id).all()


def test_nucleotide_ids():
    assert NucleotideTokenizer().encode("ACGTNacgtR") == [7, 8, 9, 10, 11, 7, 8, 9, 10, 11]
    assert ChordMixerTokenizer().encode("ACGNT") == [0, 1, 2, 3, 4]


def test_kmer_ids_are_in_the_order_atcg():
    tokenizer = KmerTokenizer(6)
    assert tokenizer.encode("AAAAAA") == [2, 5, 3]
    assert tokenizer.encode("AAAAAT") == [2, 6, 3]
    assert tokenizer.encode("GGGGGG") == [2, 4100, 3]
    assert tokenizer.encode("AAAAANAAAAAA") == [2, 1, 1, 1, 1, 1, 1, 5, 3]
    assert tokenizer.encode("ACGT") == [2, 3]


def plain_id(kmer: str, first: int) -> int:
    """The place of a k-mer in the vocabulary: a base-4 number with the digits A, T, C, G."""
    return first + int("".join(str("ATCG".index(base)) for base in kmer), 4)


def plain_kmers(text: str, k: int) -> list[int]:
    kmers = [text[i : i + k] for i in range(len(text) - k + 1)]
    return [2, *(1 if "N" in kmer else plain_id(kmer, 5) for kmer in kmers), 3]


def plain_transformer(text: str) -> list[int]:
    """The rule of the Nucleotide Transformer's tokenizer, one part and one piece at a time."""
    ids = [3]
    for index, part in enumerate(text.split("N")):
        ids += [4106] if index else []
        cut = len(part) - len(part) % 6
        ids += [plain_id(part[i : i + 6], 6) for i in range(0, cut, 6)]
        ids += [4102 + "ATCG".index(base) for base in part[cut:]]
    return ids


@pytest.mark.parametrize("k", [1, 3, 6])
def test_kmers_equal_the_plain_twin(k):
    tokenizer = tokenizers.build(f"kmer{k}")
    for text in random_texts(60):
        assert tokenizer.encode(text) == plain_kmers(text, k)


@pytest.mark.parametrize("n_share", [0.0, 0.05, 0.5])
def test_nucleotide_transformer_equals_the_plain_twin(n_share):
    tokenizer = tokenizers.build("nucleotide_transformer")
    for text in random_texts(100, n_share):
        assert tokenizer.encode(text) == plain_transformer(text)


@pytest.mark.parametrize("length", [0, 5, 6, 64])
@pytest.mark.parametrize("name", NAMES)
def test_rows_without_n_are_the_same_beside_one_with_n(name, length):
    tokenizer = tokenizers.build(name)
    codes = np.random.default_rng(0).integers(0, 4, (7, length)).astype(np.uint8)
    beside = np.vstack([codes, np.full((1, length), N, dtype=np.uint8)])
    for read in (tokenizer.encode_batch, tokenizer.batch_spans):
        alone, found = read(codes), read(beside)[:-1]
        assert alone.dtype == found.dtype
        assert alone.tolist() == found[:, : alone.shape[1]].tolist()


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_equals_its_rows(name):
    tokenizer = tokenizers.build(name)
    texts = random_texts(40)
    codes = padded(texts, width=90)
    ids, spans = tokenizer.encode_batch(codes), tokenizer.batch_spans(codes)
    assert ids.dtype == np.int64
    assert ids.shape == spans.shape[:2]
    assert ids.shape[1] == max(len(tokenizer.encode(text)) for text in texts)
    for row, span, text in zip(ids, spans, texts, strict=True):
        alone = tokenizer.encode_codes(encode(text))
        assert row[: len(alone)].tolist() == alone.tolist()
        assert (row[len(alone) :] == tokenizer.pad_id).all()
        assert span[: len(alone)].tolist() == tokenizer.batch_spans(encode(text)[None])[0].tolist()
        assert (span[len(alone) :] == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_spans_cover_the_bases_of_their_tokens(name):
    tokenizer = tokenizers.build(name)
    text = "ACGTACGTTNGACGTACNNGATTACA"
    ids, spans = tokenizer.encode(text), tokenizer.batch_spans(encode(text)[None])[0]
    covered = np.zeros(len(text), dtype=int)
    for token, (start, end) in zip(ids, spans, strict=True):
        covered[start:end] += 1
        assert (end == 0) == (token in tokenizer.special_ids)
        if end and "N" not in text[start:end] and end - start == tokenizer.k:
            assert token in tokenizer.encode(text[start:end])
    assert covered.min() >= 1
    if not name.startswith("kmer"):
        assert covered.max() == 1


@pytest.mark.parametrize("name", NAMES)
def test_ids_of_each_kind_are_apart_and_inside_the_vocabulary(name):
    tokenizer = tokenizers.build(name)
    special, bases = set(tokenizer.special_ids), set(tokenizer.base_ids)
    assert not special & bases
    assert {tokenizer.pad_id, tokenizer.mask_id} <= special
    assert max(special | bases) < tokenizer.vocab_size
    assert set(tokenizer.encode("ACGTTGCAACGT")) <= special | bases | set(range(4102, 4107))


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_loaded(tmp_path, name):
    tokenizer = tokenizers.build(name)
    tokenizer.save_pretrained(tmp_path / "model")
    loaded = tokenizers.load(tmp_path / "model")
    assert type(loaded) is type(tokenizer)
    assert loaded.encode("ACGTNACGTA") == tokenizer.encode("ACGTNACGTA")


def test_bad_names_and_files_are_clear_errors(tmp_path):
    with pytest.raises(InputError, match="did you mean 'nucleotide'"):
        tokenizers.build("nucleotid")
    with pytest.raises(InputError, match="no tokenizer 'kmer9'"):
        tokenizers.build("kmer9")
    with pytest.raises(InputError, match="no such file"):
        tokenizers.load(tmp_path)
    (tmp_path / tokenizers.FILE_NAME).write_text("[]")
    with pytest.raises(InputError, match="names no tokenizer"):
        tokenizers.load(tmp_path)


def test_an_empty_batch_has_no_rows():
    empty = np.empty((0, 10), dtype=np.uint8)
    assert NucleotideTokenizer().encode_batch(empty).shape[0] == 0
    assert KmerTokenizer(6).encode_batch(empty).shape[0] == 0
