import json

import pandas as pd
import pytest

from dnastudents.errors import InputError
from dnastudents.figures.results import overview_figure
from dnastudents.figures.scores import read_scores
from dnastudents.results.failures import incomplete
from dnastudents.results.row import REQUIRED_COLUMNS
from dnastudents.results.rows import collect, read_metrics, runs_in_order
from dnastudents.tables.results import write_table


def test_rows_are_sorted_and_complete(rows, tmp_path):
    folders = [
        rows("had", "tf_1", [0.5, 0.6]),
        rows("had", "tf_0", [0.3], strength=0.1),
        rows("findna", "tf_0", [0.4]),
        rows("had", "promoter", [0.9], suite="a_suite", simulated=True),
    ]
    collect(folders, tmp_path / "metrics.csv")
    frame = read_metrics(tmp_path / "metrics.csv")
    assert list(zip(frame["task"], frame["run"], frame["seed"], strict=True)) == [
        ("promoter", "had", 0),
        ("tf_0", "findna", 0),
        ("tf_0", "had", 0),
        ("tf_1", "had", 0),
        ("tf_1", "had", 1),
    ]
    assert list(frame.columns) == [*REQUIRED_COLUMNS, "strength"]
    assert frame["simulated"].tolist() == [True, False, False, False, False]
    assert json.loads(frame["confusion"][0]) == [[9, 1], [2, 8]]
    assert json.loads(frame["versions"][0]) == {"torch": "2"}
    assert pd.isna(frame["auc"][0])


def test_order_of_folders_does_not_matter_and_a_run_left_out_is_gone(rows, tmp_path):
    folders = [rows("had", "tf_0", [0.5]), rows("findna", "tf_0", [0.4])]
    collect(folders, tmp_path / "a.csv")
    collect(folders[::-1], tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert set(collect(folders[:1], tmp_path / "c.csv")["run"]) == {"had"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": None}, "value is None"),
        ({"value": float("nan")}, "value is nan"),
        ({"seed": True}, "seed is True"),
        ({"n_test": "20"}, "n_test is '20'"),
        ({"pretrained": 1}, "pretrained is 1"),
        ({"metric": "kappa"}, "metric is 'kappa'"),
        ({"neighbour": 3}, "unknown key neighbour"),
    ],
)
def test_a_wrong_value_names_file_and_key(rows, tmp_path, changes, message):
    folder = rows("had", "tf_0", [0.5])
    file = folder / "seed_0.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(InputError, match=message) as error:
        collect([folder], tmp_path / "metrics.csv")
    assert str(file) in str(error.value)
    assert not (tmp_path / "metrics.csv").exists()


def test_a_missing_key_names_file_and_key(rows, tmp_path):
    file = rows("had", "tf_0", [0.5]) / "seed_0.json"
    row = json.loads(file.read_text())
    del row["confusion"]
    file.write_text(json.dumps(row))
    with pytest.raises(InputError, match=r"seed_0.json: no confusion"):
        collect([file.parent], tmp_path / "metrics.csv")
    file.write_text("[1]")
    with pytest.raises(InputError, match=r"seed_0.json: not a metrics row"):
        collect([file.parent], tmp_path / "metrics.csv")


def test_contradictions_are_refused(rows, tmp_path):
    had = rows("had", "tf_0", [0.5])
    twice = tmp_path / "copy"
    twice.mkdir()
    (twice / "seed_0.json").write_bytes((had / "seed_0.json").read_bytes())
    with pytest.raises(InputError, match="the same run, task and seed"):
        collect([had, twice], tmp_path / "metrics.csv")
    other = rows("findna", "tf_0", [0.5], n_test=19)
    with pytest.raises(InputError, match="n_test"):
        collect([had, other], tmp_path / "metrics.csv")


