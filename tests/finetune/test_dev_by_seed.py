"""Dev splits by seed in students and baseline, and the protocol of the shipped configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dnastudents.benchmarks.draws import POOL, draw
from dnastudents.benchmarks.facts import DevRule
from dnastudents.benchmarks.task import load_task, write_task
from dnastudents.config import load_config
from dnastudents.files import read_json
from dnastudents.finetune.fit import Fit
from dnastudents.finetune.on_task import StudentOnTask
from dnastudents.finetune.options import Finetuning, Grid
from dnastudents.finetune.sweep import finetune
from dnastudents.probes.kmer_logistic import kmer_logistic
from dnastudents.tables.notes import finetuning_notes


@pytest.fixture(scope="module")
def drawn_task(task: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task whose dev split was drawn from train as the folder was written."""
    splits = {name: pd.read_parquet(task / f"{name}.parquet") for name in ("train", "test")}
    folder = tmp_path_factory.mktemp("drawn") / "gc"
    rule = DevRule(origin="drawn", fraction=0.2, seed=0)
    write_task(folder, "made", "gc", splits, ["at", "gc"], "mcc", dev_rule=rule)
    return folder


@pytest.mark.parametrize("frozen", [False, True])
def test_students_and_baseline_learn_from_the_same_sequences(
    frozen: bool,
    students: dict[str, Path],
    drawn_task: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learnt: dict[int, tuple[list[int], list[int]]] = {}
    train = Fit.train

    def note(self: Fit, split: Any, dev: Any, *rest: Any) -> Any:
        learnt[self.seed] = split.labels.tolist(), dev.labels.tolist()
        return train(self, split, dev, *rest)

    monkeypatch.setattr(Fit, "train", note)
    settings = {"epochs": 1, "dev": "by_seed", "frozen": frozen, "max_train_sequences": 50}
    finetune(
        "mine",
        pretrained=[students["hybrid"]],
        task=drawn_task,
        settings=settings,
        seeds=[1, 2],
        state=tmp_path / "state",
        output=tmp_path / "out",
    )
    baseline = {"k": [1], "max_train_sequences": 50, "dev": "by_seed"}
    kmer_logistic(drawn_task, tmp_path / "kmer", [1, 2], baseline)
    read = load_task(drawn_task)
    pool = pd.concat([read.train, read.dev], ignore_index=True)
    for seed in (1, 2):
        drawn = draw(read, seed, "best_dev", 50, "by_seed")
        assert drawn.train_of == POOL
        expected = tuple(pool["label"].iloc[rows].tolist() for rows in (drawn.train, drawn.dev))
        assert learnt[seed] == expected
        for folder in ("out", "kmer"):
            row = read_json(tmp_path / folder / f"seed_{seed}.json")
            assert (row["n_train"], row["n_dev"], row["n_test"]) == (50, 16, 40)
            assert row["dev"] == "by_seed"


def test_tokens_are_those_of_the_draw(students: dict[str, Path], drawn_task: Path) -> None:
    read = load_task(drawn_task)
    mine = StudentOnTask("mine", students["hybrid"], read, Finetuning(dev="by_seed"), "", "")
    pool = pd.concat([read.train, read.dev], ignore_index=True)["sequence"]
    drawn, splits = draw(read, 4, "best_dev", dev="by_seed"), mine._splits(4)
    for name, rows in (("train", drawn.train), ("dev", drawn.dev)):
        expected = [mine.checkpoint.tokenizer.encode(text) for text in pool.iloc[rows]]
        assert [ids.tolist() for ids in splits[name].values] == expected
    assert len(splits["test"]) == 40


def test_baseline_with_the_task_s_own_dev_split_is_as_before(
    drawn_task: Path, tmp_path: Path
) -> None:
    kmer_logistic(drawn_task, tmp_path / "a", [0, 1], {"k": [1, 2]})
    row = read_json(tmp_path / "a/seed_0.json")
    assert (row["dev"], row["n_train"], row["n_dev"]) == ("task", 64, 16)
    assert not (tmp_path / "a/seed_1.json").exists()  # it would repeat seed 0


def test_had_follows_the_protocol_of_caduceus(root: Path) -> None:
    config = load_config(root)
    for suite, task, epochs, sizes, seeds in (
        ("nucleotide_transformer", "H3", 20, (128, 512), tuple(range(1, 11))),
        ("genomic_benchmarks", "human_or_worm", 10, (128, 256), tuple(range(1, 6))),
    ):
        settings = config.finetune_settings("had", suite, task)
        assert settings.grid == Grid(learning_rate=(1e-3, 2e-3), batch_size=sizes)
        assert (settings.dev, settings.epochs) == ("by_seed", epochs)
        assert settings.selection == "best_dev"
        assert config.suites[suite].seeds == seeds
        assert config.finetune_settings("findna", suite, task).grid is None


def test_baseline_learns_as_the_students(root: Path) -> None:
    config = load_config(root)
    task = ("genomic_benchmarks", "human_enhancers_cohn")
    students = {config.finetune_settings(run, *task).dev for run in config.runs}
    assert students == {config.baseline_settings(*task).dev} == {"by_seed"}
    assert config.baseline_settings("gue", "H3").dev == "task"


def test_the_linear_probe_has_no_grid(root: Path) -> None:
    changes = {"probes": {"linear": {"suites": ["genomic_benchmarks"], "learning_rate": 0.01}}}
    settings = load_config(root, changes).linear_settings(
        "had", "genomic_benchmarks", "human_or_worm"
    )
    assert settings.grid is None
    assert (settings.learning_rate, settings.dev) == (0.01, "by_seed")


def test_notes_name_the_runs_that_differ() -> None:
    metrics = pd.DataFrame(
        {
            "run": ["had", "had", "findna", "kmer"],
            "grid": ["learning_rate, batch_size", "learning_rate, batch_size", None, None],
            "dev": ["by_seed", "by_seed", "task", "by_seed"],
            "reverse_complement": ["conjoin", "conjoin", "none", None],
        }
    )
    grid, dev, strands = finetuning_notes(metrics)
    assert grid.endswith("from a grid of learning_rate, batch_size: had.")
    assert dev.endswith("from the training sequences: had, kmer.")
    assert "averaged" in strands and strands.endswith(": had.")
    assert finetuning_notes(metrics[["run"]]) == []
