"""What must hold in a configuration beyond its schema; each mistake is one `InputError`.

It names the key and the nearest known name. Here are also the two questions about a run's block
whose answers both the checks and `Config` need.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dnastudents.benchmarks.own_tables import own_rules, task_tables
from dnastudents.config.merge import Block, validate
from dnastudents.errors import InputError, nearest

if TYPE_CHECKING:
    from dnastudents.config.config import Config

PRETRAINING = ("steps", "batch_size", "window", "optimizer")  # what no run can do without


def check(config: Config, run_schema: Block) -> None:
    """Check names, runs and paths.

    Parameters
    ----------
    config : Config
        With its values merged and its runs and suites selected.
    run_schema : mapping
        JSON schema of a run with everything that it extends.

    Raises
    ------
    InputError
        For the first mistake.
    """
    _check_references(config)
    _check_runs(config, run_schema)
    _check_teachers(config)
    _check_suites(config)
    _check_figures_and_probes(config)
    _check_paths(config)


def has_teacher(block: Block) -> bool:
    """HAD without alignment is reconstruction alone."""
    objective = block["objective"]
    return objective["name"] == "had" and objective.get("alignment_weight", 1.0) > 0


def has_intervals(block: Block) -> bool:
    """Whether a run reads its windows in the intervals of a BED file."""
    return bool(block["pretraining"]["window"].get("kind") == "intervals")


def _check_references(config: Config) -> None:
    values = config.values
    _known("genome", values["genome"], values["references"])
    for name, block in values["references"].items():
        if "dataset" in block:
            _known(f"references.{name}.dataset", block["dataset"], config.known_files)
        if "dataset" in block.get("intervals", {}):
            where = f"references.{name}.intervals.dataset"
            _known(where, block["intervals"]["dataset"], config.known_files)
        _check_splits(f"references.{name}.splits", block.get("splits", {}))
    if "splits" not in values["references"][values["genome"]]:
        raise InputError(
            f"references.{values['genome']}.splits: runs are pretrained on this genome; "
            "name its train and validation chromosomes"
        )
    if "simulated" in config.suites and not config.is_simulated(values["genome"]):
        raise InputError("suites.simulated: its tasks need a simulated genome; drop the suite")


def _check_runs(config: Config, run_schema: Block) -> None:
    values = config.values
    for name in config.runs:
        if not values["runs"][name]:
            others = [run for run in values["runs"] if run != name]
            raise InputError(f"runs.{name}: no such run; {nearest(name, others)}")
        resolved = config.run(name)
        validate(resolved, run_schema, f"runs.{name}")
        for control in values["runs"][name].get("compare_with") or []:
            _known(f"runs.{name}.compare_with", control, values["runs"])
        _check_run(f"runs.{name}", resolved, values)


def _check_teachers(config: Config) -> None:
    values = config.values
    folders = {name.split("/")[0] for name in config.known_files}
    for name, block in values["teachers"].items():
        if "dataset" in block:
            _known(f"teachers.{name}.dataset", block["dataset"], folders)
        if "train" in block:
            _check_run(f"teachers.{name}.train", block["train"], values)
            if has_intervals(block["train"]):
                raise InputError(
                    f"teachers.{name}.train.pretraining.window.kind: a teacher that is trained "
                    "here takes windows or pieces; choose one"
                )


def _check_suites(config: Config) -> None:
    values = config.values
    for suite, block in config.suites.items():
        rules = own_rules(config.root)
        if "csv" in block:
            _check_csv(suite, block, {*config.known_tasks, "simulated", *rules})
        else:
            _known(f"suites.{suite}", suite, {*config.known_tasks, "simulated", *rules})
        named = [*block["tasks"], *(block.get("by_task") or {})]
        for changes in (block.get("by_student") or {}).values():
            named += changes.get("by_task") or []
        known = config.known_tasks.get(suite, block["tasks"])
        for task in named:
            _known(f"suites.{suite}.tasks", task, known)
        if suite not in config.known_tasks and "route" in block:
            raise InputError(f"suites.{suite}.route: a suite of your own has no routes; drop it")
        for student in block.get("by_student") or {}:
            _known(f"suites.{suite}.by_student", student, values["students"])
        _check_task_references(config, suite)


def _check_csv(suite: str, block: Block, taken: set[str]) -> None:
    if suite in taken:
        raise InputError(f"suites.{suite}.csv: '{suite}' has a rule already; choose another name")
    if "source" in block:
        raise InputError(f"suites.{suite}: it has `csv` and `source`; drop one of them")
    for task in block["tasks"]:
        for path in task_tables(f"{block['csv']}/{task}"):
            if not Path(path).is_file():
                raise InputError(f"suites.{suite}.csv: no file '{path}'; add it, or drop the task")


def _check_task_references(config: Config, suite: str) -> None:
    for task in config.suites[suite]["tasks"]:
        for name in config.task_references(suite, task):
            if name not in config.values["references"]:
                dataset = f"reference/{name}.fa.gz"
                known = f"`dataset: {dataset}` or " if dataset in config.known_files else ""
                raise InputError(
                    f"suites.{suite}.route: the coordinates of {task} are of '{name}'; "
                    f"add references.{name} with {known}`fasta:` and your own file"
                )


def _check_figures_and_probes(config: Config) -> None:
    values = config.values
    every_task = {f"{suite}/{name}" for suite, name in config.tasks()}
    every_task |= _all_tasks(config.known_tasks)
    for figure in ("tsne", "tsne_cls"):
        for task in values["figures"][figure]["tasks"]:
            _known(f"figures.{figure}.tasks", task, every_task)
        for name in values["figures"][figure]["runs"] or []:
            _known(f"figures.{figure}.runs", name, values["runs"])
    for name in config.tsne_teachers():
        _known("figures.tsne.teachers", name, values["teachers"])
    for probe, block in values["probes"].items():
        for suite in (block or {}).get("suites", []):
            _known(f"probes.{probe}.suites", suite, values["suites"])


def _check_paths(config: Config) -> None:
    places = {
        f"references.{name}.fasta": block.get("fasta")
        for name, block in config.values["references"].items()
    }
    for name, block in config.values["references"].items():
        places[f"references.{name}.intervals.bed"] = block.get("intervals", {}).get("bed")
    for name, block in config.suites.items():
        places[f"suites.{name}.source"] = block.get("source")
    if "://" not in str(config.values["mirror"]):
        places["mirror"] = config.values["mirror"]
    for key, place in places.items():
        for path in [place] if isinstance(place, str) else place or []:
            if not Path(path).exists():
                raise InputError(f"{key}: nothing at '{path}'; correct the path or drop it")


def _check_run(key: str, block: Block, values: Block) -> None:
    _require(key, block, "student", "objective", "seed")
    _known(f"{key}.student", block["student"], values["students"])
    objective = block["objective"].get("name")
    if objective is None:
        raise InputError(f"{key}.objective: 'name' is missing")
    if objective == "none":
        return
    _require(key, block, "masking", "pretraining")
    _require(f"{key}.pretraining", block["pretraining"], *PRETRAINING)
    if has_intervals(block) and "intervals" not in values["references"][values["genome"]]:
        raise InputError(
            f"{key}.pretraining.window.kind: 'intervals' needs references.{values['genome']}"
            ".intervals; give it a BED file"
        )
    groups = block["masking"].get("name") == "teacher_groups"
    if groups != (objective == "had"):
        raise InputError(f"{key}.masking: 'teacher_groups' and the objective 'had' belong together")
    if has_teacher(block):
        if "teacher" not in block:
            raise InputError(f"{key}: the objective 'had' needs a `teacher:`")
        _known(f"{key}.teacher", block["teacher"], values["teachers"])


def _require(key: str, block: Block, *parts: str) -> None:
    for part in parts:
        if part not in block:
            raise InputError(f"{key}: '{part}' is missing; add it, or `extends:` a run that has it")


def _check_splits(key: str, splits: Block) -> None:
    seen: dict[str, str] = {}
    for split, names in splits.items():
        for name in names:
            if name in seen:
                raise InputError(f"{key}: '{name}' is in {seen[name]} and in {split}; choose one")
            seen[name] = split


def _known(key: str, name: str, known: Iterable[str]) -> None:
    known = list(known)
    if name not in known:
        raise InputError(f"{key}: no such name '{name}'; {nearest(name, known)}")


def _all_tasks(tasks: Mapping[str, Mapping[str, list[str]]]) -> set[str]:
    return {f"{suite}/{task}" for suite, names in tasks.items() for task in names}
