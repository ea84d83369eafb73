"""The plan: counted by hand, near an independent estimate, and nothing unknown is counted."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from recipes import RECIPES
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from dnastudents.benchmarks.task import write_task
from dnastudents.config import load_config, read_config
from dnastudents.config.schema import Run
from dnastudents.errors import InputError
from dnastudents.finetune.options import Finetuning
from dnastudents.genome.windows import WINDOWS
from dnastudents.models.options import STUDENTS
from dnastudents.objectives import OBJECTIVES
from dnastudents.plan import Plan, plan
from dnastudents.plan.counting import Operation, count, loss_of, new_model
from dnastudents.plan.networks import Network, networks_of
from dnastudents.plan.rates import DEVICES, Rate, Rates, Speed, estimate, measure
from dnastudents.plan.show import show
from dnastudents.plan.work import (
    Pass,
    TaskSize,
    finetuning,
    pretraining,
    published_sizes,
    task_size,
)
from dnastudents.settings import parse
from dnastudents.training.options import PretrainingBlock

SMALL: dict[str, dict[str, Any]] = {
    "hybrid": {"hidden_size": 32, "num_hidden_layers": 1, "heads": 1, "intermediate_size": 64},
    "bert": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2},
    "chordmixer": {"max_length": 64, "track_size": 8, "hidden_size": 32, "blocks": 1},
}
PRETRAINING = {
    "steps": 100,
    "batch_size": 8,
    "micro_batch_size": 4,
    "window": {"kind": "windows", "length": 60},
    "evaluate_every": 30,
    "validation_sequences": 10,
    "optimizer": {"learning_rate": 1e-3},
}
BLOCK = parse(PretrainingBlock, PRETRAINING, "pretraining")
LEARNT, VALIDATED = 100 * 8 * 60, 4 * 10 * 60  # bases; 30, 60, 90 and the last step
STEPS, LOOKS = 100 * 2, 4 * 3  # micro-batches
SIZE = TaskSize(train=100, dev=10, test=20, bases=50)


def small(architecture: str, learns: bool = True) -> Network:
    values = SMALL.get(architecture, {}) | {"architecture": architecture}
    return Network(architecture, STUDENTS.parse(values), 1000, BLOCK, learns)


STUDENT, TEACHER = small("hybrid"), small("nucleotide_transformer", learns=False)


def block(**objective: Any) -> Run:
    return parse(Run, {"student": "s", "objective": objective, "pretraining": PRETRAINING}, "run")


@pytest.mark.parametrize("architecture", SMALL)
def test_flops_are_those_of_a_real_forward_pass(architecture: str) -> None:
    network = small(architecture)
    counted, model = count(network), new_model(network)  # on real memory, after fake tensors
    rows, tokens = network.batch
    assert (rows, tokens, counted.tokens) == (4, 60, 240)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        loss = loss_of(model, torch.zeros(rows, tokens, dtype=torch.int64))
        forward = counter.get_total_flops()
        loss.backward()
    solved = 0
    if architecture == "hybrid":  # torch counts no triangular solve: 2 directions, chunks of 32
        solved = 2 * rows * 2 * 32**3
    assert sum(each.flops for each in counted.forward) == forward + solved
    both = sum(each.flops for each in [*counted.forward, *counted.backward])
    assert both == pytest.approx(3 * (forward + solved), rel=0.25)


def test_a_teacher_only_reads() -> None:
    counted = count(TEACHER)
    assert counted.tokens == 4 * 10  # sixths of the bases
    assert not counted.backward
    assert counted.kept == 0


def test_half_precision_moves_fewer_bytes() -> None:
    halved = Network("h", STUDENT.settings, 1000, BLOCK.changed(precision="bf16"))
    half, single = (count(each) for each in (halved, small("hybrid")))
    assert half.kept < single.kept
    assert any(each.half for each in half.forward)
    assert not any(each.half for each in single.forward)


def test_seconds_are_the_longer_of_flops_and_bytes() -> None:
    h100 = DEVICES["H100"]
    product = Operation(989e12 * 0.4, 1, half=True)
    copy = Operation(0, 3.35e12 * 0.7 * 2, half=True)
    single = Operation(67e12 * 0.4 * 3, 1, half=False)
    assert h100.seconds([product, copy, single]) == pytest.approx(1 + 2 + 3)


@pytest.fixture(scope="module")
def paper(root: Path) -> Plan:
    """The papers' configuration on an H100."""
    return plan(load_config(root), device="H100")


