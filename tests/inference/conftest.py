"""A classifier, and a model of each architecture, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dnastudents import models
from dnastudents.genome import tokenizers
from tuned import MASKED, tuned


@pytest.fixture(scope="session")
def output(students: dict[str, Path], task: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tuned(tmp_path_factory.mktemp("tuned"), students["hybrid"], task)


@pytest.fixture
def classifier(output: Path) -> Path:
    return output / "classifier"


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model folder of each architecture."""
    folder = tmp_path_factory.mktemp("pretrained")
    for name, settings in MASKED.items():
        tokenizer = tokenizers.build(models.tokenizer_name(settings))
        torch.manual_seed(0)
        models.build(settings, tokenizer).save_pretrained(folder / name)
        models.DNATokenizer(name=tokenizer.name).save_pretrained(folder / name)
    return {name: folder / name for name in MASKED}
