"""What each pretraining and fine-tuning computes, by simple formulas. Free of torch.

A pass is one forward computation of a network; learning takes three (one forward, two backward).

- Pretraining: 3 passes of the student, what its objective computes beside them
  (`ObjectiveOptions.computation`), and 1 of a teacher, unless its features are cached.
- Validation takes the forward passes alone.
- Fine-tuning: each epoch 3 passes of train and 1 of dev; in the end 1 of test; for each seed and
  cell of a grid. Frozen features and neighbours take 1 pass of everything.

Not counted: attention's products that grow with the square of the length, decoders and heads,
masks, augmentation, optimisers, reading, starting Python, t-SNE, and the k-mer baseline.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dnastudents.benchmarks.facts import FILE, read_protocol
from dnastudents.config import Config
from dnastudents.config.schema import Run
from dnastudents.finetune.options import Finetuning
from dnastudents.plan.networks import Network

TRAIN = 3.0  # passes: 1 forward, 2 backward
FLOAT = 4  # bytes
ADAM = 4 * FLOAT  # a parameter: weight, gradient, two moments
STATES = 3  # two are kept while one is written


@dataclass(frozen=True)
class Work:
    """One job.

    Attributes
    ----------
    kind : str
        pretrain, teacher, teacher_cache, finetune, linear or knn.
    run : str
    flops : dict
        By name of the network.
    tokens : float
        That a student learns from, each time that it does.
    task : str or None
        suite/task. Default is none.
    memory : float
        Bytes of weights, gradients, moments. Default is 0.
    batch_tokens : float
        Of the student, in one forward computation whose activations are kept. Default is 0.
    disk : float
        Bytes that it needs while it runs. Default is 0.
    """

    kind: str
    run: str
    flops: dict[str, float]
    tokens: float
    task: str | None = None
    memory: float = 0.0
    batch_tokens: float = 0.0
    disk: float = 0.0


@dataclass(frozen=True)
class TaskSize:
    """Sequences of a task's splits, as one seed uses them, and their median length in bases."""

    train: int
    dev: int
    test: int
    bases: float


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
    """Describe a pretraining, or the training of a teacher.

    Parameters
    ----------
    kind : {'pretrain', 'teacher'}
    name : str
        Of the pretraining.
    run : Run
    student : Network
    teacher : Network or None
        One that runs beside it.
    """
    options = run.pretraining
    assert options is not None
    computed, bases = run.objective.computation, options.window.mean_bases
    learnt = options.steps * options.batch_size * computed.views
    rounds = math.ceil(options.steps / options.evaluate_every)
    validated = rounds * options.validation_sequences * computed.views
    flops = {student.name: 0.0}
    for sequences, passes in (
        (learnt, TRAIN + computed.training_passes),
        (validated, 1.0 + computed.validation_passes),
    ):
        flops[student.name] += student.flops(sequences * student.tokens(bases), passes)
        if teacher is not None:
            seen = teacher.flops(sequences * teacher.tokens(bases), 1.0)
            flops[teacher.name] = flops.get(teacher.name, 0.0) + seen
    copies = computed.copies
    held = ADAM * student.parameters + FLOAT * copies * student.parameters
    batch = (options.micro_batch_size or options.batch_size) * computed.views
    saved = (3 + copies) * FLOAT * student.parameters  # weights, moments, copies
    return Work(
        kind,
        name,
        flops,
        tokens=learnt * student.tokens(bases),
        memory=held + (FLOAT * teacher.parameters if teacher else 0),
        batch_tokens=batch * student.tokens(bases),
        disk=STATES * saved + FLOAT * (1 + copies) * student.parameters,
    )


def teacher_cache(name: str, run: Run, teacher: Network, width: int) -> Work:
    """Describe the caching of the teacher's features for every window of a run, float16."""
    assert run.pretraining is not None
    window = run.pretraining.window
    tokens = (window.fixed_count or 0) * teacher.tokens(window.mean_bases)
    return Work(
        "teacher_cache",
        name,
        {teacher.name: teacher.flops(tokens, 1.0)},
        tokens=0.0,
        memory=FLOAT * teacher.parameters,
        disk=tokens * width * 2,
    )


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
    limit = settings.max_train_sequences or size.train
    train, tokens = min(limit, size.train), student.tokens(size.bases)
    dev = 0 if settings.selection == "last" else size.dev
    strands = 2 if settings.reverse_complement == "conjoin" else 1
    if settings.frozen or kind == "knn":
        # Other sequences of a seed are chosen from features that are made once.
        read = (size.train if kind == "linear" else train) + dev + size.test
        flops = student.flops(read * strands * tokens, 1.0)
        return Work(kind, run, {student.name: flops}, 0.0, task, FLOAT * student.parameters)
    learnt = looked = 0.0
    for cell in settings.cells:
        steps = cell.epochs * math.ceil(train / cell.batch_size)
        share = min(1.0, cell.max_steps / steps) if cell.max_steps else 1.0
        learnt += seeds * cell.epochs * share * train * tokens
        looked += seeds * cell.epochs * share * dev * strands * tokens
    looked += seeds * size.test * strands * tokens
    weights = FLOAT * student.parameters
    trained = 0 if settings.grid is None else len(settings.cells) * seeds
    return Work(
        kind,
        run,
        {student.name: student.flops(learnt, TRAIN) + student.flops(looked, 1.0)},
        tokens=learnt,
        task=task,
        memory=ADAM * student.parameters + weights,  # of the best epoch too
        batch_tokens=max(cell.batch_size for cell in settings.cells) * tokens,
        disk=trained * weights,
    )


def all_work(
    config: Config, networks: Mapping[str, Network], sizes: Mapping[str, TaskSize | None]
) -> list[Work]:
    """Return every job of a configuration that trains or runs a network, but for figures.

    Parameters
    ----------
    config : Config
    networks : mapping
        By `students/NAME` and `teachers/NAME`.
    sizes : mapping
        By suite/task; None, not known, is left out.
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
            width = int(teacher.settings.get("hidden_size", 1024))
            jobs.append(teacher_cache(name, settings, teacher, width))
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
