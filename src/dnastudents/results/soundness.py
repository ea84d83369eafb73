"""Results that say nothing: scores of a constant predictor, pretrainings that learned nothing.

Such a score, as one of equal features or an undefined metric, is a number like any other (an MCC
of 0, the share of the commonest class), so tables and figures mark it, and a note says which seeds
have it and why. So is the perplexity of token frequencies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from dnastudents.results.failures import cells_of

MARK = "‡"
NO_BETTER = 0.99  # times the perplexity of frequencies: below that something was learned
_COLUMNS = ("seed", "metric", "equal_features", "constant", "undefined")
NOTE = f"{MARK} A score that says nothing of the sequences:"


def unsound(rows: pd.DataFrame) -> dict[str, list[int]]:
    """Find the seeds whose score says nothing, by reason; `rows` are of one run on one task.

    Rows of earlier versions do not say, and pass.
    """
    found: dict[str, list[int]] = {}
    names = [name for name in _COLUMNS if name in rows]
    for values in zip(*(rows[name].tolist() for name in names), strict=True):
        row = dict(zip(names, values, strict=True))
        for reason in reasons_against(row):
            found.setdefault(reason, []).append(row["seed"])
    return found


def soundness_notes(metrics: pd.DataFrame) -> list[str]:
    """Lines below a table that name run, task, seeds and reason of all such scores in its rows."""
    found = [
        f"{MARK} {run} on {task}, seed {', '.join(map(str, sorted(seeds)))}: {reason}"
        for run, task, rows in cells_of(metrics)
        for reason, seeds in unsound(rows).items()
    ]
    return [NOTE, *found] if found else []


def reasons_against(row: Mapping[Any, Any]) -> list[str]:
    """Say why the score of a metrics row, or of its line in the CSV, says nothing."""
    reasons = []
    if row.get("equal_features") is True:
        reasons.append("all frozen features are equal")
    if row.get("constant") is True:
        reasons.append("one class is predicted throughout")
    undefined = row.get("undefined")
    if isinstance(undefined, str):
        undefined = json.loads(undefined)
    if isinstance(undefined, list) and row["metric"] in undefined:
        reasons.append(f"{row['metric']} is undefined, and 0 by convention")
    return reasons


def against_pretraining(validation: Mapping[Any, Any]) -> list[str]:
    """Say why a pretraining taught nothing, by its last validation as `metrics.json` has it."""
    perplexity, plain = (validation.get(f"{name}perplexity") for name in ("", "frequency_"))
    if perplexity is None or plain is None or perplexity < NO_BETTER * plain:
        return []
    return [
        f"perplexity {perplexity:,.4g} is no better than that of token frequencies, {plain:,.4g}"
    ]