@pytest.mark.parametrize(
    ("run", "seconds"),
    [
        ("had", 1.9),
        ("findna", 0.059),
        ("dnabert_random", 0.32),
        ("dnabert_random_120k", 2.5),
        ("logo_random", 0.030),
    ],
)
def test_steps_are_near_a_count_of_kernels_and_bytes_by_hand(
    paper: Plan, run: str, seconds: float
) -> None:
    (job,) = [job for job in paper.jobs if (job.kind, job.run) == ("pretrain", run)]
    assert seconds / 2 < 3600 * job.hours / job.steps < 2 * seconds


def test_the_page_says_what_the_plan_does(paper: Plan, root: Path) -> None:
    planned = [line.replace("**", "").split("|") for line in show(paper).splitlines()]
    known = {
        cells[1].strip(): [cell.strip() for cell in cells[3:-1]]
        for cells in planned
        if len(cells) == 9
    }
    page = (root / "docs/costs.md").read_text().split("of the papers' runs")[1].split("Every op")[0]
    written = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()[3:] if line
    ][1:]
    assert len(written) == 6
    for name, *cells in written:
        assert cells == known["total" if name == "all 24 runs" else name], name


def test_only_what_nobody_has_published_is_not_counted(paper: Plan) -> None:
    assert {task.partition("/")[0] for task in paper.unknown_tasks} == {"mtcdna"}
    text = show(paper)
    assert "NOT COUNTED: 8 task(s)" in text
    assert "| mtcdna | 0 of 8 | 0 |" in text
    assert "| gue | 28 of 28 |" in text
    assert "700 W" in text
    assert "Price" not in text


@pytest.mark.parametrize(
    ("objective", "views", "beside", "validating"),
    [
        ({"name": "masked_lm"}, 1, 0, 1),
        ({"name": "had"}, 1, 0, 1),
        ({"name": "findna"}, 1, 1, 2),
        ({"name": "findna", "cls_weight": 0.0}, 1, 0, 2),  # the average is looked at, not learnt
        ({"name": "findna", "symmetric": True}, 2, 1, 2),
    ],
)
def test_passes_of_the_student(
    objective: dict[str, Any], views: int, beside: int, validating: int
) -> None:
    work = pretraining("pretrain", "run", block(**objective), STUDENT, None)
    averaged = Pass(STUDENT, False, beside * views * LEARNT, beside * STEPS)
    assert work.passes == [
        Pass(STUDENT, True, views * LEARNT, STEPS),
        *([averaged] if beside else []),
        Pass(STUDENT, False, validating * views * VALIDATED, LOOKS),
    ]
    assert work.batch_tokens == 4 * 60 * views


@pytest.mark.parametrize("name", [name for name, kind in OBJECTIVES.items() if kind.learns])
def test_every_objective_can_be_planned(name: str) -> None:
    run = parse(Run, {**RECIPES[name], "student": "s", "pretraining": PRETRAINING}, name)
    work = pretraining("pretrain", name, run, STUDENT, None)
    assert work.passes[0].tokens >= LEARNT
    assert work.memory >= 16 * 1000


def test_a_teacher_reads_sixths_of_the_tokens_and_learns_nothing() -> None:
    work = pretraining("pretrain", "run", block(name="had"), STUDENT, TEACHER)
    alone = pretraining("pretrain", "run", block(name="had"), STUDENT, None)
    read = Pass(TEACHER, False, pytest.approx((LEARNT + VALIDATED) / 6), STEPS + LOOKS)
    assert work.passes == [*alone.passes, read]
    assert work.memory - alone.memory == 4 * 1000


