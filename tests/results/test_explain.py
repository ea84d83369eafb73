"""The walk from a cell of a table to what made it, on folders that the jobs themselves write."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dnastudents.benchmarks.task import write_task
from dnastudents.cli import main
from dnastudents.errors import InputError
from dnastudents.finetune.sweep import finetune
from dnastudents.genome.reference import build
from dnastudents.probes.kmer_logistic import kmer_logistic
from dnastudents.probes.knn import knn
from dnastudents.results.explain import explain
from dnastudents.training.pretrain import pretrain
from small_students import BERT

TASK = "made/gc"
PRETRAINING = {
    "steps": 2,
    "batch_size": 4,
    "window": {"kind": "windows", "length": 40},
    "splits": {"train": ["chrA"]},
    "optimizer": {"learning_rate": 1e-3},
}
STUDENT = {
    "student": BERT,
    "objective": {"name": "masked_lm"},
    "masking": {"name": "random_span"},
    "pretraining": PRETRAINING,
}


def letters(count: int, length: int, seed: int) -> list[str]:
    generator = np.random.default_rng(seed)
    return ["".join(generator.choice(list("ACGT"), length)) for _ in range(count)]


def write_gc(folder: Path, seed: int = 0) -> None:
    """A task folder; another seed gives other sequences of the same counts and lengths."""
    splits = {
        name: pd.DataFrame({"sequence": letters(count, 30, seed + count), "label": [0, 1] * 10})
        for name, count in (("train", 20), ("dev", 20), ("test", 20))
    }
    write_task(folder, "made", "gc", splits, ["at", "gc"], "mcc", source="nowhere", sha256="ab12")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a run with two pretrainings, of its control, and of the baseline."""
    results = tmp_path_factory.mktemp("made") / "results"
    fasta = results.parent / "genome.fa"
    fasta.write_text(">chrA\n" + "".join(letters(20, 60, 9)) + "\n")
    build(fasta, results / "reference/mine")
    for name, settings in {
        "gems": {**STUDENT, "seed": 4},
        "gems@1": {**STUDENT, "seed": 5},
        "scratch": {"student": BERT, "objective": {"name": "none"}},
    }.items():
        places = {"output": results / "pretrain" / name, "state": results / "state/pretrain" / name}
        pretrain(settings, run=name, reference=results / "reference/mine", **places)
    task = results / "tasks" / TASK
    write_gc(task)
    starts = [results / "pretrain/gems", results / "pretrain/gems@1"]

    def tune(kind: str, run: str, pretrained: list[Path], **settings: Any) -> None:
        finetune(
            run,
            pretrained=pretrained,
            task=task,
            settings={"epochs": 1, "batch_size": 8, **settings},
            seeds=[0, 1],
            state=results / "state" / kind / run / TASK,
            output=results / kind / run / TASK,
        )

    grid = {"learning_rate": [1e-3, 1e-2], "batch_size": [8], "pooling": ["cls", "parts"]}
    tune("finetune", "gems", starts, grid=grid)
    tune("finetune", "scratch", [results / "pretrain/scratch"])
    tune("linear", "gems", starts, frozen=True)
    knn(
        "gems",
        pretrained=starts,
        task=task,
        settings={"k": 3},
        seeds=[0, 1],
        output=results / "knn/gems" / TASK,
    )
    kmer_logistic(task, results / "baseline/kmer_logistic" / TASK, [0], {"k": [1, 2]})
    return results


def block(text: str, start: str) -> list[str]:
    """The line that begins so, and the indented lines below it."""
    lines = text.splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith(start))
    rest = lines[first + 1 :]
    end = next((i for i, line in enumerate(rest) if not line.startswith(" ")), len(rest))
    return [line.strip() for line in lines[first : first + 1 + end]]


