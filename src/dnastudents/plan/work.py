"""What each job computes: how many tokens go through which network, in how many batches.

- Pretraining: the student learns; its objective may run it once more (`computation`), and a teacher
  reads beside it unless its features are cached. Validation reads.
- Fine-tuning, for each seed and cell of a grid: each epoch learns train and reads dev; test is read
  in the end. Frozen features and neighbours are read once.

Not counted: HAD's decoder, masks, reading, starting Python, t-SNE, and the k-mer baseline.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dnastudents.benchmarks.facts import FILE, read_protocol
from dnastudents.benchmarks.task import DEV_FRACTION
from dnastudents.config import Config
from dnastudents.config.schema import Run
from dnastudents.finetune.options import EVALUATION_BATCH, Finetuning
from dnastudents.plan.networks import Network

FLOAT = 4  # bytes
ADAM = 4 * FLOAT  # a parameter: weight, gradient, two moments


@dataclass(frozen=True)
class Pass:
    """Tokens that a network learns from, or reads, in so many batches."""

    network: Network
    learns: bool
    tokens: float
    batches: float


@dataclass(frozen=True)
class Work:
    """One job.

    Attributes
    ----------
    kind : str
        pretrain, teacher, teacher_cache, finetune, linear or knn.
    run : str
    passes : list of Pass
    task : str or None
        suite/task. Default is none.
    steps : int
        Updates of a pretraining. Default is 0.
    memory : float
        Bytes of weights, gradients, moments. Default is 0.
    batch_tokens : float
        Whose activations are kept at once. Default is 0.
    """

    kind: str
    run: str
    passes: list[Pass]
    task: str | None = None
    steps: int = 0
    memory: float = 0.0
    batch_tokens: float = 0.0


@dataclass(frozen=True)
class TaskSize:
    """Sequences of a task's splits, as one seed uses them, and their median length in bases."""

    train: int
    dev: int
    test: int
    bases: float


def published_sizes(file: Path) -> dict[str, TaskSize]:
    """Read task_sizes.csv, by suite/task; where there is no dev split, one is drawn from train."""
    sizes = {}
    with file.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            train = int(row["train"])
            dev = int(row["dev"] or round(DEV_FRACTION * train))
            train -= 0 if row["dev"] else dev
            size = TaskSize(train, dev, int(row["test"]), float(row["bases"]))
            sizes[f"{row['suite']}/{row['task']}"] = size
    return sizes


def task_size(folder: Path) -> TaskSize | None:
    """Read from a task folder; None where there is none."""
    if not (folder / FILE).is_file():
        return None
    protocol = read_protocol(folder)
    sequences = protocol.n_sequences
    train, dev = sequences["train"], sequences["dev"]
    if protocol.shots:  # dev is drawn from them, where something selects
        train, dev = protocol.shots * len(protocol.classes), 0
    return TaskSize(train, dev, sequences["test"], protocol.length_distribution.median)


def pretraining(kind: str, name: str, run: Run, student: Network, teacher: Network | None) -> Work:
    """Describe a pretraining, or the training of a teacher; `teacher` runs beside it."""
    options, computed = run.pretraining, run.objective.computation
    assert options is not None
    bases, micro = options.window.mean_bases, options.micro_batch_size or options.batch_size
    steps, batches = options.steps, options.steps * math.ceil(options.batch_size / micro)
    learnt = steps * options.batch_size * computed.views
    rounds = math.ceil(steps / options.evaluate_every)
    validated = rounds * options.validation_sequences * computed.views
    looks = rounds * math.ceil(options.validation_sequences / micro)
    tokens, beside = student.tokens(bases), computed.training_passes
    passes = [
        Pass(student, True, learnt * tokens, batches),
        Pass(student, False, beside * learnt * tokens, beside * batches),
        Pass(student, False, (1 + computed.validation_passes) * validated * tokens, looks),
    ]
    if teacher is not None:
        seen = (learnt + validated) * teacher.tokens(bases)
        passes.append(Pass(teacher, False, seen, batches + looks))
    held = (ADAM + FLOAT * computed.copies) * student.parameters
    return Work(
        kind,
        name,
        [each for each in passes if each.tokens],
        steps=steps,
        memory=held + (FLOAT * teacher.parameters if teacher else 0),
        batch_tokens=micro * computed.views * tokens,
    )


