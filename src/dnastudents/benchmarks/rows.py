"""Rows of a split that remember the file and the line they were read from, for messages.

A reader adds the columns by `placed`; what is made canonical loses them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dnastudents.errors import InputError

FILE, LINE = "from file", "from line"  # with blanks, which columns of published tables lack


def placed(
    frame: pd.DataFrame, file: str | Sequence[str], lines: int | Sequence[int] | None = None
) -> pd.DataFrame:
    """Add where each row stands: its file, and its line or, where there are none, its number."""
    rows = -np.arange(1, len(frame) + 1)  # below zero, to tell them from lines
    return frame.assign(**{FILE: file, LINE: rows if lines is None else lines})


def place(frame: pd.DataFrame, row: int, where: str) -> str:
    """Say where a row (0 is the first) stands: file and line, or else `where` and its number."""
    if FILE not in frame.columns:
        return f"{where}, row {row + 1}"
    line = int(frame[LINE].iloc[row])
    return f"{frame[FILE].iloc[row]}, {f'line {line}' if line > 0 else f'row {-line}'}"


def require_columns(frame: pd.DataFrame, where: str) -> None:
    """Raise an `InputError` unless a split has `sequence` and `label`."""
    for column in ("sequence", "label"):
        if column not in frame.columns:
            have = ", ".join(str(name) for name in frame.columns if name not in (FILE, LINE))
            file = frame[FILE].iloc[0] if FILE in frame.columns and len(frame) else where
            raise InputError(f"{file}: no column {column!r}; the columns are {have}")
