"""YAML: read without losing a key that stands twice, and written in one line for messages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from dnastudents.errors import InputError


class _Loader(yaml.SafeLoader):
    """What `yaml.safe_load` uses, but for keys that stand twice and for numbers like 1e-3."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Refuse a key that stands twice in one block: the first would be lost in silence."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                line, name = key.start_mark.line + 1, (key.tag, key.value)
                if name in lines:
                    raise InputError(
                        f"{self.name}: the key '{key.value}' is in line {lines[name]} and again "
                        f"in line {line}; keep one of them"
                    )
                lines[name] = line
        return node


# YAML 1.1 takes 1e-3 and 1.5e3 for text, since they lack a point or a sign; YAML 1.2 and JSON not.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def parse_yaml(text: str, name: str) -> Any:
    """Parse one YAML document.

    Parameters
    ----------
    text : str
        The document.
    name : str
        Where it comes from, for messages.

    Raises
    ------
    InputError
        It is not YAML, or a key stands twice in one block.
    """
    try:
        loader = _Loader(text)
        loader.name = name
        return loader.get_single_data()
    except (yaml.YAMLError, ValueError) as error:  # ValueError: of a date like 2024-13-01
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())
        raise InputError(f"{name}: not valid YAML: {reason}") from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Read one YAML mapping; anything else is an `InputError` that names the file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not valid YAML: not UTF-8 ({error})") from None
    value = parse_yaml(text, str(path))
    if not isinstance(value, dict):
        raise InputError(f"{path}: must hold keys and values")
    return value


def in_one_line(value: Any) -> str:
    """Write a value as YAML in one line, quoted where it must be between braces."""
    text = yaml.safe_dump([value], default_flow_style=True, width=10**6, allow_unicode=True)
    return text.strip()[1:-1]