@pytest.mark.parametrize(
    ("changes", "seeds", "learnt", "looked"),
    [
        ({}, 2, 2 * 3 * 100, 2 * (3 * 10 + 20)),
        ({"selection": "last"}, 1, 300, 20),
        ({"max_train_sequences": 40}, 1, 120, 50),
        ({"max_steps": 7}, 1, 300 / 3, (30 / 3) + 20),  # of 3 epochs of 7 steps
        ({"reverse_complement": "conjoin"}, 1, 300, 100),
        ({"grid": {"learning_rate": [1, 2], "batch_size": [16, 8]}}, 1, 4 * 300, 4 * 30 + 20),
        ({"grid": {"pooling": ["mean", "parts"], "epochs": [2, 3]}}, 1, 2 * 500, 2 * 50 + 20),
    ],
)
def test_sequences_of_fine_tuning(changes: Any, seeds: int, learnt: float, looked: float) -> None:
    settings = parse(Finetuning, {"epochs": 3, "batch_size": 16} | changes, "finetuning")
    work = finetuning("finetune", "run", "gue/H3", settings, seeds, SIZE, STUDENT)
    tokens = {True: 0.0, False: 0.0}
    for each in work.passes:
        tokens[each.learns] += each.tokens
    assert tokens == pytest.approx({True: learnt * 50, False: looked * 50})


def test_steps_of_fine_tuning_are_whole_batches() -> None:
    settings = Finetuning(epochs=3, batch_size=16)
    work = finetuning("finetune", "run", "gue/H3", settings, 2, SIZE, STUDENT)
    assert [each.batches for each in work.passes] == [2 * 3 * 7, 2 * 3 * 1, 2 * 1]


