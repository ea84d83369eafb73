"""Sequences of one's own: FASTA, CSV, TSV, Parquet, plain lines; files or standard input.

The format is told by the content, compression too, so a name may be anything. Ids are kept as the
text that they are.
"""

from __future__ import annotations

import gzip
import io
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dnastudents.errors import InputError, nearest
from dnastudents.files import read_parquet, reading
from dnastudents.genome.codes import encode
from dnastudents.genome.fasta import open_binary, read_fasta
from dnastudents.genome.letters import Letters, foreign_letter, refusal
from dnastudents.text_tables import read_text_table

SEQUENCE_COLUMN = "sequence"
ID_COLUMNS = ("id", "name")  # the first that there is; else rows are numbered from 0
LABEL_COLUMN = "label"
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class Sequence:
    """One sequence.

    Attributes
    ----------
    name : str
        Its id.
    codes : numpy.ndarray
        uint8 (L,), L >= 1.
    label : object
        What a column `label` says; None without one.
    """

    name: str
    codes: np.ndarray
    label: Any = None


def read_sequences(source: str, column: str = SEQUENCE_COLUMN) -> Iterator[Sequence]:
    """Yield the sequences of a file, or of standard input where `source` is "-".

    Parameters
    ----------
    source : str
        FASTA; Parquet; a table with a header line, separated by commas or tabs; or one sequence a
        line. Any but Parquet may be gzipped.
    column : str
        The table's column of sequences. Default is "sequence".

    Raises
    ------
    InputError
        The file is absent, empty or damaged, has no such column, or holds what is not DNA.
    """
    path = Path(source)
    if source == "-":
        with tempfile.NamedTemporaryFile() as copy:
            while block := sys.stdin.buffer.read(1 << 20):
                copy.write(block)
            copy.flush()
            yield from _read(Path(copy.name), "standard input", column)
    elif not path.is_file():
        raise InputError(f"{path}: no such file; give a file of sequences, or - for standard input")
    else:
        yield from _read(path, source, column)


def _read(path: Path, shown: str, column: str) -> Iterator[Sequence]:
    try:
        head = _head(path)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{shown}: damaged gzip ({error}); fetch it again") from None
    if not head.strip():
        raise InputError(f"{shown}: is empty; give at least one sequence")
    if head.lstrip(b"\xef\xbb\xbf\r\n ").startswith(b">"):
        yield from _records(path, shown)
        return
    if head.startswith(_PARQUET):
        frame = read_parquet(path, shown)
        # A cell may be missing; it is then empty, as in text, and not the DNA "nan".
        frame = frame.astype(object).where(frame.notna(), "")
    else:
        with reading(shown):
            frame = _table(path, shown, head.decode("utf-8", "replace"), column)
    yield from _rows(frame, shown, column)


def _head(path: Path) -> bytes:
    with open_binary(path) as handle:
        return handle.read(1 << 16)


def _records(path: Path, shown: str) -> Iterator[Sequence]:
    """Join the pieces of each record."""
    name, pieces = "", list[np.ndarray]()
    for record, letters in read_fasta(path, shown):
        if record != name and pieces:
            yield Sequence(name, np.concatenate(pieces))
            pieces = []
        name = record
        pieces.append(encode(letters))
    yield Sequence(name, np.concatenate(pieces))


def _table(path: Path, shown: str, head: str, column: str) -> pd.DataFrame:
    first = head.lstrip("\ufeff\r\n ").partition("\n")[0].strip()
    with open_binary(path) as handle:
        if foreign_letter(first) is not None:  # a header: "sequence" is none of the letters
            return read_text_table(handle, shown, "\t" if "\t" in first else ",")
        return pd.read_csv(
            handle, names=[column], dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )


def _rows(frame: pd.DataFrame, shown: str, column: str) -> Iterator[Sequence]:
    if column not in frame:
        raise InputError(
            f"{shown}: no column {column!r}; {nearest(column, map(str, frame.columns))} "
            "(--column names another)"
        )
    ids = next((frame[name] for name in ID_COLUMNS if name in frame), frame.index.to_series())
    labels = frame[LABEL_COLUMN] if LABEL_COLUMN in frame else [None] * len(frame)
    if frame.empty:
        raise InputError(f"{shown}: holds no row; give at least one sequence")
    whole = Letters()
    for number, (name, text, label) in enumerate(zip(ids, frame[column], labels, strict=True)):
        letters = str(text).strip().encode("latin-1", "replace")
        foreign = foreign_letter(whole.add(letters))
        if not letters or foreign:
            what = refusal(foreign) if foreign else "is empty; give DNA"
            raise InputError(f"{shown}: the sequence of row {number + 1} (id {name}) {what}")
        yield Sequence(str(name), encode(letters), label)
    if whole.is_protein():
        raise InputError(f"{shown}: has more ambiguous letters than any DNA: is protein; give DNA")


def read_text(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file, gzipped or not, with their numbers from 1.

    Raises
    ------
    InputError
        The file is absent, damaged or no text.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    with reading(path), open_binary(path) as handle:
        try:
            yield from enumerate(io.TextIOWrapper(handle, encoding="utf-8-sig"), start=1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{path}: damaged gzip ({error}); fetch it again") from None
