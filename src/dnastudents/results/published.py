"""The published numbers, the only ones in a table that are not ours.

`workflow/resources/published_results.csv` holds facts read from the papers, each with its source,
and `certainty`: how it was read.
Its `unit` column says how the value is written there, `fraction` (0.915) or `percent` (91.5); this
module hands out fractions. All present rows are fractions.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from dnastudents.errors import InputError
from dnastudents.files import read_csv

PUBLISHED_COLUMNS = (
    "paper",
    "source",
    "suite",
    "task",
    "model",
    "role",
    "parameters",
    "metric",
    "value",
    "spread",
    "spread_kind",
    "unit",
    "certainty",
    "note",
)
NAMES = ("paper", "source", "suite", "task", "model", "metric", "certainty")
SCALE = {"fraction": 1.0, "percent": 0.01}
MEAN_TASK = "mean of "  # the task name of a published average, followed by the number of tasks


def read_published(path: str | Path) -> pd.DataFrame:
    """Read published results, with `value` and `spread` as fractions.

    Raises
    ------
    InputError
        When the file is absent, or lacks a column, or has an unknown unit, a value outside -1..1
        after scaling, a spread without its kind, a value without its certainty, or one
        result twice.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    frame = read_csv(path, NAMES)
    if missing := [name for name in PUBLISHED_COLUMNS if name not in frame]:
        raise InputError(f"{path}: no column {', '.join(missing)}")
    key = ["source", "suite", "task", "model", "metric"]
    scale = frame["unit"].map(SCALE)
    checks = {
        f"unit must be one of {', '.join(SCALE)}": scale.isna(),
        "value is outside -1..1 after scaling": ~(frame["value"] * scale).between(-1, 1),
        "a spread needs its spread_kind": frame["spread"].notna() & frame["spread_kind"].isna(),
        "a value needs its certainty, as how it was read": frame["certainty"] == "",
        f"the same {', '.join(key)} twice": frame.duplicated(key),
    }
    for message, wrong in checks.items():
        if wrong.any():
            raise InputError(f"{path}, line {int(wrong.to_numpy().argmax()) + 2}: {message}")
    return frame.assign(value=frame["value"] * scale, spread=frame["spread"] * scale)
