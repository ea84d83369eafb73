"""What a reader should know about the splits of a task before believing a number, and its leaks.

A leak is a row of train or dev whose sequence is in test, letter by letter after what
`benchmarks.task` makes canonical (upper case, N for IUPAC letters), whatever its label. The reverse
complement is another sequence here, as it is for a model that reads one strand. Leaks are always
counted; they are taken out of train and dev where the configuration says so, never out of test.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from dnastudents.errors import InputError, nearest

LEAKAGES = ("report", "remove")


def remove_leaks(splits: dict[str, pd.DataFrame], leakage: str, where: str) -> dict[str, int]:
    """Take the rows whose sequence is in test out of the other splits, in place.

    Parameters
    ----------
    splits : dict of str to DataFrame
        Canonical splits, test among them.
    leakage : {'report', 'remove'}
        `report` leaves all splits as they are.
    where : str
        Names the task in messages.

    Returns
    -------
    dict of str to int
        Rows taken out of train and, where there is one, dev.

    Raises
    ------
    InputError
        An unknown `leakage`, or a split of which nothing is left.
    """
    if leakage not in LEAKAGES:
        raise InputError(f"{where}: unknown leakage '{leakage}'; {nearest(leakage, LEAKAGES)}")
    removed = {name: 0 for name in splits if name != "test"}
    if leakage == "report":
        return removed
    tested = splits["test"]["sequence"]
    for name in removed:
        leaks = splits[name]["sequence"].isin(tested)
        removed[name] = int(leaks.sum())
        if leaks.all():
            raise InputError(
                f"{where} {name}: every sequence is in test, so `leakage: remove` leaves none; "
                "use `leakage: report`"
            )
        splits[name] = splits[name][~leaks].reset_index(drop=True)
    return removed


def describe(frames: Mapping[str, pd.DataFrame], ambiguous: int, classes: int) -> dict[str, Any]:
    """Sizes, lengths, duplicates, conflicting labels and N content.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        Canonical train, dev and test; a split that a task lacks is empty.
    ambiguous : int
        IUPAC letters that became N.
    classes : int
        Number of classes.
    """
    unique = {name: set(frame["sequence"]) for name, frame in frames.items()}
    together = pd.concat([frame for frame in frames.values() if len(frame)])
    labels = together.drop_duplicates().groupby("sequence").size()
    lengths = together["sequence"].str.len()
    unknown = int(together["sequence"].str.count("N").sum())
    return {
        "n_sequences": {name: len(frame) for name, frame in frames.items()},
        "class_counts": {
            name: np.bincount(frame["label"], minlength=classes).tolist()
            for name, frame in frames.items()
        },
        "length_distribution": {
            "min": int(lengths.min()),
            "median": float(lengths.median()),
            "max": int(lengths.max()),
        },
        "duplicates": {
            "within": {name: len(frames[name]) - len(unique[name]) for name in frames},
            "across": {f"{a}/{b}": len(unique[a] & unique[b]) for a, b in combinations(frames, 2)},
        },
        "conflicting_labels": int((labels > 1).sum()),
        "n_content": {"fraction": unknown / int(lengths.sum()), "iupac_letters": ambiguous},
    }
