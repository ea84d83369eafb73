"""Blocks of configuration: read, merge, select, and check against the schema.

Everything wrong is one `InputError` of one line that names the key and a likely fix.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from dnastudents.errors import InputError, nearest

Block = dict[str, Any]


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Block:
    """A copy of `base` with `changes` put in: mappings merged key by key, all else replaced.

    A mapping that says what it is by another `name`, `kind` or `architecture` replaces the old one
    whole, because the settings of the one mean nothing to the other.
    """
    merged = deepcopy(dict(base))
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping) and not _differ(old, value):
            merged[key] = merge(old, value)
        else:
            merged[key] = deepcopy(value)
    return merged


def _differ(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return any(old.get(tag) != new[tag] for tag in ("name", "kind", "architecture") if tag in new)


def read_yaml(path: Path) -> Block:
    """Read one YAML mapping; anything else is an `InputError` that names the file."""
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML: {error}".replace("\n", " ")) from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: must hold keys and values")
    return value


def chain(root: Path, changes: Block) -> list[Block]:
    """A configuration and all that it extends; paths are relative to the repository's root."""
    links, seen = [changes], []
    while "extends" in links[-1]:
        path = root / str(links[-1].pop("extends"))
        if path in seen:
            raise InputError(f"{path}: extends itself; remove an `extends:`")
        seen.append(path)
        links.append(read_yaml(path))
    return links


def selection(key: str, links: list[Block]) -> Block | None:
    """The blocks that the nearest configuration with this key names; None is all."""
    selected = next((link[key] for link in links if link.get(key) is not None), None)
    if selected == {}:
        raise InputError(f"{key}: names nothing; name at least one, or drop the key")
    return selected


def validate(values: Block, schema: Block, place: str = "") -> None:
    """Check types and keys; the message is one line that names the key and a likely fix."""
    error = best_match(Draft202012Validator(schema).iter_errors(values))
    if error is not None:
        raise InputError(_explain(error, place))


def _explain(error: ValidationError, place: str) -> str:
    path = [place, *map(str, error.absolute_path)] if place else map(str, error.absolute_path)
    key = ".".join(path) or "config"
    schema = cast(Mapping[str, Any], error.schema)
    if error.validator == "additionalProperties":
        known = list(schema.get("properties", {}))
        unknown = next(name for name in cast(Block, error.instance) if name not in known)
        return f"{key}: unknown key '{unknown}'; {nearest(unknown, known)}"
    if error.validator == "enum":
        hint = nearest(str(error.instance), schema["enum"])
        return f"{key}: unknown value '{error.instance}'; {hint}"
    if error.validator in ("anyOf", "oneOf"):
        forms = " or ".join(json.dumps(form) for form in schema[str(error.validator)])
        return f"{key}: {error.instance!r} must be exactly one of {forms}"
    return f"{key}: {error.message}"
