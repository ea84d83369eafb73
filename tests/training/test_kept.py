"""A pretraining that is there is taken only if it is the one that is asked for."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from recipes import settings_of

from dnastudents.files import sha256
from dnastudents.genome.reference import build
from dnastudents.models import load, model_digest
from dnastudents.provenance import Code
from dnastudents.training import pretrain as module
from dnastudents.training import state
from dnastudents.training.pretrain import pretrain


@pytest.fixture
def places(inputs: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    """Output and state, and a reference that a test may build again."""
    shutil.copytree(inputs["reference"], tmp_path / "reference")
    names = ("output", "state", "reference")
    return {name: tmp_path / name for name in names}


def made(places: dict[str, Path], steps: int = 2, **settings: Any) -> dict[str, Any]:
    """Pretrain; the metrics of the result."""
    assert pretrain(settings_of("findna", steps=steps, **settings), **places) == 0
    metrics: dict[str, Any] = json.loads((places["output"] / "metrics.json").read_text())
    return metrics


def test_the_same_is_taken_and_says_so(
    places: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dnastudents")
    first = made(places)
    before = (places["output"] / "metrics.json").stat().st_mtime_ns
    assert made(places) == first
    assert (places["output"] / "metrics.json").stat().st_mtime_ns == before
    assert caplog.messages[-1].endswith("is complete already")


def test_other_settings_replace_it(places: dict[str, Path]) -> None:
    first = made(places)
    second = made(places, batch_size=5)
    assert second["identity"] != first["identity"]
    written = json.loads((places["output"] / "settings.json").read_text())
    assert written["pretraining"]["batch_size"] == 5
    # The state is of the second now: what a lost output is made from.
    shutil.rmtree(places["output"])
    assert made(places, batch_size=5)["identity"] == second["identity"]


def test_another_genome_replaces_it_however_old_its_file(
    places: dict[str, Path], tmp_path: Path
) -> None:
    first = made(places)
    weights = model_digest(places["output"])
    fasta = tmp_path / "other.fa"
    fasta.write_text("".join(f">{name}\n{'ACGGT' * 600}\n" for name in ("chrA", "chrB")))
    os.utime(fasta, (0, 0))  # as `cp -p` leaves it
    build(fasta, places["reference"])
    second = made(places)
    assert second["identity"] != first["identity"]
    assert model_digest(places["output"]) != weights


def test_a_teacher_of_equal_weights_may_be_another(inputs: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(inputs["teacher"], tmp_path / "teacher")
    places = {**inputs, "teacher": tmp_path / "teacher", "output": tmp_path / "out"}
    places["state"] = tmp_path / "state"
    assert pretrain(settings_of("had", steps=2), **places) == 0
    first = json.loads((tmp_path / "out/metrics.json").read_text())["identity"]
    config = tmp_path / "teacher/config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_attention_heads": 1}))
    assert pretrain(settings_of("had", steps=2), **places) == 0
    assert json.loads((tmp_path / "out/metrics.json").read_text())["identity"] != first


def test_what_other_code_has_made_is_said(
    places: dict[str, Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(state, "code", lambda: Code("1" * 40, False))
    first = made(places)
    assert first["trained_at"] == ["1" * 40]
    monkeypatch.setattr(module, "code_digest", lambda: "other")
    made(places)
    assert "is complete already, by other code (commit " in caplog.messages[-1]
    # A lost output is written from the state, which knows who trained it.
    monkeypatch.setattr(state, "code", lambda: Code("2" * 40, True))
    shutil.rmtree(places["output"])
    assert made(places)["trained_at"] == ["1" * 40]


def test_the_model_says_who_made_it_and_loads(places: dict[str, Path]) -> None:
    metrics = made(places)
    for name in ("model", "student"):
        who = json.loads((places["output"] / name / "provenance.json").read_text())
        keys = ("run", "seed", "settings_digest", "versions", "commit", "dirty")
        weights = {"model.safetensors": sha256(places["output"] / name / "model.safetensors")}
        assert who == {key: metrics[key] for key in keys} | {"weights": weights}
        load(places["output"] / name)