@pytest.mark.parametrize(
    ("kind", "changes", "read"),
    [
        ("linear", {"frozen": True}, 130),
        ("linear", {"frozen": True, "selection": "last"}, 130),
        ("linear", {"frozen": True, "reverse_complement": "augment"}, 260),
        ("knn", {"selection": "last"}, 120),
    ],
)
def test_frozen_features_are_read_once(kind: str, changes: dict[str, Any], read: int) -> None:
    settings = parse(Finetuning, {"batch_size": 8} | changes, "finetuning")
    work = finetuning(kind, "run", "gue/H3", settings, 3, SIZE, STUDENT)
    (done,) = work.passes
    assert (done.learns, done.tokens, done.batches) == (False, read * 50, -(-read // 64))


def test_students_that_cut_long_sequences_read_only_so_much(root: Path) -> None:
    logo = networks_of(load_config(root))["students/logo"]
    assert [logo.tokens(bases) for bases in (100, 5000)] == [100, 515]  # 510 6-mers


def test_pieces_are_shorter_than_their_longest() -> None:
    # half of them 511, half uniform over 6 to 510
    lengths = [511] * 505 + list(range(6, 511))
    mean = sum(lengths) / len(lengths)
    assert WINDOWS.parse({"kind": "pieces", "length": 511}).mean_bases == pytest.approx(mean)


def test_networks_are_those_of_the_papers(root: Path) -> None:
    found = networks_of(load_config(root))
    for name, expected in {"had": 1_072_560, "findna": 12_651_873, "logo": 4_998_917}.items():
        assert found[f"students/{name}"].parameters == expected
    teacher = found["teachers/nt_v2_500m"]
    assert 490_984_448 < teacher.parameters < 500e6
    assert not teacher.learns
    assert teacher.batch == (64, 171)  # HAD's


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


def test_published_sizes_are_those_of_the_files(root: Path, shared: Path) -> None:
    sizes = published_sizes(root / "workflow/resources/task_sizes.csv")
    assert sizes["nucleotide_transformer/H3"] == TaskSize(13468 - 1347, 1347, 1497, 500)
    with zipfile.ZipFile(shared / "data/gue/GUE.zip") as archive:
        for name in filter(lambda name: name.endswith("test.csv"), archive.namelist()):
            group, task = name.split("/")[1:3]
            key = task if group in ("EMP", "prom") else f"{group}_{task}"
            test = pd.read_csv(io.BytesIO(archive.read(name)))
            assert sizes[f"gue/{key}"].test == len(test)
            assert sizes[f"gue/{key}"].bases == test["sequence"].str.len().median()
    for folder in (shared / "data/genomic_benchmarks/coordinates").iterdir():
        rows = {
            split: sum(len(pd.read_csv(file)) for file in (folder / split).glob("*.csv.gz"))
            for split in ("train", "test")
        }
        size = sizes[f"genomic_benchmarks/{folder.name}"]
        assert {"train": size.train + size.dev, "test": size.test} == rows


@pytest.fixture(scope="module")
def tiny(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny workflow's configuration, which has a price."""
    folder = tmp_path_factory.mktemp("plan")
    values = yaml.safe_load((root / "tests/workflow/tiny.yaml").read_text())
    values |= {"results": str(folder), "cost": {"price": {"A100": 2.0}, "watts": {"a100": 300}}}
    (folder / "mine.yaml").write_text(yaml.safe_dump(values))  # names in alphabetical order
    return folder / "mine.yaml"


def test_hours_are_those_of_all_batches(tiny: Path) -> None:
    config, output = read_config([tiny]), tiny.with_name("plan.json")
    found = plan(config, device="A100", output=output)
    assert [(job.kind, job.run) for job in found.jobs] == [
        ("teacher", "small"),
        *(("pretrain", run) for run in ("findna", "had", "logo_cm_gems")),
    ]
    networks = networks_of(config)
    had, teacher = networks["students/had"], networks["teachers/small"]
    work = pretraining("pretrain", "had", config.run("had"), had, teacher)
    seconds = 0.0
    for each in work.passes:
        rate = found.rates.of(each.network)
        speed = rate.learn if each.learns else rate.read
        seconds += each.tokens * speed.token + each.batches * speed.batch
    assert {each.network.name for each in work.passes} == {"had", "small_teacher"}
    assert found.jobs[2].hours == pytest.approx(seconds / 3600)
    assert found.unknown_tasks == ["simulated/lexicon"]
    text, total = show(found), sum(job.hours for job in found.jobs)
    assert f"Price: {2 * total:.3g}, 2 a device hour" in text
    assert "300 W a device" in text
    again = plan(config, rates=output)
    assert again == found


def test_rates_of_another_configuration_are_refused(root: Path, tmp_path: Path, tiny: Path) -> None:
    output = tiny.with_name("tiny.json")
    plan(read_config([tiny]), output=output)
    with pytest.raises(InputError, match=r"no rate of had, estimated from .*; measure this conf"):
        plan(load_config(root), rates=output)
    (tmp_path / "none.json").write_text('{"rows": []}')
    with pytest.raises(InputError, match=r"none\.json: no rates in it; give what `plan --measure"):
        plan(load_config(root), rates=tmp_path / "none.json")


def test_networks_that_start_differently_share_a_rate(root: Path) -> None:
    networks = networks_of(load_config(root))
    both = [networks[f"students/{name}"] for name in ("dnabert", "dnabert_composed")]
    speed = Speed(1.0, 2.0)
    rates = Rates("x", "y", None, [Rate(both[0].identity, speed, speed, 3.0)])
    assert rates.of(both[1]) == rates.rates[0]


def test_steps_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dnastudents.plan.rates.SECONDS", 0.05)
    students = [small(name) for name in SMALL]
    rates = measure(students, threads=1)
    assert "1 thread(s)" in rates.hardware
    for student in students:
        rate = rates.of(student)
        assert rate.learn.token > rate.read.token > 0
        assert rate.kept == estimate([student], DEVICES["H100"]).of(student).kept > 4 * 32


def test_one_source_of_rates(root: Path) -> None:
    with pytest.raises(InputError, match="one of --device, --rates and --measure"):
        plan(load_config(root), device="H100", measured=True)
    with pytest.raises(InputError, match="--device: V100 is not known; H100 or A100, or --measure"):
        plan(load_config(root), device="V100")


def test_neither_a_plan_nor_a_table_imports_torch_to_begin_with() -> None:
    code = "import sys, dnastudents.plan, dnastudents.tables; print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
