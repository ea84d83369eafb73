"""The page of all subcommands, made from their parser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

PAGE = "docs/commands.md"  # written by `dnastudents config docs commands`
_HEAD = """\
# Commands

Every subcommand of `dnastudents` with its arguments. This page is made from the parser by
`dnastudents config docs commands`; a test holds it up to date. Each has `--help`, `--quiet` and
`--verbose`, and says what is wrong in one line. `dnastudents --install-completion` sets up the
shell. Exit status: 0 when all went well, 1 after bad input, 2 after wrong arguments, 75 when a
signal stopped a training that can be resumed, 130 after Ctrl-C.
"""
_EVERYWHERE = ("quiet", "verbose", "help")


def commands() -> str:
    """Write the page docs/commands.md."""
    from dnastudents.cli import parser

    lines = [_HEAD.rstrip()]
    for name, command in _leaves(parser(), "dnastudents"):
        lines += ["", f"## {name.partition(' ')[2]}", "", " ".join(command.help.split())]
        lines += ["", "```bash", f"{name} {command.epilog}".strip(), "```"]
        context = typer.Context(command)
        shown = [param for param in command.params if param.name not in _EVERYWHERE]
        records = filter(None, (param.get_help_record(context) for param in shown))
        rows = [f"| `{_flat(words, ', ')}` | {_flat(about, '; ')} |" for words, about in records]
        if rows:
            lines += ["", "| argument | meaning |", "|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _leaves(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the full name and the parser of each subcommand, groups opened."""
    for key, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _leaves(command, f"{name} {key}")
        else:
            yield f"{name} {key}", command


def _flat(text: str, bar: str) -> str:
    """Write a text in one line, without the bar that would end a table's cell."""
    return " ".join(text.split()).replace("|", bar)
