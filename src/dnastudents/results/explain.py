"""From a cell of a table to what made it: seeds, settings, commits, logs and the command.

Only the results folder is read. Whether a pretraining or a task is still what a seed started from
is told by content.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from dnastudents.benchmarks.facts import METRICS
from dnastudents.benchmarks.task import load_task
from dnastudents.errors import InputError, nearest
from dnastudents.files import flat, read_json, sha256
from dnastudents.provenance import FILE, Code
from dnastudents.results.failures import read_failures
from dnastudents.results.jobs import BASELINE
from dnastudents.results.row import MetricsRow, read_row
from dnastudents.results.soundness import reasons_against


class Cell(NamedTuple):
    """A run on a task: one cell of a table.

    Attributes
    ----------
    results : Path
    kind : str
        finetune, linear, knn or baseline.
    run, task : str
        The task as suite/task.
    """

    results: Path
    kind: str
    run: str
    task: str

    @property
    def folder(self) -> Path:
        """Where its rows are."""
        return self.results / self.kind / self.run / self.task

    @property
    def log(self) -> Path:
        """What its job has said."""
        name = self.task if self.kind == "baseline" else f"{self.run}/{self.task}"
        return _log(self.results, f"{self.kind}/{name}")

    @property
    def pretrainings(self) -> list[Path]:
        """The folders of the run, one per pretraining."""
        found = {0: self.results / "pretrain" / self.run}
        for folder in (self.results / "pretrain").glob(f"{self.run}@*"):
            number = folder.name.rpartition("@")[2]
            found |= {int(number): folder} if number.isdecimal() else {}
        return [folder for _, folder in sorted(found.items()) if folder.is_dir()]


def explain(results: Path, task: str, run: str, kind: str = "finetune") -> str:
    """Tell how a cell of a table came to be.

    Parameters
    ----------
    results : Path
        The workflow's results folder.
    task : str
        As suite/task.
    run : str
        A run of the configuration, or the k-mer baseline.
    kind : {'finetune', 'linear', 'knn'}
        Which of the run's results. The baseline has one.

    Returns
    -------
    str
        Lines of text.

    Raises
    ------
    InputError
        There is no such run or task, with the nearest name that there is; or a file is broken.
    """
    cell = _find(Cell(results, "baseline" if run == BASELINE else kind, run, task))
    files = cell.folder.glob("seed_*.json")
    rows = sorted((read_row(file) for file in files), key=lambda row: row.seed)
    if not rows:
        raise InputError(f"{cell.folder}: no seed_<s>.json in it; run it again")
    failed = read_failures(cell.folder, [row.seed for row in rows])
    sections = [_results(cell, rows, failed)]
    if cell.kind != "baseline":
        sections += [_pretraining(cell, folder) for folder in cell.pretrainings]
    sections += [_task(cell, rows), _again(cell, [*(row.seed for row in rows), *map(int, failed)])]
    return "\n".join(line for section in sections for line in section)


def _find(cell: Cell) -> Cell:
    """Return the cell, if there is one."""
    if not cell.results.is_dir():
        raise InputError(f"{cell.results}: no such folder; name the results folder of a workflow")
    folder = cell.results / cell.kind
    runs = [*_names(folder), BASELINE]
    if cell.run not in runs:
        raise InputError(f"{folder}: no run '{cell.run}'; {nearest(cell.run, runs)}")
    folder = folder / cell.run
    tasks = [f"{suite}/{task}" for suite in _names(folder) for task in _names(folder / suite)]
    if cell.task not in tasks:
        raise InputError(f"{folder}: no task '{cell.task}'; {nearest(cell.task, tasks)}")
    return cell


def _names(folder: Path) -> list[str]:
    """List the folders in a folder, without those that a job is writing."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path.name for path in found if path.is_dir() and path.name[0] != ".")


