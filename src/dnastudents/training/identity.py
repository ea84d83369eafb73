"""Which settings of a run decide what comes out, and which only how it is computed.

A run resumes from its state, and Snakemake keeps its result, when the second kind changes. Free of
torch, because the workflow's configuration asks too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# In `pretraining`. Micro-batches change the order of sums, hence the last bits, and which units a
# dropout drops, as a number of processes does; neither is part of a run.
EXECUTION = ("micro_batch_size", "checkpoint_every", "log_every", "stop_after_bad_steps")


def split_settings(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of a pretraining without those of its execution, and these.

    A contrastive loss compares the rows of a micro-batch: there its size decides the result.
    """
    if "pretraining" not in settings:
        return dict(settings), {}
    names = set(EXECUTION)
    if settings["objective"].get("contrastive_weight"):
        names.remove("micro_batch_size")
    block = settings["pretraining"]
    deciding = {key: value for key, value in block.items() if key not in names}
    return (
        {**settings, "pretraining": deciding},
        {key: value for key, value in block.items() if key in names},
    )


def merge_settings(settings: Mapping[str, Any], execution: Mapping[str, Any]) -> dict[str, Any]:
    """What `split_settings` split; `execution` may be empty."""
    if not execution:
        return dict(settings)
    return {**settings, "pretraining": {**settings.get("pretraining", {}), **execution}}
