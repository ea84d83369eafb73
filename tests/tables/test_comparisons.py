import json
import math

import pandas as pd
import pytest

from dnastudents.errors import InputError
from dnastudents.results.rows import collect
from dnastudents.tables.comparisons import write_comparisons

PAIRS = [("had", "had_scratch"), ("findna", "findna_scratch")]


@pytest.fixture
def compared(rows, tmp_path):
    folders = [
        rows("had", "tf_0", [0.60, 0.71, 0.82]),
        rows("had_scratch", "tf_0", [0.50, 0.61, 0.7205]),
        rows("had", "tf_1", [0.40, 0.41, 0.42]),
        rows("had_scratch", "tf_1", [0.42, 0.41, 0.41]),
        rows("had", "tf_2", [0.40]),
        rows("findna", "tf_0", [0.60]),
        rows("findna_scratch", "tf_0", [0.70]),
    ]
    collect(folders, tmp_path / "metrics.csv")
    frame = write_comparisons(tmp_path / "metrics.csv", PAIRS, tmp_path / "c.csv")
    return frame.set_index(["run", "task"])


def test_a_clear_gain_and_an_unclear_one(compared):
    gain = compared.loc[("had", "tf_0")]
    assert gain["difference"] == pytest.approx(100 * (0.10 + 0.10 + 0.0995) / 3)
    assert gain["verdict"] == "better"
    assert gain["p_holm"] == pytest.approx(2 * gain["p"])
    assert compared.loc[("had", "tf_1"), "verdict"] == "unclear"


def test_over_tasks_each_task_is_one_value(compared):
    both = [compared.loc[("had", task), "difference"] for task in ("tf_0", "tf_1")]
    over = compared.loc[("had", "all tasks")]
    assert over["difference"] == pytest.approx(sum(both) / 2)
    assert over["ci95"] == pytest.approx(12.706 * abs(both[0] - both[1]) / 2, rel=1e-4)
    assert math.isnan(over["p"])


def test_one_seed_gives_a_difference_without_a_verdict(compared):
    row = compared.loc[("findna", "tf_0")]
    assert row["difference"] == pytest.approx(-10)
    assert math.isnan(row["ci95"])
    assert pd.isna(row["verdict"])
    assert ("findna", "all tasks") not in compared.index
    assert ("had", "tf_2") not in compared.index  # its control has no such task


def test_two_seeds_that_agree_by_chance_prove_nothing(rows, tmp_path):
    values = {"had": [0.60, 0.70], "had_scratch": [0.59, 0.69]}
    collect([rows(run, "t", scores) for run, scores in values.items()], tmp_path / "metrics.csv")
    row = write_comparisons(tmp_path / "metrics.csv", PAIRS, tmp_path / "c.csv").iloc[0]
    assert row["ci95"] == pytest.approx(0, abs=1e-9)
    assert math.isnan(row["p"])
    assert pd.isna(row["verdict"])


def test_files(compared, tmp_path):
    text = (tmp_path / "c.md").read_text()
    assert "| had \u2212 had_scratch | **+10.0 ± 0.1** | " in text
    assert "| findna \u2212 findna_scratch | \u221210.0 | \u2013 | \u2013 |" in text
    assert r"findna $-$ findna\_scratch & $-$10.0" in (tmp_path / "c.tex").read_text()
    assert len(pd.read_csv(tmp_path / "c.csv")) == len(compared)


def test_suites_have_tables_of_their_own_but_one_correction(rows, tmp_path):
    values = {"had": [0.60, 0.71, 0.82], "had_scratch": [0.50, 0.61, 0.7205]}
    folders = [rows(run, "t", v, suite=suite) for run, v in values.items() for suite in "ab"]
    collect(folders, tmp_path / "metrics.csv")
    frame = write_comparisons(tmp_path / "metrics.csv", PAIRS, tmp_path / "c.csv")
    assert frame["p_holm"].tolist() == pytest.approx([2 * frame["p"][0]] * 2)
    text = (tmp_path / "c.md").read_text()
    assert text.count("runs against their controls") == 2
    assert text.count("Holm-adjusted") == 1


def test_seeds_of_one_pretraining_are_one_value(rows, tmp_path):
    seeds = {"had": [0.60, 0.70, 0.64, 0.72], "had_scratch": [0.5, 0.5, 0.5, 0.5]}
    folders = [rows(run, "t", values) for run, values in seeds.items()]
    for seed in range(4):  # seeds 0 and 2 start from one pretraining, 1 and 3 from the other
        file = folders[0] / f"seed_{seed}.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"pretraining_seed": seed % 2}))
    collect(folders, tmp_path / "metrics.csv")
    row = write_comparisons(tmp_path / "metrics.csv", PAIRS, tmp_path / "c.csv").iloc[0]
    assert row["seeds"] == 2
    assert row["difference"] == pytest.approx(100 * (0.12 + 0.21) / 2)
    assert row["ci95"] == pytest.approx(100 * 12.706 * 0.09 / 2, rel=1e-4)


