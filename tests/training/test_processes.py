"""Two processes train what one trains, up to the order of sums."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from accelerate import debug_launcher
from accelerate.state import AcceleratorState
from recipes import RECIPES, settings_of
from safetensors.torch import load_file

from dnastudents.training import pretrain


def train_all(folder: Path, inputs: dict[str, Path]) -> None:
    """Every recipe, in this process and the others that were started with it."""
    AcceleratorState._reset_state(reset_partial_state=True)  # a fork inherits the parent's
    torch.set_num_threads(1)
    for recipe in RECIPES:
        settings = settings_of(recipe, batch_size=7)  # 3 rows and 4 rows
        if recipe == "masked_lm":  # dropout is drawn by each process for its own rows
            settings["student"] = {
                **settings["student"],
                "hidden_dropout_prob": 0.0,
                "attention_probs_dropout_prob": 0.0,
            }
        code = pretrain(
            settings, output=folder / recipe, state=folder / f"state-{recipe}", **inputs
        )
        assert code == 0


@pytest.mark.filterwarnings("ignore")
def test_two_processes_equal_one(inputs: dict[str, Path], tmp_path: Path) -> None:
    debug_launcher(train_all, (tmp_path / "two", inputs), num_processes=2)
    train_all(tmp_path / "one", inputs)
    for recipe in RECIPES:
        one, two = (tmp_path / name / recipe for name in ("one", "two"))
        first, second = (load_file(path / "model" / "model.safetensors") for path in (one, two))
        for name, value in first.items():
            torch.testing.assert_close(value, second[name], rtol=2e-3, atol=2e-4, msg=recipe + name)
        histories = [pd.read_csv(path / "history.csv") for path in (one, two)]
        assert ((histories[0]["loss"] - histories[1]["loss"]).abs() < 1e-4).all(), recipe
        assert '"processes": 2' in (two / "metrics.json").read_text()
