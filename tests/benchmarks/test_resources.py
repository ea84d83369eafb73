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
        for route in {row["route"] for row in rows}:
            assert sorted(row["task"] for row in rows if row["route"] == route) == sorted(known)
    counts = [len(known) for known in KNOWN.values()]
    assert counts == [28, 9, 18, 18, 20, 8, 4]
    assert len({(row["suite"], row["task"]) for row in tasks}) == sum(counts)


def test_the_routes_of_a_task_differ_in_their_files_alone(tasks: list[dict[str, str]]) -> None:
    first: dict[tuple[str, str], dict[str, str]] = {}
    same = ("metric", "classes", "max_length", "note")
    for row in tasks:
        other = first.setdefault((row["suite"], row["task"]), row)
        assert [row[key] for key in same] == [other[key] for key in same]
        assert row is other or (row["route"], row["datasets"]) != (
            other["route"],
            other["datasets"],
        )
    assert {row["route"] for row in tasks if row["suite"] == "gue"} == {"archive", "tables"}


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
