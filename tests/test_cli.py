"""The command line answers at once and says what is wrong in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dnastudents.benchmarks import READERS
from dnastudents.cli import main

COMMANDS = [
    *("download", "data-check", "simulate", "reference", "pmi", "benchmark", "launch", "teacher"),
    *("pretrain", "finetune", "knn", "baseline", "embed", "metrics", "table", "comparisons"),
    *("benchmarks-table", "figure", "cost", "plan"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_prints_help(command: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert "usage: dnastudents" in capsys.readouterr().out


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from dnastudents.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print('heavy:', sorted({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "heavy: []" in shown.stdout


def test_only_what_trains_takes_the_seconds_of_torch() -> None:
    """What the rules of downloads, tasks, tables and figures import."""
    modules = (
        *("genome.reference", "benchmarks.simulator", "benchmarks.task", "plan"),
        *("downloads.check", "downloads.fetch"),
        *(f"benchmarks.{name}" for name in READERS),
        *("results.rows", "probes.kmer_logistic", "tables.results", "tables.comparisons"),
        *("figures.tsne", "figures.losses", "figures.results", "figures.pmi"),
    )
    code = "import sys\n" + "".join(f"import dnastudents.{name}\n" for name in modules)
    code += "print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    status = main(["reference", str(tmp_path / "no.fa"), "--output", str(tmp_path / "out")])
    assert status == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert "no.fa" in lines[0]
    assert not (tmp_path / "out").exists()


def test_settings_must_be_json(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["simulate", "--settings", "{oops", "--output", "x"])
    assert stopped.value.code == 2
    assert "neither a JSON object nor a JSON file" in capsys.readouterr().err
