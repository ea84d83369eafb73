"""What must hold in a configuration beyond its types: names that are known, paths that are there.

Each mistake is one `InputError` of one line that names the key and the nearest known name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

from dnastudents.benchmarks import require_own
from dnastudents.benchmarks.own_tables import task_tables
from dnastudents.config.config import Config
from dnastudents.config.schema import Reference, Run, Suite
from dnastudents.errors import InputError, nearest
from dnastudents.genome.index import check_names, require_names
from dnastudents.genome.records import Records, check_splits
from dnastudents.results.jobs import BASELINE
from dnastudents.settings import Wrong
from dnastudents.training.options import RunSettings

TABLES = ("benchmarks", "comparisons", "cost", "pretraining")  # that are of no suite
PROBES = ("knn", "linear")
TEACHERS = "nucleotide_transformer"  # whose tokens every teacher reads


def check(config: Config) -> None:
    """Check names and paths; raise an `InputError` for the first mistake."""
    _check_references(config)
    _check_reserved(config)
    for name in config.runs:
        _check_run(config, f"runs.{name}", config.run(name))
        _require_possible(f"runs.{name}", config.pretrain_settings(name))
        _check_ranking(config, name)
    _check_teachers(config)
    for name, suite in config.suites.items():
        _check_suite(config, name, suite)
    _check_figures_and_probes(config)
    _check_finetuning(config)
    _check_paths(config)
    _check_sequences(config)


def _check_references(config: Config) -> None:
    settings = config.settings
    _known("genome", settings.genome, settings.references)
    for name, reference in settings.references.items():
        where = f"references.{name}"
        for dataset in reference.datasets:
            _known(f"{where}.dataset", dataset, config.known_files)
        if reference.intervals is not None and reference.intervals.dataset is not None:
            _known(f"{where}.intervals.dataset", reference.intervals.dataset, config.known_files)
        _check_splits(f"{where}.splits", reference)
    if settings.references[settings.genome].splits is None:
        raise InputError(
            f"references.{settings.genome}.splits: runs are pretrained on this genome; "
            "name its train and validation chromosomes"
        )
    if "simulated" in config.suites and not config.is_simulated(settings.genome):
        raise InputError("suites.simulated: its tasks need a simulated genome; drop the suite")


def _check_reserved(config: Config) -> None:
    """Refuse names that rows or tables have already."""
    if BASELINE in config.runs:
        raise InputError(f"runs.{BASELINE}: the baseline has this name in tables; choose another")
    taken = {*TABLES, *(f"{probe}_{suite}" for probe in PROBES for suite in config.suites)}
    for name in filter(taken.__contains__, config.suites):
        raise InputError(f"suites.{name}: another table has this name; choose another")


def _check_run(config: Config, key: str, run: Run) -> None:
    settings = config.settings
    _known(f"{key}.student", run.student, settings.students)
    for control in run.compare_with or ():
        _known(f"{key}.compare_with", control, config.all_runs)
    if not run.learns:
        return
    if run.pretraining is None:
        raise InputError(
            f"{key}: 'pretraining' is missing; add it, or `extends:` a run that has it"
        )
    genome = settings.references[settings.genome]
    if run.pretraining.window.has_folds and genome.intervals is None:
        raise InputError(
            f"{key}.pretraining.window.kind: '{run.pretraining.window.kind}' needs "
            f"references.{settings.genome}.intervals; give it a BED file"
        )
    if run.objective.needs_teacher:
        if run.teacher is None:
            raise InputError(f"{key}: the objective '{run.objective.name}' needs a `teacher:`")
        _known(f"{key}.teacher", run.teacher, settings.teachers)
    window, turned = run.pretraining.window, run.pretraining.reverse_complement
    unfixed = run.objective.unfixed(window, turned) if run.teacher_cache else []
    if unfixed and run.objective.needs_teacher:
        raise InputError(
            f"{key}.teacher_cache: features are cached of fixed windows and masks; set "
            f"{', '.join(unfixed)}"
        )


def _require_possible(key: str, settings: RunSettings) -> None:
    try:
        settings.require_possible()
    except Wrong as error:
        raise InputError(f"{key}.{error}") from None


def _check_ranking(config: Config, name: str) -> None:
    k, ranked = config.settings.pmi.k, config.student(config.run(name).student).ranked_bases
    if "pmi" in config.needs(name) and k != ranked:
        raise InputError(f"pmi.k: runs.{name} masks by a ranking of {ranked}-mers; set {ranked}")


def _check_teachers(config: Config) -> None:
    folders = {name.split("/")[0] for name in config.known_files}
    for name, teacher in config.settings.teachers.items():
        if teacher.dataset is not None:
            _known(f"teachers.{name}.dataset", teacher.dataset, folders)
        if teacher.train is not None:
            key, block = f"teachers.{name}.train", teacher.train.pretraining
            if block is not None and block.window.has_folds:
                raise InputError(
                    f"{key}.pretraining.window.kind: a teacher that is trained here reads the "
                    "genome's splits; choose another kind"
                )
            _check_run(config, key, teacher.train)
            settings = config.teacher_settings(name)
            _require_possible(key, settings)
            student = settings.student
            if student.tokenizer != TEACHERS:
                raise InputError(
                    f"{key}.student: a teacher reads the tokens of {TEACHERS}, not those of "
                    f"{student.architecture}; choose a student of that architecture"
                )


def _check_suite(config: Config, name: str, suite: Suite) -> None:
    where = f"suites.{name}"
    if suite.csv is not None:
        if name in config.ruled:
            raise InputError(f"{where}.csv: '{name}' has a rule already; choose another name")
        require_own(name, where)
    for task in suite.tasks if suite.csv is not None else ():
        for path in task_tables(f"{suite.csv}/{task}"):
            if not Path(path).is_file():
                raise InputError(f"{where}.csv: no file '{path}'; add it, or drop the task")
    named = [*suite.tasks, *(suite.by_task or ())]
    for student, changes in (suite.by_student or {}).items():
        _known(f"{where}.by_student", student, config.settings.students)
        named += changes.by_task or ()
    for task in named:
        _known(f"{where}.tasks", task, config.known_tasks.get(name, suite.tasks))
    if name not in config.known_tasks and suite.route is not None:
        raise InputError(f"{where}.route: a suite of your own has no routes; drop it")
    for task in suite.tasks:
        for reference in config.task_references(name, task):
            if reference not in config.settings.references:
                dataset = f"reference/{reference}.fa.gz"
                known = f"`dataset: {dataset}` or " if dataset in config.known_files else ""
                raise InputError(
                    f"{where}.route: the coordinates of {task} are of '{reference}'; "
                    f"add references.{reference} with {known}`fasta:` and your own file"
                )


def _check_figures_and_probes(config: Config) -> None:
    settings = config.settings
    tasks = {f"{suite}/{task}" for suite, task in config.tasks()}
    tasks |= {f"{suite}/{task}" for suite, names in config.known_tasks.items() for task in names}
    for figure in ("tsne", "tsne_cls"):
        wanted = getattr(settings.figures, figure)
        for task in wanted.tasks:
            _known(f"figures.{figure}.tasks", task, tasks)
        for name in wanted.runs or ():
            _known(f"figures.{figure}.runs", name, config.all_runs)
    for name in config.tsne_teachers():
        _known("figures.tsne.teachers", name, settings.teachers)
    for probe in PROBES:
        block = getattr(settings.probes, probe)
        for suite in block.suites if block is not None else ():
            _known(f"probes.{probe}.suites", suite, settings.suites)


def _check_finetuning(config: Config) -> None:
    """Refuse what the student of a run cannot be fine-tuned with, or probed."""
    runs = {config.run(run).student: run for run in config.runs}
    students = {name: config.student(name) for name in runs}
    for (name, run), (suite, task) in product(runs.items(), config.tasks()):
        student, settings = students[name], config.finetune_settings(run, suite, task)
        block = config.settings.probes.knn
        pooled: dict[str, Sequence[str]] = {
            f"finetuning.pooling of {suite}/{task}": [settings.pooling]
        }
        if settings.grid is not None and settings.grid.pooling is not None:
            pooled[f"finetuning.grid.pooling of {suite}/{task}"] = settings.grid.pooling
        if block is not None and suite in block.suites:
            pooled["probes.knn.pooling"] = [block.pooling]
        for key, poolings in pooled.items():
            if "cls" in poolings and not student.has_cls:
                raise InputError(
                    f"{key}: 'cls' needs a classification token, which the student '{name}' of "
                    f"runs.{run} does not have; set mean"
                )
        if settings.released_transfer is not None and student.architecture != "chordmixer":
            raise InputError(
                f"finetuning.released_transfer of {suite}/{task}: makes a chordmixer, which the "
                f"student '{name}' of runs.{run} is not; set it under students"
            )


def _check_paths(config: Config) -> None:
    settings = config.settings
    paths: list[tuple[str, str | None]] = []
    for name, reference in settings.references.items():
        paths.append((f"references.{name}.fasta", reference.fasta))
        if reference.intervals is not None:
            paths.append((f"references.{name}.intervals.bed", reference.intervals.bed))
    for name, suite in config.suites.items():
        sources = (suite.source,) if isinstance(suite.source, str) else suite.source or ()
        paths += [(f"suites.{name}.source", source) for source in sources]
    if settings.mirror is not None and "://" not in settings.mirror:
        paths.append(("mirror", settings.mirror))
    for key, path in paths:
        if path is not None and not Path(path).exists():
            raise InputError(f"{key}: nothing at '{path}'; correct the path or drop it")


def _check_sequences(config: Config) -> None:
    """Look up what settings name in the user's own FASTAs; downloads are not there yet."""
    settings = config.settings
    for name, reference in settings.references.items():
        splits = {} if reference.splits is None else dict(reference.splits)
        wanted = {f"references.{name}.splits.{split}": names for split, names in splits.items()}
        if name == settings.genome and any("pmi" in config.needs(run) for run in config.runs):
            wanted["pmi.sequences"] = settings.pmi.sequences
        named = {key: names for key, names in wanted.items() if names}
        records = _records(config, name, named)
        if records is None:
            continue
        learnt = {split: list(regions) for split, regions in splits.items() if regions}
        try:
            check_splits(records, learnt)
        except InputError as error:
            raise InputError(f"references.{name}.splits: {error}") from None


def _records(config: Config, name: str, named: dict[str, Sequence[str]]) -> Records | None:
    """The records of a genome, if they are known, after a check of those that settings name."""
    reference = config.settings.references[name]
    if reference.simulate is not None:
        lengths = reference.simulate.lengths
        records = Records(lengths, lengths.values(), "the simulated genome")
        require_names(records, named)
        return records
    if reference.fasta is None or not named:
        return None
    return check_names(Path(reference.fasta), named, Path(config.settings.results) / "fasta_index")


def _check_splits(key: str, reference: Reference) -> None:
    seen: dict[str, str] = {}
    for split, names in (dict(reference.splits) if reference.splits is not None else {}).items():
        for name in names or ():
            if name in seen:
                raise InputError(f"{key}: '{name}' is in {seen[name]} and in {split}; choose one")
            seen[name] = split


def _known(key: str, name: str, known: Iterable[str]) -> None:
    known = list(known)
    if name not in known:
        raise InputError(f"{key}: no such name '{name}'; {nearest(name, known)}")
