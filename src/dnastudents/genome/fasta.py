"""Read FASTA as a stream of blocks: memory does not grow with the file, its records or its lines.

Plain or gzip (also the block-gzip of bgzip) is told by the first bytes, not by the file's name.
Case, blank lines, any kind of line end (LF, CRLF, CR alone) and a byte order mark are accepted;
U becomes T, and the IUPAC nucleotide letters, X and gaps become N later, see `genome.letters`.
Everything that cannot be DNA is an `InputError`, and so is protein whose letters all happen to be
IUPAC's: a genome that silently turns into N would only be noticed after pretraining.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from dnastudents.errors import InputError
from dnastudents.genome.letters import Letters, foreign_letter, refusal

BLOCK = 1 << 22  # bytes read at a time: large enough for C speed, small beside any genome
LONGEST_HEADER = 1 << 20  # bytes; more is not a header but a file without line ends
_WHITESPACE = b" \t\r\n\v\f"
_GZIP = b"\x1f\x8b"
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_TOLD = 8  # ambiguous letters of a record that tell; a contig of a few bases may have nothing else


def read_fasta(
    path: str | Path, shown: str = "", whole_header: bool = False
) -> Iterator[tuple[str, bytes]]:
    """Yield the sequence of each record in pieces.

    Parameters
    ----------
    path : str or Path
        FASTA or gzipped FASTA.
    shown : str
        What messages call it. Default is its path.
    whole_header : bool
        Yield the whole header line as the name. Default is False, its first word.

    Yields
    ------
    name : str
        The first word (or all) of the header; consecutive pieces of one record repeat it.
    letters : bytes
        At most `BLOCK` letters as they stand in the file, without line ends, never empty.

    Raises
    ------
    InputError
        The file is absent, empty, no FASTA, damaged gzip, or holds a record without a name,
        without sequence, with a repeated name, with letters that no nucleotide has, or with more
        ambiguous letters than DNA has (told at the record's end).
    """
    path = Path(path)
    shown = shown or str(path)
    if not path.is_file():
        raise InputError(f"{shown}: no such file; give a FASTA or a gzipped FASTA")
    seen: set[str] = set()
    name, title, whole, record = "", "", Letters(), Letters()
    for is_header, content in _split(path, shown):
        if is_header:
            _check_record(shown, name, record)
            whole += record
            name, record = _record_name(shown, content, seen), Letters()
            title = content.decode("utf-8", "replace").rstrip() if whole_header else name
            continue
        letters = content.translate(None, _WHITESPACE)
        if not letters:
            continue
        if not name:
            raise InputError(
                f"{shown}: does not begin with '>'; give a FASTA, plain or compressed with gzip"
            )
        if (foreign := foreign_letter(record.add(letters))) is not None:
            raise InputError(f"{shown}: record {name!r} {refusal(foreign)}")
        yield title, letters
    if not name:
        raise InputError(f"{shown}: the file is empty; give a FASTA with at least one record")
    _check_record(shown, name, record)
    whole += record
    if whole.is_protein():
        raise _protein(shown, "the file", whole)


def _split(path: Path, shown: str) -> Iterator[tuple[bool, bytes]]:
    """Yield (True, header line without '>') and (False, lines of sequence) in the file's order.

    A virtual line end before the file lets every header begin with the same two bytes. What could
    be the first part of a header is held back until the next block completes it.
    """
    held = b"\n"
    for block in _blocks(path, shown):
        text = held + block
        held = b"\n" if text.endswith(b"\n") else b""
        sequence, *records = text.split(b"\n>")
        if records and b"\n" not in records[-1]:
            held = b"\n>" + records.pop()
            if len(held) > LONGEST_HEADER:
                raise InputError(f"{shown}: a header line has no end; give a FASTA of nucleotides")
        yield False, sequence
        for record in records:
            header, _, sequence = record.partition(b"\n")
            yield True, header
            yield False, sequence
    if held.startswith(b"\n>"):
        yield True, held[2:]


def _blocks(path: Path, shown: str) -> Iterator[bytes]:
    """Yield the decompressed file in blocks, without a byte order mark, and with LF at line ends.

    A CRLF becomes two, of which the second ends a blank line.
    """
    try:
        with open_binary(path) as handle:
            mark = handle.read(len(_UTF8_MARK))
            if mark.startswith(_UTF16_MARKS):
                raise InputError(f"{shown}: is text in UTF-16; save it as UTF-8 or ASCII")
            block = (b"" if mark == _UTF8_MARK else mark) + handle.read(BLOCK)
            while block:
                yield block.replace(b"\r", b"\n")
                block = handle.read(BLOCK)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{shown}: damaged or truncated gzip ({error}); fetch or compress it again"
        ) from None


def open_binary(path: Path) -> BinaryIO:
    """Open a file that may be gzipped, which its first bytes tell, for reading what it holds."""
    with path.open("rb") as handle:
        is_gzip = handle.read(len(_GZIP)) == _GZIP
    return cast(BinaryIO, gzip.open(path)) if is_gzip else path.open("rb")


def _record_name(shown: str, header: bytes, seen: set[str]) -> str:
    words = header.decode("utf-8", "replace").split(maxsplit=1)
    if not words or header[:1].isspace():
        raise InputError(f"{shown}: a header has no name after '>' (after {len(seen)} records)")
    if words[0] in seen:
        raise InputError(f"{shown}: two records are named {words[0]!r}; rename or remove one")
    seen.add(words[0])
    return words[0]


def _check_record(shown: str, name: str, record: Letters) -> None:
    """Refuse a record that has ended without sequence, or whose letters are those of protein."""
    if name and not record.total:
        raise InputError(
            f"{shown}: record {name!r} has no sequence; remove it or complete the file"
        )
    if record.ambiguous >= _TOLD and record.is_protein():
        raise _protein(shown, f"record {name!r}", record)


def _protein(shown: str, what: str, letters: Letters) -> InputError:
    share = letters.ambiguous / (letters.bases + letters.ambiguous)
    return InputError(
        f"{shown}: {share:.0%} of the letters of {what} are none of A, C, G, T, U, N, more than in "
        "any DNA: this is protein; give DNA"
    )
