"""The command line: every stage of the workflow is one subcommand that also works on its own.

Each module holds the subcommands of one group, parser and function in one place. To add a group,
write such a module with an `app` and name it in GROUPS; `typer.Typer(name=...)` gives its
subcommands a name in front, as `figure` has. Nothing imports this package.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

import typer

from dnastudents import __version__
from dnastudents.cli import data, evaluation, figures, inference, project, results, training
from dnastudents.cli.parsing import Quiet, Verbose, configure_log

GROUPS = (project, data, training, evaluation, inference, results, figures)

app = typer.Typer(rich_markup_mode=None)
for group in GROUPS:
    app.add_typer(group.app)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", callback=_show_version, is_eager=True, help="print it, and stop"),
]


@app.callback()
def dnastudents(quiet: Quiet = False, verbose: Verbose = False, version: Version = False) -> None:
    """Small DNA language models by three recipes, on one set of benchmarks."""
    configure_log(quiet, verbose)


@cache
def parser() -> Any:
    """Make a parser of all subcommands."""
    return typer.main.get_command(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand.

    Returns
    -------
    int
        0 when all went well, 1 after bad input (its one-line message goes to stderr), 2 after wrong
        arguments, 75 when a signal stopped a training that saved its state and can be resumed, 130
        after Ctrl-C.
    """
    _write_utf8()
    try:
        status = parser().main(arguments, prog_name="dnastudents", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "dnastudents"
        message = error.format_message()
        if message.startswith("Missing"):
            message += f" See `{command} --help`."
        print(f"{command}: error: {message}", file=sys.stderr)
        return error.exit_code
    except typer.Abort:  # Ctrl-C before the subcommand has begun
        print("dnastudents: error: interrupted", file=sys.stderr)
        return 130
    except OSError as error:  # of stdout: its reader, as `head`, has enough, or its disk is full
        if not isinstance(error, BrokenPipeError):
            print(f"dnastudents: error: stdout: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status or 0


def _write_utf8() -> None:
    """Print UTF-8 where the locale is ASCII, as with `LC_ALL=C`: no name or sign ends a command."""
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper) and codecs.lookup(out.encoding).name == "ascii":
        out.reconfigure(encoding="utf-8", errors="surrogateescape")
