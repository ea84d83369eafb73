"""Published intervals as sequences: coordinates and the genomes they are of.

A table of intervals has the columns region, start, end and strand (0-based, half open; an empty
strand is +) and may have `id`, which no two of its rows share. A file that breaks any of this is
an error before a base is read.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from dnastudents.errors import InputError
from dnastudents.genome.codes import decode, reverse_complement
from dnastudents.genome.reference import Reference

INTERVAL_COLUMNS = ("region", "start", "end", "strand")
STRANDS = ("+", "-", "")


class Genomes:
    """Genomes looked up by the region names of the coordinates.

    The coordinates say chr1 and chrMT and leave out the version of a transcript; UCSC says chrM,
    Ensembl says 1 and ENST00000371014.8. A name as it stands wins over any such alias.
    """

    def __init__(self, references: Sequence[Reference]) -> None:
        self.sources = [reference.source for reference in references]
        self._records: dict[str, tuple[Reference, str]] = {}
        known = [(r, name.rsplit(":", 1)[0]) for r in references for name in r.names]
        for reference, name in known:
            self._records.setdefault(name, (reference, name))
        for reference, name in known:
            for alias in (f"chr{name}", name.split(".")[0], "chrMT" if name == "chrM" else name):
                self._records.setdefault(alias, (reference, name))

    def fetch(self, region: str, start: int, end: int, strand: str = "+") -> str:
        """Read the bases of an interval on its strand.

        Raises
        ------
        InputError
            No genome has the region, or the region has not all of the interval.
        """
        if region not in self._records:
            raise InputError(
                f"no '{region}' in {', '.join(self.sources)}; name the genome that has it too"
            )
        reference, name = self._records[region]
        try:
            codes = reference.fetch(name, start, end)
        except InputError as error:
            raise InputError(f"{error}; name the genome that the coordinates are of") from None
        return decode(reverse_complement(codes) if strand == "-" else codes)


def read_intervals(
    table: pd.DataFrame, name: str, genomes: Genomes, skip_missing: bool = False
) -> list[str | None]:
    """Read the sequence of each row.

    Parameters
    ----------
    table : pandas.DataFrame
        The intervals.
    name : str
        The file's, for messages.
    genomes : Genomes
        Where the bases are.
    skip_missing : bool
        None for an interval that no genome holds. Default is False: it is an error.

    Raises
    ------
    InputError
        The table is not one of intervals, or an interval is missing.
    """
    _check(table, name)
    table = table.astype({"region": str, "start": int, "end": int})
    sequences: list[str | None] = []
    for interval in zip(*(table[column].tolist() for column in INTERVAL_COLUMNS), strict=True):
        try:
            sequences.append(genomes.fetch(*interval))
        except InputError as error:
            if not skip_missing:
                raise InputError(f"{name}: {error}") from None
            sequences.append(None)
    return sequences


def _check(table: pd.DataFrame, name: str) -> None:
    """Return an `InputError` that names the first row that is not an interval."""
    if missing := [column for column in INTERVAL_COLUMNS if column not in table.columns]:
        raise InputError(
            f"{name}: no column {missing[0]!r}; expected id, {', '.join(INTERVAL_COLUMNS)}"
        )
    if table.empty:
        raise InputError(f"{name}: no intervals, so the class is empty; download it again")
    numbers = table[["start", "end"]].apply(pd.to_numeric, errors="coerce")
    start, end = numbers["start"], numbers["end"]
    repeated = table["id"].duplicated() if "id" in table.columns else pd.Series(False, table.index)
    faults = {
        "start and end are not whole numbers": (numbers % 1 != 0).any(axis=1),
        "an interval has 0 <= start < end": (start < 0) | (start >= end),
        "the strand is +, - or empty": ~table["strand"].isin(STRANDS),
        "the id is another row's too": repeated,
    }
    for fault, rows in faults.items():
        if rows.any():
            first = table[rows].iloc[0]
            row = ",".join(str(first[column]) for column in table.columns)
            raise InputError(f"{name}: {fault}: {row!r}; download it again")
