"""No command destroys what it has not made: checked for every one that writes."""

from __future__ import annotations

import re
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_commands import COMMANDS
from test_bad_paths import CALLS, inputs_of

from dnastudents.cli import main
from dnastudents.cli.parsing import WRITTEN

WRITING = {
    name
    for name, command in COMMANDS.items()
    if any(param.name in WRITTEN for param in command.params)
}
# One call of each that does its work, by the command's name.
WORKING = {
    "init": "init {out} --fasta {fasta}",
    "plan": "plan --configfile {configfile} --json {out}",
    "download": "download x.csv --manifest {manifest} --lock {out}.lock --mirror {results} "
    "--output {out}",
    "simulate": "simulate --settings {settings}/simulated.json --output {out}",
    "reference": "reference {fasta} --output {out}",
    "pmi": "pmi {reference} --settings {settings}/scored.json --output {out}",
    "benchmark": "benchmark mine gc {train} {test} --output {out}",
    "pretrain": "pretrain lm --settings {settings}/masked_lm.json --reference {reference} "
    "--pmi {pmi} --state {out}.state --output {out}",
    "teacher import": "teacher import {teacher}/config.json {teacher}/model.safetensors "
    "--output {out}",
    "teacher check": "teacher check {teacher} --fasta {fasta} --sequences 8 --length 60 "
    "--json {out}",
    "teacher cache": "teacher cache --reference {reference} --teacher {teacher} "
    "--settings {settings}/fixed.json --output {out}",
    "finetune": "finetune had --pretrained {run} --task {task} --settings {settings}/short.json "
    "--state {out}.state --output {out}",
    "knn": "knn had --pretrained {run} --task {task} --output {out}",
    "baseline": "baseline --task {task} --output {out}",
    "predict": "predict {classifier} {train} --output {out}",
    "embed": "embed {run} {train} --output {out}",
    "score": "score {run} {vcf} --fasta {fasta} --output {out}",
    "scan": "scan {classifier} {fasta} --bed {intervals} --output {out}",
    "metrics": "metrics {results} --runs had had_scratch --tasks gue/tf_0 --output {out}",
    "table": "table gue --metrics {metrics} --tasks tf_0 --output {out}",
    "comparisons": "comparisons --metrics {metrics} --pairs had:had_scratch --output {out}",
    "benchmarks-table": "benchmarks-table {task} --output {out}",
    "pretraining-table": "pretraining-table {run} --output {out}",
    "cost": "cost {results} --settings {settings}/cost.json --output {out}",
    "page": "page {shown} --pretrainings {shown}/pretrain/had --figures {shown}/figures/losses.svg "
    "--output {out}",
    "figure tsne": "figure tsne {embedding} --runs had --task {task} --output {out}",
    "figure losses": "figure losses {run} --output {out}",
    "figure overview": "figure overview {metrics} --output {out}",
    "figure heatmap": "figure heatmap {many} --output {out}",
    "figure ranks": "figure ranks {many} --output {out}",
    "figure comparisons": "figure comparisons {compared} --output {out}",
    "figure few-shot": "figure few-shot {many} --output {out}",
    "figure against-cost": "figure against-cost {many} --pretrained {run} --runs run "
    "--output {out}",
    "figure confusion": "figure confusion {many} --tasks {task} --output {out}",
    "figure pmi": "figure pmi {scored} --output {out}",
}
READ = (  # paths that are inputs of some command, and protected
    "bed",
    "captions",
    "configfile",
    "csv",
    "downloads",
    "embeddings",
    "fasta",
    "features",
    "figures",
    "files",
    "folder",
    "folders",
    "intervals",
    "lock",
    "manifest",
    "metrics",
    "model",
    "pmi",
    "pretrained",
    "pretrainings",
    "published",
    "rates",
    "reference",
    "results",
    "source",
    "sources",
    "table",
    "task",
    "tasks",
    "teacher",
    "variants",
)
NOT_AGAIN = ("init", "download")  # the one wants a new folder, the other keeps what is there
TABLES = (".csv", ".md", ".tex")
FIGURES = (".svg", ".png", ".pdf")
Content = dict[str, bytes | None]


