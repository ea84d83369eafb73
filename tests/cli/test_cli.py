"""The command line answers at once and says what is wrong in one line."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_commands import COMMANDS

from dnastudents import __version__
from dnastudents.benchmarks import READERS
from dnastudents.cli import main


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_for_each_option(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*name.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"Usage: dnastudents {name} " in shown
    assert f"Example:\n  dnastudents {name} " in shown
    assert all(param.help for param in COMMANDS[name].params)


@pytest.mark.parametrize("group", ["", "config", "teacher", "figure"])
def test_no_command_is_cut_short_in_a_list(
    group: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*group.split(), "--help"]) == 0
    listed = capsys.readouterr().out.partition("Commands:\n")[2]
    assert listed
    assert "...\n" not in listed


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_can_be_parsed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(COMMANDS[name].epilog.partition("> ")[0])
    for argument in arguments:
        if argument.endswith(".json"):
            Path(argument).write_text("{}")
    COMMANDS[name].make_context(name, arguments)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from dnastudents.cli import main\n"
        "main(['--help'])\n"
        "print('heavy:', sorted({'torch', 'numpy', 'pandas', 'rich'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "heavy: []" in shown.stdout


def test_only_what_trains_takes_the_seconds_of_torch() -> None:
    """What the rules of downloads, tasks, tables and figures import."""
    modules = (
        "genome.reference",
        "benchmarks.simulator",
        "benchmarks.task",
        "plan",
        "pmi.ranking",
        "downloads.check",
        "downloads.fetch",
        *(f"benchmarks.{name}" for name in READERS),
        "results.rows",
        "probes.kmer_logistic",
        "tables.results",
        "tables.comparisons",
        "figures.tsne",
        "figures.losses",
        "figures.results",
        "figures.pmi",
        "page.page",
    )
    code = "import sys\n" + "".join(f"import dnastudents.{name}\n" for name in modules)
    code += "print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"


# What a command may import besides the libraries that it computes or draws with.
FEW = {"annotated_doc", "annotated_types", "colorama", "dateutil", "dnastudents", "pyarrow"}
FEW |= {"pydantic", "pydantic_core", "shellingham", "typer", "typing_inspection"}
FEW |= {"typing_extensions", "yaml"}


@pytest.mark.parametrize(
    ("modules", "libraries", "allowed"),
    [
        (
            ("finetune.sweep", "training.pretrain", "inference.embed", "inference.predict"),
            "pandas, sklearn.metrics, torch, transformers.modeling_utils",
            FEW | {"cloudpickle", "tokenizers", "transformers"},
        ),
        (
            ("results.rows", "tables.results", "tables.comparisons", "tables.cost"),
            "pandas, scipy.stats",
            FEW,
        ),
        (
            ("page.page", "figures.results", "figures.heatmap", "figures.ranks", "figures.losses"),
            "jinja2, matplotlib.pyplot, pandas, scipy.stats",
            FEW | {"PIL", "matplotlib"},
        ),
    ],
)
def test_a_command_imports_no_library_that_it_does_not_need(
    modules: tuple[str, ...], libraries: str, allowed: set[str]
) -> None:
    """As scikit-learn for a table, which takes a second of CPU time to import."""
    code = (
        f"import sys, {libraries}\n"
        "sys.argv = ['-m']\n"  # as Python calls __main__
        "known = set(sys.modules)\n"
        "import dnastudents.cli\n"
        + "".join(f"import dnastudents.{name}\n" for name in modules)
        + "print(*(set(sys.modules) - known))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = {name.partition(".")[0] for name in shown.stdout.split()} - sys.stdlib_module_names
    assert {name for name in found if not name.startswith("_")} <= allowed


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("", "dnastudents: error: Missing command. See `dnastudents --help`."),
        ("figure", "Missing command. See `dnastudents figure --help`."),
        ("bogus", "dnastudents: error: No such command 'bogus'."),
        ("teacher chek", "dnastudents teacher: error: No such command 'chek'. Did you mean"),
        ("teacher check t", "dnastudents teacher check: error: Missing option '--fasta'."),
        ("figure pmi p --output", "dnastudents figure pmi: error: Option '--output' requires"),
        (
            "metrics r --runs --tasks a/b",
            "Invalid value for '--runs': give at least one",
        ),
        (
            "metrics r --tasks a/b --runs",
            "Invalid value for '--runs': give at least one",
        ),
        ("finetune r --seeds 0 a", "dnastudents finetune: error: Invalid value for '--seeds'"),
        ("embed m x --pooling max", "dnastudents embed: error: Invalid value for '--pooling'"),
        ("plan --devices 0", "Invalid value for '--devices'"),
        ("reference genome.fa --output .", "'.' has no name of its own; add one"),
        ("simulate --settings {oops", "neither a JSON object nor a JSON file"),
        ("simulate --settings no.json", "neither a JSON object nor a JSON file"),
        ("simulate --settings list.json", "must be a JSON object"),
    ],
)
def test_wrong_arguments_are_one_line(
    arguments: str,
    error: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("list.json").write_text("[1]")
    assert main(arguments.split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert error in line


def test_options_take_several_values() -> None:
    """At once, or one by one; what follows with a dash is another option."""
    command = COMMANDS["finetune"]
    places = [f"--{name}=x" for name in ("task", "state", "output")]
    arguments = ["had", "--seeds", "0", "1", *places, "--pretrained", "a", "b", "--seeds", "2"]
    params = command.make_context("finetune", arguments).params
    assert params["seeds"] == [0, 1, 2]
    assert list(map(str, params["pretrained"])) == ["a", "b"]
    assert params["settings"] == {}
    assert command.make_context("finetune", ["had", *places, "--pretrained", "a"]).params[
        "seeds"
    ] == [0]
    params = COMMANDS["benchmark"].make_context("b", ["mine", "", "a", "--output", "x"]).params
    assert params["task"] == ""  # of a variable that is not set: no argument moves up


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


@pytest.mark.parametrize("before", [True, False])
def test_quiet_and_verbose(
    before: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In front of the subcommand or behind it."""
    arguments = ["reference", str(tmp_path / "no.fa"), "--output", str(tmp_path / "out")]
    error = f"dnastudents reference: error: {tmp_path}/no.fa: no such file; give a FASTA"
    for flag, lines in (("-q", 1), ("--verbose", 10)):
        assert main([flag, *arguments] if before else [*arguments, flag]) == 1
        said = capsys.readouterr().err.splitlines()
        assert said[-1].startswith(error)
        assert len(said) >= lines
        assert (len(said) == 1) == (flag == "-q")
    assert not (tmp_path / "out").exists()


