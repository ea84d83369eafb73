"""FinDNA's released way into fine-tuning: another ChordMixer with the weights that fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dnastudents.benchmarks.task import load_task
from dnastudents.errors import InputError
from dnastudents.files import read_json
from dnastudents.finetune.on_task import StudentOnTask
from dnastudents.finetune.options import Finetuning
from dnastudents.finetune.sweep import finetune
from dnastudents.settings import parse
from dnastudents.training.pretrain import pretrain

TRANSFER = {"max_length": 100, "track_size": 4, "blocks": 1}
QUICK = {"epochs": 1, "batch_size": 16, "selection": "last"}


@pytest.fixture(scope="module")
def mixer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ChordMixer of 6 channels a track, 6 layers a block; it passes for a pretrained one."""
    folder = tmp_path_factory.mktemp("mixer")
    sizes = {"max_length": 64, "track_size": 6, "hidden_size": 8, "blocks": 2}
    settings = {
        "student": {"architecture": "chordmixer", **sizes},
        "objective": {"name": "none"},
        "seed": 0,
    }
    pretrain(settings, output=folder / "run", state=folder / "state", run="mixer")
    return folder / "run"


def job(mixer: Path, task: Path, pretrained: bool = True, **settings: Any) -> StudentOnTask:
    made = StudentOnTask("mixer", mixer, load_task(task), Finetuning(**QUICK, **settings), "", "")
    made.provenance["pretrained"] = pretrained
    return made


def test_by_default_the_network_stays(mixer: Path, task: Path) -> None:
    made = job(mixer, task)
    student = made._classifier(0).student
    assert student.config.track_size == 6
    for mine, other in zip(student.parameters(), made.checkpoint.student.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_as_released_the_layers_of_both_are_taken(
    mixer: Path, task: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = job(mixer, task, released_transfer=TRANSFER)
    said = "26 of the 50 pretrained tensors are taken; 4 of the new network's 30 start at random"
    assert said in caplog.text
    old = made.checkpoint.student.state_dict()
    first, again, other = (made._classifier(seed).student for seed in (0, 0, 1))
    assert (first.config.track_size, first.config.channels, first.config.blocks) == (4, 42, 1)
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
        assert torch.equal(weight, other.state_dict()[name]) == (name in old)
        assert name not in old or torch.equal(weight, old[name])


def test_frozen_features_follow_the_seed(mixer: Path, task: Path) -> None:
    made = job(mixer, task, frozen=True, released_transfer=TRANSFER)
    features = [made._splits(seed)["test"].values for seed in (0, 1)]
    assert not np.array_equal(*features)


def test_a_row_says_so(mixer: Path, task: Path, tmp_path: Path) -> None:
    finetune(
        "mixer",
        pretrained=[mixer],
        task=task,
        settings={**QUICK, "released_transfer": TRANSFER},
        seeds=[0],
        state=tmp_path / "state",
        output=tmp_path / "out",
    )
    assert read_json(tmp_path / "out/seed_0.json")["released_transfer"] is True


def test_other_students_have_none(students: dict[str, Path], task: Path) -> None:
    with pytest.raises(
        InputError, match=r"released_transfer: is for chordmixer students, and mixer"
    ):
        job(students["hybrid"], task, released_transfer=TRANSFER)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"blocks": 0}, "blocks: must be at least 1, not 0"),
        ({"max_length": 2.5}, "max_length: must be an integer, not 2.5"),
        ({"blocs": 2}, "unknown key 'blocs'; did you mean 'blocks'"),
    ],
)
def test_bad_settings_are_refused(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"finetuning\.released_transfer.*{message}"):
        parse(Finetuning, {"released_transfer": {**TRANSFER, **bad}}, "finetuning")
    with pytest.raises(InputError, match=r"finetuning\.released_transfer: 'blocks' is missing"):
        parse(Finetuning, {"released_transfer": {"max_length": 100, "track_size": 4}}, "finetuning")