def content(folder: Path) -> Content:
    """Every path below a folder, with what is in the files."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def suffixes(name: str) -> tuple[str, ...]:
    """What a command puts behind its output."""
    if name.startswith("figure"):
        return FIGURES
    return TABLES if WORKING[name].partition(" ")[0] in TABLE_COMMANDS else ("",)


TABLE_COMMANDS = ("table", "comparisons", "benchmarks-table", "pretraining-table", "cost")
Run = Callable[[str, Path], tuple[int, str]]


@pytest.fixture
def run(
    world: dict[str, Path],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Call with an output; the status, and what is said, one line where it fails."""
    monkeypatch.chdir(root)

    def call(line: str, out: Path, **places: Path) -> tuple[int, str]:
        places = {**world, "state": out.with_name("state"), **places, "out": out}
        status = main(["--quiet", *line.format(**places).split()])
        said = capsys.readouterr().err
        if status and (said or not line.startswith("teacher check")):
            assert re.fullmatch(r"(WARNING: .*\n)*dnastudents( [a-z-]+)+: error: .*\n", said)
        return status, said

    return call


def test_no_command_is_left_out() -> None:
    """Nor a path: it is among those that are read, or is called output, state or json."""
    assert set(WORKING) == WRITING
    for name, command in COMMANDS.items():
        kinds = {param.name: str(vars(param)["type_descriptor"]) for param in command.params}
        paths = {param for param, kind in kinds.items() if "Path" in kind}
        assert paths <= {*WRITTEN, *READ}, name


@pytest.mark.parametrize("name", sorted(WRITING))
def test_what_is_there_stays(name: str, run: Run, tmp_path: Path) -> None:
    """A folder of notes, and a file that is not such a result."""
    for suffix in suffixes(name):
        for kind in ("notes", "file"):
            place = tmp_path / f"{kind}{suffix.strip('.')}" / f"out{suffix}"
            if kind == "notes":
                place.mkdir(parents=True)
                (place / "notes.txt").write_text("mine")
            else:
                place.parent.mkdir()
                place.write_text("mine, and nobody else's")
            before = content(tmp_path)
            status, said = run(WORKING[name], place.with_suffix(""))
            assert status == 1, (kind, suffix)
            assert str(place) in said
            after = content(tmp_path)
            assert {path: after.get(path) for path in before} == before
            assert all(".state" in path or "lock" in path or path in before for path in after)


