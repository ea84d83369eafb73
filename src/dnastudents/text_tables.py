"""Tables of text with a header line that other people wrote: CSV and TSV."""

from __future__ import annotations

from typing import IO

import pandas as pd

from dnastudents.errors import InputError


def read_text_table(handle: IO[bytes], shown: str, separator: str) -> pd.DataFrame:
    """Read a table as it is written: every cell is text, an empty one the empty string.

    Parameters
    ----------
    handle : binary file
        UTF-8, with or without a byte order mark; its first line that is not blank is the header.
    shown : str
        What messages call it.
    separator : str
        Between the cells of a row.

    Raises
    ------
    InputError
        It is no table in UTF-8, has two columns of one name, or no row.
    """
    try:
        # Of a header that is read as one, pandas renames what is there twice, and takes the
        # first fields of longer rows for names of rows.
        table = pd.read_csv(
            handle,
            sep=separator,
            dtype=str,
            keep_default_na=False,
            header=None,
            encoding="utf-8-sig",
            skipinitialspace=True,  # so that quotes behind a blank are quotes
        )
    except UnicodeDecodeError as error:
        raise InputError(f"{shown}: is not in UTF-8 ({error}); save it so") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = str(error).strip()
        raise InputError(f"{shown}: not a table ({reason}); repair it, or make it again") from None
    header = [str(text).strip() or f"column {n}" for n, text in enumerate(table.iloc[0], 1)]
    if twice := [column for column in header if header.count(column) > 1]:
        raise InputError(f"{shown}: two columns are named {twice[0]!r}; rename or remove one")
    if len(table) < 2:
        raise InputError(f"{shown}: holds a header and no row; the file may be cut short")
    return table[1:].set_axis(header, axis=1).reset_index(drop=True)
