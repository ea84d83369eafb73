"""No path that a user can give ends in a traceback: one line names what is wrong."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_commands import COMMANDS

from dnastudents.cli import main

# In each call, one input in brackets after the other is replaced by something else.
CALLS = (
    "init {out} --fasta [fasta] --csv [results]",
    "config show --configfile [configfile]",
    "config run had --configfile [configfile]",
    "plan --configfile [configfile]",
    "plan --rates [lock]",
    "download x.csv --manifest [manifest] --lock [lock] --mirror [results] --output {out}",
    "data-check --settings {settings}/needs.json --downloads {results} --manifest [manifest] "
    "--lock [lock]",
    "simulate --settings [lock] --output {out}",
    "reference [fasta] --output {out}",
    "pmi [reference] --settings [lock] --output {out}",
    "benchmark mine gc [train] {test} --output {out}",
    "benchmark gue mouse_0 [train] --output {out}",
    "benchmark few_shot prom_core_50 [train] --output {out}",
    "benchmark genomic_benchmarks human_ocr_ensembl [train] [reference] --output {out}",
    "benchmark mtcdna mtcdna_1k [train] --output {out}",
    "benchmark nucleotide_transformer enhancers [train] --output {out}",
    "benchmark nucleotide_transformer_revised enhancers [train] --output {out}",
    "benchmark simulated words [reference] --output {out}",
    "launch --processes 0 -- pretrain had --settings [lock]",  # one would take this process's place
    "pretrain had --settings {settings}/had.json --reference [reference] --teacher [teacher] "
    "--state [state] --output {out}",
    "pretrain lm --settings {settings}/masked_lm.json --reference {reference} --pmi [pmi] "
    "--execution [lock] --state {out}.state --output {out}",
    "pretrain lm --settings {settings}/intervals.json --reference {reference} --pmi {pmi} "
    "--intervals [intervals] --state {out}.state --output {out}",
    "pretrain had --settings {settings}/fixed.json --reference {reference} --teacher {teacher} "
    "--features [features] --state {out}.state --output {out}",
    "teacher import [configfile] --output {out}",
    "teacher check [teacher] --fasta [fasta]",
    "teacher cache --reference [reference] --teacher [teacher] --settings [settings]/fixed.json "
    "--execution [lock] --output {out}",
    "finetune had --pretrained [run] --task [task] --settings [lock] --state [state] "
    "--output {out}",
    "knn had --pretrained [run] --task [task] --settings [lock] --output {out}",
    "baseline --task [task] --settings [lock] --output {out}",
    "predict [classifier] [train] --output {out}",
    "embed [run] [train] --output {out}",
    "push [run] me/mine",
    "score [run] [vcf] --fasta [fasta] --output {out}",
    "scan [classifier] [fasta] --bed [intervals] --output {out}",
    "metrics [results] --runs had --tasks gue/tf_0 --output {out}",
    "table gue --metrics [metrics] --published [train] --tasks tf_0 --output {out}",
    "table gue --metrics {metrics} --tasks tf_0 --pretrainings [run] --output {out}",
    "page [shown] --output {out}",
    "page {shown} --pretrainings [run] --output {out}",
    "page {shown} --figures [train] --output {out}",
    "page {shown} --published [train] --output {out}",
    "comparisons --metrics [metrics] --pairs had:had_scratch --output {out}",
    "benchmarks-table [task] --output {out}",
    "pretraining-table [run] --output {out}",
    "cost [results] --settings {settings}/cost.json --output {out}",
    "cost {results} --settings [lock] --output {out}",
    "figure tsne [embedding] --runs had --task [task] --output {out}",
    "figure losses [run] --output {out}",
    "figure overview [metrics] --output {out}",
    "figure heatmap [many] --output {out}",
    "figure ranks [many] --output {out}",
    "figure comparisons [compared] --output {out}",
    "figure few-shot [many] --output {out}",
    "figure against-cost [many] --pretrained [run] --runs run --output {out}",
    "figure confusion [many] --tasks [task] --output {out}",
    "figure pmi [pmi] --output {out}",
    "explain [results] gue/tf_0 had",
    "init {out} --fasta [fasta]",
    "init {out} --csv [results]",
    "config show --configfile [configfile]",
    "config run had --configfile [configfile]",
)
BAD: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "folder": lambda path: path.mkdir(),
    "binary": lambda path: path.write_bytes(bytes(range(256)) * 9),
    "broken JSON": lambda path: path.write_text('{"runs": [\n'),
}
Ending = Callable[[str, tuple[int, int], Path], tuple[int, str]]


def inputs_of(call: str) -> list[tuple[str, tuple[int, int]]]:
    """The call, with where each pair of brackets stands."""
    return [(call, match.span()) for match in re.finditer(r"\[\w+\]", call)]


FINE = {  # what a subcommand may be given after all
    ("[lock]", "missing"): ("download", "data-check"),  # not yet written
    ("[results]", "folder"): ("download",),  # a mirror that lacks the file
    ("[state]", "missing"): ("pretrain", "finetune"),  # no state yet
    ("[state]", "folder"): ("pretrain", "finetune"),
}


def test_no_command_is_left_out() -> None:
    called = {name for name in COMMANDS for call in CALLS if f"{call} ".startswith(f"{name} ")}
    assert called == {*COMMANDS} - {"config schema", "config docs"}  # which read no file


@pytest.fixture
def ending(
    world: dict[str, Path],
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Ending:
    """Call with another path in one pair of brackets; the status, and what is said in one line."""
    monkeypatch.chdir(root)

    def run(call: str, span: tuple[int, int], bad: Path) -> tuple[int, str]:
        line = f"{call[: span[0]]}{bad}{call[span[1] :]}".replace("[", "{").replace("]", "}")
        line = line.format(**world, out=tmp_path / "out", state=tmp_path / "state")
        status = main(["--quiet", *line.split()])
        said = capsys.readouterr().err
        if status and (said or not line.startswith("teacher check")):  # a random one is not usable
            assert re.fullmatch(r"dnastudents( [a-z-]+)+: error: .*\n", said)
        return status, said

    return run


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize(("call", "span"), [case for call in CALLS for case in inputs_of(call)])
def test_another_path(
    call: str, span: tuple[int, int], kind: str, ending: Ending, tmp_path: Path
) -> None:
    """Nothing is there, or a folder instead of a file, or another kind of file."""
    if call.split()[0] in FINE.get((call[slice(*span)], kind), ()):
        return
    bad = tmp_path / "bad"
    BAD[kind](bad)
    status, said = ending(call, span, bad)
    assert status in (1, 2)
    assert bad.name in said or call.startswith(("launch", "teacher import"))


INSIDE = (
    "reference [fasta] --output {out}",
    "pmi [reference] --settings {settings}/scored.json --output {out}",
    "figure pmi [pmi] --output {out}",
    "figure losses [run] --output {out}",
    "figure overview [metrics] --output {out}",
    "figure heatmap [many] --output {out}",
    "figure ranks [many] --output {out}",
    "figure comparisons [compared] --output {out}",
    "figure few-shot [many] --output {out}",
    "figure against-cost [many] --pretrained [run] --runs run --output {out}",
    "figure confusion [many] --tasks [task] --output {out}",
    "figure tsne [embedding] --runs had --task [task] --output {out}",
    "pretraining-table [run] --output {out}",
    "embed [run] {train} --output {out}",
    "predict [classifier] {train} --output {out}",
    "metrics [results] --runs had had_scratch --tasks gue/tf_0 --output {out}",
    "cost [results] --settings {settings}/cost.json --output {out}",
    "explain [results] gue/tf_0 had",
    "knn had --pretrained [run] --task [task] --output {out}",
    "baseline --task [task] --output {out}",
    "finetune had --pretrained [run] --task {task} --settings {settings}/short.json "
    "--state {out}.state --output {out}",
    "benchmarks-table [task] --output {out}",
    "benchmark mine gc [train] {test} --output {out}",
    "teacher import [teacher]/config.json --output {out}",
    "teacher check [teacher] --fasta {fasta} --sequences 8 --length 60",
    "pretrain lm --settings {settings}/masked_lm.json --reference {reference} --pmi [pmi] "
    "--state {out}.state --output {out}",
    "pretrain had --settings {settings}/fixed.json --reference {reference} --teacher {teacher} "
    "--features [features] --state {out}.state --output {out}",
)
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "other bytes": lambda content: bytes(range(256)) * 9,
    "cut in the middle": lambda content: content[: len(content) // 2],
    "zeros in the middle": lambda content: (
        content[: len(content) // 2] + bytes(64) + content[len(content) // 2 + 64 :]
    ),
    "zeros at the end": lambda content: content[:-64] + bytes(64),
    "empty": lambda content: b"",
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(("call", "span"), [case for call in INSIDE for case in inputs_of(call)])
def test_a_damaged_file(
    call: str,
    span: tuple[int, int],
    damage: str,
    ending: Ending,
    world: dict[str, Path],
    tmp_path: Path,
) -> None:
    """Alone, or one after the other in a folder; a command need not read all of them.

    No format but those with a checksum can tell zeros from what was there, so the status may be 0.
    """
    good = world[call[span[0] + 1 : span[1] - 1]]
    files = [good] if good.is_file() else sorted(filter(Path.is_file, good.rglob("*")))
    if call.startswith("figure losses"):  # takes half a second, and reads nothing in its folders
        files = [file for file in files if file.parent == good]
    for number, file in enumerate(files):
        bad = tmp_path / f"bad{number}"
        (shutil.copytree if good.is_dir() else shutil.copy)(good, bad)
        broken = bad if good.is_file() else bad / file.relative_to(good)
        broken.write_bytes(DAMAGE[damage](file.read_bytes()))
        status, said = ending(call, span, bad)
        if status and said:
            assert bad.name in said or "no run has been trained" in said
            assert not list(tmp_path.glob(".out.*"))
        else:
            for made in tmp_path.glob("out*"):
                shutil.rmtree(made) if made.is_dir() else made.unlink()


@pytest.mark.parametrize(
    ("call", "file"),
    [
        ("embed [run] {train} --output {out}", "model/model.safetensors"),
        ("figure pmi [pmi] --output {out}", "pmi.parquet"),
        ("figure tsne [embedding] --runs had --task {task} --output {out}", ""),
    ],
)
def test_zeros_that_a_checksum_tells(
    call: str, file: str, ending: Ending, world: dict[str, Path], tmp_path: Path
) -> None:
    ((_, span),) = inputs_of(call)
    good = world[call[span[0] + 1 : span[1] - 1]]
    bad = tmp_path / f"bad{good.suffix}"
    (shutil.copytree if good.is_dir() else shutil.copy)(good, bad)
    broken = bad / file if file else bad
    broken.write_bytes(DAMAGE["zeros in the middle"](broken.read_bytes()))
    status, said = ending(call, span, bad)
    assert status == 1
    assert bad.name in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("output", ["file/out", "file", "x" * 300])
def test_an_output_that_cannot_be(
    output: str, world: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Below a file, a file itself, or too long a name; what is there stays."""
    (tmp_path / "file").write_text("mine")
    arguments = ["reference", str(world["fasta"]), "--output", str(tmp_path / output)]
    assert main(arguments) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"dnastudents reference: error: {tmp_path}")
    assert (tmp_path / "file").read_text() == "mine"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('simulate --settings {"lenght":200000} --output {out}', "did you mean 'length'?"),
        ('pmi {reference} --settings {"sequences":"chrA"} --output {out}', "must be a list"),
        ('data-check --settings {"a":5} --manifest {manifest} --downloads x', "needs.a: must be"),
    ],
)
def test_settings_of_the_wrong_type(
    line: str,
    error: str,
    world: dict[str, Path],
    tmp_path: Path,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(root)
    places = {**world, "out": tmp_path / "out"}
    words = [places.get(word[1:-1], word) if word[0] == "{" else word for word in line.split()]
    assert main(["--quiet", *map(str, words)]) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert error in said
