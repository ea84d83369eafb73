"""The workflow's configuration: merge, validate, resolve. Free of torch, so Snakemake parses fast.

Three design decisions:

- `config.yaml` is the base of every other file. Blocks merge key by key, but the `runs` and
  `suites` of another file *select*: only what it names is run, and every named block starts from
  the block of the same name in the base.
- A run block may extend another (`extends: had`), also one that is not selected.
- Everything wrong is one `InputError` that names the key and the nearest known name, raised before
  Snakemake plans anything.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dnastudents.benchmarks.own_tables import task_tables
from dnastudents.benchmarks.routes import choose, read_routes
from dnastudents.config.checks import check, has_intervals, has_teacher
from dnastudents.config.merge import Block, chain, merge, read_yaml, selection, validate
from dnastudents.errors import InputError, nearest

Tasks = dict[str, list[str]]  # a suite's tasks and the ids of their files
SELECTIONS = ("runs", "suites")
TEACHER_FILES = ("config.json", "model.safetensors", "vocab.txt")
PMI_MASKINGS = {"genemask", "global_pmi", "cm_step", "cm_gems"}


class Config:
    """A validated configuration.

    Parameters
    ----------
    root : Path
        The repository's root, where `config.yaml` and `workflow/` are.
    changes : mapping
        What Snakemake gathered from `--configfile` and `--config`.

    Raises
    ------
    InputError
        For an unknown key or name, a wrong type, or a path that is not there.
    """

    def __init__(self, root: Path, changes: Mapping[str, Any] | None = None) -> None:
        self.root = root
        base = read_yaml(root / "config.yaml")
        links = chain(root, dict(changes or {}))
        selected = {key: selection(key, links) for key in SELECTIONS}
        self.values = base
        for link in reversed(links):
            self.values = merge(self.values, link)
        schema = read_yaml(root / "workflow/schemas/config.schema.yaml")
        validate(self.values, schema)
        self._blocks: dict[str, Block] = {}
        self.runs = list(selected["runs"] or self.values["runs"])
        suites = self.values["suites"]
        self.suites = {name: suites[name] for name in selected["suites"] or suites}
        self.routes = {
            suite: choose(suite, tasks, self.suites.get(suite, {}).get("route"))
            for suite, tasks in read_routes(root / "workflow/resources/tasks.csv").items()
        }
        self.known_tasks: dict[str, Tasks] = {
            suite: {task: route.files for task, route in tasks.items()}
            for suite, tasks in self.routes.items()
        }
        self.known_files = _read_files(root / "workflow/resources/datasets.csv")
        check(self, {"$ref": "#/$defs/run", "$defs": schema["$defs"]})

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    # ---- runs

    def run(self, name: str) -> Block:
        """The block of run `name` with everything it extends put in.

        A replica, `name@2`, has the seed of the run plus its number.
        """
        name, _, number = name.partition("@")
        about = ("extends", "replicas", "compare_with")
        resolved = {k: v for k, v in self._resolved(name).items() if k not in about}
        if number:
            resolved["seed"] += int(number)
        return resolved

    def _resolved(self, name: str) -> Block:
        """The same with the keys that are about the run and do not decide its weights.

        Kept, since Snakemake asks for every run thousands of times; not to be changed.
        """
        if name not in self._blocks:
            self._blocks[name] = self._resolve(name)
        return self._blocks[name]

    def _resolve(self, name: str) -> Block:
        blocks = self.values["runs"]
        chain: list[str] = []
        while name is not None:
            if name in chain:
                raise InputError(f"runs.{chain[-1]}.extends: the chain {chain} goes in a circle")
            if name not in blocks:
                where = f"runs.{chain[-1]}.extends" if chain else "runs"
                raise InputError(f"{where}: no run '{name}'; {nearest(name, blocks)}")
            chain.append(name)
            name = blocks[name].get("extends")
        resolved: Block = {}
        for link in reversed(chain):
            resolved = merge(resolved, blocks[link])
        return resolved

    def replicas(self, name: str) -> list[str]:
        """The pretrainings of a run: itself, then `name@1`, `name@2`, ... with the next seeds."""
        count = self._resolved(name).get("replicas", 1) if self.is_pretrained(name) else 1
        return [name, *(f"{name}@{number}" for number in range(1, count))]

    def is_pretrained(self, name: str) -> bool:
        """Whether the run learns at all, or is a randomly initialised control."""
        return self.run(name)["objective"]["name"] != "none"

    def pretrain_settings(self, name: str) -> Block:
        """All that decides the weights of a run: what `python -m dnastudents pretrain` gets."""
        return self._training_settings(self.run(name))

    def teacher_settings(self, name: str) -> Block:
        """The same for a teacher that is trained here."""
        return self._training_settings(self.values["teachers"][name]["train"])

    def _training_settings(self, block: Block) -> Block:
        student = {k: v for k, v in self._student(block).items() if k != "finetuning"}
        settings = {
            "student": student,
            "objective": block["objective"],
            "seed": block["seed"],
            "simulated": self.is_simulated(self.values["genome"]),
        }
        if block["objective"]["name"] != "none":
            settings["masking"] = block["masking"]
            settings["pretraining"] = dict(block["pretraining"])
            if not has_intervals(block):  # whose folds would be the splits
                splits = self.values["references"][self.values["genome"]]["splits"]
                used = {name: splits[name] for name in ("train", "validation")}
                settings["pretraining"]["splits"] = used
        return settings

    def _student(self, block: Block) -> Block:
        return self.values["students"][block["student"]]

    def needs(self, name: str) -> dict[str, str]:
        """What a run learns from beside its settings: kind of input to the name of it."""
        block = self.run(name)
        if not self.is_pretrained(name):
            return {}
        needed = {"reference": str(self.values["genome"])}
        if block["masking"]["name"] in PMI_MASKINGS:
            needed["pmi"] = "pmi"
        if has_teacher(block):
            needed["teacher"] = block["teacher"]
            if block.get("teacher_cache"):
                needed["features"] = name
        if has_intervals(block):
            needed["intervals"] = needed["reference"]
        return needed

    def comparisons(self) -> list[tuple[str, str]]:
        """Each pretrained run with its controls.

        A control is the run of the same student without pretraining; then those that the run names
        in `compare_with`, as far as they are selected.
        """
        scratch = {
            self.run(name)["student"]: name for name in self.runs if not self.is_pretrained(name)
        }
        pairs = []
        for name in filter(self.is_pretrained, self.runs):
            own = self.values["runs"][name].get("compare_with") or []
            controls = dict.fromkeys([scratch.get(self.run(name)["student"]), *own])
            pairs += [(name, control) for control in controls if control in self.runs]
        return pairs

    # ---- data

    def data(self) -> dict[str, dict[str, list[str]]]:
        """What each reference, teacher and task of the selected runs and suites is made from.

        Ids of the manifest (`datasets`) or own paths (`files`); neither where the workflow makes
        it. The keys are `reference/NAME`, `intervals/NAME`, `teacher/NAME` and `SUITE/TASK`.
        """
        used = [pair for run in self.runs for pair in self.needs(run).items()]
        if self.tsne()[1]:
            used += [("teacher", name) for name in self.tsne_teachers()]
        kinds = ("reference", "intervals", "teacher")
        found = {f"{kind}/{name}": self._origin(kind, name) for kind, name in used if kind in kinds}
        for suite, task in self.tasks():
            block = self.suites[suite]
            own = block.get("source")
            if "csv" in block:
                own = task_tables(f"{block['csv']}/{task}")
            datasets = self.known_tasks.get(suite, {}).get(task, [])
            parts = [
                {"files": [own] if isinstance(own, str) else own} if own else {"datasets": datasets}
            ]
            for name in self.task_references(suite, task):
                found[f"reference/{name}"] = self._origin("reference", name)
                parts.append(found[f"reference/{name}"])
            found[f"{suite}/{task}"] = _joined(parts)
        return found

    def _origin(self, kind: str, name: str) -> dict[str, list[str]]:
        if kind == "teacher":
            block = self.values["teachers"][name]
            return {"datasets": self.teacher_datasets(name)} if "dataset" in block else {}
        block = self.values["references"][name]
        if kind == "reference" and "simulate" in block:
            return {}
        own, block = ("bed", block["intervals"]) if kind == "intervals" else ("fasta", block)
        return {"files": [block[own]]} if own in block else {"datasets": [block["dataset"]]}

    def task_references(self, suite: str, task: str) -> list[str]:
        """The references of which the route of a task reads coordinates."""
        route = self.routes.get(suite, {}).get(task)
        return route.references if route else []

    def teacher_datasets(self, name: str) -> list[str]:
        """The ids of the files of a teacher that is downloaded."""
        return [f"{self.values['teachers'][name]['dataset']}/{file}" for file in TEACHER_FILES]

    def cost_settings(self) -> Block:
        """The jobs of this configuration by name, and watts: what `dnastudents cost` gets."""
        data = self.data()
        shared = [name for name in data if name.startswith(("reference/", "teacher/"))]
        files = {id for origin in data.values() for id in origin.get("datasets", [])}
        return {
            "runs": [name for run in self.runs for name in self.replicas(run)],
            "tasks": ["/".join(task) for task in self.tasks()],
            "others": [*shared, *(f"download/{id}" for id in sorted(files))],
            "watts": self.values["cost"]["watts"],
        }

    # ---- tasks and figures

    def is_simulated(self, reference: str) -> bool:
        """Whether a reference comes from the simulator."""
        return "simulate" in self.values["references"][reference]

    def tasks(self) -> list[tuple[str, str]]:
        """Every selected (suite, task)."""
        return [(suite, task) for suite, block in self.suites.items() for task in block["tasks"]]

    def finetune_settings(self, run: str, suite: str, task: str) -> Block:
        """The fine-tuning settings of a run on a task."""
        return self._finetuning(suite, task, self.run(run)["student"])

    def baseline_settings(self, suite: str, task: str) -> Block:
        """The k-mer baseline learns from the same sequences as the students."""
        settings = self._finetuning(suite, task)
        keys = ("max_train_sequences", "selection", "dev")
        shared = {key: settings[key] for key in keys if key in settings}
        return {**self.values["baseline"], **shared}

    def probes(self) -> list[str]:
        """The probes of frozen features that have a task."""
        return [name for name in self.values["probes"] if self.probe_tasks(name)]

    def probe_tasks(self, probe: str) -> list[tuple[str, str]]:
        """Every (suite, task) of a probe: `knn`, nearest neighbours; `linear`, a linear head."""
        suites = (self.values["probes"][probe] or {}).get("suites", [])
        return [(suite, task) for suite, task in self.tasks() if suite in suites]

    def knn_settings(self, run: str, suite: str, task: str) -> Block:
        """The probe learns from as many sequences as fine-tuning does."""
        settings = {k: v for k, v in self.values["probes"]["knn"].items() if k != "suites"}
        limit = self.finetune_settings(run, suite, task)["max_train_sequences"]
        return {**settings, "max_train_sequences": limit}

    def linear_settings(self, run: str, suite: str, task: str) -> Block:
        """Those of fine-tuning with what the probe changes, on frozen features."""
        changes = {k: v for k, v in self.values["probes"]["linear"].items() if k != "suites"}
        settings = {**self.finetune_settings(run, suite, task), **changes, "frozen": True}
        return {k: v for k, v in settings.items() if k != "grid"}  # one setting for every run

    def _finetuning(self, suite: str, task: str, student: str | None = None) -> Block:
        """General settings, then the student's, the suite's, those for student, task and both."""
        block = self.suites[suite]
        settings = self.values["finetuning"]
        of_student = dict((block.get("by_student") or {}).get(student, {}))
        of_both = (of_student.pop("by_task", None) or {}).get(task, {})
        for changes in (
            self.values["students"].get(student, {}).get("finetuning", {}),
            block.get("finetuning", {}),
            of_student,
            (block.get("by_task") or {}).get(task, {}),
            of_both,
        ):
            settings = merge(settings, changes) if changes else settings
        return settings

    def tsne(self, figure: str = "tsne") -> tuple[list[str], list[tuple[str, str]]]:
        """Runs and (suite, task) of a t-SNE figure, of those that are selected at all.

        `tsne_cls` is of runs whose student is a chordmixer, since no other has CLS tokens.
        """
        wanted = self.values["figures"][figure]
        runs = [run for run in self.runs if wanted["runs"] is None or run in wanted["runs"]]
        if figure == "tsne_cls":
            runs = [run for run in runs if self._architecture(run) == "chordmixer"]
        return runs, [task for task in self.tasks() if "/".join(task) in wanted["tasks"]]

    def tsne_teachers(self) -> list[str]:
        """The teachers that have a panel in the figure `tsne`: named, or those of its runs."""
        wanted = self.values["figures"]["tsne"]["teachers"]
        if isinstance(wanted, list):
            return wanted
        runs = self.tsne()[0] if wanted else []
        return list(dict.fromkeys(t for run in runs if (t := self.needs(run).get("teacher"))))

    def _architecture(self, run: str) -> str:
        return str(self._student(self.run(run))["architecture"])


def _joined(parts: list[dict[str, list[str]]]) -> dict[str, list[str]]:
    kinds = dict.fromkeys(kind for part in parts for kind in part)
    return {kind: [name for part in parts for name in part.get(kind, [])] for kind in kinds}


def _read_files(path: Path) -> list[str]:
    """The ids of all files that can be downloaded."""
    with path.open(encoding="utf-8", newline="") as handle:
        return [row["id"] for row in csv.DictReader(handle)]
