"""Bases of a FASTA by region, through pyfaidx and its index."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dnastudents.errors import InputError, nearest
from dnastudents.genome.codes import encode
from dnastudents.genome.index import open_fasta
from dnastudents.genome.letters import foreign_letter, refusal


class GenomeFile:
    """A FASTA that is read by region; a context manager.

    Parameters
    ----------
    fasta : Path
        Plain, or compressed with bgzip.

    Attributes
    ----------
    lengths : mapping of str to int
        Bases of each sequence.
    """

    def __init__(self, fasta: Path) -> None:
        self._folder = tempfile.TemporaryDirectory()  # for an index where it cannot lie beside
        self.fasta = fasta
        self._file: Any = open_fasta(fasta, Path(self._folder.name))
        self.lengths: Mapping[str, int] = {record.name: len(record) for record in self._file}

    def __enter__(self) -> GenomeFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._folder.cleanup()

    def length(self, name: str, where: str) -> int:
        """Bases of a sequence; an `InputError` that begins with `where` if there is none."""
        if name not in self.lengths:
            raise InputError(f"{where}: no sequence {name!r} in {self.fasta}; {_hint(name, self)}")
        return self.lengths[name]

    def codes(self, name: str, start: int, end: int) -> np.ndarray:
        """Read bases [start, end) of a sequence, 0-based, as codes uint8 (L,).

        Raises
        ------
        InputError
            They are no nucleotides, as where the index is that of another file.
        """
        letters = self._file[name][start:end]
        if (foreign := foreign_letter(letters)) is not None:
            raise InputError(f"{self.fasta}: {name}:{start}-{end} {refusal(foreign)}")
        return encode(letters)


def _hint(name: str, genome: GenomeFile) -> str:
    other = name.removeprefix("chr") if name.startswith("chr") else f"chr{name}"
    if other in genome.lengths:
        return f"it has {other!r}: name sequences alike in both files"
    return nearest(name, genome.lengths)
