"""Out of memory while fine-tuning: a batch in parts, the same gradient, and nothing lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dnastudents.benchmarks.task import load_task
from dnastudents.devices import as_many_as_fit
from dnastudents.finetune.features import Checkpoint, pooled_features
from dnastudents.finetune.fit import Fit
from dnastudents.finetune.on_task import StudentOnTask
from dnastudents.finetune.options import Finetuning
from dnastudents.models import SequenceClassifier

CPU = torch.device("cpu")


class SmallMemory:
    """Lets a classifier hold so many sequences; more fail, while training from the n-th call on."""

    def __init__(self, model: SequenceClassifier, rows: int, call: int = 1) -> None:
        self.rows, self.call, self.calls, self.failures = rows, call, 0, 0
        self.pool, model.pool = model.pool, self.limited  # type: ignore[method-assign]

    def limited(self, input_ids: torch.Tensor, *masks: Any, **named: Any) -> Any:
        self.calls += torch.is_grad_enabled()
        wait = torch.is_grad_enabled() and self.calls < self.call
        if len(input_ids) > self.rows and not wait:
            self.failures += 1
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return self.pool(input_ids, *masks, **named)


def fit(student: Path, task: Path) -> tuple[Fit, StudentOnTask]:
    """Without dropout, which draws by what is computed together."""
    options = Finetuning(epochs=2, batch_size=8, learning_rate=1e-3, dropout=0.0)
    mine = StudentOnTask("mine", student, load_task(task), options, "", "")
    return Fit(mine._classifier(0), options, 0, CPU), mine


def train(made: Fit, mine: StudentOnTask) -> tuple[np.ndarray, list[float]]:
    says: list[str] = []
    tokens = mine.tokens
    _, history = made.train(tokens["train"], tokens["dev"], ["at", "gc"], "mcc", says.append)
    return made.predict(tokens["test"]), [row["loss"] for row in history]


@pytest.mark.parametrize(("rows", "call", "part"), [(7, 1, 4), (1, 1, 1), (3, 4, 2)])
def test_training_in_parts_is_training(
    students: dict[str, Path], task: Path, rows: int, call: int, part: int
) -> None:
    scores, losses = train(*fit(students["hybrid"], task))
    made, mine = fit(students["hybrid"], task)
    memory = SmallMemory(made.model, rows, call)
    few, same = train(made, mine)
    assert made.micro_batch == part and made.read_batch <= rows
    assert memory.failures == {7: 1 + 4, 1: 3 + 6, 3: 2 + 5}[rows]  # halvings of 8, and of 64
    np.testing.assert_allclose(few, scores, atol=2e-5)
    np.testing.assert_allclose(same, losses, atol=1e-5)


def test_nothing_of_a_failed_attempt_stays(students: dict[str, Path], task: Path) -> None:
    """Memory runs out at the second part of a batch, when the first has left its gradient."""
    first, mine = fit(students["hybrid"], task)
    batch = np.arange(8)
    first.micro_batch = 2
    first._update(mine.tokens["train"], batch, 10)
    second, mine = fit(students["hybrid"], task)
    second.micro_batch = 4
    memory = SmallMemory(second.model, 3, call=2)
    second._update(mine.tokens["train"], batch, 10)
    assert memory.failures == 1 and second.micro_batch == 2
    pairs = zip(first.parameters, second.parameters, strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_features(students: dict[str, Path], task: Path) -> None:
    checkpoint = Checkpoint.load(students["bert"])
    frame = load_task(task).split("test")
    split = checkpoint.tokenize(frame["sequence"].tolist(), frame["label"].to_numpy())
    model = SequenceClassifier(
        checkpoint.student, classes=1, special_ids=checkpoint.tokenizer.special_ids
    )
    expected = pooled_features(model, split, CPU)
    memory = SmallMemory(model, 5)
    np.testing.assert_allclose(pooled_features(model, split, CPU), expected, atol=1e-6)
    assert memory.failures == 4  # 64, 32, 16, 8


def test_one_sequence_too_much_and_other_errors() -> None:
    tried: list[int] = []

    def fail(at_once: int) -> None:
        tried.append(at_once)
        raise error

    error: RuntimeError = torch.OutOfMemoryError("CUDA out of memory.")
    with pytest.raises(torch.OutOfMemoryError):
        as_many_as_fit(fail, 5, CPU)
    assert tried == [5, 2, 1]
    error = RuntimeError("shape mismatch")
    with pytest.raises(RuntimeError, match="shape"):
        as_many_as_fit(fail, 5, CPU)
    assert tried == [5, 2, 1, 5]
