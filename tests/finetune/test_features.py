"""Features by CLS tokens, as FinDNA draws them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dnastudents import models
from dnastudents.benchmarks.task import load_task
from dnastudents.cli import main
from dnastudents.errors import InputError
from dnastudents.finetune.features import embed
from dnastudents.genome import tokenizers
from dnastudents.training.pretrain import pretrain
from small_students import CHORDMIXER, PRETRAINING

STUDENT = CHORDMIXER | {"max_length": 40, "track_size": 4, "hidden_size": 16}


@pytest.fixture(scope="module")
def mixer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixer")
    settings = {"student": STUDENT, "objective": {"name": "none"}, "seed": 0}
    pretrain(settings, output=folder / "run", state=folder / "state", run="findna")
    return folder / "run"


@pytest.mark.parametrize("count", [None, 3])
def test_cls_tokens_equal_the_plain_twin(
    mixer: Path, task: Path, tmp_path: Path, count: int | None
) -> None:
    """Rows of 20 to 60 bases, hence padded in batches; one at a time gives the same."""
    settings = json.loads((mixer / "settings.json").read_text())
    settings["objective"] = {"name": "findna"} | ({"cls_tokens": count} if count else {})
    settings["pretraining"] = PRETRAINING
    run = tmp_path / "run"
    run.mkdir()
    (run / "model").symlink_to(mixer / "model")
    (run / "settings.json").write_text(json.dumps(settings))
    embed(run, task, "test", None, tmp_path / "e.npz", pooling="cls_tokens")
    found = np.load(tmp_path / "e.npz")
    count = count or 10
    assert found["embeddings"].shape == (40, count * 28)
    assert str(found["pooling"]) == "cls_tokens"
    model, tokenizer = models.load(mixer / "model"), tokenizers.load(mixer / "model")
    for vector, sequence in zip(found["embeddings"], load_task(task).test["sequence"], strict=True):
        ids = [*tokenizer.encode(sequence), *[tokenizer.cls_id] * count]
        with torch.inference_mode():
            hidden = model(torch.tensor([ids])).last_hidden_state[0]
        np.testing.assert_allclose(vector, hidden[-count:].flatten(), atol=1e-5)


def test_other_students_have_no_such_tokens(
    students: dict[str, Path], task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="CLS tokens are those of a chordmixer"):
        embed(students["bert"], task, "test", 5, tmp_path / "e.npz", pooling="cls_tokens")
    command = ["embed", "--pretrained", str(students["bert"]), "--task", str(task)]
    assert main([*command, "--output", str(tmp_path / "e.npz"), "--pooling", "cls"]) == 2
    assert "'cls' is not one of 'mean', 'cls_tokens'" in capsys.readouterr().err
    assert not (tmp_path / "e.npz").exists()
