"""A metrics row: everything that one run on one task with one seed gives, one JSON file each.

Fine-tuning, probes and the k-mer baseline make the same type, so each column has its name, type and
meaning here and nowhere else. What does not apply to a kind of result is null there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from dnastudents.benchmarks.facts import METRICS, Metric
from dnastudents.benchmarks.task import Task
from dnastudents.errors import InputError
from dnastudents.files import write_json
from dnastudents.settings import Count, NotNegative, Settings, parse


class MetricsRow(Settings):
    """One result, and what made it."""

    run: str = Field(description="Name of the run.")
    method: str = Field(description="How the run learns, as tables name it.")
    task: str = Field(description="Name of the task in its suite.")
    suite: str = Field(description="Name of the suite.")
    seed: int = Field(description="Of what is random after pretraining.")
    metric: Metric = Field(description="What the task is judged by.")
    value: float = Field(description="The task's metric on test.")
    accuracy: float = Field(description="On test, as all metrics.")
    f1: float | None = Field(description="Of class 1; null unless there are two.")
    f1_macro: float = Field(description="Over the classes that occur.")
    mcc: float = Field(description="0 where undefined.")
    auc: float | None = Field(description="null where a class is absent.")
    n_train: Count = Field(description="Sequences that train.")
    n_dev: int = Field(ge=0, description="Sequences that select; 0 where nothing does.")
    n_test: Count = Field(description="Sequences that are tested.")
    confusion: tuple[tuple[int, ...], ...] = Field(description="Counts, true classes as rows.")
    best_epoch: Count | None = Field(description="The epoch that is tested.")
    learning_rate: float | None = Field(description="Of the fine-tuning, or its chosen cell.")
    batch_size: Count | None = Field(description="Of the fine-tuning, or its chosen cell.")
    wall_seconds: NotNegative = Field(
        description="Of training and test; a part of them where several seeds share the device. "
        "Frozen features that seeds share are not in it."
    )
    device: str = Field(description="What computed.")
    peak_memory_mb: NotNegative = Field(description="MiB of the GPU, or of the process so far.")
    versions: dict[str, str] = Field(description="Of this package, Python and libraries.")
    config_digest: str = Field(description="Digest of the settings and the weights.")
    simulated: bool = Field(description="Whether the task or the genome is made up.")
    pretrained: bool = Field(description="Whether the run has learnt before.")
    commit: str | None = Field(description="Commit of this package; null: not known.")
    dirty: bool | None = Field(description="Whether files differed from the commit.")
    task_digest: str = Field(description="Digest of the content of the task folder.")
    constant: bool | None = Field(
        None, description="Whether one class is predicted throughout; null: an older row."
    )
    undefined: tuple[str, ...] | None = Field(
        None, description="Metrics that are undefined here: 0 or null by convention."
    )
    # Only some kinds of results have these.
    equal_features: bool | None = Field(
        None, description="Whether all frozen features are equal, so that nothing can be learnt."
    )
    best_dev: float | None = Field(None, description="The task's metric on dev, where it selects.")
    dev: Literal["task", "by_seed", "none"] | None = Field(
        None, description="Whose dev split selects."
    )
    frozen: bool | None = Field(None, description="Whether only a head learns.")
    epochs: Count | None = Field(None, description="Of the fine-tuning, or its chosen cell.")
    grid_cells: Count | None = Field(None, description="Of which dev has chosen one.")
    grid: str | None = Field(None, description="Settings in which the cells differ; null: none.")
    initialisation: str | None = Field(
        None, description="How the student's weights start; null: as its architecture does."
    )
    kmer_lengths: str | None = Field(None, description="Of the k-mers that are counted.")
    mode: str | None = Field(None, description="as_described or as_released; '' if not known.")
    n_truncated: int | None = Field(None, description="Sequences whose end is not read.")
    neighbours: Count | None = Field(None, description="Neighbours that vote.")
    pooling: str | None = Field(None, description="How a sequence becomes one vector.")
    pooling_parts: Count | None = Field(None, description="Parts that are pooled; null: the whole.")
    pretraining_seed: int | None = Field(None, description="null also where there is none.")
    released_transfer: bool | None = Field(None, description="Whether a new network is built.")
    reverse_complement: str | None = Field(None, description="How the other strand is used.")
    selection: Literal["best_dev", "last"] | None = Field(
        None, description="Which epoch or strength is tested."
    )
    strength: float | None = Field(None, description="Inverse L2 penalty that dev has chosen.")
    weights: str | None = Field(None, description="SHA-256 of the pretrained weights.")
    failed_seeds: str | None = Field(
        None, description="Put in as rows are gathered: JSON object, failed seed to reason."
    )


REQUIRED_COLUMNS = tuple(
    name for name, field in MetricsRow.model_fields.items() if field.is_required()
)

TEXT, TEXT_OR_NULL = (
    tuple(name for name, field in MetricsRow.model_fields.items() if field.annotation == kind)
    for kind in (str, str | None)
)


def primary(metrics: Mapping[str, Any], name: str) -> float:
    """Return the value of the metric `name`, by which a task is judged."""
    if name not in METRICS:
        raise InputError(f"metric {name!r} is unknown; choose one of {', '.join(METRICS)}")
    if metrics[name] is None:
        raise InputError(f"metric {name!r} is undefined for this task; choose f1_macro or mcc")
    return float(metrics[name])


def make_row(task: Task, metrics: Mapping[str, Any], values: Mapping[str, Any]) -> MetricsRow:
    """Make a row, checked: what any row of the task has, its metrics, and then `values`."""
    of_task = {
        "task": task.task,
        "suite": task.suite,
        "metric": task.metric,
        "value": primary(metrics, task.metric),
        "n_test": len(task.test),
        "task_digest": task.digest,
        "simulated": task.simulated,
    }
    row: MetricsRow = parse(MetricsRow, {**of_task, **metrics, **values}, "metrics row")
    return row


def write_row(file: Path, row: MetricsRow) -> None:
    """Write a row as JSON."""
    write_json(file, row.as_json())


def read_row(file: Path) -> MetricsRow:
    """Read a row.

    Raises
    ------
    InputError
        It is absent, or not a row as this version writes it; it names the file and the key.
    """
    try:
        return MetricsRow.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        key = ".".join(map(str, wrong["loc"]))
        problem = {
            "missing": f"no {key}",
            "extra_forbidden": f"unknown key {key}",
            "json_invalid": "not valid JSON",
            "model_type": "not a metrics row (a JSON object)",
        }.get(wrong["type"], f"{key} is {wrong['input']!r}")
        raise InputError(f"{file}: {problem}; remove the folder and run it again") from None
