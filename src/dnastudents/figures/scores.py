"""What figures of results share: the scores of each run on each task, in the order asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dnastudents.errors import InputError, nearest
from dnastudents.results.failures import MARK, incomplete
from dnastudents.results.rows import (
    pretrainings_by_seed,
    read_metrics,
    require_runs,
    runs_in_order,
    values_by_seed,
)
from dnastudents.results.soundness import MARK as UNSOUND
from dnastudents.results.soundness import unsound
from dnastudents.results.statistics import Estimate, independent

COLUMNS = (  # what figures read of a row; fewer are quicker to group
    *("suite", "task", "run", "seed", "metric", "value", "pretrained", "simulated"),
    *("pretraining_seed", "confusion", "n_train"),
    *("failed_seeds", "constant", "undefined", "equal_features"),
)
FEWEST = 3  # values, for an interval that is drawn: that of two is wider than most scales
MARKS = {
    MARK: "without the seeds that failed",
    UNSOUND: "predicts one class throughout, or is undefined",
}


class Scores(NamedTuple):
    """Rows of metrics.csv, scores x 100, and the order in which they are shown.

    Attributes
    ----------
    source : str or Path
        The file, which errors name.
    frame : DataFrame
        Of the shown runs and tasks; `value` is x 100.
    runs : list of str
        Runs that have a row, the k-mer baseline last.
    tasks : list of (suite, task)
    """

    source: str | Path
    frame: pd.DataFrame
    runs: list[str]
    tasks: list[tuple[str, str]]

    def only(self, tasks: Sequence[str]) -> Scores:
        """Return the same of some tasks, given as suite/task, in their order.

        Raises
        ------
        InputError
            One of them has no row.
        """
        named = {"/".join(task): task for task in self.tasks}
        for task in tasks:
            if task not in named:
                raise InputError(f"{self.source}: no row of task '{task}'; {nearest(task, named)}")
        chosen = [named[task] for task in tasks]
        rows = pd.MultiIndex.from_frame(self.frame[["suite", "task"]]).isin(chosen)
        return self._replace(frame=self.frame[rows], tasks=chosen)

    @property
    def controls(self) -> set[str]:
        """The runs that were never pretrained, the k-mer baseline among them."""
        return set(self.frame.loc[~self.frame["pretrained"], "run"])

    @property
    def simulated(self) -> bool:
        """Whether a row is of made-up sequences."""
        return bool(self.frame["simulated"].any())

    @property
    def suites(self) -> list[str]:
        """Suites in their order."""
        return list(dict.fromkeys(suite for suite, _ in self.tasks))

    def tasks_of(self, suite: str) -> list[tuple[str, str]]:
        """List the (suite, task) of one suite."""
        return [task for task in self.tasks if task[0] == suite]

    def means(self) -> NDArray[np.float64]:
        """Return the mean scores (tasks, runs) as tables show them; NaN where nobody measured."""
        cells = self.frame.groupby(["suite", "task", "run"], sort=False)
        found = {
            key: np.mean(independent(values_by_seed(rows), pretrainings_by_seed(rows)))
            for key, rows in cells
        }
        return np.array(
            [[found.get((*task, run), np.nan) for run in self.runs] for task in self.tasks]
        )


def read_scores(
    metrics_csv: str | Path,
    runs: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
) -> Scores:
    """Read metrics.csv for a figure.

    Parameters
    ----------
    metrics_csv : path
        What `results.rows.collect` wrote.
    runs : sequence of str, optional
        In their order. Default is all, sorted. Controls are always shown.
    tasks : sequence of str, optional
        As suite/task, in their order. Default is all, sorted, numbers in names by their size.

    Raises
    ------
    InputError
        The CSV is absent or broken, or one of `runs` or `tasks` has no row.
    """
    frame = read_metrics(metrics_csv)
    require_runs(frame, runs or (), metrics_csv)
    known = sorted(set(zip(frame["suite"], frame["task"], strict=True)), key=_natural)
    names = [run for run in runs_in_order(frame, runs) if (frame["run"] == run).any()]
    shown = [name for name in COLUMNS if name in frame]
    frame = frame.loc[frame["run"].isin(names), shown]
    scores = Scores(metrics_csv, frame.assign(value=100 * frame["value"]), names, known)
    return scores.only(tasks) if tasks else scores


def half_width(score: Estimate) -> float:
    """Return half the width of an interval that may be drawn; 0 where there are too few values."""
    return score.half_width if score.n >= FEWEST else 0.0


def marks_of(rows: pd.DataFrame) -> str:
    """Return the marks of the rows of one run on one task: `MARKS` says what they mean."""
    return MARK * bool(incomplete(rows)) + UNSOUND * bool(unsound(rows))


def _natural(task: tuple[str, str]) -> list[object]:
    """Sort numbers in names by their size: 10, 50, 100."""
    parts = re.split(r"(\d+)", "/".join(task))
    return [int(part) if part.isdecimal() else part for part in parts]