def test_so_are_those_of_its_control(rows, tmp_path):
    values = {"had": [0.60, 0.70, 0.64, 0.72], "findna": [0.5, 0.6, 0.5, 0.6]}
    folders = [rows(run, "t", each) for run, each in values.items()]
    for seed in range(4):
        for folder, pretraining in zip(folders, (0, seed % 2), strict=True):
            file = folder / f"seed_{seed}.json"
            row = json.loads(file.read_text()) | {"pretraining_seed": pretraining}
            file.write_text(json.dumps(row))
    collect(folders, tmp_path / "metrics.csv")
    pairs = [("had", "findna")]
    row = write_comparisons(tmp_path / "metrics.csv", pairs, tmp_path / "c.csv").iloc[0]
    assert row["seeds"] == 2
    assert "pretrained only once" in (tmp_path / "c.md").read_text()


def test_a_run_has_several_controls(rows, tmp_path):
    values = {"had": [0.60, 0.71], "had_scratch": [0.50, 0.60], "findna": [0.55, 0.65]}
    collect([rows(run, "t", v) for run, v in values.items()], tmp_path / "metrics.csv")
    pairs = [("had", "had_scratch"), ("had", "findna")]
    frame = write_comparisons(tmp_path / "metrics.csv", pairs, tmp_path / "c.csv")
    assert frame["control"].tolist() == ["had_scratch", "findna"]
    assert frame["difference"].tolist() == pytest.approx([10.5, 5.5])


def test_no_pair_is_an_error(rows, tmp_path):
    collect([rows("had", "tf_0", [0.5])], tmp_path / "metrics.csv")
    with pytest.raises(InputError, match="none of had, findna has its control"):
        write_comparisons(tmp_path / "metrics.csv", PAIRS, tmp_path / "c.csv")


def test_a_seed_that_failed_in_one_run_is_left_out_of_both(rows, tmp_path):
    folders = [
        rows("had", "tf_0", [0.60, 0.71, 0.83]),
        rows("had_scratch", "tf_0", [0.50, 0.61, 0.72]),
        rows("had_scratch", "tf_0", [0.99], seed=3),
        rows("had", "tf_1", [0.7, 0.8, 0.95]),
        rows("had_scratch", "tf_1", [0.5, 0.6, 0.7]),
    ]
    record = {"seed": 3, "reason": "the loss is nan"}
    (folders[0] / "failed_seed_3.json").write_text(json.dumps(record))
    collect([*folders[:2], *folders[3:]], tmp_path / "metrics.csv")
    frame = write_comparisons(tmp_path / "metrics.csv", PAIRS[:1], tmp_path / "c.csv")
    row = frame.iloc[0]
    assert row["difference"] == pytest.approx(100 * (0.10 + 0.10 + 0.11) / 3)
    assert (row["seeds"], row["finished_seeds"], row["verdict"]) == (3, "3/4", "better")
    text = (tmp_path / "c.md").read_text()
    assert "† n = 3/4" in text
    (line,) = [line for line in text.splitlines() if line.startswith("| had \u2212")]
    assert [cell.strip().endswith("†") for cell in line.split("|")[2:-1]] == [False, False, True]
    assert "- † had on tf_0, seed 3: the loss is nan" in text
    assert "finished_seeds" in (tmp_path / "c.csv").read_text()


def test_tasks_of_one_name_in_two_suites_are_told_apart(rows, tmp_path):
    folders = [
        rows(run, "t", [0.60, 0.71, 0.83], suite=suite, constant=suite == "b")
        for suite in "ab"
        for run in PAIRS[0]
    ]
    (folders[2] / "failed_seed_3.json").write_text(json.dumps({"seed": 3, "reason": "nan"}))
    collect(folders, tmp_path / "metrics.csv")
    write_comparisons(tmp_path / "metrics.csv", PAIRS[:1], tmp_path / "c.csv")
    text = (tmp_path / "c.md").read_text()
    assert "- † had on b/t, seed 3: nan" in text
    assert "‡ had on b/t, seed 0, 1, 2: one class" in text
    assert "on a/t" not in text


def test_runs_whose_seeds_all_finished_say_nothing_of_failing(compared, tmp_path):
    assert "†" not in (tmp_path / "c.md").read_text()
    assert "finished_seeds" not in compared


def test_a_score_that_says_nothing_is_marked(rows, tmp_path):
    folders = [
        rows("had", "tf_0", [0.60, 0.71]),
        rows("had_scratch", "tf_0", [0.0], constant=True),
        rows("had_scratch", "tf_0", [0.61], seed=1),
        rows("had", "tf_1", [0.60, 0.71]),
        rows("had_scratch", "tf_1", [0.50, 0.61]),
        rows("other", "tf_1", [0.0], constant=True),
    ]
    collect(folders, tmp_path / "metrics.csv")
    frame = write_comparisons(tmp_path / "metrics.csv", PAIRS[:1], tmp_path / "c.csv")
    assert frame.set_index("task")["unsound"].to_dict() == {
        "tf_0": True,
        "tf_1": False,
        "all tasks": True,
    }
    text = (tmp_path / "c.md").read_text()
    cells = next(row for row in text.splitlines() if row.startswith("| had")).split("|")
    assert [cell.strip()[-1] == "‡" for cell in cells[2:-1]] == [True, False, True]
    assert "had_scratch on tf_0, seed 0: one class is predicted throughout" in text
    assert "other on" not in text


def test_scores_that_say_something_are_not_marked(compared, tmp_path):
    assert "‡" not in (tmp_path / "c.md").read_text()
    assert "unsound" not in compared
