"""Did pretraining help? Each pretrained run against its controls.

The first control is the same student that was never pretrained; a run may name others, as CM-GEMS
names random masking.

A difference is taken on every task, over seeds (see `statistics.difference`), and once over the
tasks of a suite: there each task's mean difference is one value, so that the interval says what
another task would give. p-values over seeds are adjusted by Holm's method for all comparisons of
the table, so that of many runs and tasks some do not look helped by chance.

Where a seed failed in one of two runs, the other's is left out too, so that they stay paired; the
cell and a note say so. A cell of which a score says nothing of the sequences is marked too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dnastudents.benchmarks.facts import METRICS
from dnastudents.errors import InputError
from dnastudents.results.failures import MARK, failure_notes, incomplete
from dnastudents.results.rows import pretrainings_by_seed, read_metrics, values_by_seed
from dnastudents.results.soundness import MARK as UNSOUND
from dnastudents.results.soundness import soundness_notes, unsound
from dnastudents.results.statistics import difference, holm, independent, mean_interval
from dnastudents.tables.render import MINUS, MISSING, TIMES, Sheet, Table, percent, write

LEVEL = 0.05
FEWEST_SEEDS = 3  # for a test: on a small test set two differences are often equal by chance
ALL_TASKS = "all tasks"
COMPARISON_COLUMNS = (
    "suite",
    "run",
    "control",
    "task",
    "metric",
    "seeds",
    "run_score",
    "control_score",
    "difference",
    "ci95",
    "p",
    "p_holm",
    "verdict",
    "simulated",
)
FINISHED = "finished_seeds"  # as 4/5; a column only where some seed failed
VOID = "unsound"  # a column only where a score of either run says nothing
SCORES = ("run_score", "control_score", "difference", "ci95")
NOTES = (
    f"Difference {TIMES} 100 of test-set scores, run minus control, ± half width of the 95 % t "
    "interval over seeds (over pretrainings, where a run or its control has several): paired where "
    "both runs have the same seeds, otherwise Welch. No ± for a single seed.",
    "Where a run or its control was pretrained only once, interval and p do not cover how much "
    "another pretraining would differ: the verdict holds for these weights, not for the recipe.",
    f"Bold: Holm-adjusted p < {LEVEL} over all comparisons here; the sign says whether the run is "
    f"better (+) or worse ({MINUS}) than its control. Everything else is unclear at this number of "
    f"seeds; fewer than {FEWEST_SEEDS} seeds (or pretrainings), or differences that are all equal, "
    "are not tested.",
    f"{ALL_TASKS}: mean and interval over the tasks' differences, one value per task; not tested. "
    f"{MISSING}: one of the two runs was not measured.",
)

Pairs = Sequence[tuple[str, str]]  # (run, control)


def write_comparisons(
    metrics_csv: str | Path,
    pairs: Pairs,
    output: str | Path,
    tasks: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Compare runs with their controls on every task of every suite.

    Parameters
    ----------
    metrics_csv : path
        What `rows.collect` wrote.
    pairs : sequence of (run, control)
    output : path
        `<output>.csv` (tidy: `COMPARISON_COLUMNS`), `.md` and `.tex` (one table per suite) are
        written, scores × 100; a suffix .csv is taken off first.
    tasks : sequence of str, optional
        As suite/task, in their order. Default is all, sorted.

    Returns
    -------
    DataFrame
        What the CSV holds. Tasks that one of the two runs lacks have no row.

    Raises
    ------
    InputError
        When no pair has a task in common.
    """
    table = comparisons_table(read_metrics(metrics_csv), pairs, tasks)
    if table.numbers.empty:
        runs = ", ".join(run for run, _ in pairs) or "no runs"
        raise InputError(f"{metrics_csv}: none of {runs} has its control")
    write(table._replace(numbers=table.numbers.round(dict.fromkeys(SCORES, 4))), output)
    return table.numbers


def comparisons_table(
    metrics: pd.DataFrame, pairs: Pairs, tasks: Sequence[str] | None = None
) -> Table:
    """Compare runs with their controls; numbers are scores × 100. No pair may have a common task.

    Parameters
    ----------
    metrics : DataFrame
        What `rows.read_metrics` reads.
    pairs : sequence of (run, control)
    tasks : sequence of str, optional
        As suite/task, in their order. Default is all, sorted.
    """
    metrics = _in_order(metrics, tasks)
    records = [
        record
        for suite, rows in metrics.groupby("suite", sort=False)
        for record in _compare(str(suite), rows, pairs)
    ]
    more = [name for name in (FINISHED, VOID) if any(record.get(name) for record in records)]
    frame = pd.DataFrame(records, columns=[*COMPARISON_COLUMNS, *more])
    if frame.empty:
        return Table(frame, [])
    frame["p_holm"] = holm(frame["p"].tolist())
    frame["verdict"] = list(map(_verdict, frame["difference"], frame["p_holm"]))
    by_suite = frame.groupby("suite", sort=False)
    sheets = [_sheet(str(suite), rows, pairs) for suite, rows in by_suite]
    compared = metrics[metrics["run"].isin({run for pair in pairs for run in pair})]
    sheets[-1].notes = [*NOTES, *failure_notes(compared), *soundness_notes(compared)]
    frame[list(SCORES)] *= 100
    frame["seeds"] = frame["seeds"].astype("Int64")
    return Table(frame, sheets)


def _in_order(metrics: pd.DataFrame, tasks: Sequence[str] | None) -> pd.DataFrame:
    """Return the rows of the tasks, sorted as these are."""
    names = metrics["suite"] + "/" + metrics["task"]
    order = {name: place for place, name in enumerate(tasks or sorted(set(names)))}
    places = names.map(order)
    return metrics.loc[places.dropna().sort_values(kind="stable").index]


