"""The benchmarks run, and what they compare is equal; how fast it is no test can tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def run_quick(root: Path, script: str, output: Path) -> tuple[str, dict[str, Any]]:
    """What a benchmark prints and writes at tiny sizes."""
    command = [sys.executable, str(root / "benchmarks" / script), "--quick", "--json", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(output.read_text())


def test_cmgems(root: Path, tmp_path: Path) -> None:
    printed, written = run_quick(root, "cmgems.py", tmp_path / "cmgems.json")
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


def test_findna(root: Path, tmp_path: Path) -> None:
    # it asserts itself that the one-pass shift and its step equal their twins
    printed, written = run_quick(root, "findna.py", tmp_path / "findna.json")
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


def test_gpu_on_a_cpu(root: Path, tmp_path: Path) -> None:
    printed, written = run_quick(root, "gpu.py", tmp_path / "gpu.json")
    names = [row["name"] for row in written["rows"]]
    for student in ("logo", "dnabert", "had", "findna"):
        assert any(name.startswith(student) for name in names), student
    assert "One cpu machine" in printed


def test_a_missing_gpu_is_said(root: Path) -> None:
    command = [sys.executable, str(root / "benchmarks/cmgems.py"), "--device", "cuda", "--quick"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 1
    assert "no CUDA device" in done.stderr