def teacher_cache(name: str, run: Run, teacher: Network) -> Work:
    """Describe the caching of the teacher's features for every window of a run."""
    assert run.pretraining is not None
    window = run.pretraining.window
    count, rows = window.fixed_count or 0, teacher.batch[0]
    read = Pass(teacher, False, count * teacher.tokens(window.mean_bases), math.ceil(count / rows))
    return Work("teacher_cache", name, [read], memory=FLOAT * teacher.parameters)


def finetuning(
    kind: str,
    run: str,
    task: str,
    settings: Finetuning,
    seeds: int,
    size: TaskSize,
    student: Network,
) -> Work:
    """Describe the fine-tuning of one run on one task: all seeds, and all cells of a grid."""
    train = min(settings.max_train_sequences or size.train, size.train)
    tokens = student.tokens(size.bases)
    dev = 0 if settings.selection == "last" else size.dev
    frozen = settings.frozen or kind == "knn"
    # Where it is trained, `augment` draws a strand.
    one_strand = {"none"} if frozen else {"none", "augment"}
    strands = 1 if settings.reverse_complement in one_strand else 2
    work = partial(Work, kind, run, task=task)
    weights = FLOAT * student.parameters
    if frozen:
        # Other sequences of a seed are chosen from features that are made once.
        splits = train if kind == "knn" else size.train + size.dev
        read = (splits + size.test) * strands
        batches = math.ceil(read / EVALUATION_BATCH)
        return work([Pass(student, False, read * tokens, batches)], memory=weights)
    passes = []
    for cell in settings.cells:
        steps = cell.epochs * math.ceil(train / cell.batch_size)
        share = min(1.0, cell.max_steps / steps) if cell.max_steps else 1.0
        epochs = seeds * cell.epochs * share
        looks = epochs * math.ceil(dev / EVALUATION_BATCH) * strands
        passes += [
            Pass(student, True, epochs * train * tokens, seeds * steps * share),
            Pass(student, False, epochs * dev * strands * tokens, looks),
        ]
    batches = seeds * math.ceil(size.test / EVALUATION_BATCH) * strands
    passes.append(Pass(student, False, seeds * size.test * strands * tokens, batches))
    return work(
        passes,
        memory=ADAM * student.parameters + weights,  # of the best epoch too
        batch_tokens=max(cell.batch_size for cell in settings.cells) * tokens,
    )


def all_work(
    config: Config, networks: Mapping[str, Network], sizes: Mapping[str, TaskSize | None]
) -> list[Work]:
    """Return every job of a configuration that trains or runs a network, but for figures.

    `networks` are those of `networks_of`; `sizes` are by suite/task, None where not known.
    """
    jobs = []
    teachers = {config.needs(run).get("teacher") for run in config.runs} - {None}
    for name in sorted(map(str, teachers)):
        run = config.settings.teachers[name].train
        if run is not None:
            jobs.append(pretraining("teacher", name, run, networks[f"teachers/{name}"], None))
    for name in config.runs:
        student = networks[f"students/{config.run(name).student}"]
        if config.is_pretrained(name):
            jobs += _pretrainings(config, name, networks)
        for task, size in sizes.items():
            if size is not None:
                jobs += _on_task(config, name, task, size, student)
    return jobs


def _pretrainings(config: Config, run: str, networks: Mapping[str, Network]) -> list[Work]:
    settings, needs = config.run(run), config.needs(run)
    student = networks[f"students/{settings.student}"]
    teacher = networks[f"teachers/{needs['teacher']}"] if "teacher" in needs else None
    cached = teacher is not None and "features" in needs
    jobs = []
    for name in config.replicas(run):
        if teacher is not None and cached:
            jobs.append(teacher_cache(name, settings, teacher))
        beside = None if cached else teacher
        jobs.append(pretraining("pretrain", name, settings, student, beside))
    return jobs


def _on_task(config: Config, run: str, task: str, size: TaskSize, student: Network) -> list[Work]:
    suite, _, name = task.partition("/")
    seeds, pair = len(config.suites[suite].seeds), (suite, name)
    settings = config.finetune_settings(run, suite, name)
    jobs = [finetuning("finetune", run, task, settings, seeds, size, student)]
    once = len(config.replicas(run)) if config.is_pretrained(run) else seeds
    if pair in config.probe_tasks("linear"):
        probe = config.linear_settings(run, suite, name)
        jobs += once * [finetuning("linear", run, task, probe, seeds, size, student)]
    if pair in config.probe_tasks("knn"):
        probe = settings.changed(grid=None, dev="task", selection="last", reverse_complement="none")
        times = seeds if settings.max_train_sequences else once
        jobs += times * [finetuning("knn", run, task, probe, seeds, size, student)]
    return jobs
