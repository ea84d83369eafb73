"""What can be chosen by name in the configuration: a class of settings for each name.

A kind of thing (students, objectives, maskings, windows) has one registry. Its settings are free of
torch, and say of themselves what the configuration, the plan and the tables ask.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

from dnastudents.errors import InputError, nearest
from dnastudents.settings import Settings, one_of, parse

Kind = TypeVar("Kind", bound=Settings)


class Registry(Mapping[str, type[Kind]], Generic[Kind]):
    """The known classes of one kind, by name.

    Parameters
    ----------
    what : str
        The kind in a word, for messages.
    tag : str
        The key that names one, as `name`; a field of each class, of one literal value.
    """

    def __init__(self, what: str, tag: str) -> None:
        self.what, self.tag = what, tag
        self._classes: dict[str, type[Kind]] = {}

    def add(self, kind: type[Kind]) -> type[Kind]:
        """Enter a class; to be used as its decorator.

        Raises
        ------
        TypeError
            It has no name of its own, or something that it must say of itself is missing.
        """
        name = get_args(kind.model_fields[self.tag].annotation)
        if len(name) != 1 or name[0] in self._classes:
            raise TypeError(f"{kind.__name__}: its {self.tag} must be one new literal, not {name}")
        facts = [fact for fact in kind.__class_vars__ if not hasattr(kind, fact)]
        if unsaid := sorted({*facts, *getattr(kind, "__abstractmethods__", ())}):
            raise TypeError(f"{kind.__name__}: does not say its {', '.join(unsaid)}")
        self._classes[name[0]] = kind
        return kind

    def __contains__(self, name: object) -> bool:
        return name in self._classes

    def __getitem__(self, name: str) -> type[Kind]:
        if name not in self._classes:
            hint = nearest(name, self._classes)
            raise InputError(f"{self.what}.{self.tag}: unknown value '{name}'; {hint}")
        return self._classes[name]

    __hash__ = object.__hash__  # it is one of its kind

    def __eq__(self, other: object) -> bool:
        return self is other

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)

    @property
    def union(self) -> Any:
        """The type of a block that is one of these."""
        return one_of(*self._classes.values(), tag=self.tag)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Let a field `Annotated[Kind, registry]` hold one of these; called by pydantic."""
        return handler.generate_schema(self.union)

    def parse(self, values: Any, where: str = "") -> Kind:
        """Make the settings that a block names."""
        return parse(self.union, values, where or self.what)


def discover(package: str) -> None:
    """Import `options` of every folder of a package, so that what it registers is known.

    Raises
    ------
    ImportError
        A folder of modules is no package, and would be missing here and in a wheel.
    """
    root = Path(import_module(package).__path__[0])
    for folder in sorted({file.parent for file in root.glob("*/*.py")}):
        if not (folder / "__init__.py").is_file():
            raise ImportError(f"{folder}: has modules, but no __init__.py; add one")
        import_module(f"{package}.{folder.name}.options")
