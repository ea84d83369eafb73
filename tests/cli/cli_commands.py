"""Every subcommand by its full name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dnastudents.cli import parser


def _commands_of(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        full = f"{path} {name}".strip()
        if hasattr(command, "commands"):
            yield from _commands_of(command, full)
        else:
            yield full, command


COMMANDS = dict(_commands_of(parser()))
