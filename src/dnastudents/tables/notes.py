"""Notes below a table on how runs were fine-tuned, where that is not the same for all."""

from __future__ import annotations

import pandas as pd

GRID = "Learning rate and batch size are the best on dev of a grid, for each task: {runs}."
BY_SEED = "Each seed draws its own dev split from the training sequences: {runs}."
START = "Initialisation: {value}: {runs}."
PARTS = "Features are means over each of {value:g} equal parts of a sequence, side by side: {runs}."
STRANDS = {
    "augment": "Training sequences are read on either strand: {runs}.",
    "conjoin": (
        "Training sequences are read on either strand, and the logits of both strands are averaged "
        "for dev and test: {runs}."
    ),
}


def finetuning_notes(metrics: pd.DataFrame) -> list[str]:
    """Return one line for each way of fine-tuning other than the plain one, with its runs.

    Parameters
    ----------
    metrics : DataFrame
        Metrics rows. Of the columns `grid_cells`, `dev`, `reverse_complement`, `pooling_parts`
        and `initialisation` those count that are there; rows of probes lack some.
    """
    nothing = pd.Series(pd.NA, index=metrics.index)
    grid_cells, dev, strands = (
        metrics.get(name, nothing) for name in ("grid_cells", "dev", "reverse_complement")
    )
    found = [
        (GRID, grid_cells.fillna(1).astype(int) > 1),
        (BY_SEED, dev == "by_seed"),
        *((text, strands == name) for name, text in STRANDS.items()),
    ]
    notes = []
    for text, rows in found:
        if runs := sorted(set(metrics.loc[rows.fillna(False).astype(bool), "run"])):
            notes.append(text.format(runs=", ".join(runs)))
    notes += _by_value(PARTS, metrics, "pooling_parts")
    return notes + start_notes(metrics)


def start_notes(rows: pd.DataFrame) -> list[str]:
    """Return one line for each initialisation other than an architecture's own, with its runs.

    Parameters
    ----------
    rows : DataFrame
        With `run`, and `initialisation` where any row has one; it is empty for the usual one.
    """
    return _by_value(START, rows, "initialisation")


def _by_value(text: str, rows: pd.DataFrame, column: str) -> list[str]:
    """Return one line for each value of a column, with its runs."""
    if column not in rows:
        return []
    groups = rows.dropna(subset=column).groupby(column)["run"]
    return [text.format(value=value, runs=", ".join(sorted(set(names)))) for value, names in groups]
