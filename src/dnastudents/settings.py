"""Typed options from one block of the configuration.

A dataclass says which keys a block may hold and their defaults; a key that it lacks is an error
that names the nearest known one, so a typo never becomes a silent default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

from dnastudents.errors import InputError, nearest

Options = TypeVar("Options")


def parse(kind: type[Options], values: Mapping[str, Any], where: str) -> Options:
    """Make the dataclass `kind` from `values`.

    Parameters
    ----------
    kind : type
        A dataclass; fields whose type is a dataclass are made from a mapping in the same way.
    values : mapping
        One block of the configuration.
    where : str
        The block's place in the configuration, for messages.

    Raises
    ------
    InputError
        On an unknown key, a missing one, or a nested block that is no mapping.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{where}: must hold keys and values, not {values!r}")
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise InputError(f"{where}: unknown key '{key}'; {nearest(key, known)}")
    for key, field in known.items():
        if key not in values and field.default is MISSING and field.default_factory is MISSING:
            raise InputError(f"{where}: '{key}' is missing; add it")
    types = get_type_hints(kind)
    return kind(
        **{
            key: parse(types[key], value, f"{where}.{key}") if is_dataclass(types[key]) else value
            for key, value in values.items()
        }
    )


def choose(value: str, known: tuple[str, ...], where: str) -> None:
    """Refuse a name that is none of `known`."""
    if value not in known:
        raise InputError(f"{where}: unknown value '{value}'; {nearest(str(value), known)}")
