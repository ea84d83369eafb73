"""The look that all figures share, and files that come out the same every time.

Colours are Okabe and Ito's (2008), which stay apart for all common forms of colour blindness. A
recipe has one colour in every figure, and its runs differ by shade, line style and marker; the runs
of a recipe are those whose names begin with the same word.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from dnastudents.files import atomic_file, check_file, read_json
from dnastudents.results.jobs import BASELINE, run_of

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#8A8A8A"
RECIPES = dict(zip(("had", "findna", "dnabert", "logo"), COLOURS, strict=False))
SIMULATED = " (simulated data)"
COLUMN, PAGE = 3.5, 7.2  # widths in inches of one and of two journal columns
_MAKER = "dnastudents"  # which SVG and PNG name, so that no other picture is ever replaced
_LIKE = {
    "svg": b"<\\?xml .*>dnastudents<",
    "png": b"\x89PNG.{,100}Software\0dnastudents",
    "pdf": b"%PDF",  # names its maker at its end; the other two are checked before it is replaced
}
_DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))
_MARKERS = "os^vPX<"  # the diamond is that of a curriculum's switch
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
    "figure.dpi": 300,  # at fewer, hinted text seems narrower than it comes out
    "savefig.dpi": "figure",
    "svg.hashsalt": "dnastudents",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,  # text that editors can change
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
    return Series(colour, _DASHES[turn % len(_DASHES)], _MARKERS[(index + turn) % len(_MARKERS)])


def handles_of(axes: Iterable[Axes]) -> dict[str, Artist]:
    """Return what is labelled in any of the axes, by label, for a legend of all."""
    return {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }


def recipe(run: str) -> str:
    """Return the first word of a run's name, which runs of one recipe share."""
    return run_of(run).partition("_")[0]


def looks(runs: Collection[str]) -> dict[str, Series]:
    """Return the look of each run: its recipe's colour, the same whatever other runs are drawn.

    The first runs of a recipe differ by line style, all by marker, and after four a darker shade
    begins. Recipes of one's own take the remaining colours in their order. Further pretrainings of
    a run, `run@1`, look like it; the k-mer baseline is grey.
    """
    found: dict[str, Series] = {}
    colours = dict(RECIPES)
    members: dict[str, int] = {}
    for run in dict.fromkeys(map(run_of, runs)):
        if run == BASELINE:
            found[run] = Series(GREY, (0, (3, 2)), "|")
            continue
        name = recipe(run)
        colour = colours.setdefault(name, COLOURS[len(colours) % len(COLOURS)])
        members[name] = members.get(name, -1) + 1
        # Where colours come again, lines and markers begin with the next.
        index = members[name] + list(colours).index(name) // len(COLOURS)
        shade = 0.45 * (index // len(_DASHES) % 2)
        found[run] = Series(
            _darker(colour, shade), _DASHES[index % len(_DASHES)], _MARKERS[index % len(_MARKERS)]
        )
    return {name: found[run_of(name)] for name in runs}


def _darker(colour: str, share: float) -> str:
    """Mix a colour with black."""
    red, green, blue = ((1 - share) * value for value in to_rgb(colour))
    return to_hex((red, green, blue))


def marker_fill(look: Series, control: bool) -> dict[str, Any]:
    """Return how a marker of a run is filled: hollow if it was never pretrained."""
    return {"mfc": "white" if control else look.colour, "mec": look.colour, "mew": 0.9}


def wrapped(name: str, width: int = 22) -> str:
    """Break a long name after underscores and blanks into lines of at most `width` characters."""
    lines = [""]
    for part in re.findall(r"[^_ ]+[_ ]?|[_ ]", name):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip(" ") for line in lines)


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


def headline(figure: Figure, text: str) -> None:
    """Say at the top what the figure shows, and how to read it."""
    figure.suptitle(text, fontsize=7.5, x=0.01, ha="left")


def says_simulated(description: Path) -> bool:
    """Return whether a JSON file is there and its key `simulated` is true."""
    return description.is_file() and bool(read_json(description).get("simulated"))


def save(figure: Figure, output: str | Path) -> None:
    """Write `output` + .svg, .png and .pdf without dates or versions, and close the figure.

    `output` may end in one of these already.
    """
    base = output_base(output)
    metadata: dict[str, dict[str, str | None]] = {
        "svg": {"Date": None, "Creator": _MAKER},
        "png": {"Software": _MAKER},
        "pdf": {"CreationDate": None, "Creator": _MAKER, "Producer": None},
    }
    try:
        check_pictures(output)  # all, before one is replaced
        figure.draw_without_rendering()  # one layout, which the three files share
        figure.set_layout_engine("none")
        for kind, entries in metadata.items():
            with atomic_file(f"{base}.{kind}", _LIKE[kind]) as partial:
                figure.savefig(partial, format=kind, metadata=entries)
    finally:
        plt.close(figure)


def check_pictures(output: str | Path) -> None:
    """Raise `InputError` if a file of `save` is there and is not such a picture."""
    for kind, like in _LIKE.items():
        check_file(f"{output_base(output)}.{kind}", like)


def output_base(output: str | Path) -> str:
    """Return `output` without the ending of a picture; other dots belong to the name."""
    return re.sub(r"(\.(svg|png|pdf))+$", "", str(output))
