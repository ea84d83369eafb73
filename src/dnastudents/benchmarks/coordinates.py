"""Published intervals as sequences: coordinates and the genomes they are of.

A table of intervals has the columns region, start, end and strand (0-based, half open; an empty
strand is +) and may have `id`, which no two of its rows share. A file that breaks any of this is
an error before a base is read.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from dnastudents.benchmarks.rows import FILE, LINE
from dnastudents.errors import InputError
from dnastudents.genome.codes import decode, reverse_complement
from dnastudents.genome.reference import Reference

INTERVAL_COLUMNS = ("region", "start", "end", "strand")
STRANDS = ("+", "-", "")
MOST = 10**12  # bases
# As UCSC names it, and Ensembl for mouse and human, worm, and fly.
MITOCHONDRION = ("chrM", "MT", "MtDNA", "mitochondrion_genome")


class Missing(InputError):
    """No genome has the interval."""


class Genomes:
    """Genomes looked up by the region names of the coordinates.

    The coordinates say chr1, chrM or chrMT, and leave out the version of a transcript; Ensembl says
    1, MT (of the fly mitochondrion_genome) and ENST00000371014.8. A name as it stands wins over any
    such alias. A name that two genomes have is never looked up.
    """

    def __init__(self, references: Sequence[Reference]) -> None:
        self.sources = [reference.source for reference in references]
        self._records: dict[str, list[tuple[Reference, str]]] = {}
        known = {
            (reference, name.rsplit(":", 1)[0]): None
            for reference in references
            for name in reference.names
        }
        for reference, name in known:
            self._records.setdefault(name, []).append((reference, name))
        exact = set(self._records)
        for reference, name in known:
            for alias in _aliases(name) - exact:
                self._records.setdefault(alias, []).append((reference, name))

    def __contains__(self, region: str) -> bool:
        return region in self._records

    def fetch(self, region: str, start: int, end: int, strand: str = "+") -> str:
        """Read the bases of an interval on its strand.

        Raises
        ------
        Missing
            No genome has the region, or not all of the interval.
        InputError
            Several genomes have the region.
        """
        found = self._records.get(region, [])
        if not found:
            raise Missing(
                f"no '{region}' in {', '.join(self.sources)}; name the genome that has it too"
            )
        if len(found) > 1:
            raise InputError(
                f"'{region}' is in {', '.join(reference.source for reference, _ in found)}; name "
                "the references by their genomes, as hg38 or wbcel235, or give only the one meant"
            )
        ((reference, name),) = found
        try:
            codes = reference.fetch(name, start, end)
        except InputError as error:
            raise Missing(f"{error}; name the genome that the coordinates are of") from None
        return decode(reverse_complement(codes) if strand == "-" else codes)


def _aliases(name: str) -> set[str]:
    """Other names of a record: with chr, without a version, and those of a mitochondrion."""
    if name in MITOCHONDRION:
        return {*MITOCHONDRION, *(f"chr{other}" for other in MITOCHONDRION)}
    return {f"chr{name}", name.split(".")[0]}


def read_intervals(
    table: pd.DataFrame, name: str, genomes: Genomes, skip_missing: bool = False
) -> list[str | None]:
    """Read the sequence of each row.

    Parameters
    ----------
    table : pandas.DataFrame
        The intervals, see `check_intervals`.
    name : str
        The file's, for messages.
    genomes : Genomes
        Where the bases are.
    skip_missing : bool
        None for an interval that no genome holds. Default is False: it is an error.

    Raises
    ------
    InputError
        An interval is missing, or several genomes have its region.
    """
    table = table.assign(
        region=table["region"].astype(str),
        **{column: pd.to_numeric(table[column]).astype(int) for column in ("start", "end")},
    )
    sequences: list[str | None] = []
    for interval in zip(*(table[column].tolist() for column in INTERVAL_COLUMNS), strict=True):
        try:
            sequences.append(genomes.fetch(*interval))
        except InputError as error:
            if not (skip_missing and isinstance(error, Missing)):
                raise InputError(f"{name}: {error}") from None
            sequences.append(None)
    return sequences


def check_intervals(table: pd.DataFrame, name: str) -> None:
    """Raise an `InputError` that names the first row that is not an interval."""
    if missing := [column for column in INTERVAL_COLUMNS if column not in table.columns]:
        raise InputError(
            f"{name}: no column {missing[0]!r}; expected id, {', '.join(INTERVAL_COLUMNS)}"
        )
    numbers = table[["start", "end"]].apply(pd.to_numeric, errors="coerce")
    start, end = numbers["start"], numbers["end"]
    repeated = table["id"].duplicated() if "id" in table.columns else pd.Series(False, table.index)
    faults = {
        "start and end are not whole numbers": (numbers % 1 != 0).any(axis=1),
        f"no genome has {MOST:,} bases": (numbers > MOST).any(axis=1),
        "an interval has 0 <= start < end": (start < 0) | (start >= end),
        "the strand is +, - or empty": ~table["strand"].isin(STRANDS),
        "the id is another row's too": repeated,
    }
    for fault, rows in faults.items():
        if rows.any():
            first = table[rows].iloc[0]
            shown = (column for column in table.columns if column not in (FILE, LINE))
            row = ",".join(str(first[column]) for column in shown)
            raise InputError(f"{name}: {fault}: {row!r}; download it again")
