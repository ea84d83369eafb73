"""Notes below a table on how runs were fine-tuned, where that is not the same for all."""

from __future__ import annotations

import pandas as pd

GRID = "Learning rate and batch size are the best on dev of a grid, for each task: {runs}."
BY_SEED = "Each seed draws its own dev split from the training sequences: {runs}."
START = "Initialisation: {start}: {runs}."
PARTS = "Features are means over each of {parts} equal parts of a sequence, side by side: {runs}."
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
    by_parts = metrics.assign(parts=metrics.get("pooling_parts", nothing)).dropna(subset="parts")
    for parts, runs in by_parts.groupby("parts")["run"]:
        notes.append(PARTS.format(parts=int(parts), runs=", ".join(sorted(set(runs)))))
    return notes + (start_notes(metrics) if "initialisation" in metrics else [])


def start_notes(rows: pd.DataFrame) -> list[str]:
    """Return one line for each initialisation other than an architecture's own, with its runs.

    Parameters
    ----------
    rows : DataFrame
        With the columns `run` and `initialisation`, which is empty where it is the usual one.
    """
    by_start = rows.dropna(subset="initialisation").groupby("initialisation")["run"]
    return [
        START.format(start=start, runs=", ".join(sorted(set(runs)))) for start, runs in by_start
    ]
