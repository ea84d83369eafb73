"""Which scores say nothing of the sequences, and that a note names them."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from dnastudents.results.row import make_row
from dnastudents.results.soundness import MARK, reasons_against, soundness_notes, unsound
from metrics_rows import metrics_row


@pytest.mark.parametrize(
    ("facts", "reasons"),
    [
        ({}, []),
        ({"constant": False, "undefined": None, "equal_features": False}, []),
        ({"constant": True}, ["one class is predicted throughout"]),
        ({"equal_features": True}, ["all frozen features are equal"]),
        ({"undefined": ["mcc"]}, ["mcc is undefined, and 0 by convention"]),
        ({"undefined": ["auc"]}, []),  # the task is not judged by it
    ],
)
def test_reasons_of_a_row_and_of_its_line_in_the_csv(
    facts: dict[str, Any], reasons: list[str]
) -> None:
    row = make_row(metrics_row(**facts)).as_json()
    assert reasons_against(row) == reasons
    undefined = row["undefined"] and json.dumps(row["undefined"])
    assert reasons_against(row | {"undefined": undefined}) == reasons


def test_notes_name_the_seeds_of_each_reason() -> None:
    rows = [
        metrics_row(run="a", seed=1, constant=True),
        metrics_row(run="a", seed=0, constant=True),
        metrics_row(run="a", seed=2, constant=False),
        metrics_row(run="b", seed=0),  # of an earlier version: it does not say
    ]
    frame = pd.DataFrame(rows)
    assert unsound(frame[frame["run"] == "a"]) == {"one class is predicted throughout": [1, 0]}
    assert unsound(frame[frame["run"] == "b"]) == {}
    notes = soundness_notes(frame)
    assert notes[1:] == [f"{MARK} a on tf_0, seed 0, 1: one class is predicted throughout"]
    assert soundness_notes(frame[frame["run"] == "b"]) == []
