import numpy as np
import pytest
import torch

from dnastudents.genome.codes import (
    PAD,
    complement,
    decode,
    encode,
    kmer_codes,
    reverse_complement,
    reverse_complement_padded,
)


def test_encode_maps_bases_of_either_case_and_everything_else_to_n():
    assert encode("ACGTacgtNnRyX-").tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 4, 4, 4, 4, 4, 4]
    assert encode(b"TGCA").tolist() == [3, 2, 1, 0]
    assert encode("UuTt").tolist() == [3, 3, 3, 3]
    assert encode("Aé").tolist() == [0, 4]
    assert encode("").shape == (0,)


def test_decode_reverses_encode_and_drops_padding():
    assert decode(encode("ACGTN")) == "ACGTN"
    assert decode(np.array([0, 3, PAD, PAD], dtype=np.uint8)) == "AT"


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_reverse_complement_of_both_kinds_of_array(kind):
    codes = kind(np.stack([encode("AACGN"), encode("TTTCC")]))
    flipped = reverse_complement(codes)
    assert [decode(np.asarray(row)) for row in flipped] == ["NCGTT", "GGAAA"]
    assert flipped.dtype == codes.dtype
    assert (reverse_complement(flipped) == codes).all()


def test_reverse_complement_can_become_a_tensor():
    assert torch.from_numpy(reverse_complement(encode("AC"))).tolist() == [2, 3]


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_padded_reverse_complement_keeps_padding_on_the_right(kind):
    batch = kind(np.array([[0, 1, 4, PAD, PAD], [0, 0, 1, 2, 3], [PAD] * 5], dtype=np.uint8))
    expected = [[4, 2, 3, PAD, PAD], [0, 1, 2, 3, 3], [PAD] * 5]
    assert reverse_complement_padded(batch).tolist() == expected


def test_complement_leaves_n_and_padding():
    assert complement(np.array([0, 1, 2, 3, 4, 5], dtype=np.uint8)).tolist() == [3, 2, 1, 0, 4, 5]


def plain_kmers(text: str, k: int) -> list[int]:
    windows = [text[i : i + k] for i in range(len(text) - k + 1)]
    return [
        -1 if "N" in w else sum("ACGT".index(b) * 4 ** (k - 1 - i) for i, b in enumerate(w))
        for w in windows
    ]


@pytest.mark.parametrize("k", range(1, 11))
@pytest.mark.parametrize("alphabet", ["ACGT", "ACGTACGTN"])
def test_kmer_codes_equal_the_plain_ones(k, alphabet):
    rng = np.random.default_rng(k)
    rows = ["".join(rng.choice(list(alphabet), 60)) for _ in range(4)]
    numbers = kmer_codes(np.stack([encode(row) for row in rows]), k)
    assert numbers.tolist() == [plain_kmers(row, k) for row in rows]


def test_kmer_codes_of_short_input_are_empty():
    assert kmer_codes(encode("ACG"), 4).shape == (0,)
    assert kmer_codes(np.empty((2, 0), dtype=np.uint8), 6).shape == (2, 0)
    with pytest.raises(ValueError, match="k is 16"):
        kmer_codes(encode("ACG"), 16)
