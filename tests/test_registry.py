"""All that can be chosen by name: described, parsed from what it gives as JSON, and complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from torch import Tensor

from dnastudents.errors import InputError
from dnastudents.genome import augment
from dnastudents.genome.augmentations import AUGMENTATIONS
from dnastudents.genome.windows import WINDOWS, WindowOptions
from dnastudents.masking.options import MASKINGS, OneRule
from dnastudents.models import STUDENTS, StudentOptions
from dnastudents.objectives import OBJECTIVES, ObjectiveOptions
from dnastudents.registry import Registry, discover
from dnastudents.settings import Settings, parse

REGISTRIES: list[Registry[Any]] = [STUDENTS, OBJECTIVES, MASKINGS, WINDOWS, AUGMENTATIONS]
REQUIRED: dict[str, dict[str, Any]] = {"window": {"length": 100}}  # by kind of thing
CLASSES = [
    pytest.param(registry, name, id=f"{registry.what}-{name}")
    for registry in REGISTRIES
    for name in registry
]


def block(registry: Registry[Any], name: str, **values: Any) -> dict[str, Any]:
    return {registry.tag: name, **REQUIRED.get(registry.what, {}), **values}


@pytest.mark.parametrize(("registry", "name"), CLASSES)
def test_a_class_and_each_of_its_fields_are_described(registry: Registry[Any], name: str) -> None:
    kind = registry[name]
    assert "__doc__" in vars(kind)
    assert kind.__doc__
    for key, field in kind.model_fields.items():
        assert key == registry.tag or field.description, key
    assert get_args(kind.model_fields[registry.tag].annotation) == (name,)


@pytest.mark.parametrize(("registry", "name"), CLASSES)
def test_what_a_class_gives_as_json_is_itself(registry: Registry[Any], name: str) -> None:
    options = registry.parse(block(registry, name))
    assert type(options) is registry[name]
    assert registry.parse(options.as_json()) == options
    assert parse(registry[name], options.as_json()) == options
    assert set(options.as_json()) == set(registry[name].model_fields)


@pytest.mark.parametrize(("registry", "name"), CLASSES)
def test_a_class_refuses_what_it_does_not_know(registry: Registry[Any], name: str) -> None:
    with pytest.raises(InputError, match=rf"^{registry.what}: unknown key 'zzz'; known: .*"):
        registry.parse(block(registry, name, zzz=1))


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.what)
def test_an_unknown_name_is_refused(registry: Registry[Any]) -> None:
    near = next(iter(registry))
    wrong = near[:-1] + "_"
    message = rf"^{registry.what}\.{registry.tag}: unknown value '{wrong}'; did you mean '{near}'"
    with pytest.raises(InputError, match=message):
        registry.parse(block(registry, wrong))
    with pytest.raises(InputError, match=message):
        registry[wrong]
    assert wrong not in registry
    assert near in registry


@pytest.mark.parametrize("as_released", [False, True])
@pytest.mark.parametrize("name", [n for n, k in MASKINGS.items() if "mode" in k.model_fields])
def test_modes_of_a_masking_survive(name: str, as_released: bool) -> None:
    mode = "as_released" if as_released else "as_described"
    options = MASKINGS.parse({"name": name, "mode": mode})
    released = MASKINGS[name].released  # type: ignore[attr-defined]
    assert {key: getattr(options, key) == value for key, value in released.items()} == (
        dict.fromkeys(released, as_released)
    )
    assert MASKINGS.parse(options.as_json()) == options
    assert options.is_released is as_released


def test_every_augmentation_has_its_function() -> None:
    assert set(augment.FUNCTIONS) == set(AUGMENTATIONS)


# ---- entering a class


class Thing(Settings):
    """Something with a name."""

    name: str


def test_a_name_is_taken_once() -> None:
    registry: Registry[Thing] = Registry("thing", "name")

    @registry.add
    class First(Thing):
        """The first."""

        name: Literal["one"]

    class Second(Thing):
        """The second."""

        name: Literal["one"]

    with pytest.raises(TypeError, match="Second: its name must be one new literal"):
        registry.add(Second)
    assert dict(registry) == {"one": First}


def test_a_class_names_itself() -> None:
    registry: Registry[Thing] = Registry("thing", "name")

    class Two(Thing):
        """Two names."""

        name: Literal["one", "two"]

    for kind in (Thing, Two):
        with pytest.raises(TypeError, match=f"{kind.__name__}: its name must be one new literal"):
            registry.add(kind)
    assert not registry


class HalfAnObjective(ObjectiveOptions):
    """Without `build`."""

    name: Literal["half"]


class RuleWithoutMask(OneRule):
    """Has no `mask`: it would be registered, and not dispatched."""

    name: Literal["half"]

    @staticmethod
    def tokens(k: int) -> float:
        """How many tokens a centre masks."""
        return 1.0


class RuleWithoutTokens(OneRule):
    """Has no `tokens`."""

    name: Literal["half"]

    @staticmethod
    def mask(centres: Tensor, eligible: Tensor, ranks: Any, k: int, options: Any) -> Tensor:
        """Mask the centres."""
        return centres


class HalfAStudent(StudentOptions):
    """Without a model."""

    architecture: Literal["half"]


class StudentWithoutTokenizer(StudentOptions):
    """It would be registered, and fail in a job."""

    architecture: Literal["half"]

    @classmethod
    def model_classes(cls) -> Any:
        """None."""


class HalfAWindow(WindowOptions):
    """Without a sampler."""

    kind: Literal["half"]


@pytest.mark.parametrize(
    ("registry", "kind", "unsaid"),
    [
        (OBJECTIVES, HalfAnObjective, "build"),
        (MASKINGS, RuleWithoutMask, "mask"),
        (MASKINGS, RuleWithoutTokens, "tokens"),
        (STUDENTS, HalfAStudent, "model_classes, tokenizer"),
        (WINDOWS, HalfAWindow, "samplers"),
    ],
)
def test_half_a_class_is_refused(registry: Registry[Any], kind: Any, unsaid: str) -> None:
    with pytest.raises(TypeError, match=f"^{kind.__name__}: does not say its {unsaid}$"):
        registry.add(kind)
    assert "half" not in registry
    with pytest.raises(TypeError, match="abstract"):
        kind(**{registry.tag: "half"}, **REQUIRED.get(registry.what, {}))


def test_a_student_without_a_tokenizer_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^StudentWithoutTokenizer: does not say its tokenizer$"):
        STUDENTS.add(StudentWithoutTokenizer)
    assert "half" not in STUDENTS


def test_a_folder_that_is_no_package_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "house_of_a_test/new"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "options.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match=r"new: has modules, but no __init__\.py; add one"):
        discover("house_of_a_test")
    (folder / "__init__.py").touch()
    discover("house_of_a_test")
