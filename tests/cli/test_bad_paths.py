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
    "plan --flops 1e12 --configfile [configfile]",
    "plan --rates [lock]",
    "download x.csv --manifest [manifest] --lock [lock] --mirror [results] --output {out}",
    "data-check --settings {settings}/needs.json --downloads {results} --manifest [manifest] "
    "--lock [lock]",
    "simulate --settings [lock] --output {out}",
    "reference [fasta] --output {out}",
    "pmi [reference] --settings [lock] --output {out}",
    "benchmark mine gc [train] [test] --output {out}",
    "benchmark gue mouse_0 [train] --output {out}",
    "benchmark few_shot prom_core_50 [train] --output {out}",
    "benchmark genomic_benchmarks human_ocr_ensembl [train] [reference] --output {out}",
    "benchmark mtcdna mtcdna_1k [train] --output {out}",
    "benchmark nucleotide_transformer enhancers [train] --output {out}",
    "benchmark nucleotide_transformer_revised enhancers [train] --output {out}",
    "benchmark simulated promoter [reference] --output {out}",
    "launch --processes 0 -- pretrain had --settings [lock]",  # one would take this process's place
    "pretrain had --settings {settings}/had.json --reference [reference] --teacher [teacher] "
    "--state [out] --output {out}",
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
    "finetune had --pretrained [run] --task [task] --settings [lock] --state [out] --output {out}",
    "knn had --pretrained [run] --task [task] --settings [lock] --output {out}",
    "baseline --task [task] --settings [lock] --output {out}",
    "embed --pretrained [run] --task [task] --output {out}",
    "metrics [results] --runs had --tasks gue/tf_0 --output {out}",
    "table gue --metrics [metrics] --published [train] --tasks tf_0 --output {out}",
    "comparisons --metrics [metrics] --pairs had:had_scratch --output {out}",
    "benchmarks-table [task] --output {out}",
    "pretraining-table [run] --output {out}",
    "cost [results] --settings {settings}/cost.json --output {out}",
    "cost {results} --settings [lock] --output {out}",
    "figure tsne [embedding] --runs had --task [task] --output {out}",
    "figure losses [run] --output {out}",
    "figure overview [metrics] --output {out}",
    "figure pmi [pmi] --output {out}",
)
BAD: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "folder": lambda path: path.mkdir(),
    "text": lambda path: path.write_text("some text\n"),
    "binary": lambda path: path.write_bytes(bytes(range(256)) * 9),
    "broken JSON": lambda path: path.write_text('{"runs": [\n'),
    "long": lambda path: None,
}
Failing = Callable[[str, tuple[int, int], Path], str]
CASES = [(call, match.span()) for call in CALLS for match in re.finditer(r"\[\w+\]", call)]
FINE = {  # what a subcommand may be given after all
    ("[lock]", "missing"): ("download", "data-check"),  # not yet written
    ("[out]", "missing"): ("pretrain", "finetune"),  # no state yet
    ("[out]", "folder"): ("pretrain", "finetune"),
}


def test_no_command_is_left_out() -> None:
    assert {name for name in COMMANDS if any(call.startswith(name) for call in CALLS)} == {
        *COMMANDS
    }


@pytest.fixture
def failing(
    world: dict[str, Path],
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Failing:
    """Call with another path in one pair of brackets; what is said in one line."""
    monkeypatch.chdir(root)

    def run(call: str, span: tuple[int, int], bad: Path) -> str:
        line = f"{call[: span[0]]}{bad}{call[span[1] :]}".replace("[", "{").replace("]", "}")
        line = line.format(**world, out=tmp_path / "out")
        assert main(["--quiet", *line.split()]) in (1, 2), line
        (said,) = capsys.readouterr().err.splitlines()
        assert re.match(r"dnastudents( [a-z-]+)+: error: ", said)
        return said

    return run


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize(("call", "span"), CASES)
def test_another_path(
    call: str, span: tuple[int, int], kind: str, failing: Failing, tmp_path: Path
) -> None:
    """Nothing is there, or a folder instead of a file, or another kind of file."""
    if call.split()[0] in FINE.get((call[slice(*span)], kind), ()):
        return
    bad = tmp_path / ("x" * 300 if kind == "long" else "bad")
    BAD[kind](bad)
    said = failing(call, span, bad)
    assert bad.name in said or call.startswith(("launch", "teacher import"))


INSIDE = [
    (call, span, kind)
    for call, span in CASES
    for kind in ("missing", "folder", "binary")
    if call[slice(*span)] in ("[reference]", "[pmi]", "[teacher]", "[features]", "[run]", "[task]")
]


@pytest.mark.parametrize(("call", "span", "kind"), INSIDE)
def test_another_file_in_a_folder(
    call: str,
    span: tuple[int, int],
    kind: str,
    failing: Failing,
    world: dict[str, Path],
    tmp_path: Path,
) -> None:
    """A folder of ours in which one file after the other is damaged."""
    good = world[call[span[0] + 1 : span[1] - 1]]
    for file in filter(Path.is_file, good.rglob("*")):
        bad = tmp_path / file.name
        shutil.copytree(good, bad)
        changed = bad / file.relative_to(good)
        changed.unlink()
        BAD[kind](changed)
        print(file.name, failing(call, span, bad))