def test_completion() -> None:
    """The program's own, as `--install-completion` sets it up."""
    environment = {"_DNASTUDENTS_COMPLETE": "complete_bash", "COMP_CWORD": "2"}
    environment["COMP_WORDS"] = "dnastudents figure "
    shown = subprocess.run(
        [sys.executable, "-m", "dnastudents"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path), **environment},
    )
    assert shown.stdout.split() == [
        *("tsne", "losses", "overview", "heatmap", "ranks", "comparisons", "few-shot"),
        *("against-cost", "confusion", "pmi"),
    ]


def test_a_reader_that_stops_reading_gets_no_traceback() -> None:
    """As `dnastudents ... | head -1`; the output is larger than a pipe holds."""
    code = "import sys; from dnastudents.cli import data, main\n"
    code += "def simulate(*_, **__): print('x' * 10_000_000)\n"
    code += "import dnastudents.benchmarks.simulator as s; s.simulate = simulate\n"
    code += "sys.exit(main(['simulate', '--output', 'x']))"
    writer = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert writer.stdout is not None and writer.stderr is not None
    writer.stdout.close()
    assert writer.stderr.read() == b""
    assert writer.wait() == 1


def test_a_full_disk_behind_stdout_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "dnastudents", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": ":".join(sys.path)},
        )
    assert done.returncode == 1
    assert done.stderr == "dnastudents: error: stdout: No space left on device\n"


def test_interrupted(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import dnastudents.benchmarks.simulator as simulator

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(simulator, "simulate", interrupted)
    assert main(["simulate", "--output", "x"]) == 130
    assert capsys.readouterr().err == "dnastudents simulate: error: interrupted\n"