def test_nothing_to_collect(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: no seed_<s>\.json"):
        collect([tmp_path / "empty"], tmp_path / "metrics.csv")
    with pytest.raises(InputError, match="no result folders"):
        collect([], tmp_path / "metrics.csv")
    with pytest.raises(InputError, match="no such file"):
        read_metrics(tmp_path / "metrics.csv")


def test_controls_are_always_shown(rows, tmp_path):
    folders = [rows(run, "tf_0", [0.5]) for run in ("had", "had_scratch", "findna")]
    frame = collect(folders, tmp_path / "metrics.csv")
    assert runs_in_order(frame, ["had"]) == ["had", "had_scratch", "kmer_logistic"]
    assert runs_in_order(frame, ["kmer_logistic", "had_scratch"])[-1] == "kmer_logistic"
    assert runs_in_order(frame) == ["findna", "had", "had_scratch", "kmer_logistic"]


def fail(folder, seed, reason="the loss is nan"):
    record = {"seed": seed, "reason": reason, "kind": "diverged"}
    (folder / f"failed_seed_{seed}.json").write_text(json.dumps(record))


def test_failed_seeds_travel_with_the_rows_of_their_run_and_task(rows, tmp_path):
    broken, whole = rows("had", "tf_0", [0.5, 0.6]), rows("had", "tf_1", [0.5])
    assert "failed_seeds" not in collect([broken, whole], tmp_path / "metrics.csv")
    fail(broken, 12)
    fail(broken, 3)
    collect([broken, whole], tmp_path / "metrics.csv")
    frame = read_metrics(tmp_path / "metrics.csv").set_index("task")
    assert list(frame.columns)[-1] == "failed_seeds"
    assert [json.loads(text) for text in frame.loc["tf_0", "failed_seeds"]] == [
        {"3": "the loss is nan", "12": "the loss is nan"}
    ] * 2
    assert pd.isna(frame.loc["tf_1", "failed_seeds"])
    lost = incomplete(frame.loc[["tf_0"]])
    assert str(lost) == "n = 2/4"
    assert list(lost.reasons) == [3, 12]
    assert incomplete(frame.loc[["tf_1"]]) is None


def test_a_seed_cannot_both_finish_and_fail(rows, tmp_path):
    folder = rows("had", "tf_0", [0.5])
    fail(folder, 0)
    with pytest.raises(InputError, match=r"failed_seed_0\.json: this seed has finished too"):
        collect([folder], tmp_path / "metrics.csv")
    (folder / "failed_seed_0.json").write_text("{}")
    with pytest.raises(InputError, match=r"failed_seed_0\.json: no seed and reason"):
        collect([folder], tmp_path / "metrics.csv")


NAMES = ["001", "1", "1e5", "NA", "é", "nan", "null", "true"]


def test_names_stay_text(rows, tmp_path):
    folders = [
        rows(name, task, [0.5], suite="None", config_digest="0012e4", task_digest="123")
        for name in NAMES
        for task in ("007", "NaN")
    ]
    collect(folders, tmp_path / "metrics.csv")
    frame = read_metrics(tmp_path / "metrics.csv")
    assert sorted(frame["run"].unique()) == sorted(NAMES)
    assert (set(frame["task"]), set(frame["suite"])) == ({"007", "NaN"}, {"None"})
    assert (set(frame["config_digest"]), set(frame["task_digest"])) == ({"0012e4"}, {"123"})
    assert frame["auc"].isna().all()  # what is no name may still be missing
    write_table(tmp_path / "metrics.csv", "None", None, tmp_path / "t", NAMES, ["NaN", "007"])
    lines = (tmp_path / "t.md").read_text().partition("size and means")[0].splitlines()
    assert [line.split(" | ")[0] for line in lines if " | 1 | " in line] == [
        f"| {n}" for n in NAMES
    ]
    assert "| NaN (MCC) | 007 (MCC) |" in "".join(lines)


def test_what_looks_like_a_number_stays_text(rows, tmp_path):
    folders = [
        rows("had", "tf_0", [0.5], commit="4718e12", pooling="mean"),
        rows("kmer_logistic", "tf_0", [0.5], kmer_lengths="6", commit="0012345"),
    ]
    collect(folders, tmp_path / "metrics.csv")
    frame = read_metrics(tmp_path / "metrics.csv").set_index("run")
    assert frame["commit"].to_dict() == {"had": "4718e12", "kmer_logistic": "0012345"}
    assert frame.loc["kmer_logistic", "kmer_lengths"] == "6"
    assert frame["kmer_lengths"].isna()["had"]  # what is not there is missing, as of other columns
    write_table(tmp_path / "metrics.csv", "gue", None, tmp_path / "t", ["had"], ["tf_0"])
    assert "6" in (tmp_path / "t.md").read_text()


def test_a_run_without_a_row_is_refused(rows, tmp_path):
    collect([rows(run, "tf_0", [0.5, 0.6]) for run in ("had", "findna")], tmp_path / "m.csv")
    unknown = r"m\.csv: no row of a run 'finda'; did you mean 'findna'\?"
    with pytest.raises(InputError, match=unknown):
        write_table(tmp_path / "m.csv", "gue", None, tmp_path / "t", ["had", "finda"])
    with pytest.raises(InputError, match=unknown):
        overview_figure(read_scores(tmp_path / "m.csv", ["finda"]), tmp_path / "o.png")
    assert not list(tmp_path.glob("[to].*"))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("value", "abc", "line 3: the score is not a number; make it again"),
        ("value", "inf", "line 3: the score is not a number"),
        ("value", "", "line 3: the score is not a number"),
        ("seed", "1.5", "line 3: the seed is not a whole number"),
        ("seed", "0", "line 3: suite, task, run and seed are another line's too"),
    ],
)
def test_a_csv_that_was_changed_since(rows, tmp_path, column, value, message):
    file = tmp_path / "metrics.csv"
    collect([rows("had", "tf_0", [0.5, 0.6, 0.7])], file)
    frame = pd.read_csv(file, dtype=str)
    frame.loc[1, column] = value
    frame.to_csv(file, index=False)
    with pytest.raises(InputError, match=rf"metrics\.csv, {message}"):
        read_metrics(file)
