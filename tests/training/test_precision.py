"""Mixed precision: products in a lower one, what they are compared by in float32."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from recipes import LEARNING, settings_of

from dnastudents.training.gradients import Gradients
from dnastudents.training.pretrain import pretrain


@pytest.mark.parametrize("recipe", LEARNING)
def test_losses_are_float32_also_where_products_are_not(
    recipe: str, inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU the switch that a GPU turns is turned by hand."""
    plain, products, losses = Gradients.terms, set(), set()

    def lower(self: Gradients, *where: Any) -> dict[str, torch.Tensor]:
        self.precision.name = "bf16"
        layers = [m for m in self.objective.student.modules() if isinstance(m, torch.nn.Linear)]
        middle = layers[len(layers) // 2]  # some first layers hold weights that others multiply
        hook = middle.register_forward_hook(lambda layer, _, out: products.add(out.dtype))
        terms = plain(self, *where)
        hook.remove()
        losses.update(value.dtype for value in terms.values())
        return terms

    monkeypatch.setattr(Gradients, "terms", lower)
    output = tmp_path / "out"
    settings = settings_of(recipe, steps=3, precision="bf16")
    assert pretrain(settings, output=output, state=tmp_path / "s", **inputs) == 0
    assert products == {torch.bfloat16}
    assert losses == {torch.float32}
    assert json.loads((output / "metrics.json").read_text())["precision"] == "bf16"


def test_a_cpu_computes_in_float32(inputs: dict[str, Path], tmp_path: Path) -> None:
    results = []
    for precision in ("no", "bf16", "fp16"):
        output, state = tmp_path / precision, tmp_path / f"state_{precision}"
        settings = settings_of("masked_lm", steps=3, precision=precision)
        assert pretrain(settings, output=output, state=state, **inputs) == 0
        assert json.loads((output / "metrics.json").read_text())["precision"] == "no"
        results.append((output / "model/model.safetensors").read_bytes())
    assert len(set(results)) == 1
