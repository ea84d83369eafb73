"""Rank against score of every k-mer: where the masking rules find their easy and hard spans."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from dnastudents.errors import InputError
from dnastudents.figures.style import (
    COLOURS,
    COLUMN,
    GREY,
    figure_style,
    grid,
    save,
    says_simulated,
)
from dnastudents.files import read_json, reading


def pmi_figure(folder: str | Path, output: str | Path, named: int = 5) -> None:
    """Draw a PMI table and write `<output>.svg` and `.png`.

    Parameters
    ----------
    folder : path
        A PMI folder; its `pmi.parquet` has columns `ngram`, `size`, `score` and `rank` (1 = highest
        score). Only n-grams of the size `k` of `pmi.json` are drawn; infinite scores are counted,
        not drawn. A true `simulated` in `pmi.json` labels the figure.
    output : path
        A suffix .png or .svg is taken off first.
    named : int
        k-mers to name at each end. Default is 5.

    Raises
    ------
    InputError
        When the table is absent, lacks a column, or has no scored k-mer.
    """
    path = Path(folder) / "pmi.parquet"
    if not path.is_file():
        raise InputError(f"{path}: no such file; make the PMI table first")
    with reading(path):
        frame = pd.read_parquet(path)
    if missing := {"ngram", "size", "score", "rank"} - set(frame.columns):
        raise InputError(f"{path}: no column {', '.join(sorted(missing))}")
    frame = frame[frame["size"] == read_json(path.with_name("pmi.json"))["k"]]
    unscored = ~np.isfinite(frame["score"])  # too rare to have a score
    frame = frame[~unscored].sort_values("rank")
    if frame.empty:
        raise InputError(f"{path}: no k-mer has a score")
    named = min(named, len(frame) // 2)
    title = f"{len(frame):,} k-mers"
    title += f", {unscored.sum():,} more without a score" if unscored.any() else ""
    title += " (simulated data)" if says_simulated(path.with_name("pmi.json")) else ""
    with figure_style():
        figure, (axis,) = grid(1, 1, COLUMN, 2.5)
        axis.axhline(0, color=GREY, linewidth=0.5)
        axis.plot(frame["rank"], frame["score"], color=COLOURS[0])
        ends = (
            (frame.head(named), 0.97, "right", "top"),
            (frame.tail(named), 0.03, "left", "bottom"),
        )
        for rows, x, side, edge in ends:
            axis.plot(rows["rank"], rows["score"], "o", color=COLOURS[1], markersize=2.5)
            lines = [f"{r.rank:4.0f} {r.ngram} {r.score:+6.2f}" for r in rows.itertuples()]
            axis.text(
                x,
                x,
                "\n".join(lines),
                transform=axis.transAxes,
                ha=side,
                va=edge,
                fontsize=6,
                family="DejaVu Sans Mono",
                color=COLOURS[1],
            )
        axis.set(xlabel="rank", ylabel="score", title=title)
        axis.margins(x=0.02)
        save(figure, output)
