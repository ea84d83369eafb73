"""Rank against score of every k-mer: where the masking rules find their easy and hard spans."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dnastudents.errors import InputError
from dnastudents.figures.style import (
    COLOURS,
    COLUMN,
    GREY,
    SIMULATED,
    figure_style,
    grid,
    save,
    says_simulated,
)
from dnastudents.files import read_json, read_parquet


def pmi_figure(folder: str | Path, output: str | Path, named: int = 5) -> None:
    """Draw a PMI table and write `<output>.svg`, `.png` and `.pdf`.

    Parameters
    ----------
    folder : path
        A PMI folder; its `pmi.parquet` has columns `ngram`, `size`, `score` and `rank` (1 = highest
        score). Only n-grams of the size `k` of `pmi.json` are drawn; infinite scores are counted,
        not drawn. A true `simulated` in `pmi.json` labels the figure.
    output : path
        A suffix of these is taken off first.
    named : int
        k-mers to name at each end. Default is 5.

    Raises
    ------
    InputError
        When the table is absent, lacks a column, or has no scored k-mer.
    """
    kmers = _read(Path(folder))
    unscored = ~np.isfinite(kmers["score"])  # too rare to have a score
    scored = kmers[~unscored].sort_values("rank")
    if scored.empty:
        raise InputError(f"{Path(folder) / 'pmi.parquet'}: no k-mer has a score")
    named = min(named, len(scored) // 2)
    title = f"{len(scored):,} k-mers"
    title += f", {unscored.sum():,} more without a score" if unscored.any() else ""
    title += SIMULATED * says_simulated(Path(folder) / "pmi.json")
    with figure_style():
        figure, (axis,) = grid(1, 1, COLUMN, 2.5)
        axis.axhline(0, color=GREY, linewidth=0.5)
        axis.plot(scored["rank"], scored["score"], color=COLOURS[0])
        # Scores fall with the rank, so the upper right and the lower left corner are empty.
        _name(axis, scored.head(named), 0.97, "right", "top")
        _name(axis, scored.tail(named), 0.03, "left", "bottom")
        axis.set(xlabel="rank", ylabel="score", title=title)
        axis.margins(x=0.02)
        save(figure, output)


def _read(folder: Path) -> pd.DataFrame:
    """Read the n-grams of the size that a PMI folder is of."""
    path = folder / "pmi.parquet"
    if not path.is_file():
        raise InputError(f"{path}: no such file; make the PMI table first")
    ngrams = read_parquet(path)
    if missing := {"ngram", "size", "score", "rank"} - set(ngrams.columns):
        raise InputError(f"{path}: no column {', '.join(sorted(missing))}")
    return ngrams[ngrams["size"] == read_json(folder / "pmi.json")["k"]]


def _name(
    axis: Axes,
    kmers: pd.DataFrame,
    corner: float,
    side: Literal["left", "right"],
    edge: Literal["top", "bottom"],
) -> None:
    """Mark some k-mers, and list them in a corner of the figure."""
    axis.plot(kmers["rank"], kmers["score"], "o", color=COLOURS[1], markersize=2.5)
    lines = [f"{kmer.rank:4.0f} {kmer.ngram} {kmer.score:+6.2f}" for kmer in kmers.itertuples()]
    axis.text(
        corner,
        corner,
        "\n".join(lines),
        transform=axis.transAxes,
        ha=side,
        va=edge,
        fontsize=6,
        family="DejaVu Sans Mono",
        color=COLOURS[1],
    )
