"""What the subcommands share: how they are declared, which options recur, how they fail."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from dnastudents.errors import InputError
from dnastudents.files import check_place, overlap, protecting
from dnastudents.log import configure

logger = logging.getLogger(__name__)
Function = Callable[..., Any]


def command(group: typer.Typer, name: str, example: str, **keywords: Any) -> Function:
    """Make a function a subcommand; its docstring is the help.

    Parameters
    ----------
    group : typer.Typer
        Of the module.
    name : str
        On the command line.
    example : str
        Arguments that show how it is called, without the program's name and `name`.
    **keywords
        See `typer.Typer.command`.
    """
    register = group.command(name, cls=Command, epilog=example, **keywords)
    return lambda function: register(_with_verbosity(function))


class Command(TyperCommand):
    """A subcommand whose options may take several values, and that fails in one line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take `--seeds 0 1 2` for `--seeds 0 --seeds 1 --seeds 2`."""
        options = [param for param in self.params if getattr(param, "multiple", False)]
        names = {name for option in options for name in option.opts}
        try:
            return super().parse_args(
                ctx, args if ctx.resilient_parsing else _repeated(args, names)
            )
        except typer.TyperException as error:  # not all of them know where they arose
            raise Failure(error.format_message(), ctx, error.exit_code) from None

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """End the help with an example."""
        formatter.write(f"\nExample:\n  {ctx.command_path} {self.epilog}\n")

    def invoke(self, ctx: Any) -> Any:
        """Call the function; what a user can mend has a message and no traceback."""
        try:
            written, read = _places(ctx.params)
            with protecting(read):
                for place in written:
                    check_place(place)
                return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except KeyboardInterrupt:
            raise Failure("interrupted", ctx, 130) from None
        except (InputError, OSError, UnicodeDecodeError, EOFError) as error:
            logger.debug("where it comes from", exc_info=True)
            raise Failure(_message(error), ctx, 1) from None


WRITTEN = ("output", "state", "json")  # the parameters that name what a subcommand writes
HELD = ("finetune", "linear", "knn", "baseline", "pretrain", "tasks", "benchmarks")


class JSONObject(dict[str, Any]):
    """A JSON object, and the file that it was read from, if it was."""

    source: Path | None = None


def _places(params: Mapping[str, Any]) -> tuple[list[Path], list[Path]]:
    """Tell what a subcommand writes from what it reads; a state must not lie in an output."""
    written = [params[name] for name in WRITTEN if params.get(name) is not None]
    read: list[Path] = []
    for name, value in params.items():
        if name == "results":  # into which tables go too
            read += [value / held for held in HELD]
        elif isinstance(value, JSONObject):
            read += [value.source] if value.source else []
        elif name not in (*WRITTEN, "lock"):  # which is read and written
            values = value if isinstance(value, list | tuple) else [value]
            read += [each for each in values if isinstance(each, Path)]
    output, state = params.get("output"), params.get("state")
    if output is not None and state is not None and (relation := overlap(output, state)):
        raise InputError(f"--output {output}: {relation.replace('input', 'state')} {state}")
    return written, read


class Failure(typer.TyperException):
    """An error of a subcommand, with its exit status."""

    def __init__(self, message: str, ctx: typer.Context, exit_code: int) -> None:
        super().__init__(message)
        self.ctx, self.exit_code = ctx, exit_code


def _repeated(args: Sequence[str], names: set[str]) -> list[str]:
    """Return the arguments, with the name of an option of `names` before each of its values."""
    for name, value in pairwise([*args, "-"]):
        if name in names and value.startswith("-"):
            raise typer.BadParameter("give at least one, without a dash", param_hint=f"'{name}'")
    result: list[str] = []
    option: str | None = None
    for argument in args:
        if argument.startswith("-"):
            option = argument if argument in names else None
        if argument != option:
            result += [option, argument] if option else [argument]
    return result


def _message(error: Exception) -> str:
    """Return one line; errors of the system name their file first, as this package's do."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename2 or error.filename}: {error.strerror}"
    return " ".join(str(error).split("\n"))


def configure_log(quiet: bool, verbose: bool) -> None:
    """Log warnings only, or also what helps in finding an error."""
    configure(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="log warnings only")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="also log where an error comes from")
]


def _with_verbosity(function: Function) -> Function:
    """Add -q and -v to the function, so that they may stand behind the subcommand too."""

    @wraps(function)
    def run(*, quiet: bool, verbose: bool, **arguments: Any) -> Any:
        if quiet or verbose:
            configure_log(quiet, verbose)
        return function(**arguments)

    signature, keyword = inspect.signature(function, eval_str=True), inspect.Parameter.KEYWORD_ONLY
    extra = [
        inspect.Parameter(name, keyword, default=False, annotation=kind)
        for name, kind in (("quiet", Quiet), ("verbose", Verbose))
    ]
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), *extra]
    )
    return run


def _json(text: str) -> JSONObject:
    """Read a JSON object, given as text or as the path of a JSON file."""
    file = None if text.lstrip().startswith("{") else Path(text)
    try:
        value = json.loads(file.read_text(encoding="utf-8") if file else text)
    except (OSError, ValueError) as error:
        reason = f"{file}: {getattr(error, 'strerror', error)}" if file else error
        raise typer.BadParameter(f"neither a JSON object nor a JSON file: {reason}") from None
    if not isinstance(value, dict):
        raise typer.BadParameter("must be a JSON object, as in '{\"epochs\": 4}'")
    found = JSONObject(value)
    found.source = file
    return found


def _named(path: Path) -> Path:
    """Refuse `.`, `..` and `/`, in whose place no result can be put."""
    if path.name in ("", ".."):
        raise typer.BadParameter(f"'{path}' has no name of its own; add one")
    return path


def _each_once(seeds: list[int]) -> list[int]:
    """Refuse a seed that is given twice: its results would count twice."""
    if twice := [seed for seed in seeds if seeds.count(seed) > 1]:
        raise typer.BadParameter(f"{twice[0]} is given twice; give each seed once")
    return seeds


def json_option(help: str, **keywords: Any) -> Any:
    """Make an option that takes a JSON object."""
    return typer.Option(parser=_json, metavar="JSON", help=help, **keywords)


JSON = dict[str, Any]
Output = Annotated[Path, typer.Option(callback=_named, help="the result; complete or absent")]
NONE: JSON = {"default_factory": lambda: "{}", "show_default": False}  # defaults are parsed too
SettingsOption = Annotated[JSON, json_option("JSON object, or the path of a JSON file", **NONE)]
Execution = Annotated[JSON, json_option("`pretraining` settings that leave results alone", **NONE)]
StateFolder = Annotated[Path, typer.Option(help="folder from which a stopped job is resumed")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="name of the run, for logs and tables")]
OF_RUNS = typer.Option(metavar="RUN...", help="runs in their order")
Runs = Annotated[list[str], OF_RUNS]
AllRuns = Annotated[list[str] | None, OF_RUNS]  # None: all there are
Seeds = Annotated[
    list[int],
    typer.Option(
        callback=_each_once,
        default_factory=lambda: [0],
        show_default="0",
        metavar="SEED...",
        help="metrics row per seed",
    ),
]
TaskFolder = Annotated[Path, typer.Option(help="task folder")]
Replicas = Annotated[
    list[Path],
    typer.Option(
        metavar="PATH...",
        help="folders of a run, one per pretraining; seed s starts from number s mod their count",
    ),
]
Metrics = Annotated[Path, typer.Option(help="metrics.csv")]
Mirror = Annotated[str | None, typer.Option(help="folder or URL that holds the files")]