class _Measured(NamedTuple):
    """What one run has on one task, by seed; taken from its rows once for all comparisons."""

    values: dict[int, float]
    pretrainings: dict[int, int] | None
    failed: set[int]
    unsound: set[int]

    def without(self, seeds: set[int]) -> _Measured:
        """Return the same without some seeds."""
        return self._replace(values={s: v for s, v in self.values.items() if s not in seeds})

    @property
    def mean(self) -> float:
        """The mean of the values that count as independent."""
        return float(np.mean(independent(self.values, self.pretrainings)))

    @property
    def says_nothing(self) -> bool:
        """Whether one of the scores does."""
        return not self.unsound.isdisjoint(self.values)


def _measured(rows: pd.DataFrame) -> _Measured:
    lost = incomplete(rows)
    return _Measured(
        values_by_seed(rows),
        pretrainings_by_seed(rows),
        failed=set(lost.reasons) if lost else set(),
        unsound={seed for seeds in unsound(rows).values() for seed in seeds},
    )


def _compare(suite: str, rows: pd.DataFrame, pairs: Pairs) -> list[dict[str, Any]]:
    rows = rows[rows["run"].isin({run for pair in pairs for run in pair})]
    measured = {
        (str(run), str(task)): _measured(some)
        for (run, task), some in rows.groupby(["run", "task"])
    }
    metric = dict(zip(rows["task"], rows["metric"], strict=True))
    made_up = set(rows.loc[rows["simulated"].astype(bool), "run"])
    records = []
    for run, control in pairs:
        tasks = [task for task in metric if {(run, task), (control, task)} <= measured.keys()]
        simulated = not made_up.isdisjoint([run, control])
        both = {"suite": suite, "run": run, "control": control, "simulated": simulated}
        of_run = [
            both | _record(measured[run, t], measured[control, t], t, metric[t]) for t in tasks
        ]
        records += of_run
        if len(of_run) > 1:
            records.append(both | _over_tasks(of_run))
    return records


def _record(ours: _Measured, theirs: _Measured, task: str, metric: str) -> dict[str, Any]:
    ours, theirs, finished = _paired(ours, theirs)
    gain = difference(ours.values, theirs.values, ours.pretrainings, theirs.pretrainings)
    p_value = gain.p_value if gain.n >= FEWEST_SEEDS else math.nan
    return {
        "task": task,
        "metric": metric,
        "seeds": gain.n,
        "run_score": ours.mean,
        "control_score": theirs.mean,
        "difference": gain.mean,
        "ci95": gain.half_width,
        "p": p_value,
        FINISHED: finished,
        VOID: ours.says_nothing or theirs.says_nothing,
    }


def _paired(ours: _Measured, theirs: _Measured) -> tuple[_Measured, _Measured, str | None]:
    """Return both runs without the seeds that failed in either, and what is left, as 4/5.

    Both keep all seeds where nothing would be left of one of them.
    """
    failed = ours.failed | theirs.failed
    if not failed:
        return ours, theirs, None
    our_rest, their_rest = ours.without(failed), theirs.without(failed)
    if our_rest.values and their_rest.values:
        ours, theirs = our_rest, their_rest
    seeds = min(len(ours.values), len(theirs.values))
    return ours, theirs, f"{seeds}/{seeds + len(failed)}"


def _over_tasks(tasks: list[dict[str, Any]]) -> dict[str, Any]:
    gain = mean_interval([task["difference"] for task in tasks])
    means = {
        name: float(np.mean([task[name] for task in tasks]))
        for name in ("run_score", "control_score")
    }
    return {
        "task": ALL_TASKS,
        **means,
        "difference": gain.mean,
        "ci95": gain.half_width,
        FINISHED: "" if any(task[FINISHED] for task in tasks) else None,
        VOID: any(task[VOID] for task in tasks),
    }


def _verdict(gain: float, p: float) -> str | None:
    if math.isnan(p):
        return None
    if p >= LEVEL:
        return "unclear"
    return "better" if gain > 0 else "worse"


def _sheet(suite: str, frame: pd.DataFrame, pairs: Pairs) -> Sheet:
    """Make one row per pair, one column per task."""
    metric = dict(zip(frame["task"], frame["metric"], strict=True))
    tasks = [task for task in metric if task != ALL_TASKS]
    tasks += [ALL_TASKS] if ALL_TASKS in metric else []
    found = {(row["run"], row["control"], row["task"]): row for row in frame.to_dict("records")}
    shown = [pair for pair in pairs if any((*pair, task) in found for task in tasks)]
    headers = [t if t == ALL_TASKS else f"{t} ({METRICS[metric[t]]})" for t in tasks]
    label = " (simulated data)" if frame["simulated"].any() else ""
    sheet = Sheet(
        f"{suite}: runs against their controls{label}", [f"run {MINUS} control", *headers], []
    )
    for index, pair in enumerate(shown):
        records = [found.get((*pair, task)) for task in tasks]
        sheet.rows.append([f" {MINUS} ".join(pair), *map(_cell, records)])
        decided = [record is not None and record["p_holm"] < LEVEL for record in records]
        sheet.bold |= {(index, column) for column, mark in enumerate(decided, start=1) if mark}
    return sheet


def _cell(record: Mapping[Any, Any] | None) -> str:
    if record is None:
        return MISSING
    gain = percent(record["difference"], "+")
    text = gain if math.isnan(record["ci95"]) else f"{gain} ± {percent(record['ci95'])}"
    if record.get(VOID) is True:
        text += f" {UNSOUND}"
    finished = record.get(FINISHED)
    if not isinstance(finished, str):
        return text
    return f"{text} {MARK} n = {finished}" if finished else f"{text} {MARK}"
