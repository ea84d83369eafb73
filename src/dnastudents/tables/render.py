"""A sheet of text cells, written as Markdown and LaTeX, with its numbers as CSV beside it.

What a table says is decided before it gets here; this module only knows how to lay cells out. Wide
sheets are broken into panels that repeat the leading columns, so that a suite of 28 tasks still
fits a page. The CSV holds full-precision numbers, never the rounded text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from dnastudents.files import atomic_file, check_file

MISSING = EN_DASH = "\u2013"
MINUS = "\u2212"
TIMES = "\u00d7"
PANEL_COLUMNS = 6
_NEEDS = r"% needs \usepackage{booktabs,graphicx}"
_LIKE_LATEX = rb"% needs \\usepackage\{booktabs,"
_LIKE_MARKDOWN = rb"\*\*[^\n]*\*\*\n\n\| "
_FITTED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
_LATEX = {
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "±": r"$\pm$",
    TIMES: r"$\times$",
    MINUS: "$-$",
    EN_DASH: "--",
    "≥": r"$\geq$",
    "★": r"$\star$",
    "<": "$<$",
}


@dataclass
class Sheet:
    """Text cells of one table.

    Attributes
    ----------
    title : str
        One line above the table.
    headers : list of str
    rows : list of list of str, as long as `headers`
    notes : list of str
        Lines below the table.
    bold : set of (row, column)
    groups : dict of row index -> heading
        Headings that stand before a row.
    fixed : int
        Leading columns that every panel repeats.
    """

    title: str
    headers: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)
    bold: set[tuple[int, int]] = field(default_factory=set)
    groups: dict[int, str] = field(default_factory=dict)
    fixed: int = 1

    def panels(self) -> Iterator[tuple[list[int], list[int]]]:
        """Return column and row indices of each panel.

        Panels are of nearly equal width. A row with nothing to show in a panel is left out there,
        unless it has nothing to show anywhere.
        """
        free = list(range(self.fixed, len(self.headers)))
        count = max(1, -(-len(free) // PANEL_COLUMNS))
        for panel in range(count):
            start, stop = (len(free) * edge // count for edge in (panel, panel + 1))
            shown = free[start:stop]
            rows = [
                i for i in range(len(self.rows)) if self._says(i, shown) or not self._says(i, free)
            ]
            yield [*range(self.fixed), *shown], rows

    def embolden_last_row(self) -> None:
        """Set what the last row says in bold, as that of totals."""
        last = len(self.rows) - 1
        self.bold = {(last, column) for column, text in enumerate(self.rows[last]) if text}

    def _says(self, row: int, columns: list[int]) -> bool:
        return any(self.rows[row][column] != MISSING for column in columns)


class Table(NamedTuple):
    """What a table says: numbers for programs, sheets for readers."""

    numbers: pd.DataFrame
    sheets: Sequence[Sheet]


def write(table: Table, output: str | Path) -> None:
    """Write `output` + .csv (numbers), .md and .tex (sheets), each atomically.

    `output` may end in one of them already; other dots belong to the name.
    """
    output = Path(output)
    numbers, sheets = table
    texts = {
        ".csv": numbers.to_csv(index=False),
        ".md": "\n".join(map(markdown, sheets)),
        ".tex": "\n".join(map(latex, sheets)),
    }
    base = str(output.with_suffix("") if output.suffix in texts else output)
    first = ",".join(numbers.columns[:4])
    like = {".csv": re.escape(first).encode(), ".md": _LIKE_MARKDOWN, ".tex": _LIKE_LATEX}
    for suffix in texts:  # all three, before any is replaced
        check_file(base + suffix, like[suffix])
    for suffix, text in texts.items():
        with atomic_file(base + suffix, like[suffix]) as partial:
            partial.write_text(text, encoding="utf-8")


def percent(value: float, sign: str = "") -> str:
    """Format a fraction × 100 with one decimal, or the sign for a missing value."""
    return MISSING if math.isnan(value) else f"{100 * value:{sign}.1f}".replace("-", MINUS)


def three_digits(value: float) -> str:
    """Format with three significant digits, whole numbers from 100 on, or as missing."""
    if math.isnan(value):
        return MISSING
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def thousands(value: float) -> str:
    """Format a count with separators, from ten million on as 12.7 M or 3.28 G; or as missing."""
    if math.isnan(value):
        return MISSING
    for unit, letter in ((1e9, "G"), (1e6, "M")):
        if value >= 10 * unit or (letter == "G" and value >= unit):
            return f"{three_digits(value / unit)} {letter}"
    return f"{value:,.0f}"


def markdown(sheet: Sheet) -> str:
    """Lay out the sheet as Markdown pipe tables, one per panel, with the notes below the last."""
    lines = [f"**{sheet.title}**", ""]
    for columns, rows in sheet.panels():
        lines += [_pipe([sheet.headers[column] for column in columns])]
        lines += [_pipe(["---" if column < sheet.fixed else "--:" for column in columns])]
        for index in rows:
            if index in sheet.groups:
                lines += [_pipe([f"*{sheet.groups[index]}*", *[""] * (len(columns) - 1)])]
            cells = [sheet.rows[index][column].replace("|", r"\|") for column in columns]
            marks = ["**" if (index, column) in sheet.bold else "" for column in columns]
            lines += [_pipe([mark + cell + mark for mark, cell in zip(marks, cells, strict=True)])]
        lines += [""]
    return "\n".join([*lines, *(f"- {note}" for note in sheet.notes)]) + "\n"


def latex(sheet: Sheet) -> str:
    """Lay out the sheet as LaTeX tables, one float per panel, and the notes as text after them."""
    lines = [_NEEDS]
    panels = list(sheet.panels())
    for number, (columns, rows) in enumerate(panels, 1):
        which = f" ({number} of {len(panels)})" if len(panels) > 1 else ""
        alignment = "".join("l" if column < sheet.fixed else "r" for column in columns)
        lines += [r"\begin{table}[p]", r"\centering\small"]
        label = _label(sheet.title + which)
        lines += [rf"\caption{{{escape(sheet.title + which)}}}", rf"\label{{{label}}}", _FITTED]
        lines += [rf"\begin{{tabular}}{{@{{}}{alignment}@{{}}}}", r"\toprule"]
        lines += [_ampersand([escape(sheet.headers[column]) for column in columns])]
        lines += [r"\midrule"] if rows[0] not in sheet.groups else []
        for index in rows:
            if index in sheet.groups:
                heading = rf"\textit{{{escape(sheet.groups[index])}}}"
                lines += [r"\midrule", rf"\multicolumn{{{len(columns)}}}{{@{{}}l}}{{{heading}}} \\"]
            cells = [escape(sheet.rows[index][column]) for column in columns]
            bold = [(index, column) in sheet.bold for column in columns]
            marked = zip(bold, cells, strict=True)
            lines += [_ampersand([rf"\textbf{{{cell}}}" if b else cell for b, cell in marked])]
        lines += [r"\bottomrule", r"\end{tabular}}"]
        lines += [r"\end{table}"]
    if sheet.notes:  # not inside the float, which cannot be longer than a page
        lines += [rf"{{\raggedright\footnotesize\noindent Notes to Table~\ref{{{label}}}.\par"]
        lines += [rf"{escape(note)}\par" for note in sheet.notes]
        lines += ["}"]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Make LaTeX's special characters, and the signs that tables use, safe in `text`."""
    return "".join(_LATEX.get(sign, sign) for sign in text)


def _label(title: str) -> str:
    """Make a name for \\ref of a title: tab:gue-test-set-scores-100-2-of-5."""
    return "tab:" + "-".join(re.findall(r"[a-z0-9]+", title.lower()))


def _pipe(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ampersand(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"