@pytest.mark.parametrize("name", sorted(WRITING - {*NOT_AGAIN}))
def test_a_result_is_replaced_and_one_with_more_in_it_is_not(
    name: str, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "results" / "out"
    for _ in range(2):
        unusable = name == "teacher check"  # a teacher of the tests is random, and that is said
        status, said = run(WORKING[name], out)
        assert status == unusable
        assert all(line.startswith("WARNING: ") for line in said.splitlines()), said
        shutil.rmtree(tmp_path / "results/out.state", ignore_errors=True)
    made = content(out.parent)
    assert all(any(path.startswith(f"out{s}") for path in made) for s in suffixes(name))
    if out.is_dir():
        (out / "notes.txt").write_text("mine")
        status, said = run(WORKING[name], out)
        assert status == 1
        assert "holds notes.txt" in said
        assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", sorted(WRITING))
def test_the_result_of_another_command_stays(
    name: str, run: Run, world: dict[str, Path], tmp_path: Path
) -> None:
    for other in ("reference", "pmi", "task", "run", "features"):
        kinds = {"benchmark": "task", "pretrain": "run", "teacher cache": "features"}
        if kinds.get(name, name) == other or suffixes(name) != ("",):
            continue
        out = tmp_path / other
        shutil.copytree(world[other], out)
        before = content(out)
        assert run(WORKING[name], out)[0] == 1, other
        assert content(out) == before


def test_rows_of_one_kind_do_not_replace_those_of_another(run: Run, tmp_path: Path) -> None:
    kinds = ("finetune", "knn", "baseline")
    for kind in kinds:
        assert run(WORKING[kind], tmp_path / kind)[0] == 0
    for kind in kinds:
        for other in kinds:
            shutil.rmtree(tmp_path / f"{other}.state", ignore_errors=True)
            assert run(WORKING[kind], tmp_path / other)[0] == (kind != other), (kind, other)


CASES = [
    (call, span)
    for call in CALLS
    if "{out}" in call
    for _, span in inputs_of(call)
    if call[slice(*span)] != "[state]"
]


@pytest.mark.parametrize(("call", "span"), CASES)
def test_an_input_is_never_touched(
    call: str, span: tuple[int, int], run: Run, world: dict[str, Path], tmp_path: Path
) -> None:
    """A result in the place of an input, around it, or inside."""
    name = call[span[0] + 1 : span[1] - 1]
    if name == "results" and call.startswith("download"):
        pytest.skip("a mirror may be an address")
    mine = tmp_path / "folder" / name
    mine.parent.mkdir()
    (shutil.copytree if world[name].is_dir() else shutil.copy)(world[name], mine)
    before = content(tmp_path)
    line = call.replace("[", "{").replace("]", "}")
    places = [mine, mine.parent]
    if name in ("results", "shown") and not call.startswith("init"):
        mine = mine / "finetune/had"
        places = [mine, mine.parent]
    if mine.is_dir() and name != "settings":
        places.append(mine / "out")
    for out in places:
        inputs = {name: tmp_path / "folder" / name}
        status, said = run(line, out, **inputs)
        assert status == 1, out
        assert "input" in said or "is not empty" in said
        assert content(tmp_path) == before


@pytest.mark.parametrize("command", ["pretrain", "finetune"])
@pytest.mark.parametrize("place", ["out", "out/state", "."])
def test_a_state_in_an_output(command: str, place: str, run: Run, tmp_path: Path) -> None:
    line = WORKING[command].replace("{out}.state", str(tmp_path / "x" / place))
    status, said = run(line, tmp_path / "x" / "out")
    assert status == 1
    assert "the state" in said


def test_states_are_not_written_into_inputs(
    run: Run, world: dict[str, Path], tmp_path: Path
) -> None:
    line = WORKING["pretrain"].replace("{out}.state", "{reference}/state")
    status, said = run(line, tmp_path / "out")
    assert status == 1
    assert f"lies inside the input {world['reference']}" in said
    assert not (world["reference"] / "state").exists()


@pytest.mark.parametrize("name", ["reference", "metrics", "table", "figure pmi", "embed"])
def test_a_link_is_followed(name: str, run: Run, tmp_path: Path) -> None:
    """To a place where nothing is yet, and to an older result."""
    (tmp_path / "there").mkdir()
    for suffix in suffixes(name):
        (tmp_path / f"out{suffix}").symlink_to(tmp_path / f"there/result{suffix}")
    for _ in range(2):
        assert run(WORKING[name], tmp_path / "out") == (0, "")
        for suffix in suffixes(name):
            assert (tmp_path / f"out{suffix}").is_symlink()
            assert (tmp_path / f"there/result{suffix}").exists()


@pytest.mark.parametrize("name", sorted(WRITING))
def test_a_full_disk(name: str, run: Run, tmp_path: Path) -> None:
    """As a limit on the size of files: one line that names the place, and nothing is left there."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        status, said = run(WORKING[name], tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert status == 1
    assert "File too large" in said or "of features do not fit" in said
    elsewhere = ("init", "teacher check")  # where these keep what they read of a FASTA
    assert str(tmp_path) in said or name in elsewhere
    left = [
        path for path in tmp_path.rglob("*") if not re.search(r"lock|\.state|\.shards", str(path))
    ]
    assert left == []


@pytest.mark.parametrize("name", sorted(WRITING))
def test_a_place_where_nobody_may_write(name: str, run: Run) -> None:
    status, said = run(WORKING[name], Path("/sys/dnastudents/out"))
    assert status == 1
    assert "/sys/dnastudents" in said