def _results(cell: Cell, rows: Sequence[MetricsRow], failed: Mapping[str, str]) -> Iterator[str]:
    yield f"{cell.run} on {cell.task} ({cell.kind}): {cell.folder}"
    yield f"  log: {cell.log}"
    for row in rows:
        yield f"  seed {row.seed}: {METRICS[row.metric]} {row.value!r}"
        for reason in reasons_against(row.as_json()):
            yield f"    says nothing of the sequences: {reason}"
        yield f"    made by: {_made_by(row.as_json())}, on {row.device}"
        if row.grid is not None:
            chosen = row.in_words(row.grid.split(", "))
            yield f"    chosen of {row.grid_cells} cells: {chosen}"
        if row.weights is not None:
            yield f"    pretraining: {_start(cell, row)}"
    for seed, reason in failed.items():
        yield f"  seed {seed}: failed, {reason}"
    yield from _settings(cell.folder)


def _start(cell: Cell, row: MetricsRow) -> str:
    """Say what a seed started from."""
    for folder in cell.pretrainings:
        if _weights(folder) == row.weights:
            new = "" if row.pretrained else "; never pretrained, each seed draws new weights"
            return f"{folder}{new}"
    return (
        f"weights {row.weights}, which no pretraining of the run has any longer; run this task "
        "again, or the pretraining of seed "
        f"{'unknown' if row.pretraining_seed is None else row.pretraining_seed}"
    )


@lru_cache(maxsize=64)
def _weights(pretraining: Path) -> str | None:
    file = pretraining / "model" / "model.safetensors"
    return sha256(file) if file.is_file() else None


def _pretraining(cell: Cell, folder: Path) -> Iterator[str]:
    metrics = read_json(folder / "metrics.json")
    yield f"pretraining {folder}: seed {metrics['seed']}, {metrics['steps']} steps"
    yield f"  log: {_log(cell.results, f'pretrain/{folder.name}')}"
    yield f"  made by: {_made_by(metrics)}"
    if trained := metrics.get("trained_at"):
        yield f"  trained by: commit {', '.join(commit or 'not known' for commit in trained)}"
    yield f"  settings digest: {metrics['settings_digest']}"
    yield from _settings(folder)


def _task(cell: Cell, rows: Sequence[MetricsRow]) -> Iterator[str]:
    folder = cell.results / "tasks" / cell.task
    task = load_task(folder)
    yield f"task {folder}: {task.protocol.source}"
    yield f"  log: {_log(cell.results, f'tasks/{cell.task}')}"
    if (folder / FILE).is_file():  # a program of the user's own may have written the task
        yield f"  made by: {_made_by(read_json(folder / FILE))}"
    yield f"  sha256 of the source: {task.protocol.sha256 or 'not known'}"
    yield f"  dev: {task.protocol.dev_rule}"
    if other := [str(row.seed) for row in rows if row.task_digest != task.digest]:
        yield f"  CHANGED since seed {', '.join(other)} was tested on it; run it again"


def _again(cell: Cell, seeds: Sequence[int]) -> Iterator[str]:
    """Give the commands that make the results again: in the workflow, or alone."""
    yield "to make it again:"
    resolved = cell.results / "config.resolved.yaml"
    configfile = ["--configfile", str(resolved)] if resolved.is_file() else []
    forced = [str(cell.folder), "--forcerun", str(cell.folder)]  # else kept seeds are taken
    yield f"  {shlex.join(['snakemake', *forced, *configfile])}"
    yield "or without the workflow, beside what there is:"
    command = {"linear": "finetune"}.get(cell.kind, cell.kind)
    words = ["python", "-m", "dnastudents", command]
    if cell.kind != "baseline":
        words += [cell.run, "--pretrained", *map(str, cell.pretrainings)]
    words += ["--task", str(cell.results / "tasks" / cell.task)]
    words += ["--settings", str(cell.folder / "settings.json"), "--seeds", *map(str, seeds)]
    if command == "finetune":
        words += ["--state", "again/state"]
    yield f"  {shlex.join([*words, '--output', f'again/{cell.kind}'])}"


def _settings(folder: Path) -> Iterator[str]:
    file = folder / "settings.json"
    yield f"  settings: {file}"
    for key, value in flat(read_json(file)):
        yield f"    {key}: {value}"


def _made_by(record: Mapping[str, Any]) -> str:
    code = str(Code(record.get("commit"), record.get("dirty"))) or "not known"
    versions = record.get("versions") or {}
    names = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"commit {code} ({names})"


def _log(results: Path, name: str) -> Path:
    return results / "logs" / f"{name}.log"
