"""YAML: read without losing a key that stands twice, and written in one line for messages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from dnastudents.errors import InputError

_ODD = re.compile(r"[-+]?(0[0-9_]+|[0-9_]+(:[0-9_.]+)+)")  # octal, and of minutes and seconds


class _Loader(yaml.SafeLoader):
    """What `yaml.safe_load` uses, but for what would be taken for something else in silence.

    That is keys that stand twice, and numbers like 1e-3, 010 and 1:30.
    """

    name: str

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        """Refuse a block that holds itself."""
        anchor = self.peek_event().anchor if self.check_event(yaml.AliasEvent) else None
        if anchor in self.anchors and self.anchors[anchor].end_mark is None:
            raise InputError(f"{self.name}: the block &{anchor} holds itself; write it out")
        return super().compose_node(parent, index)

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        """Refuse digits that YAML 1.1 takes for another number than they look like."""
        if _ODD.fullmatch(node.value):
            raise InputError(
                f"{self.name}: line {node.start_mark.line + 1}: {node.value} would be read in base "
                f"{60 if ':' in node.value else 8}; write a decimal number, or quote what is text"
            )
        number: int | float
        number = getattr(self, f"construct_yaml_{node.tag.rpartition(':')[2]}")(node)
        return number

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


for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _Loader.construct_number)

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
    except RecursionError:
        raise InputError(f"{name}: not valid YAML: too many blocks inside blocks") from None
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
