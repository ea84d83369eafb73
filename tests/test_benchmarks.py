"""The benchmarks run, and what they compare is equal; how fast it is no test can tell."""

from __future__ import annotations

import importlib
import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

Quick = Callable[..., tuple[str, dict[str, Any]]]


@pytest.fixture
def run_quick(
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Quick:
    """Run a benchmark at tiny sizes, in this process; what it prints and writes."""
    monkeypatch.syspath_prepend(root / "benchmarks")

    def run(script: str, *arguments: str) -> tuple[str, dict[str, Any]]:
        path, output = str(root / "benchmarks" / script), tmp_path / "written.json"
        given = [path, "--quick", "--json", str(output), *arguments]
        monkeypatch.setattr(sys, "argv", given)
        runpy.run_path(path, run_name="__main__")
        return capsys.readouterr().out, json.loads(output.read_text())

    return run


def test_cmgems(run_quick: Quick) -> None:
    printed, written = run_quick("cmgems.py")
    assert {"command", "date", "hardware", "versions", "rows"} == set(written)
    rows = {row["name"]: row for row in written["rows"]}
    for name, row in rows.items():
        assert {"ours", "other", "ratio", "target", "unit", "verdict"} < set(row)
        assert row["ours"] >= 0
        assert name[:20] in printed
    equal = [row for name, row in rows.items() if name.startswith(("loss", "gradients"))]
    assert [row["verdict"] for row in equal] == ["met", "met"]
    assert equal[1]["other"] > 1e-3  # the largest gradient: no equality of nothings
    for part in ("random_span", "genemask", "global_pmi", "tokenisation", "pieces"):
        assert any(part in name for name in rows), part


def test_findna(run_quick: Quick) -> None:
    # it asserts itself that the one-pass shift and its step equal their twins
    printed, written = run_quick("findna.py")
    rows = {row["name"]: row for row in written["rows"]}
    targets = {
        "split, roll": ">= 3",
        "times a copy": "< 3",
        "bare products": "< 1.15",
        "plain twin's": "",
        "windows, masks": "< 0.03",
        "EMA against": "",
    }
    for part, target in targets.items():
        (row,) = (row for name, row in rows.items() if part in name)
        assert row["target"] == target
        assert row["ours"] > 0 < row["other"]
        assert row["name"][:20] in printed


def test_start(run_quick: Quick) -> None:
    # it ends itself where a command does not fail as expected, or a library is not there
    _, written = run_quick("start.py")
    assert [row["name"].split(",")[0] for row in written["rows"]] == [
        "start of metrics",
        "start of table",
    ]
    assert all(row["ours"] > 0 < row["other"] for row in written["rows"])


def test_inference(run_quick: Quick) -> None:
    # it asserts itself that command and bare loop come to the same numbers
    _, written = run_quick("inference.py")
    names = [row["name"].split(",")[:2] for row in written["rows"]]
    students = [" HAD of the demo", " LOGO of the demo"]
    assert names == [[c, s] for s in students for c in ("predict", "embed", "scan")]
    assert all(row["ours"] > 0 < row["other"] for row in written["rows"])


def test_had(run_quick: Quick) -> None:
    # it asserts itself that all forms of the rule, and padded and unpadded features, are equal
    printed, written = run_quick("had.py")
    rows = {row["name"]: row for row in written["rows"]}
    targets = {
        "against the recurrence": ">= 25",
        "Qwen3-Next": ">= 1.5",
        "row by row": ">= 1.5",
        "kept for the gradients": "< 1.1",
        "1 x 32, against a transformer": "",
        "one of 8 processes": "",
        "transformers' ESM": ">= 1",
        "unpadded against padded": ">= 1",
    }
    for part, target in targets.items():
        (row,) = (row for name, row in rows.items() if part in name)
        assert row["target"] == target
        assert row["ours"] > 0 < row["other"]
        assert row["name"][:20] in printed
    (memory,) = (row for name, row in rows.items() if "kept" in name)
    # query, key and value of 3 heads are kept at least; this verdict needs no clock
    assert memory["ours"] > 4 * 3 * (32 + 32 + 64) and memory["verdict"] == "met"
    assert [name for name, row in rows.items() if row["unit"] == "tokens"]  # the crossover


@pytest.mark.parametrize(
    ("ratios", "said", "length"),
    [
        ([0.5, 2.0, 4.0], "interpolated", 2048),
        ([0.5, 0.5, 1.0], "interpolated", 16_384),
        ([2.0, 3.0, 4.0], "every length", 1024),
        ([2.0, 3.0, 0.9], "not faster", 16_384),
    ],
)
def test_crossover(
    root: Path, monkeypatch: pytest.MonkeyPatch, ratios: list[float], said: str, length: int
) -> None:
    monkeypatch.syspath_prepend(root / "benchmarks")
    row = importlib.import_module("had_models").crossover([1024, 4096, 16_384], ratios)
    assert said in row.name and row.ours == pytest.approx(length)


def test_gpu_on_a_cpu(run_quick: Quick) -> None:
    printed, written = run_quick("gpu.py")
    names = [row["name"] for row in written["rows"]]
    for student in ("logo", "dnabert", "had", "findna"):
        assert any(name.startswith(student) for name in names), student
    for what in ("gated delta rule", "2 workers against one"):
        assert any(what in name for name in names), what
    assert "One cpu machine" in printed


def test_a_missing_gpu_is_said(run_quick: Quick, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="no CUDA device"):
        run_quick("cmgems.py", "--device", "cuda")
