"""The registry: names, keys, resources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small import HYBRID, NT, NUCLEOTIDES, TEACHER

from dnastudents import models
from dnastudents.errors import InputError
from dnastudents.objectives import Resources, build
from dnastudents.objectives.had.objective import HAD
from dnastudents.objectives.masked_lm.objective import MaskedLM
from dnastudents.settings import parse
from dnastudents.training.options import Pretraining


def make(resources: Resources | None = None, *, objective: Any, masking: Any = None) -> Any:
    torch.manual_seed(0)
    student = models.build(HYBRID, NUCLEOTIDES)
    return build(objective, masking, student, NUCLEOTIDES, 0, 10, resources or Resources())


def test_masked_lm_with_bernoulli() -> None:
    found = make(objective={"name": "masked_lm"}, masking={"name": "bernoulli"})
    assert isinstance(found, MaskedLM)
    assert found.stage(0) == "bernoulli"


BERNOULLI = {"name": "bernoulli"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objective": {"name": "hda"}}, "did you mean 'had'"),
        ({"objective": {"name": "had", "aling_on": 1}}, "did you mean 'align_on'"),
        ({"objective": {"name": "had"}}, "needs a teacher"),
        ({"objective": {"name": "had"}, "masking": BERNOULLI}, "choose teacher_groups"),
        ({"objective": {"name": "masked_lm", "cls_weight": 1}, "masking": BERNOULLI}, "cls_weight"),
        ({"objective": {"name": "masked_lm"}, "masking": {"name": "genemask"}}, "PMI"),
        (
            {"objective": {"name": "masked_lm"}},
            "masking: is missing; choose bernoulli or random_span",
        ),
        ({"objective": {"name": "none"}, "masking": BERNOULLI}, "'none' does not learn"),
    ],
)
def test_mistakes_are_one_clear_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        make(**settings)
    assert "\n" not in str(error.value)


def test_reconstruction_only_needs_no_teacher() -> None:
    found = make(objective={"name": "had", "alignment_weight": 0.0})
    assert isinstance(found, HAD)
    assert found.masking.probability == 0.15


def test_random_teacher_has_the_shape_but_not_the_weights(tmp_path: Path) -> None:
    torch.manual_seed(1)
    models.build(NT, TEACHER).save_pretrained(tmp_path / "model")
    trained, random = (
        make(Resources(teacher=tmp_path), objective={"name": "had", "random_teacher": value})
        for value in (False, True)
    )
    weights = [found.teacher.model.state_dict() for found in (trained, random)]
    assert weights[0].keys() == weights[1].keys()
    name = "esm.embeddings.word_embeddings.weight"
    assert not torch.equal(weights[0][name], weights[1][name])
    # what the student adds is initialised alike, so the runs differ in the teacher alone
    assert torch.equal(trained.project.weight, random.project.weight)


def test_parse_names_the_place_of_a_mistake() -> None:
    with pytest.raises(InputError, match=r"pretraining: unknown key 'step'; did you mean 'steps'"):
        parse(Pretraining, {"step": 3}, "pretraining")
    with pytest.raises(InputError, match=r"pretraining: 'steps' is missing"):
        parse(Pretraining, {}, "pretraining")
    given = {
        "steps": 3,
        "batch_size": 2,
        "window": {"kind": "windows", "length": 9},
        "splits": {"train": ["a"]},
        "optimizer": {"learning_rat": 1e-3},
    }
    with pytest.raises(InputError, match=r"pretraining.optimizer: unknown key 'learning_rat'"):
        parse(Pretraining, given, "pretraining")
    wrong = {**given, "optimizer": {"learning_rate": 1e-3}, "window": 3}
    with pytest.raises(InputError, match=r"pretraining.window: must be keys and values, not 3"):
        parse(Pretraining, wrong, "pretraining")
