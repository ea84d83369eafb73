"""The letters of task sequences: upper case, U is T, and IUPAC letters of several bases are N.

Any other letter is an error that names its place. So is a split of which most letters are none of
A, C, G, T, U and N: amino acids share many letters with IUPAC, and would turn into N.
"""

from __future__ import annotations

import re

import pandas as pd

from dnastudents.benchmarks.rows import place
from dnastudents.errors import InputError

# Both cases are spelt out: `upper` makes nucleotides of some letters of other alphabets.
_FOREIGN = re.compile("[^ACGTUNRYSWKMBDHVacgtunryswkmbdhv]")
_AMBIGUOUS = "[RYSWKMBDHV]"
_AMINO_ACIDS = "EFILPQ"  # that no nucleotide letter is
MOST_AMBIGUOUS = 0.5  # share of all letters; real genomes hold far less than 0.001


def canonical_sequences(frame: pd.DataFrame, where: str) -> tuple[pd.Series, int]:
    """Make the sequences of a split canonical.

    Parameters
    ----------
    frame : pandas.DataFrame
        With `sequence`, see `benchmarks.rows`.
    where : str
        Names the split in messages.

    Returns
    -------
    sequences : pandas.Series
        Of A, C, G, T and N.
    ambiguous : int
        IUPAC letters that became N.

    Raises
    ------
    InputError
        An empty sequence, a letter that no nucleotide has, or a split that looks like protein.
    """
    sequences = frame["sequence"].fillna("").astype(str).str.strip()
    wrong = sequences.str.contains(_FOREIGN) | (sequences == "")
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise InputError(f"{place(frame, row, where)}: {_fault(sequences.iloc[row])}")
    sequences = sequences.str.upper()
    ambiguous, total = int(sequences.str.count(_AMBIGUOUS).sum()), int(sequences.str.len().sum())
    if ambiguous > MOST_AMBIGUOUS * total:
        raise InputError(
            f"{place(frame, 0, where)}: {ambiguous / total:.0%} of the letters of this split are "
            "none of A, C, G, T, U and N, as in protein; give DNA or RNA"
        )
    return sequences.str.replace("U", "T").str.replace(_AMBIGUOUS, "N", regex=True), ambiguous


def _fault(sequence: str) -> str:
    """What is wrong with a sequence, and the fix."""
    found = _FOREIGN.search(sequence)
    if found is None:
        return "the sequence is empty; the file may be cut short"
    letter, position = found.group(), found.start() + 1
    if letter.upper() in _AMINO_ACIDS:
        return f"letter {position} of the sequence is {letter!r}, of protein; give DNA or RNA"
    if letter in "-.":
        return f"letter {position} of the sequence is {letter!r}, a gap; take gaps out, or write N"
    return (
        f"letter {position} of the sequence is {letter!r}, which no nucleotide has; give A, C, G, "
        "T (or U), N and IUPAC letters"
    )
