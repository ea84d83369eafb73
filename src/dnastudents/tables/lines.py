"""The rows of a suite's table: what a run, the baseline or a publication has on each task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from dnastudents.results.costs import Size
from dnastudents.results.failures import Incomplete, incomplete
from dnastudents.results.jobs import BASELINE
from dnastudents.results.published import MEAN_TASK
from dnastudents.results.rows import estimate
from dnastudents.results.soundness import unsound
from dnastudents.results.statistics import Estimate

PUBLISHED = "published"
UNKNOWN = Size()


@dataclass
class Line:
    """One row of a table: its label and task -> estimate, all as fractions.

    `failed` has the tasks of which some seeds are missing, `unsound` those where a score says
    nothing.
    """

    label: str
    kind: str  # ours | baseline | published
    source: str
    scores: dict[str, Estimate]
    simulated: bool = False
    failed: dict[str, Incomplete] = field(default_factory=dict)
    unsound: frozenset[str] = frozenset()
    size: Size = UNKNOWN
    published_mean: float = math.nan
    run: str = ""

    def score(self, task: str) -> float:
        """Return the score on a task; NaN where there is none."""
        return self.scores[task].mean if task in self.scores else math.nan

    def mean(self, tasks: Sequence[str]) -> float:
        """Return the mean over tasks; NaN unless there is a score on each."""
        return sum(map(self.score, tasks)) / len(tasks)

    def overall(self, tasks: Sequence[str]) -> float:
        """Return the mean over all tasks of a table, or the mean that was published of them."""
        mean = self.mean(tasks)
        return self.published_mean if math.isnan(mean) else mean


def made_up_tasks(metrics: pd.DataFrame) -> set[str]:
    """Return the tasks whose sequences are simulated.

    A row is simulated too where only the genome was that its run has read; the baseline reads none.
    """
    by_task = metrics.groupby("task")
    return {str(task) for task, rows in by_task if _of_baseline(rows)["simulated"].all()}


def _of_baseline(rows: pd.DataFrame) -> pd.DataFrame:
    own = rows[rows["run"] == BASELINE]
    return rows if own.empty else own


def own_line(
    run: str, rows: pd.DataFrame, tasks: Sequence[str], made_up: set[str], size: Size
) -> Line:
    """Make the row of a run, or of the baseline, from its metrics rows."""
    by_task = {str(task): group for task, group in rows.groupby("task") if task in tasks}
    pretraining = bool((rows["simulated"] & rows["pretrained"]).any())
    label = run
    if made_up & by_task.keys():
        label = f"{run} (simulated)"
    elif pretraining:
        label = f"{run} (simulated pretraining)"
    return Line(
        label,
        "baseline" if run == BASELINE else "ours",
        "measured here",
        {task: estimate(by_task[task]) for task in tasks if task in by_task},
        simulated=pretraining or bool(made_up & by_task.keys()),
        failed={task: lost for task, group in by_task.items() if (lost := incomplete(group))},
        unsound=frozenset(task for task, group in by_task.items() if unsound(group)),
        size=size,
        run=run,
    )


def published_lines(
    published: pd.DataFrame, suite: str, metrics: Mapping[str, str]
) -> tuple[list[Line], list[str]]:
    """Return published rows with a comparable score, and their sources in order of use."""
    tasks = list(metrics)
    mean_of_all = f"{MEAN_TASK}{len(tasks)}"
    rows = published[published["suite"] == suite]
    # The other rows of its paper say which tasks a published mean is over.
    single = rows[~rows["task"].str.startswith(MEAN_TASK)]
    same_tasks = single.groupby("paper")["task"].agg(lambda names: set(names) == set(tasks))
    is_mean = (rows["task"] == mean_of_all) & rows["paper"].map(same_tasks).eq(True)
    rows = rows[is_mean | (rows["task"].map(metrics) == rows["metric"])]
    sources = [str(source) for source in rows["source"].unique()]
    lines = []
    for (source, model), group in rows.groupby(["source", "model"], sort=False):
        values = zip(group["task"], group["value"], group["spread"], strict=True)
        scores = {str(task): Estimate(value, spread, 1) for task, value, spread in values}
        mean = scores.pop(mean_of_all).mean if mean_of_all in scores else math.nan
        label = f"{model} [{sources.index(str(source)) + 1}]"
        size = Size(float(group["parameters"].iloc[0]))
        lines.append(Line(label, PUBLISHED, str(source), scores, size=size, published_mean=mean))
    notes = rows.groupby("source")[["spread_kind", "certainty"]]
    said = {str(source): _said_of_source(of) for source, of in notes}
    return lines, [source + said[source] for source in sources]


def _said_of_source(rows: pd.DataFrame) -> str:
    """Say how its numbers were read, and what the spread in parentheses is."""
    read = "; ".join(sorted(set(rows["certainty"])))
    kinds = sorted(set(rows["spread_kind"].dropna()))
    return f" ({read}{'; in parentheses: ' if kinds else ''}{', '.join(kinds)})"
