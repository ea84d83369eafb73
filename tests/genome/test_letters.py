"""One alphabet for genomes and tasks: what is a base, what is read as N, what is no nucleotide."""

from __future__ import annotations

import string

import pytest

from dnastudents.genome.codes import decode, encode
from dnastudents.genome.letters import AMINO_ACIDS, Letters, foreign_letter, refusal


def counted(letters: str) -> Letters:
    count = Letters()
    count.add(letters.encode())
    return count


@pytest.mark.parametrize("text", [string.ascii_uppercase, string.ascii_lowercase])
def test_every_letter_is_a_base_or_n_or_foreign(text: str) -> None:
    for letter in text:
        code, foreign = decode(encode(letter)), foreign_letter(letter)
        if letter.upper() in "ACGT":
            assert (code, foreign) == (letter.upper(), None)
        elif letter.upper() == "U":
            assert (code, foreign) == ("T", None)
        elif letter.upper() in "NRYSWKMBDHVX":
            assert (code, foreign) == ("N", None)
        else:
            assert foreign == letter
            assert "this is protein" in refusal(letter)
            assert letter.upper() in AMINO_ACIDS


def test_the_first_foreign_letter_is_told() -> None:
    assert foreign_letter("ACGT-.NNryX") is None
    assert foreign_letter(b"ACGT") is None
    assert foreign_letter("AC1GL") == "1"
    assert foreign_letter("AC\u20acL") == "?"
    assert "binary data" in refusal("\x00")


def test_letters_add_up() -> None:
    count = counted("ACGTUacgtuNNnRyX-.")
    assert (count.bases, count.n, count.ambiguous, count.masked) == (10, 3, 2, 3)
    assert (count.other, count.total) == (5, 18)
    count += counted("AN")
    assert (count.bases, count.n, count.total) == (11, 4, 20)


def test_protein_is_told_from_dna() -> None:
    assert counted("MKVSAAGHHSSDKRRTNNGY").is_protein()
    assert not counted("ACGTRYACGT" + "N" * 90 + "X" * 90).is_protein()  # 20 % are variants
    assert not counted("NNNN----").is_protein()
