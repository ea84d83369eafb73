"""Blocks of configuration before they are parsed: read, merge, extend, select."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from dnastudents.errors import InputError, nearest
from dnastudents.yaml_files import in_one_line, read_yaml

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


class Source(NamedTuple):
    """A configuration as it was given, before it is merged with others.

    Attributes
    ----------
    values : dict
        What it says.
    file : Path or None
        That says it; None for `--config`.
    """

    values: Block
    file: Path | None = None


def chain(root: Path, sources: Sequence[Source]) -> list[Block]:
    """Order configurations and all that they extend, from the nearest to the most basic.

    Parameters
    ----------
    root : Path
        The folder of the workflow's own configurations.
    sources : sequence of Source
        Each changes those before it. A file that two of them extend is their common base.
    """
    links: list[Block] = []
    known: list[Path] = []
    for source in sources:
        mine: list[Block] = []
        extended: list[Path] = []
        following: Source | None = source
        while following is not None:
            values = dict(following.values)
            mine.append(values)
            path = _extended(root, values, following.file)
            following = None
            if path in extended:
                raise InputError(f"{path}: extends itself; remove an `extends:`")
            if path is not None and path not in known:
                extended.append(path)
                following = Source(read_yaml(path), path)
        links = [*mine, *links]
        known += [*extended, *([source.file.resolve()] if source.file is not None else [])]
    return links


def _extended(root: Path, values: Block, file: Path | None) -> Path | None:
    """Take `extends` out of a configuration, and find that file.

    It lies beside the file that names it, or else it is one of the workflow's own.
    """
    name = values.pop("extends", None)
    if name is None:
        return None
    if not isinstance(name, str):
        raise InputError(f"{file or 'config'}: extends: must be text, not {in_one_line(name)}")
    try:
        named = Path(name).expanduser()
    except RuntimeError:
        raise InputError(
            f"{file or 'config'}: extends: nobody has the home of '{name}'; write the whole path"
        ) from None
    folders = (Path.cwd() if file is None else file.parent, root)
    for folder in folders:
        path = folder / named
        if path.is_file():
            return path.resolve()
    raise InputError(
        f"{file or 'config'}: extends: no file '{name}' in {folders[0]}, and none that comes with "
        f"the workflow in {root}; give its path from the first"
    )


def selection(key: str, links: list[Block]) -> list[str] | None:
    """List the names below this key of the nearest configuration that has it; None is all."""
    naming = [link[key] for link in links if key in link]
    if not naming:
        return None
    selected = _block(key, naming[0])
    if not selected:
        raise InputError(f"{key}: names nothing; name at least one, or drop the key")
    for name, block in selected.items():
        if block is None:
            raise InputError(f"{key}.{name}: is null, and selected; drop it, or make it {{}}")
    return list(selected)


def _block(key: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{key}: must be keys and values, not {in_one_line(value)}")
    return value


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
        if links and not isinstance(following, str):
            raise InputError(
                f"runs.{links[-1]}.extends: must be text, not {in_one_line(following)}"
            )
        if following in links:
            raise InputError(f"runs.{links[-1]}.extends: the chain {links} goes in a circle")
        if following not in blocks:
            raise InputError(
                f"runs.{links[-1]}.extends: no run '{following}'; {nearest(following, blocks)}"
            )
        links.append(following)
        following = _block(f"runs.{following}", blocks[following] or {}).get("extends")
    resolved: Block = {}
    for link in reversed(links):
        resolved = merge(resolved, blocks[link] or {})
    resolved.pop("extends", None)
    if "compare_with" not in (blocks[name] or {}):  # what a run is held against is its own
        resolved.pop("compare_with", None)
    return resolved
