"""The plan: counted by hand, on stated rates, and nothing unknown is counted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from recipes import RECIPES

from dnastudents import models
from dnastudents.benchmarks.task import write_task
from dnastudents.cli import main
from dnastudents.config import load_config, read_config
from dnastudents.config.schema import Run
from dnastudents.errors import InputError
from dnastudents.finetune.options import Finetuning
from dnastudents.genome import tokenizers
from dnastudents.genome.windows import WINDOWS
from dnastudents.objectives import OBJECTIVES
from dnastudents.plan import Plan, plan
from dnastudents.plan.networks import Network, student_network, teacher_network
from dnastudents.plan.rates import Rate, Rates, measure, read_rates
from dnastudents.plan.work import TaskSize, finetuning, pretraining, task_size
from dnastudents.settings import parse
from dnastudents.training.options import PretrainingBlock

STUDENT = Network("s", parameters=1000, active=900, settings={"architecture": "hybrid"})
TEACHER = Network("t", parameters=60_000, active=50_000, tokens_per_base=1 / 6)
PRETRAINING = {
    "steps": 100,
    "batch_size": 8,
    "micro_batch_size": 4,
    "window": {"kind": "windows", "length": 600},
    "evaluate_every": 30,
    "validation_sequences": 10,
    "optimizer": {"learning_rate": 1e-3},
}
LEARNT, VALIDATED = 100 * 8 * 600, 4 * 10 * 600  # bases; 30, 60, 90 and the last step
FINETUNING = {"epochs": 3, "batch_size": 16}
SIZE = TaskSize(train=100, dev=10, test=20, bases=50)


def block(**objective: Any) -> Run:
    return parse(Run, {"student": "s", "objective": objective, "pretraining": PRETRAINING}, "run")


@pytest.mark.parametrize(
    ("objective", "learning", "validating"),
    [
        ({"name": "masked_lm"}, 3, 1),
        ({"name": "had"}, 3, 1),
        ({"name": "findna"}, 4, 2),
        ({"name": "findna", "cls_weight": 0.0}, 3, 2),  # the average is looked at, not learnt from
        ({"name": "findna", "symmetric": True}, 8, 4),
    ],
)
def test_passes_of_the_student(objective: dict[str, Any], learning: int, validating: int) -> None:
    work = pretraining("pretrain", "run", block(**objective), STUDENT, None)
    assert work.flops == {"s": 2 * 900 * (learning * LEARNT + validating * VALIDATED)}
    views = 2 if objective.get("symmetric") else 1
    assert work.tokens == LEARNT * views
    assert work.batch_tokens == 4 * 600 * views


@pytest.mark.parametrize("name", [name for name, kind in OBJECTIVES.items() if kind.learns])
def test_every_objective_can_be_planned(name: str) -> None:
    run = parse(Run, {**RECIPES[name], "student": "s", "pretraining": PRETRAINING}, name)
    work = pretraining("pretrain", name, run, STUDENT, None)
    assert work.flops["s"] >= 2 * 900 * (3 * LEARNT + VALIDATED)
    assert work.memory >= 16 * 1000


def test_a_teacher_reads_sixths_of_the_tokens_and_learns_nothing() -> None:
    work = pretraining("pretrain", "run", block(name="had"), STUDENT, TEACHER)
    assert work.flops["t"] == pytest.approx(2 * 50_000 * (LEARNT + VALIDATED) / 6)
    alone = pretraining("pretrain", "run", block(name="had"), STUDENT, None)
    assert work.flops["s"] == alone.flops["s"]
    assert work.memory - alone.memory == 4 * 60_000
    assert alone.memory == 16 * 1000
    assert alone.disk == 3 * 12 * 1000 + 4 * 1000


@pytest.mark.parametrize(
    ("changes", "seeds", "learnt", "looked"),
    [
        ({}, 2, 2 * 3 * 100, 2 * (3 * 10 + 20)),
        ({"selection": "last"}, 1, 300, 20),
        ({"max_train_sequences": 40}, 1, 120, 50),
        ({"max_steps": 7}, 1, 300 / 3, (30 / 3) + 20),  # of 3 epochs of 7 steps
        ({"reverse_complement": "conjoin"}, 1, 300, 100),
        ({"grid": {"learning_rate": [1, 2], "batch_size": [16, 8]}}, 1, 4 * 300, 4 * 30 + 20),
    ],
)
def test_sequences_of_fine_tuning(changes: Any, seeds: int, learnt: float, looked: float) -> None:
    settings = parse(Finetuning, FINETUNING | changes, "finetuning")
    work = finetuning("finetune", "run", "gue/H3", settings, seeds, SIZE, STUDENT)
    assert work.tokens == pytest.approx(learnt * 50)
    assert work.flops["s"] == pytest.approx(2 * 900 * 50 * (3 * learnt + looked))


def test_frozen_features_are_read_once() -> None:
    probe = Finetuning(frozen=True, epochs=20)
    work = finetuning("linear", "run", "gue/H3", probe, 5, SIZE, STUDENT)
    assert work.flops == {"s": 2 * 900 * 50 * 130}


def test_students_that_cut_long_sequences_read_only_so_much() -> None:
    cut = Network("b", 10, 10, longest=512)
    assert [cut.tokens(bases) for bases in (100, 5000)] == [100, 512]


def test_pieces_are_shorter_than_their_longest() -> None:
    # half of them 511, half uniform over 6 to 510
    lengths = [511] * 505 + list(range(6, 511))
    mean = sum(lengths) / len(lengths)
    assert WINDOWS.parse({"kind": "pieces", "length": 511}).mean_bases == pytest.approx(mean)


def test_parameters_are_those_of_the_built_student(root: Path) -> None:
    config = load_config(root)
    for name in ("had", "findna", "logo"):
        network = student_network(config, name)
        tokenizer = tokenizers.build(models.tokenizer_name(network.settings))
        model = models.build(network.settings, tokenizer)
        assert network.parameters == models.count_parameters(model)
    assert network.parameters - network.active == (4101 + 512 + 2) * 256  # logo's three tables
    assert network.longest == 512
    assert teacher_network(config, "nt_v2_500m").parameters == 500 * 10**6


def test_task_folders_tell_their_size(tmp_path: Path) -> None:
    def frame(count: int) -> pd.DataFrame:
        letters = ["ACGTAC"[: 4 + row % 3] + "AC" * row for row in range(count)]
        return pd.DataFrame({"sequence": letters, "label": [row % 2 for row in range(count)]})

    whole = {"train": frame(12), "dev": frame(4), "test": frame(6)}
    write_task(tmp_path / "whole", "s", "whole", whole, ["a", "b"], "mcc")
    found = task_size(tmp_path / "whole")
    assert found is not None
    assert (found.train, found.dev, found.test) == (12, 4, 6)
    pool = {"train": frame(12), "test": frame(6)}
    write_task(tmp_path / "few", "s", "few", pool, ["a", "b"], "mcc", shots=2)
    few = task_size(tmp_path / "few")
    assert few is not None
    assert (few.train, few.dev, few.test) == (4, 0, 6)
    assert task_size(tmp_path / "absent") is None


@pytest.fixture(scope="module")
def tiny(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """The tiny workflow, without task folders, at a stated speed."""
    folder = tmp_path_factory.mktemp("plan")
    values = yaml.safe_load((root / "tests/workflow/tiny.yaml").read_text())
    changed = yaml.safe_dump(values | {"results": str(folder)})  # names in alphabetical order
    (folder / "mine.yaml").write_text(changed)
    config = read_config([folder / "mine.yaml"])
    return plan(config, hardware="a device", flops=1e9, output=folder / "p.json")


def test_hours_are_flops_over_speed(tiny: Plan) -> None:
    kinds = [(job.kind, job.run) for job in tiny.jobs]
    assert kinds == [
        ("teacher", "small"),
        *(("pretrain", run) for run in ("findna", "had", "logo_cm_gems")),
    ]
    flops = [sum(job.flops.values()) for job in tiny.jobs]
    assert tiny.hours == pytest.approx([value / 1e9 / 3600 for value in flops])
    assert set(tiny.jobs[2].flops) == {"had", "small_teacher"}


def test_what_is_not_known_is_named_and_not_counted(
    tiny: Plan, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tiny.unknown_tasks == ["simulated/lexicon"]
    assert main(["plan", "--flops", "1e14", "--hardware", "H100", "--devices", "8"]) == 0
    text = capsys.readouterr().out
    assert "NOT COUNTED" in text
    assert "gue (28)" in text
    assert "| gue | 0 of 28 | 0 |" in text
    assert "estimates" in text
    assert "1e+14 FLOP/s for every network, as given by --flops" in text


def test_rates_are_read_from_a_plan(root: Path, tmp_path: Path) -> None:
    logo, had = (student_network(load_config(root), name) for name in ("logo", "had"))
    rates = Rates("a device", [Rate("logo", 1e6, logo.settings)])
    assert rates.of(logo) == 1e6
    assert rates.is_own(logo)
    assert not rates.is_own(had)
    assert rates.of(had) == rates.of(logo)  # the slowest of the others
    (tmp_path / "plan.json").write_text(json.dumps(rates.as_json()))
    assert read_rates(tmp_path / "plan.json") == rates
    (tmp_path / "none.json").write_text('{"rows": []}')
    with pytest.raises(InputError, match=r"none\.json: no rates in it; give what `plan --measure"):
        read_rates(tmp_path / "none.json")


def test_steps_are_measured(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dnastudents.plan.rates.SECONDS", 0.05)
    config = load_config(root, yaml.safe_load((root / "tests/workflow/tiny.yaml").read_text()))
    students = {name: student_network(config, name) for name in ("had", "findna", "logo")}
    changes = {"window": {"kind": "windows", "length": 126}, "batch_size": 2}
    block = parse(PretrainingBlock, {**PRETRAINING, **changes}, "pretraining")
    blocks = dict.fromkeys(students, block)
    rates = measure(students, blocks, threads=1)
    for network in students.values():
        assert rates.is_own(network)
        assert rates.of(network) > 0
        kept = rates.kept_bytes(network)
        assert kept is not None
        assert kept > 4 * 32  # at least one layer's features


def test_one_source_of_rates(root: Path) -> None:
    for given in ({}, {"flops": 1.0, "measured": True}):
        with pytest.raises(InputError, match="one of --flops, --rates and --measure"):
            plan(load_config(root), hardware="x", **given)
    with pytest.raises(InputError, match="must be positive"):
        plan(load_config(root), hardware="x", flops=-1.0)


def test_neither_a_plan_nor_a_table_imports_torch_to_begin_with() -> None:
    code = "import sys, dnastudents.plan, dnastudents.tables; print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
