"""Rows of results as CSV, TSV, Parquet or npz, written as they come; complete or absent."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dnastudents.errors import InputError
from dnastudents.files import atomic_file, check_file

PLURAL = {"label": "labels", "embedding": "embeddings"}  # names in npz, as t-SNE figures read them
ROWS = 10_000  # written at a time
SEPARATORS = {".csv": ",", ".tsv": "\t"}
LIKE = {  # how results of each format begin: with the id, or with the sequence of a variant
    ".csv": b"(id|chrom),",
    ".tsv": b"(id|chrom)\t",
    ".parquet": b"PAR1",
    ".npz": rb"PK.{28}",
}


def check_output(output: Path | None) -> None:
    """Raise `InputError` unless such a result can be written there: before what takes long."""
    if output is None:
        return
    if _format(output) not in LIKE:
        raise InputError(f"{output}: its name must end with one of {', '.join(LIKE)}")
    check_file(output, LIKE[_format(output)])


def _format(output: Path) -> str:
    """The suffix; a name without one is that of a CSV."""
    return output.suffix or ".csv"


def write_rows(rows: Iterable[dict[str, Any]], output: Path | None, **facts: str) -> int:
    """Write rows, all with the same keys.

    Parameters
    ----------
    rows : iterable of dict
        Values are text, numbers or None; in npz also arrays, one column each elsewhere.
    output : Path or None
        The format is its suffix, or CSV. None is standard output, as CSV.
    **facts
        Put into npz beside the columns.

    Returns
    -------
    int
        Number of rows.
    """
    check_output(output)
    frames = _frames(rows)
    if output is None:
        return _write_text(frames, sys.stdout, ",")
    with atomic_file(output, LIKE[_format(output)]) as partial:
        if _format(output) == ".parquet":
            return _write_parquet(frames, partial)
        if _format(output) == ".npz":
            return _write_npz(frames, partial, facts)
        with partial.open("w", encoding="utf-8", newline="") as handle:
            return _write_text(frames, handle, SEPARATORS[_format(output)])


def _frames(rows: Iterable[dict[str, Any]]) -> Iterator[pd.DataFrame]:
    stream = iter(rows)
    while chunk := list(islice(stream, ROWS)):
        yield pd.DataFrame(chunk)


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """Give each number of an array a column of its own: `embedding` becomes `embedding_0` ..."""
    columns: dict[str, Any] = {}
    for name, values in frame.items():
        if isinstance(values.iloc[0], np.ndarray):
            block = np.stack(values.tolist())
            columns |= {f"{name}_{number}": column for number, column in enumerate(block.T)}
        else:
            columns[str(name)] = values
    return pd.DataFrame(columns)


def _write_text(frames: Iterable[pd.DataFrame], handle: Any, separator: str) -> int:
    total = 0
    for frame in frames:
        _flat(frame).to_csv(handle, sep=separator, index=False, header=total == 0)
        total += len(frame)
    return total


def _write_parquet(frames: Iterable[pd.DataFrame], path: Path) -> int:
    writer, total = None, 0
    try:
        for frame in frames:
            table = pa.Table.from_pandas(_flat(frame), preserve_index=False)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table.cast(writer.schema))
            total += len(frame)
    finally:
        if writer is not None:
            writer.close()
    return total


def _write_npz(frames: Iterable[pd.DataFrame], path: Path, facts: Mapping[str, str]) -> int:
    """Write an array per column; text as text, so that no pickle is needed to read it."""
    whole = pd.concat(frames, ignore_index=True)
    arrays: dict[str, Any] = {name: np.array(fact) for name, fact in facts.items()}
    for name, values in whole.items():
        listed = values.tolist()
        is_text = any(isinstance(value, str) for value in listed)
        array = np.array(listed, dtype=str) if is_text else np.stack(listed)
        arrays[PLURAL.get(str(name), str(name))] = array
    # Through a handle, because savez adds .npz to a name that lacks it.
    with path.open("wb") as handle:
        np.savez(handle, **arrays)
    return len(whole)
