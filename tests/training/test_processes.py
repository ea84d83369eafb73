"""Two processes of the real launcher train what one trains, up to the order of sums."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from recipes import RECIPES, settings_of
from safetensors.torch import load_file

from dnastudents.launch import launch_command
from dnastudents.training import pretrain


def settings_without_dropout(recipe: str) -> dict[str, Any]:
    """Batches of 7 rows, so processes get 3 and 4; dropout is drawn by each for its own rows."""
    settings = settings_of(recipe, batch_size=7)
    if recipe == "masked_lm":
        settings["student"] = {
            **settings["student"],
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        }
    return settings


@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_two_processes_equal_one(recipe: str, inputs: dict[str, Path], tmp_path: Path) -> None:
    settings = settings_without_dropout(recipe)
    one, two = tmp_path / "one", tmp_path / "two"
    arguments = ["pretrain", recipe, "--settings", json.dumps(settings)]
    for name, path in {**inputs, "state": tmp_path / "state", "output": two}.items():
        arguments += [f"--{name}", str(path)]
    environment = {**os.environ, "DNASTUDENTS_PROCESSES": "2", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        launch_command(2, 2, arguments), env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    pretrain(settings, output=one, state=tmp_path / "state of one", **inputs)

    first, second = (load_file(path / "model" / "model.safetensors") for path in (one, two))
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=2e-3, atol=2e-4, msg=name)
    histories = [pd.read_csv(path / "history.csv") for path in (one, two)]
    assert ((histories[0]["loss"] - histories[1]["loss"]).abs() < 1e-4).all()
    assert json.loads((two / "metrics.json").read_text())["processes"] == 2
