"""Mixed precision: products in a lower one, weights and losses in float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dnastudents.benchmarks.task import load_task
from dnastudents.finetune.fit import Fit
from dnastudents.finetune.on_task import StudentOnTask
from dnastudents.finetune.options import Finetuning

OPTIONS = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-2}


def fit(
    student: Path, task: Path, device: torch.device, precision: str
) -> tuple[Fit, StudentOnTask]:
    options = Finetuning(**OPTIONS, precision=precision)
    mine = StudentOnTask("mine", student, load_task(task), options, "", "")
    return Fit(mine._classifier(0), options, 0, device), mine


def train(made: Fit, mine: StudentOnTask) -> np.ndarray:
    made.train(mine.tokens["train"], mine.tokens["dev"], ["at", "gc"], "mcc", lambda line: None)
    return made.predict(mine.tokens["test"])


def test_a_cpu_computes_in_float32(students: dict[str, Path], task: Path) -> None:
    scores = [
        train(*fit(students["bert"], task, torch.device("cpu"), kind)) for kind in ("no", "bf16")
    ]
    assert np.array_equal(*scores)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_products_are_lower_and_weights_are_not(
    device: str, students: dict[str, Path], task: Path
) -> None:
    """On a CPU the switch that a GPU turns is turned by hand."""
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    plain = train(*fit(students["bert"], task, torch.device(device), "no"))
    made, mine = fit(students["bert"], task, torch.device(device), "bf16")
    made.precision.name = "bf16"
    kinds = set()
    made.model.head.register_forward_hook(lambda layer, inputs, output: kinds.add(output.dtype))
    scores = train(made, mine)
    assert kinds == {torch.bfloat16}
    assert {weight.dtype for weight in made.parameters} == {torch.float32}
    assert scores.dtype == np.float32
    assert not np.array_equal(scores, plain)
    assert (scores.argmax(1) == plain.argmax(1)).mean() > 0.9


def test_fp16_is_scaled_on_a_gpu(students: dict[str, Path], task: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    made, mine = fit(students["bert"], task, torch.device("cuda"), "fp16")
    scores = train(made, mine)
    assert made.precision.scaler.get_scale() > 1
    assert (scores.argmax(1) == mine.tokens["test"].labels).mean() > 0.8
