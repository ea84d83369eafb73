"""The two tables of workflow/resources agree with the readers and with the published results."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from dnastudents.benchmarks import (
    few_shot,
    gue,
    mtcdna,
    nucleotide_transformer,
    nucleotide_transformer_revised,
)
from dnastudents.benchmarks import genomic_benchmarks as gb
from dnastudents.benchmarks.routes import choose, read_routes
from dnastudents.benchmarks.simulator import TASKS as SIMULATED
from dnastudents.downloads.fetch import read_manifest

KNOWN = {
    "gue": gue.TASKS,
    "genomic_benchmarks": gb.TASKS,
    "nucleotide_transformer": nucleotide_transformer.METRICS,
    "nucleotide_transformer_revised": nucleotide_transformer_revised.METRICS,
    "few_shot": few_shot.TASKS,
    "mtcdna": mtcdna.LENGTHS,
    "simulated": SIMULATED,
}


@pytest.fixture(scope="module")
def tasks(root: Path) -> list[dict[str, str]]:
    with (root / "workflow/resources/tasks.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


def test_every_task_of_every_reader_is_listed(tasks: list[dict[str, str]]) -> None:
    for suite, known in KNOWN.items():
        rows = [row for row in tasks if row["suite"] == suite]
        for route in {row["route"] for row in rows} - {"substitutes"}:
            assert sorted(row["task"] for row in rows if row["route"] == route) == sorted(known)
    counts = [len(known) for known in KNOWN.values()]
    assert counts == [28, 9, 18, 18, 22, 8, 4]
    assert len({(row["suite"], row["task"]) for row in tasks}) == sum(counts)


def test_the_routes_of_a_task_differ_in_their_files_alone(tasks: list[dict[str, str]]) -> None:
    first: dict[tuple[str, str], dict[str, str]] = {}
    same = ("metric", "classes", "max_length")
    for row in tasks:
        other = first.setdefault((row["suite"], row["task"]), row)
        assert [row[key] for key in same] == [other[key] for key in same]
        assert row is other or (row["route"], row["datasets"]) != (
            other["route"],
            other["datasets"],
        )
    assert {row["route"] for row in tasks if row["suite"] == "gue"} == {"archive", "tables"}


def test_few_shot_takes_the_official_tests_unless_told_otherwise(
    root: Path, tasks: list[dict[str, str]]
) -> None:
    routes = read_routes(root / "workflow/resources/tasks.csv")["few_shot"]
    for task, (name, shots) in few_shot.TASKS.items():
        official = choose("few_shot", routes)[task].files
        train, test = (id.removeprefix("few_shot/") for id in official)
        assert f"{few_shot.FOLDERS[name]}/{shots}/train" in train
        assert test.endswith(("/test.tsv", "silencer/50/dev.tsv"))
        other = choose("few_shot", routes, "substitutes")[task].files
        assert (other == official) == (name not in few_shot.SUBSTITUTE_TESTS)
    notes = {row["task"]: row["note"] for row in tasks if row["route"] == "substitutes"}
    assert sorted(notes) == sorted(
        f"{name}_{shots}" for name in few_shot.SUBSTITUTE_TESTS for shots in few_shot.SHOTS[name]
    )
    assert all(note.startswith("the test split is a substitute: ") for note in notes.values())


def test_addresses_on_github_name_a_whole_commit(root: Path) -> None:
    """And what no SHA-256 is known of has a git blob id, or says that it is a part of one."""
    manifest = read_manifest(root / "workflow/resources/datasets.csv")
    for entry in manifest.values():
        if "raw.githubusercontent.com" not in entry.urls[0]:
            continue
        assert re.match(r"https://[^/]+/[^/]+/[^/]+/[0-9a-f]{40}/", entry.urls[0])
        assert entry.is_hashed
        if entry.sha256 is None and len(entry.git_blob or "") < 40:
            assert entry.note == "of the git blob id only the first 8 digits are known"
    assert {name: x.git_blob for name, x in manifest.items() if x.git_blob} == {
        "few_shot/genemask/Cohn-enh/test.tsv": "c5cca8299c35fc3d0088686390a2483c9fe6c28b",
        "few_shot/genemask/Prom-300/test.tsv": "5b95c54c277de132cbe2f57ef1f1f07fde735101",
        "few_shot/genemask/Cohn-enh/1000/train.tsv": "03b19d08",
        "few_shot/genemask/Splice-40/1000/train_splice40_1000.tsv": "f6869056",
    }


def test_published_results_use_the_same_names_and_metrics(
    root: Path, tasks: list[dict[str, str]]
) -> None:
    ours = {(row["suite"], row["task"]): row["metric"] for row in tasks}
    with (root / "workflow/resources/published_results.csv").open(newline="") as handle:
        for row in csv.DictReader(handle):
            if not row["task"].startswith("mean of"):
                assert ours[row["suite"], row["task"]] == row["metric"]


def test_every_dataset_of_a_task_is_in_the_manifest(
    root: Path, tasks: list[dict[str, str]]
) -> None:
    manifest = read_manifest(root / "workflow/resources/datasets.csv")
    for row in tasks:
        wanted = row["datasets"].split()
        assert (row["suite"] == "simulated") == (not wanted)
        assert set(wanted) <= manifest.keys()
    for entry in manifest.values():
        assert all(url.startswith("https://") for url in entry.urls)
        assert entry.sha256 is None or re.fullmatch("[0-9a-f]{64}", entry.sha256)
