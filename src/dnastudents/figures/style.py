"""The look that all figures share, and files that come out the same every time.

Colours are Okabe and Ito's (2008), which stay apart for all common forms of colour blindness. More
than seven series get line styles and markers on top, so that a legend of twenty is readable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dnastudents.files import atomic_file, check_file, read_json

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#8A8A8A"
COLUMN, PAGE = 3.5, 7.2  # widths in inches of one and of two journal columns
_MAKER = "dnastudents"  # which both files name, so that no other picture is ever replaced
_LIKE = {"svg": b"<\\?xml .*>dnastudents<", "png": b"\x89PNG.{,100}Software\0dnastudents"}
_DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))
_MARKERS = "os^vPX*"  # the diamond is that of a curriculum's switch
_SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.1,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "figure.dpi": 100,
    "savefig.dpi": 300,
    "svg.hashsalt": "dnastudents",
    "svg.fonttype": "path",
}


class Series(NamedTuple):
    """How one of many series is drawn."""

    colour: str
    dash: str | tuple[int, tuple[float, ...]]
    marker: str


@contextmanager
def figure_style() -> Iterator[None]:
    """Apply the project's settings on top of matplotlib's defaults, not the user's own."""
    with plt.rc_context():
        plt.rcdefaults()
        plt.rcParams.update(cast(Any, _SETTINGS))  # stubs want every key as a literal
        yield


def series(index: int) -> Series:
    """Look of the `index`-th series: seven colours, then the next line style."""
    turn = index // len(COLOURS)
    colour = COLOURS[index % len(COLOURS)]
    return Series(colour, _DASHES[turn % len(_DASHES)], _MARKERS[index % len(_MARKERS)])


def wrapped(name: str, width: int = 22) -> str:
    """Break a long name after underscores into lines of at most `width` characters."""
    lines = [""]
    for part in re.findall(r"[^_]*_?", name):
        if len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def grid(
    panels: int, columns: int, width: float, panel_height: float, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """Make a figure of `panels` axes in even rows of at most `columns`; remove spare axes."""
    rows = -(-panels // columns)
    columns = -(-panels // rows)
    size = (width, rows * panel_height)
    figure, axes = plt.subplots(
        rows, columns, figsize=size, squeeze=False, sharey=sharey, layout="constrained"
    )
    for spare in axes.flat[panels:]:
        spare.remove()
    return figure, list(axes.flat[:panels])


def says_simulated(description: Path) -> bool:
    """Return whether a JSON file is there and its key `simulated` is true."""
    return description.is_file() and bool(read_json(description).get("simulated"))


def save(figure: Figure, output: str | Path) -> None:
    """Write `output` + .svg and .png without dates or versions, and close the figure.

    `output` may end in .svg or .png already.
    """
    base = output_base(output)
    metadata: dict[str, dict[str, str | None]] = {
        "svg": {"Date": None, "Creator": _MAKER},
        "png": {"Software": _MAKER},
    }
    for kind in metadata:  # both, before one is replaced
        check_file(f"{base}.{kind}", _LIKE[kind])
    for kind, entries in metadata.items():
        with atomic_file(f"{base}.{kind}", _LIKE[kind]) as partial:
            figure.savefig(partial, format=kind, metadata=entries)
    plt.close(figure)


def output_base(output: str | Path) -> str:
    """Return `output` without .svg or .png at its end; other dots belong to the name."""
    return str(output).removesuffix(".svg").removesuffix(".png")
