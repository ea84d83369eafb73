"""The schema of config.yaml and the code that reads it know the same keys."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from dnastudents.config.config import PMI_MASKINGS
from dnastudents.finetune.options import Finetuning
from dnastudents.masking.settings import CURRICULA, RANKED, RULES, MaskingSettings
from dnastudents.models import ARCHITECTURES
from dnastudents.objectives.findna.objective import FinDNAOptions
from dnastudents.objectives.had.group_masking import GroupOptions
from dnastudents.objectives.had.objective import HADOptions
from dnastudents.objectives.masked_lm.objective import MaskedLMOptions
from dnastudents.pmi import PmiSettings
from dnastudents.probes.knn import KNNOptions
from dnastudents.training.options import (
    OptimizerOptions,
    Pretraining,
    ScheduleOptions,
    WindowOptions,
)


@pytest.fixture(scope="module")
def schema(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / "workflow/schemas/config.schema.yaml").read_text())


def names(kind: type) -> set[str]:
    return {field.name for field in fields(kind)}


def branches(definition: dict[str, Any], key: str) -> dict[str, set[str]]:
    """Keys that each branch of an if/then list allows, by the branch's value of `key`."""
    found = {}
    for branch in definition["allOf"]:
        condition = branch["if"]["properties"][key]
        allowed = set(branch["then"]["properties"])
        for value in condition.get("enum", [condition.get("const", str(condition))]):
            found[value] = allowed
    return found


def test_students(schema: dict[str, Any]) -> None:
    known = branches(schema["$defs"]["student"], "architecture")
    assert set(known) == set(ARCHITECTURES)
    for name, architecture in ARCHITECTURES.items():
        arguments = inspect.signature(architecture.config.__init__).parameters
        ours = {key for key in arguments if key not in ("self", "kwargs", "vocab_size")}
        assert known[name] - {"architecture", "finetuning"} == ours


def test_objectives_and_maskings(schema: dict[str, Any]) -> None:
    objectives = branches(schema["$defs"]["objective"], "name")
    assert objectives["had"] - {"name"} == names(HADOptions)
    assert objectives["findna"] - {"name"} == names(FinDNAOptions)
    assert objectives["masked_lm"] - {"name"} == names(MaskedLMOptions)
    assert objectives["none"] == {"name"}
    maskings = list(branches(schema["$defs"]["masking"], "name").values())
    assert maskings == [names(GroupOptions), names(MaskingSettings)]


def test_training(schema: dict[str, Any]) -> None:
    pretraining = schema["$defs"]["pretraining"]["properties"]
    assert set(pretraining) == names(Pretraining) - {"splits"}  # they come with the reference
    for key, kind in {
        "window": WindowOptions,
        "optimizer": OptimizerOptions,
        "schedule": ScheduleOptions,
    }.items():
        assert set(pretraining[key]["properties"]) == names(kind)
    assert set(schema["$defs"]["finetuning"]["properties"]) == names(Finetuning)


def test_maskings_that_need_a_ranking() -> None:
    """The configuration must not import torch, so it keeps a list of its own."""
    settings = (MaskingSettings(name) for name in (*RULES, *CURRICULA))
    assert {each.name for each in settings if set(each.rules) & set(RANKED)} == PMI_MASKINGS


def test_pmi(schema: dict[str, Any]) -> None:
    assert set(schema["properties"]["pmi"]["properties"]) - {"sequences"} == names(PmiSettings)


def test_probes(schema: dict[str, Any]) -> None:
    linear = set(schema["properties"]["probes"]["properties"]["linear"]["properties"])
    assert linear - {"suites"} < names(Finetuning)
    known = set(schema["properties"]["probes"]["properties"]["knn"]["properties"])
    # what fine-tuning draws decides how many sequences there are
    assert known - {"suites"} == names(KNNOptions) - {"max_train_sequences"}
