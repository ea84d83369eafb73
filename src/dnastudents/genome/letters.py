"""Which letters a sequence of nucleotides may hold.

U is the T of RNA. N, IUPAC's letters of several bases, X and gaps are read as N; tasks refuse the
last two (`benchmarks.letters`). Everything else is no nucleotide. Protein may happen to have none
of its own letters; then so many of its letters are ambiguous that no DNA is like it. Free of numpy.
"""

from __future__ import annotations

from dataclasses import dataclass

BASES = ("A", "C", "G", "TU")  # in the order of their codes
AMBIGUOUS = "RYSWKMBDHV"  # of two or three bases; amino acids have nearly all of them too
MASKED = "X-."  # a base that was masked, and gaps of an alignment
AMINO_ACIDS = "EFILPQOJZ*"  # letters of protein that no nucleotide has
MOST_AMBIGUOUS = 0.3  # of the letters that are neither N nor masked


def _either_case(letters: str) -> bytes:
    return (letters + letters.lower()).encode()


_COMMON = _either_case("".join(BASES) + "N")
_AMBIGUOUS = _either_case(AMBIGUOUS)
_RARE = _AMBIGUOUS + _either_case(MASKED)


def uncommon(letters: bytes) -> bytes:
    """Return those letters that are none of A, C, G, T, U, N in either case, in their order."""
    return letters.translate(None, _COMMON)


def foreign_letter(letters: str | bytes) -> str | None:
    """Return the first letter that no nucleotide sequence holds; None where there is none."""
    given = letters.encode("latin-1", "replace") if isinstance(letters, str) else letters
    foreign = uncommon(given).translate(None, _RARE)
    return foreign[:1].decode("latin-1") if foreign else None


def refusal(foreign: str) -> str:
    """Return why `foreign`, from `foreign_letter`, is refused, and what to give instead."""
    if foreign.upper() in AMINO_ACIDS:
        return f"holds {foreign!r}, which is not a nucleotide letter: this is protein; give DNA"
    return f"holds {foreign!r}, which is not a nucleotide letter; give DNA, not binary data"


@dataclass
class Letters:
    """Letters of a sequence, counted as its parts come.

    Attributes
    ----------
    bases : int
        A, C, G, T and U, in either case.
    n : int
        N.
    ambiguous, masked : int
        Those of `AMBIGUOUS`, and all others.
    """

    bases: int = 0
    n: int = 0
    ambiguous: int = 0
    masked: int = 0

    def add(self, letters: bytes) -> bytes:
        """Count these letters too, and return the `uncommon` ones among them."""
        rare = uncommon(letters)
        n = letters.count(b"N") + letters.count(b"n")
        masked = len(rare.translate(None, _AMBIGUOUS))
        self.bases += len(letters) - len(rare) - n
        self.n += n
        self.ambiguous += len(rare) - masked
        self.masked += masked
        return rare

    def __iadd__(self, more: Letters) -> Letters:
        self.bases += more.bases
        self.n += more.n
        self.ambiguous += more.ambiguous
        self.masked += more.masked
        return self

    @property
    def other(self) -> int:
        """Letters that are neither a base nor N; all are read as N."""
        return self.ambiguous + self.masked

    @property
    def total(self) -> int:
        """All letters."""
        return self.bases + self.n + self.other

    def is_protein(self) -> bool:
        """Return whether more letters are ambiguous than in any DNA.

        A genome in which every known variant is an ambiguous letter has fewer; of proteins without
        a letter of their own, more than half are.
        """
        return self.ambiguous > MOST_AMBIGUOUS * (self.bases + self.ambiguous)
