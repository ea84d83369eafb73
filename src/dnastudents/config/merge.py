"""Blocks of configuration before they are parsed: read, merge, extend, select."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from dnastudents.errors import InputError, nearest

Block = dict[str, Any]


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Block:
    """Copy `base` with `changes` put in: mappings merged key by key, all else replaced.

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
    """Read a configuration and all that it extends; paths are relative to the repository's root."""
    links, seen = [changes], []
    while "extends" in links[-1]:
        path = root / str(links[-1].pop("extends"))
        if path in seen:
            raise InputError(f"{path}: extends itself; remove an `extends:`")
        seen.append(path)
        links.append(read_yaml(path))
    return links


def selection(key: str, links: list[Block]) -> Block | None:
    """Return the blocks that the nearest configuration with this key names; None is all."""
    selected = next((link[key] for link in links if link.get(key) is not None), None)
    if selected == {}:
        raise InputError(f"{key}: names nothing; name at least one, or drop the key")
    return selected


def resolve(name: str, blocks: Mapping[str, Any]) -> Block:
    """Resolve the block `name` with everything that it extends put in.

    Raises
    ------
    InputError
        It extends what is not there, or itself.
    """
    links: list[str] = []
    following: str | None = name
    while following is not None:
        if following in links:
            raise InputError(f"runs.{links[-1]}.extends: the chain {links} goes in a circle")
        if following not in blocks:
            raise InputError(
                f"runs.{links[-1]}.extends: no run '{following}'; {nearest(following, blocks)}"
            )
        links.append(following)
        following = (blocks[following] or {}).get("extends")
    resolved: Block = {}
    for link in reversed(links):
        resolved = merge(resolved, blocks[link] or {})
    resolved.pop("extends", None)
    if "compare_with" not in (blocks[name] or {}):  # what a run is held against is its own
        resolved.pop("compare_with", None)
    return resolved
