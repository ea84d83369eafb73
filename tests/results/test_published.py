import pandas as pd
import pytest

from dnastudents.errors import InputError
from dnastudents.results.published import read_published


@pytest.fixture
def published(root):
    return root / "workflow/resources/published_results.csv"


def test_the_shipped_facts_are_the_given_ones(published, shared):
    given = pd.read_csv(shared / "published/published_results.csv")
    ours = pd.read_csv(published)
    first = ours[: len(given)].drop(columns=["unit", "certainty"])
    pd.testing.assert_frame_equal(first, given, check_dtype=False)
    assert set(ours["unit"]) == {"fraction"}
    more = pd.read_csv(shared / "published/more_2026-11-28.csv")
    rest = ours[len(given) :].reset_index(drop=True)
    same = ["suite", "task", "model", "parameters", "metric", "value", "spread", "certainty"]
    pd.testing.assert_frame_equal(rest[same], more[same], check_dtype=False)


def test_shipped_values_are_plausible_fractions(published):
    frame = read_published(published)
    assert frame["value"].between(0.1, 1).all()
    findna = frame[(frame["model"] == "FinDNA") & (frame["task"] == "human_nontata_promoters")]
    assert findna["value"].tolist() == [0.9739]


def test_percent_becomes_fractions(published, tmp_path):
    frame = pd.read_csv(published)
    percent = frame.assign(unit="percent", value=100 * frame.value, spread=100 * frame.spread)
    percent.to_csv(tmp_path / "percent.csv", index=False)
    columns = ["value", "spread"]
    pd.testing.assert_frame_equal(
        read_published(tmp_path / "percent.csv")[columns], read_published(published)[columns]
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unit": "permille"}, "line 3: unit must be one of fraction, percent"),
        ({"value": 71.5}, "line 3: value is outside"),
        ({"spread_kind": None}, "line 3: a spread needs"),
        ({"certainty": None}, "line 3: a value needs its certainty"),
        ({"model": "CNN"}, "line 3: the same"),
    ],
)
def test_wrong_rows_are_named(published, tmp_path, changes, message):
    frame = pd.read_csv(published)
    for name, value in changes.items():
        frame.loc[1, name] = value
    frame.to_csv(tmp_path / "wrong.csv", index=False)
    with pytest.raises(InputError, match=message):
        read_published(tmp_path / "wrong.csv")


def test_a_missing_column_or_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_published(tmp_path / "none.csv")
    (tmp_path / "short.csv").write_text("paper,source\n")
    with pytest.raises(InputError, match="no column suite"):
        read_published(tmp_path / "short.csv")
