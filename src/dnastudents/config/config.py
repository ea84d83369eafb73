"""The workflow's configuration: merged, parsed once, and asked; free of torch.

Three design decisions:

- `config.yaml` is the base of every other file. Blocks merge key by key, but the `runs` and
  `suites` of another file *select*: only what it names is run, and every named block starts from
  the block of the same name in the base. Of several files each changes those before it, as if it
  extended them.
- A run block may extend another (`extends: had`), also one that is not selected.
- Everything wrong is one `InputError` that names the key and the nearest known name, raised before
  Snakemake plans anything.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from dnastudents.benchmarks.own_tables import own_rules, task_tables
from dnastudents.benchmarks.routes import choose, read_routes
from dnastudents.config.merge import Block, Source, chain, merge, resolve, selection
from dnastudents.config.schema import Configuration, Run, Suite
from dnastudents.errors import InputError, nearest
from dnastudents.finetune.options import Finetuning, layered
from dnastudents.models import STUDENTS, StudentOptions
from dnastudents.probes.options import BaselineOptions, KNNOptions
from dnastudents.results.jobs import CountedJobs
from dnastudents.settings import check_part, parse
from dnastudents.training.options import RunSettings
from dnastudents.yaml_files import read_yaml

Tasks = dict[str, list[str]]  # a suite's tasks and the ids of their files
NAMED = ("references", "students", "teachers", "runs", "suites")  # a name set to null is removed
TEACHER_FILES = ("config.json", "model.safetensors", "vocab.txt")


class Config:
    """A configuration, parsed; `load_config` also checks what its names refer to.

    Parameters
    ----------
    root : Path
        The repository's root, where `config.yaml` and `workflow/` are.
    changes : mapping or sequence of Source
        What changes it: the values of one configuration, or several of which each changes those
        before it.

    Attributes
    ----------
    settings : Configuration
        All of it, with the runs that are selected.
    runs : list of str
        The selected runs, in their order.
    suites : dict of str to Suite
        The selected suites.
    ruled : set of str
        The suites that a rule is there for; any other has `csv`.

    Raises
    ------
    InputError
        For an unknown key, a wrong type, or a run that is not there.
    """

    def __init__(self, root: Path, changes: Mapping[str, Any] | Sequence[Source] = ()) -> None:
        self.root = root
        sources = [Source(dict(changes))] if isinstance(changes, Mapping) else changes
        links = chain(root, sources)
        selected = {key: selection(key, links) for key in ("runs", "suites")}
        values = read_yaml(root / "config.yaml")
        for link in reversed(links):
            values = merge(values, link)
        for key in NAMED:
            if isinstance(values.get(key), dict):
                values[key] = {k: v for k, v in values[key].items() if v is not None}
        self.runs = list(selected["runs"] or values["runs"])
        self.all_runs = list(values["runs"])
        routes = read_routes(root / "workflow/resources/tasks.csv")
        self.ruled = {*routes, "simulated", *own_rules(root)}
        self._require_suites(values, selected["suites"] or ())
        self.settings: Configuration = parse(Configuration, self._complete(values))
        for name in self.all_runs:
            if name not in self.runs:  # may be there to be extended, and incomplete
                check_part(Run, resolve(name, values["runs"]), f"runs.{name}")
        suites = self.settings.suites
        self.suites = {name: suites[name] for name in selected["suites"] or suites}
        self.routes = {
            suite: choose(suite, tasks, self._suite_route(suite)) for suite, tasks in routes.items()
        }
        self.known_tasks: dict[str, Tasks] = {
            suite: {task: route.files for task, route in tasks.items()}
            for suite, tasks in self.routes.items()
        }
        self.known_files = _read_files(root / "workflow/resources/datasets.csv")

    def _complete(self, values: Block) -> Block:
        """Return the values with every selected run resolved, and the others left out."""
        blocks = values.get("runs")
        if not isinstance(blocks, dict):
            return values
        for name in self.runs:
            if not blocks.get(name):
                others = [run for run in blocks if run != name]
                raise InputError(f"runs.{name}: no such run; {nearest(name, others)}")
        return {**values, "runs": {name: resolve(name, blocks) for name in self.runs}}

    def _require_suites(self, values: Block, selected: Iterable[str]) -> None:
        """Refuse a suite that nothing makes, before it is told which keys it lacks."""
        for name in selected:
            block = values["suites"][name]
            if name not in self.ruled:
                check_part(Suite, block, f"suites.{name}")
                if block.get("csv") is None:
                    hint = nearest(name, self.ruled)
                    raise InputError(f"suites.{name}: no such name '{name}'; {hint}")

    def _suite_route(self, suite: str) -> str | None:
        return self.suites[suite].route if suite in self.suites else None

    # ---- runs

    @lru_cache(maxsize=1024)  # noqa: B019  (a configuration lives as long as its process)
    def run(self, name: str) -> Run:
        """Return the run `name`; a replica, `name@2`, has its seed plus the number."""
        if name in self.runs:
            return self.settings.runs[name]
        replicas = [replica for run in self.runs for replica in self.replicas(run)]
        if name not in replicas:
            raise InputError(f"runs: no run '{name}' is selected; {nearest(name, replicas)}")
        base, _, number = name.partition("@")
        run = self.settings.runs[base]
        return run.changed(seed=run.seed + int(number))

    def replicas(self, name: str) -> list[str]:
        """List a run's pretrainings: itself, then `name@1`, `name@2`, ... with the next seeds."""
        count = self.run(name).replicas if self.is_pretrained(name) else 1
        return [name, *(f"{name}@{number}" for number in range(1, count))]

    def is_pretrained(self, name: str) -> bool:
        """Return whether the run learns at all, or is a randomly initialised control."""
        return self.run(name).learns

    def student(self, name: str) -> StudentOptions:
        """Return the student `name`, without what it changes of fine-tuning."""
        block = self.settings.students[name]
        return STUDENTS.parse(block.model_dump(mode="json", exclude={"finetuning"}))

    @lru_cache(maxsize=1024)  # noqa: B019
    def pretrain_settings(self, name: str) -> RunSettings:
        """Return all that decides the weights of a run: what `dnastudents pretrain` gets."""
        return self._training_settings(self.run(name), f"runs.{name}")

    def teacher_settings(self, name: str) -> RunSettings:
        """Return the same for a teacher that is trained here."""
        run = self.settings.teachers[name].train
        assert run is not None
        return self._training_settings(run, f"teachers.{name}.train")

    def _training_settings(self, run: Run, where: str) -> RunSettings:
        values: Block = {
            "student": self.student(run.student).as_json(),
            "objective": run.objective.as_json(),
            "seed": run.seed,
            "simulated": self.is_simulated(self.settings.genome),
        }
        if run.learns:
            values["masking"] = None if run.masking is None else run.masking.as_json()
            if run.pretraining is not None:
                values["pretraining"] = run.pretraining.as_json()
                splits = self.settings.references[self.settings.genome].splits
                if splits is not None and not run.pretraining.window.has_folds:
                    used = splits.model_dump(mode="json", include={"train", "validation"})
                    values["pretraining"]["splits"] = used
        return parse(RunSettings, values, where)  # type: ignore[no-any-return]

    def needs(self, name: str) -> dict[str, str]:
        """Return what a run learns from beside its settings: kind of input to the name of it."""
        run = self.run(name)
        if not run.learns:
            return {}
        needed = {"reference": self.settings.genome}
        settings = self.pretrain_settings(name)
        if settings.masking is not None and settings.masking.needs_ranks:
            needed["pmi"] = "pmi"
        if run.objective.needs_teacher:
            needed["teacher"] = str(run.teacher)
            if run.teacher_cache:
                needed["features"] = name
        if run.pretraining is not None and run.pretraining.window.has_folds:
            needed["intervals"] = needed["reference"]
        return needed

    def comparisons(self) -> list[tuple[str, str]]:
        """Return each pretrained run with its controls.

        A control is the run of the same student without pretraining; then those that the run names
        in `compare_with`, as far as they are selected.
        """
        scratch: dict[str, str] = {
            self.run(name).student: name for name in self.runs if not self.is_pretrained(name)
        }
        pairs = []
        for name in filter(self.is_pretrained, self.runs):
            run = self.run(name)
            controls = dict.fromkeys([scratch.get(run.student), *(run.compare_with or ())])
            pairs += [(name, str(control)) for control in controls if control in self.runs]
        return pairs

    # ---- data

    def data(self) -> dict[str, dict[str, list[str]]]:
        """List what each reference, teacher and task of the selected runs and suites is made from.

        Ids of the manifest (`datasets`) or own paths (`files`); neither where the workflow makes
        it. The keys are `reference/NAME`, `intervals/NAME`, `teacher/NAME` and `SUITE/TASK`.
        """
        used = [pair for run in self.runs for pair in self.needs(run).items()]
        if self.tsne()[1]:
            used += [("teacher", name) for name in self.tsne_teachers()]
        kinds = ("reference", "intervals", "teacher")
        found = {f"{kind}/{name}": self._origin(kind, name) for kind, name in used if kind in kinds}
        for suite, task in self.tasks():
            own = self.own_files(suite, task)
            datasets = self.known_tasks.get(suite, {}).get(task, [])
            parts = [{"files": own} if own else {"datasets": datasets}]
            for name in self.task_references(suite, task):
                found[f"reference/{name}"] = self._origin("reference", name)
                parts.append(found[f"reference/{name}"])
            found[f"{suite}/{task}"] = _joined(parts)
        return found

    def own_files(self, suite: str, task: str) -> list[str]:
        """Return the user's own files of a task, if there are any."""
        block = self.suites[suite]
        if block.csv is not None:
            return task_tables(f"{block.csv}/{task}")
        return [block.source] if isinstance(block.source, str) else list(block.source or ())

    def _origin(self, kind: str, name: str) -> dict[str, list[str]]:
        if kind == "teacher":
            is_downloaded = self.settings.teachers[name].dataset is not None
            return {"datasets": self.teacher_datasets(name)} if is_downloaded else {}
        reference = self.settings.references[name]
        if kind == "reference" and reference.simulate is not None:
            return {}
        own, datasets = reference.fasta, reference.datasets
        if kind == "intervals" and reference.intervals is not None:
            own, datasets = reference.intervals.bed, [str(reference.intervals.dataset)]
        return {"files": [own]} if own is not None else {"datasets": datasets}

    def task_references(self, suite: str, task: str) -> list[str]:
        """Return the references of which the route of a task reads coordinates."""
        route = self.routes.get(suite, {}).get(task)
        return route.references if route else []

    def teacher_datasets(self, name: str) -> list[str]:
        """Return the ids of the files of a teacher that is downloaded."""
        return [f"{self.settings.teachers[name].dataset}/{file}" for file in TEACHER_FILES]

    def cost_settings(self) -> CountedJobs:
        """Return the configuration's jobs by name, and watts: what `dnastudents cost` gets."""
        data = self.data()
        shared = [name for name in data if name.startswith(("reference/", "teacher/"))]
        files = {id for origin in data.values() for id in origin.get("datasets", [])}
        return CountedJobs(
            runs=tuple(name for run in self.runs for name in self.replicas(run)),
            tasks=tuple("/".join(task) for task in self.tasks()),
            others=(*shared, *(f"download/{id}" for id in sorted(files))),
            watts=self.settings.cost.watts,
        )

    # ---- tasks and figures

    def is_simulated(self, reference: str) -> bool:
        """Return whether a reference comes from the simulator."""
        return self.settings.references[reference].simulate is not None

    def tasks(self) -> list[tuple[str, str]]:
        """Return every selected (suite, task)."""
        return [(suite, task) for suite, block in self.suites.items() for task in block.tasks]

    def finetune_settings(self, run: str, suite: str, task: str) -> Finetuning:
        """Return the fine-tuning settings of a run on a task."""
        return self._finetuning(suite, task, self.run(run).student)

    def baseline_settings(self, suite: str, task: str) -> BaselineOptions:
        """Return the k-mer baseline's settings; it learns from the students' sequences."""
        shared = self._finetuning(suite, task)
        return BaselineOptions(
            k=self.settings.baseline.k,
            max_train_sequences=shared.max_train_sequences,
            selection=shared.selection,
            dev=shared.dev,
        )

    def probes(self) -> list[str]:
        """Return the probes of frozen features that have a task."""
        return [name for name in ("knn", "linear") if self.probe_tasks(name)]

    def probe_tasks(self, probe: str) -> list[tuple[str, str]]:
        """List every (suite, task) of a probe: `knn` (nearest neighbours) or `linear`."""
        block = getattr(self.settings.probes, probe)
        return [task for task in self.tasks() if block is not None and task[0] in block.suites]

    def knn_settings(self, run: str, suite: str, task: str) -> KNNOptions:
        """Return those of the probe, which learns from as many sequences as fine-tuning does."""
        block = self.settings.probes.knn
        assert block is not None
        limit = self.finetune_settings(run, suite, task).max_train_sequences
        return KNNOptions(**block.model_dump(exclude={"suites"}), max_train_sequences=limit)

    def linear_settings(self, run: str, suite: str, task: str) -> Finetuning:
        """Return those of fine-tuning with what the probe changes, on frozen features."""
        block = self.settings.probes.linear
        assert block is not None
        changes = block.model_dump(exclude={"suites"}, exclude_none=True)
        # one setting for every run
        return self.finetune_settings(run, suite, task).changed(**changes, frozen=True, grid=None)

    @lru_cache(maxsize=4096)  # noqa: B019
    def _finetuning(self, suite: str, task: str, student: str | None = None) -> Finetuning:
        """Merge settings: general, the student's, the suite's, for student, for task, for both."""
        block = self.suites[suite]
        layers = [self.settings.finetuning]
        if student is not None:
            layers.append(getattr(self.settings.students[student], "finetuning"))  # noqa: B009
        layers.append(block.finetuning)
        of_student = (block.by_student or {}).get(student or "")
        if of_student is not None:
            layers.append(of_student)
        if task in (block.by_task or {}):
            layers.append((block.by_task or {})[task])
        if of_student is not None and task in (of_student.by_task or {}):
            layers.append((of_student.by_task or {})[task])
        return layered(*layers)

    def tsne(self, figure: str = "tsne") -> tuple[list[str], list[tuple[str, str]]]:
        """Return runs and (suite, task) of a t-SNE figure, of those that are selected at all.

        `tsne_cls` is of runs whose student has CLS positions of its own.
        """
        wanted = getattr(self.settings.figures, figure)
        runs = [run for run in self.runs if wanted.runs is None or run in wanted.runs]
        if figure == "tsne_cls":
            students = self.settings.students
            runs = [run for run in runs if students[self.run(run).student].has_cls_positions]
        return runs, [task for task in self.tasks() if "/".join(task) in wanted.tasks]

    def tsne_teachers(self) -> list[str]:
        """List the teachers that have a panel in the figure `tsne`: named, or those of its runs."""
        wanted = self.settings.figures.tsne.teachers
        if isinstance(wanted, tuple):
            return list(wanted)
        runs = self.tsne()[0] if wanted else []
        return list(dict.fromkeys(t for run in runs if (t := self.needs(run).get("teacher"))))


def _joined(parts: list[dict[str, list[str]]]) -> dict[str, list[str]]:
    kinds = dict.fromkeys(kind for part in parts for kind in part)
    return {kind: [name for part in parts for name in part.get(kind, [])] for kind in kinds}


def _read_files(path: Path) -> list[str]:
    """Read the ids of all files that can be downloaded."""
    with path.open(encoding="utf-8", newline="") as handle:
        return [row["id"] for row in csv.DictReader(handle)]
