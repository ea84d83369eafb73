"""Which scores say nothing of the sequences, and that a note names them."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from dnastudents.results.row import MetricsRow
from dnastudents.results.soundness import (
    MARK,
    against_pretraining,
    reasons_against,
    soundness_notes,
    unsound,
)
from dnastudents.settings import parse
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
    row = parse(MetricsRow, metrics_row(**facts), "row").as_json()
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


def test_a_pretraining_that_learned_nothing_is_told() -> None:
    def told(perplexity: float | None, frequency: float) -> list[str]:
        values = {"perplexity": perplexity, "frequency_perplexity": frequency}
        return against_pretraining(values)

    assert told(3676.0, 3673.0) == [
        "perplexity 3,676 is no better than that of token frequencies, 3,673"
    ]
    assert told(99.0, 100.0)
    assert not told(98.9, 100.0)
    assert not told(None, 100.0)
    assert not against_pretraining({"perplexity": 5000.0})
