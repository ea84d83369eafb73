"""Settings that change how a run is computed do not make it another run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from recipes import settings_of
from test_resume import Killed, assert_equal_runs, kill, stop_before

from dnastudents.cli import main
from dnastudents.settings import parse
from dnastudents.training.identity import merge_settings, split_settings
from dnastudents.training.options import RunSettings
from dnastudents.training.pretrain import pretrain


def test_parts_join_to_the_whole() -> None:
    settings = parse(RunSettings, settings_of("findna"), "run")
    deciding, execution = split_settings(settings)
    assert execution == {
        "micro_batch_size": 4,
        "checkpoint_every": 4,
        "log_every": 5,
        "stop_after_bad_steps": 1,
    }
    assert not set(execution) & set(deciding["pretraining"])
    assert merge_settings(deciding, execution) == settings.as_json()
    values = {"student": settings_of("findna")["student"], "objective": {"name": "none"}, "seed": 0}
    scratch = parse(RunSettings, values, "run")
    assert split_settings(scratch) == (scratch.as_json(), {})
    assert merge_settings(scratch.as_json(), {}) == scratch.as_json()


def test_how_weights_start_decides_the_result() -> None:
    settings = settings_of("findna")
    student = settings["student"]
    other = settings | {"student": student | {"initialisation": {"range": 0.1}}}
    usual = settings | {"student": student | {"initialisation": {"range": None}}}
    first, second, same = (
        split_settings(parse(RunSettings, values, "run"))[0] for values in (settings, other, usual)
    )
    assert first != second and first == same


def test_a_contrastive_loss_depends_on_the_micro_batch() -> None:
    settings = settings_of("findna")
    settings["objective"] = {"name": "findna", "symmetric": True, "contrastive_weight": 0.5}
    deciding, execution = split_settings(parse(RunSettings, settings, "run"))
    assert deciding["pretraining"]["micro_batch_size"] == 4
    assert "micro_batch_size" not in execution


@pytest.mark.parametrize(
    "change", [{"micro_batch_size": 2}, {"checkpoint_every": 3, "stop_after_bad_steps": 5}]
)
def test_a_run_goes_on_with_other_settings_of_its_execution(
    change: dict[str, Any],
    inputs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stop_before(monkeypatch, 10, kill)
    places = {"output": tmp_path / "b", "state": tmp_path / "s"}
    with pytest.raises(Killed):
        pretrain(settings_of("had"), **places, **inputs)
    pretrain(settings_of("had", **change), **places, **inputs)
    assert "resumes from step 8/12" in caplog.text
    pretrain(settings_of("had"), output=tmp_path / "a", state=tmp_path / "sa", **inputs)
    if "micro_batch_size" not in change:
        assert_equal_runs(tmp_path / "a", tmp_path / "b")
    first, second = (pd.read_csv(tmp_path / name / "history.csv") for name in "ab")
    pd.testing.assert_series_equal(first["loss"], second["loss"], rtol=1e-4)


@pytest.mark.parametrize(("change", "used"), [({"micro_batch_size": 6}, 6), ({}, 4)])
def test_micro_batches_may_grow_too(
    change: dict[str, Any],
    used: int,
    inputs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop_before(monkeypatch, 10, kill)
    places = {"output": tmp_path / "b", "state": tmp_path / "s"}
    with pytest.raises(Killed):
        pretrain(settings_of("findna"), **places, **inputs)
    pretrain(settings_of("findna", **change), **places, **inputs)
    assert json.loads((tmp_path / "b/metrics.json").read_text())["micro_batch_size"] == used


def test_command_joins_them(inputs: dict[str, Path], tmp_path: Path) -> None:
    settings = parse(RunSettings, settings_of("findna", steps=2), "run")
    deciding, execution = split_settings(settings)
    arguments = ["--settings", json.dumps(deciding), "--execution", json.dumps(execution)]
    arguments += ["--reference", str(inputs["reference"]), "--state", str(tmp_path / "s")]
    assert main(["pretrain", "mine", *arguments, "--output", str(tmp_path / "out")]) == 0
    written = json.loads((tmp_path / "out" / "settings.json").read_text())
    assert written == settings.as_json()


SNAKEFILE = """
from dnastudents.settings import parse
from dnastudents.training.identity import split_settings
from dnastudents.training.options import RunSettings

settings = parse(RunSettings, config)

rule pretrain:
    output:
        "out",
    params:
        settings=lambda w: json.dumps(split_settings(settings)[0]),
        execution=lambda w, threads: json.dumps(split_settings(settings)[1]),
    shell:
        "echo {params.settings:q} {params.execution:q} > {output}"
"""


def test_snakemake_does_not_train_again_for_them(root: Path, tmp_path: Path) -> None:
    """The form of the parameters in the rules, without a training behind it."""
    for name in ("pretrain", "teacher"):
        rules = (root / f"workflow/rules/{name}.smk").read_text()
        assert rules.count("execution=lambda w, threads: ") == rules.count("settings=lambda w: ")
    (tmp_path / "Snakefile").write_text("import json\n" + SNAKEFILE)

    def plan(*options: str, **changes: Any) -> str:
        (tmp_path / "config.json").write_text(json.dumps(settings_of("findna", **changes)))
        command = [sys.executable, "-m", "snakemake", "-j", "1", "--configfile", "config.json"]
        done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    plan()
    assert '"micro_batch_size": 4' in (tmp_path / "out").read_text()
    assert "Nothing to be done" in plan("-n", micro_batch_size=2, checkpoint_every=9)
    assert "Params have changed" in plan("-n", steps=13)
