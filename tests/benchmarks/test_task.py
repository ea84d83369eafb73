"""The canonical task folder: what is written is what was given, counted and checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest

from dnastudents.benchmarks.draws import draw
from dnastudents.benchmarks.facts import METRICS, DevRule, Metric
from dnastudents.benchmarks.labels import number_labels, sort_classes
from dnastudents.benchmarks.leaks import read_leaks
from dnastudents.benchmarks.task import load_task, write_task
from dnastudents.errors import InputError


def frame(sequences: list[str], labels: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({"sequence": sequences, "label": labels})


def distinct(count: int, start: int = 0) -> list[str]:
    """Sequences that differ: numbers in base 4."""
    return [
        "".join("ACGT"[(number >> 2 * digit) & 3] for digit in range(6))
        for number in range(start, start + count)
    ]


def write(folder: Path, splits: dict[str, pd.DataFrame], **options: Any) -> None:
    write_task(folder, "suite", "task", splits, ["a", "b"], "mcc", **options)


def test_round_trip_with_official_splits(tmp_path: Path) -> None:
    splits = {
        "train": frame(["acgt", "GGNN", "TTAAT"], [0, 1, 1]),
        "dev": frame(["CCCC"], [0]),
        "test": frame(["AAAA", "acgt"], [0, 1]),
    }
    write(tmp_path / "t", splits, source="here", licence="MIT", sha256="00", notes=["a note"])
    task = load_task(tmp_path / "t")
    assert task.train.to_dict("list") == {"sequence": ["ACGT", "GGNN", "TTAAT"], "label": [0, 1, 1]}
    assert task.train["label"].dtype == "int64"
    assert (task.suite, task.task, task.classes, task.metric) == (
        "suite",
        "task",
        ["a", "b"],
        "mcc",
    )
    assert task.max_length == 5
    assert task.simulated is False
    expected = {
        "dev_rule": DevRule(origin="official").as_json(),
        "source": "here",
        "licence": "MIT",
        "sha256": "00",
        "notes": ["a note"],
        "n_sequences": {"train": 3, "dev": 1, "test": 2},
        "class_counts": {"train": [1, 2], "dev": [1, 0], "test": [1, 1]},
        "length_distribution": {"min": 4, "median": 4.0, "max": 5},
        "duplicates": {
            "within": {"train": 0, "dev": 0, "test": 0},
            "across": {"train/dev": 0, "train/test": 1, "dev/test": 0},
        },
        "conflicting_labels": 1,
        "leakage": {"rule": "report", "removed": {"train": 0, "dev": 0}},
        "n_content": {"fraction": 2 / 25, "iupac_letters": 0},
    }
    protocol = json.loads((tmp_path / "t" / "task.json").read_text())
    assert {key: protocol[key] for key in expected} == expected


def test_dev_is_a_part_of_each_class_of_train(tmp_path: Path) -> None:
    train = frame(distinct(50), [0] * 40 + [1] * 10)
    splits = {"train": train, "test": frame(distinct(2, 100), [0, 1])}
    for seed in (0, 0, 1):
        rule = DevRule(origin="drawn", fraction=0.1, seed=seed)
        write(tmp_path / f"t{seed}", splits, dev_rule=rule)
    task = load_task(tmp_path / "t0")
    assert task.dev["label"].value_counts().to_dict() == {0: 4, 1: 1}
    together = pd.concat([task.train, task.dev])
    assert sorted(together["sequence"]) == sorted(train["sequence"])
    assert dict(together.to_numpy().tolist()) == dict(train.to_numpy().tolist())
    rule = task.protocol.dev_rule
    assert (rule.origin, rule.fraction, rule.seed) == ("drawn", 0.1, 0)
    assert str(rule) == "0.1 of each class of train, at least 1, drawn with seed 0"
    assert set(task.dev["sequence"]) != set(load_task(tmp_path / "t1").dev["sequence"])


def test_few_shot_task_has_no_dev_split(tmp_path: Path) -> None:
    splits = {"train": frame(distinct(8), [0, 1] * 4), "test": frame(["AA"], [0])}
    write(tmp_path / "t", splits, shots=3)
    task = load_task(tmp_path / "t")
    assert (task.shots, task.has_dev) == (3, False)
    assert not (tmp_path / "t/dev.parquet").exists()
    assert task.protocol.class_counts == {"train": (4, 4), "dev": (0, 0), "test": (1, 0)}
    assert task.protocol.duplicates.across["train/dev"] == 0
    assert task.protocol.dev_rule.origin == "none"
    assert str(task.protocol.dev_rule) == "none; each seed draws its shots from train"
    with pytest.raises(InputError, match="a few-shot task has no dev split; leave it out"):
        write(tmp_path / "u", {**splits, "dev": splits["test"]}, shots=3)


@pytest.mark.parametrize(
    ("shots", "arguments", "message"),
    [
        (5, (0, "last"), r"t \(write it again\): class 0 has 4 sequences; 5 are needed"),
        (1, (0, "best_dev"), "class 0 has 1 sequence; dev needs one too"),
    ],
)
def test_impossible_draws(
    tmp_path: Path, shots: int, arguments: tuple[int, str], message: str
) -> None:
    splits = {"train": frame(distinct(8), [0, 1] * 4), "test": frame(["AA"], [0])}
    write(tmp_path / "t", splits, shots=shots)
    with pytest.raises(InputError, match=message):
        draw(load_task(tmp_path / "t"), *arguments)


@pytest.mark.parametrize("most", [None, 5, 100])
def test_draw_of_a_task_with_a_dev_split(tmp_path: Path, most: int | None) -> None:
    train = frame(distinct(20), [0, 1] * 10)
    write(tmp_path / "t", {"train": train, "dev": train[:4], "test": train[:2]})
    task = load_task(tmp_path / "t")
    chosen, last = (draw(task, 3, selection, most) for selection in ("best_dev", "last"))
    assert chosen.train.tolist() == last.train.tolist()
    assert len(chosen.train) == min(most or 20, 20)
    assert (chosen.dev.tolist(), chosen.dev_of) == ([0, 1, 2, 3], "dev")
    assert last.dev.tolist() == []
    other = draw(task, 4, "last", most).train.tolist()
    assert (other == last.train.tolist()) == (most != 5)


def test_iupac_letters_become_n_and_are_counted(tmp_path: Path) -> None:
    splits = {"train": frame(["acry", "GGGG", "CC", "AU"], [0, 1, 0, 1])}
    write(tmp_path / "t", {**splits, "dev": splits["train"], "test": frame(["TTTT"], [0])})
    task = load_task(tmp_path / "t")
    assert task.train["sequence"].tolist() == ["ACNN", "GGGG", "CC", "AT"]
    assert task.protocol.n_content.iupac_letters == 4


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (
            frame(["ACGT", "AC1T"], [0, 1]),
            "suite/task train, row 2: letter 3 of the sequence is '1'",
        ),
        (frame(["ACGT", ""], [0, 1]), "train, row 2: the sequence is empty"),
        (frame(["ACGT", "CCCC"], [0, 2]), "row 2 has label .*2.*; known: 0 to 1"),
        (frame(["ACGT", "CCCC"], [0, 0]), "class 'b' has no training sequence"),
        (frame([], []), "train: no sequences"),
        (pd.DataFrame({"seq": ["A"], "label": [0]}), "no column 'sequence'; the columns are seq"),
    ],
)
def test_unusable_rows(tmp_path: Path, train: pd.DataFrame, message: str) -> None:
    other = frame(["AAAA", "CCCC"], [0, 1])
    with pytest.raises(InputError, match=message):
        write(tmp_path / "t", {"train": train, "dev": other, "test": other})
    assert not (tmp_path / "t").exists()


def test_leaks_leave_train_and_dev_before_a_dev_split_is_drawn(tmp_path: Path) -> None:
    """Letter by letter and whatever the label; the reverse complement and test itself stay."""
    train = frame([*distinct(20), "aacc", "AARC", "GGTT"], [0, 1] * 10 + [0, 1, 1])
    test = frame(["AACC", "AACC", "AANC"], [1, 1, 0])
    write(tmp_path / "t", {"train": train, "test": test}, leakage="remove")
    task = load_task(tmp_path / "t")
    together = pd.concat([task.train, task.dev])
    assert sorted(together["sequence"]) == sorted([*distinct(20), "GGTT"])
    assert task.test["sequence"].tolist() == ["AACC", "AACC", "AANC"]
    assert task.protocol.leakage.as_json() == {"rule": "remove", "removed": {"train": 2}}
    assert task.protocol.dev_rule.origin == "drawn"


def test_a_dev_split_that_is_drawn_hides_no_leaks(tmp_path: Path) -> None:
    """As of the task `enhancers`: what counts is train as it was published."""
    train = frame(distinct(40), [0, 1] * 20)
    write(tmp_path / "t", {"train": train, "test": train})
    leaks = read_leaks(tmp_path / "t")
    assert leaks is not None
    assert leaks.exact == leaks.near == 40


def test_leaks_stay_where_they_are_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    splits = {"train": frame(["AAAA", "CCCC"], [0, 1]), "test": frame(["AAAA"], [0])}
    splits["dev"] = splits["train"]
    write(tmp_path / "t", splits, leakage="report")
    pd.testing.assert_frame_equal(load_task(tmp_path / "t").train, splits["train"])
    for name in ("train", "dev"):
        assert f"1 sequences are in {name} and in test; `leakage: remove` takes" in caplog.text


@pytest.mark.parametrize(
    ("leakage", "shots", "test", "message"),
    [
        ("remove", None, ["AAAA"], "class 'a' has no training sequence without the 1 that are in"),
        (
            "remove",
            None,
            ["AAAA", "CCCC", "GGGG"],
            "train: every sequence is in test.*leakage: report",
        ),
        ("remove", 2, ["GGGG"], r"class 'b' has 1 training sequences without .*; 2 needed"),
        ("remov", None, ["TTTT"], "unknown leakage 'remov'; did you mean 'remove'"),
    ],
)
def test_removals_that_are_impossible(
    tmp_path: Path, leakage: str, shots: int | None, test: list[str], message: str
) -> None:
    train = frame(["AAAA", "CCCC", "GGGG"], [0, 1, 1])
    if shots:
        train = pd.concat([train, frame(["AAAT"], [0])])
    splits = {"train": train, "test": frame(test, [0] * len(test))}
    with pytest.raises(InputError, match=message):
        write(tmp_path / "t", splits, leakage=leakage, shots=shots)
    assert not (tmp_path / "t").exists()


def test_other_errors(tmp_path: Path) -> None:
    rows = frame(["ACGT", "CCCC"], [0, 1])
    with pytest.raises(InputError, match="no split 'test'"):
        write(tmp_path / "t", {"train": rows})
    with pytest.raises(InputError, match="class 'a' has 1 sequence, and dev needs"):
        write(tmp_path / "t", {"train": rows, "test": rows})
    with pytest.raises(InputError, match="no metric 'f2'"):
        write_task(tmp_path / "t", "s", "t", {"train": rows, "test": rows}, ["a", "b"], "f2")
    with pytest.raises(InputError, match=r"task\.json: no such file"):
        load_task(tmp_path)


def test_classes_are_sorted_by_name_or_number() -> None:
    assert sort_classes(["10", 9, "9", "0"]) == ["0", "9", "10"]
    assert sort_classes(["promoter", "enhancer", "10"]) == ["10", "enhancer", "promoter"]


def test_labels_are_numbered_by_the_classes_of_train() -> None:
    train = frame(["A", "C"], ["worm", "human"])
    splits, classes = number_labels({"train": train, "test": frame(["G"], ["worm"])}, "x")
    assert classes == ["human", "worm"]
    assert splits["train"]["label"].tolist() == [1, 0]
    assert splits["test"]["label"].tolist() == [1]
    with pytest.raises(
        InputError, match="x test, row 1: label 'fly' is not in train; known: human, worm"
    ):
        number_labels({"train": train, "test": frame(["G"], ["fly"])}, "x")


def test_a_split_without_labels_or_rows_is_named() -> None:
    """As of a Parquet file, where a label may be missing and a table empty."""
    train = frame(["A", "C"], ["0", "1"])
    with pytest.raises(InputError, match="x test, row 1: no label; the file may be cut short"):
        number_labels({"train": train, "test": frame(["G"], [None])}, "x")
    with pytest.raises(InputError, match="x test: no sequence; the file may be cut short"):
        number_labels({"train": train, "test": frame([], [])}, "x")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["0", "1", ""], "x train, row 3: no label; the file may be cut short"),
        ([0, 1, float("nan")], "x train, row 3: no label"),
        (["0", "0", "0"], "x train: '0' is the only class; two are needed"),
    ],
)
def test_labels_that_make_no_task(labels: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        number_labels({"train": frame(["A", "C", "G"], labels)}, "x")


def test_a_folder_that_does_not_say_its_facts_is_to_be_written_again(tmp_path: Path) -> None:
    splits = {"train": frame(["AC", "GT"], [0, 1]), "test": frame(["AA"], [0])}
    write(tmp_path / "t", {**splits, "dev": splits["test"]})
    file = tmp_path / "t/task.json"
    old = json.loads(file.read_text()) | {"dev_rule": "0.1 of each class, drawn with seed 0"}
    file.write_text(json.dumps(old))
    with pytest.raises(InputError, match=r"task\.json\.dev_rule: .*write the task folder again"):
        load_task(tmp_path / "t")
    del old["classes"]
    file.write_text(json.dumps(old | {"dev_rule": {"origin": "drawn"}}))
    with pytest.raises(InputError, match="a fraction and a seed; add them; write the task folder"):
        load_task(tmp_path / "t")


def test_its_digest_is_that_of_what_is_in_it(tmp_path: Path) -> None:
    splits = {"train": frame(["AC", "GT"], [0, 1]), "test": frame(["AA"], [0])}
    splits["dev"] = splits["test"]
    digests = []
    for changed in ("AC", "AC", "CA"):  # counts and lengths stay
        splits["train"].loc[0, "sequence"] = changed
        write(tmp_path / "t", splits)
        digests.append(load_task(tmp_path / "t").digest)
    assert digests[0] == digests[1] != digests[2]


def test_every_metric_has_a_name_in_tables() -> None:
    assert tuple(METRICS) == get_args(Metric)


@pytest.mark.parametrize(
    ("split", "changes", "message"),
    [
        ("test", {"label": 7}, "row 1 has label 7; known: 0 to 1"),
        ("dev", {"label": None}, "row 1 has label None; known: 0 to 1"),
        ("train", {"label": 0}, "class 'b' has no training sequence"),
        ("test", {"sequence": "MKVLA"}, "row 1: letter 4 of the sequence is 'L', of protein"),
        ("test", {"sequence": None}, "row 1: the sequence is empty"),
        ("test", {"label": "left out"}, "no column 'label'; the columns are sequence"),
        ("test", {"sequence": "fewer"}, "has 2 sequences, and 20 by task.json; write the task"),
    ],
)
def test_a_split_that_others_have_written(
    tmp_path: Path, split: str, changes: dict[str, Any], message: str
) -> None:
    rows = frame(distinct(20), [0, 1] * 10)
    write(tmp_path / "t", {"train": rows, "dev": rows, "test": rows})
    file = tmp_path / f"t/{split}.parquet"
    other = rows.drop(columns="label") if "left out" in changes.values() else rows.assign(**changes)
    (rows[:2] if "fewer" in changes.values() else other).to_parquet(file)
    with pytest.raises(InputError, match=rf"{split}\.parquet.*{message}"):
        load_task(tmp_path / "t").split(split)


def test_a_split_of_others_means_what_it_says(tmp_path: Path) -> None:
    rows = frame(distinct(20), [0, 1] * 10)
    write(tmp_path / "t", {"train": rows, "dev": rows, "test": rows})
    theirs = rows.assign(sequence=rows["sequence"].str.lower(), label=rows["label"].astype(str))
    theirs.set_index(theirs.index + 5).to_parquet(tmp_path / "t/test.parquet")
    found = load_task(tmp_path / "t").test
    assert found.index.tolist() == list(range(20))
    assert found["sequence"].tolist() == rows["sequence"].tolist()
    assert found["label"].tolist() == rows["label"].tolist()


@pytest.mark.parametrize("classes", [["a"], ["a", "a"]])
def test_classes_that_are_none(tmp_path: Path, classes: list[str]) -> None:
    rows = frame(distinct(20), [0, 1] * 10)
    write(tmp_path / "t", {"train": rows, "dev": rows, "test": rows})
    file = tmp_path / "t/task.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"classes": classes}))
    with pytest.raises(InputError, match="classes are two or more, of different names; write the"):
        load_task(tmp_path / "t")


def test_what_is_of_no_use_is_refused_or_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = frame(["NNN", "RNNNNNNN"] * 10, [0, 1] * 10)
    with pytest.raises(InputError, match="suite/task: every base is N; give sequences with A, C"):
        write(tmp_path / "t", {"train": unknown, "test": unknown})
    both = frame(["ACGT", "ACGT", "AACC", "AACC"], [0, 1, 0, 0])
    write(tmp_path / "t", {"train": both, "dev": both, "test": both})
    assert "suite/task: 1 sequences have several labels" in caplog.text