def test_from_a_cell_to_seeds_settings_commits_and_logs(made: Path) -> None:
    text = explain(made, TASK, "gems")
    folder = made / "finetune/gems" / TASK
    cell = block(text, f"gems on {TASK} (finetune): {folder}")
    assert f"log: {made}/logs/finetune/gems/{TASK}.log" in cell
    for seed, start in ((0, "gems"), (1, "gems@1")):
        row = json.loads((folder / f"seed_{seed}.json").read_text())
        assert row["pretraining_seed"] == 4 + seed
        assert f"seed {seed}: MCC {row['value']!r}" in cell
        assert f"pretraining: {made}/pretrain/{start}" in cell
        commit = row["commit"] or "not known"
        assert any(line.startswith(f"made by: commit {commit}") for line in cell)
    row = json.loads((folder / "seed_0.json").read_text())
    chosen = f"learning rate {row['learning_rate']}, pooling {row['pooling']}"
    assert f"chosen of 4 cells: {chosen}" in cell
    assert f"settings: {folder}/settings.json" in cell
    assert "grid.learning_rate: [0.001, 0.01]" in cell
    assert "warmup_fraction: 0.1" in cell  # defaults too

    for name, seed in (("gems", 4), ("gems@1", 5)):
        pretraining = block(text, f"pretraining {made}/pretrain/{name}: seed {seed}, 2 steps")
        metrics = json.loads((made / f"pretrain/{name}/metrics.json").read_text())
        assert f"settings digest: {metrics['settings_digest']}" in pretraining
        assert f"log: {made}/logs/pretrain/{name}.log" in pretraining
        assert "pretraining.optimizer.learning_rate: 0.001" in pretraining
        assert any(line.startswith("made by: commit ") for line in pretraining)
        assert any(line.startswith("trained by: commit ") for line in pretraining)

    task = block(text, f"task {made}/tasks/{TASK}: nowhere")
    assert "sha256 of the source: ab12" in task
    assert "dev: official" in task
    assert "CHANGED" not in text


@pytest.mark.parametrize(
    ("run", "kind", "says"),
    [
        ("gems", "linear", "frozen: True"),
        ("gems", "knn", "k: 3"),
        ("scratch", "finetune", "never pretrained, each seed draws new weights"),
        ("kmer_logistic", "finetune", "selection: best_dev"),
    ],
)
def test_every_kind_of_result_is_explained_and_made_again(
    run: str, kind: str, says: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = explain(made, TASK, run, kind)
    assert says in text
    folder = made / ("baseline" if run == "kmer_logistic" else kind) / run / TASK
    assert f"  snakemake {folder} --forcerun {folder}" in text
    command = next(line for line in text.splitlines() if line.startswith("  python -m dnastudents"))
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)[3:]) == 0
    (again,) = (tmp_path / "again").glob("*/seed_0.json")
    expected, found = (json.loads((f / "seed_0.json").read_text()) for f in (folder, again.parent))
    vary = ("wall_seconds", "peak_memory_mb")
    assert {k: v for k, v in found.items() if k not in vary} == {
        k: v for k, v in expected.items() if k not in vary
    }


def test_what_was_made_again_since_is_told(made: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(made, results)
    write_gc(results / "tasks" / TASK, seed=1)
    shutil.copytree(
        results / "pretrain/gems@1/model", results / "pretrain/gems/model", dirs_exist_ok=True
    )
    text = explain(results, TASK, "gems")
    assert "CHANGED since seed 0, 1 was tested on it; run it again" in text
    assert "which no pretraining of the run has any longer" in text


def test_failed_seeds_have_their_reason(made: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(made, results)
    record = {"seed": 7, "reason": "the loss is nan"}
    file = results / "finetune/gems" / TASK / "failed_seed_7.json"
    file.write_text(json.dumps(record))
    text = explain(results, TASK, "gems")
    assert "  seed 7: failed, the loss is nan" in text
    assert "--seeds 0 1 7" in text


def test_unknown_names_have_the_nearest(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="no run 'gem'; did you mean 'gems'"):
        explain(made, TASK, "gem")
    with pytest.raises(InputError, match="no run 'scratch'"):
        explain(made, TASK, "scratch", "knn")
    with pytest.raises(InputError, match="no task 'made/cg'; did you mean 'made/gc'"):
        explain(made, "made/cg", "gems")
    with pytest.raises(InputError, match="nowhere: no such folder; name the results folder"):
        explain(made / "nowhere", TASK, "gems")
    assert main(["explain", str(made), "made/g", "gems"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["explain", str(made), TASK, "gems", "--kind", "knn"]) == 0
    assert "(knn)" in capsys.readouterr().out
