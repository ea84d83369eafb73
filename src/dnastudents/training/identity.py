"""Which settings of a run decide what comes out, and which only how it is computed.

A run resumes from its state, and Snakemake keeps its result, when the second kind changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dnastudents.training.options import RunSettings

# In `pretraining`. Micro-batches change the order of sums, and so the last bits, and which units a
# dropout drops, as a number of processes does; neither is part of a run.
EXECUTION = ("micro_batch_size", "checkpoint_every", "log_every", "stop_after_bad_steps")


def split_settings(settings: RunSettings) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the settings of a pretraining into what decides the result and its execution, as JSON.

    Where the loss compares the rows of a micro-batch, its size decides the result, and so does the
    number of processes (`compared_rows`).
    """
    values = settings.as_json()
    if settings.pretraining is None:
        return values, {}
    names = [
        name
        for name in EXECUTION
        if not (name == "micro_batch_size" and settings.objective.compares_rows)
    ]
    block = values["pretraining"]
    return values, {name: block.pop(name) for name in names}


def compared_rows(settings: RunSettings, processes: int) -> int | None:
    """Count the rows that a loss compares at once, which processes share; None: it does not."""
    block = settings.pretraining
    if block is None or not settings.objective.compares_rows:
        return None
    return min(block.micro_batch_size or block.batch_size, -(-block.batch_size // processes))


def merge_settings(settings: Mapping[str, Any], execution: Mapping[str, Any]) -> dict[str, Any]:
    """Merge what `split_settings` split; `execution` may be empty."""
    if not execution:
        return dict(settings)
    return {**settings, "pretraining": {**(settings.get("pretraining") or {}), **execution}}
