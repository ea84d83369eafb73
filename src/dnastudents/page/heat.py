"""The heat maps of tasks and runs: scores, and differences from two kinds of yardsticks.

A colour says where a score lies between the worst and the best of its task, or which way and how
far a difference goes; the number is always there too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from dnastudents.page.findings import top
from dnastudents.tables.comparisons import ALL_TASKS, LEVEL
from dnastudents.tables.lines import PUBLISHED
from dnastudents.tables.render import MISSING, TIMES, percent
from dnastudents.tables.results import Suite

FULL = 0.2  # a difference of 20 points, and more, has the full colour
Values = Mapping[tuple[str, str, str], float]  # by suite, task, run


class Cell(NamedTuple):
    """One cell.

    Attributes
    ----------
    text : str
    tone : str
        up, down, or empty where nothing was measured.
    weight : int
        How strong the colour is, 0 to 100.
    strong : bool
        Whether it is the best of its task, or a difference that is beyond chance.
    """

    text: str
    tone: str = ""
    weight: int = 0
    strong: bool = False


class HeatMap(NamedTuple):
    """One of the maps.

    Attributes
    ----------
    name : str
        For the page's own use.
    label, note : str
        What it shows, and how to read it.
    runs : list of str
    suites : dict of str to dict of str to list of Cell
        By suite and task; a cell per run.
    """

    name: str
    label: str
    note: str
    runs: list[str]
    suites: dict[str, dict[str, list[Cell]]]


def heat_maps(
    suites: Sequence[Suite], comparisons: pd.DataFrame, untrained: set[str]
) -> list[HeatMap]:
    """Make the maps that have anything to show.

    Parameters
    ----------
    suites : sequence of Suite
    comparisons : DataFrame
        Of `tables.comparisons.comparisons_table`.
    untrained : set of str
        Runs that were never pretrained.
    """
    lines = [(suite.name, line) for suite in suites for line in suite.own if line.scores]
    runs = list(dict.fromkeys(line.run for _, line in lines))
    scores = {
        (name, task, line.run): score.mean
        for name, line in lines
        for task, score in line.scores.items()
    }
    best_published = {
        (suite.name, task): top([x for x in suite.lines if x.kind == PUBLISHED], task)
        for suite in suites
        for task in suite.metrics
    }
    single = comparisons[
        (comparisons["task"] != ALL_TASKS) & comparisons["control"].isin(untrained)
    ]
    keys = list(zip(single["suite"], single["task"], single["run"], strict=True))
    twins = dict(zip(keys, single["difference"] / 100, strict=True))
    decided = {
        key
        for key, verdict in zip(keys, single["verdict"], strict=True)
        if verdict in ("better", "worse")
    }
    beyond = {key: score - best_published[key[:2]] for key, score in scores.items()}
    beyond = {key: value for key, value in beyond.items() if not math.isnan(value)}
    maps = [
        _map("score", "Score", _SCORE, suites, runs, scores, None),
        _map("twin", "Against no pretraining", _TWIN, suites, runs, twins, decided),
        _map("published", "Against the best published", _PUBLISHED, suites, runs, beyond, set()),
    ]
    return [found for found in maps if found.suites]


_SCORE = (
    f"Test-set scores {TIMES} 100. The colour runs from the worst to the best run of each task; "
    "bold is the best."
)
_TWIN = (
    f"Run minus the same student that was never pretrained, {TIMES} 100. Bold: Holm-adjusted "
    f"p < {LEVEL} over all comparisons; everything else is unclear at this number of seeds."
)
_PUBLISHED = (
    f"Run minus the best published score on the same task by the same metric, {TIMES} 100. "
    "Published scores are under their own protocols."
)


def _map(
    name: str,
    label: str,
    note: str,
    suites: Sequence[Suite],
    runs: Sequence[str],
    values: Values,
    strong: set[tuple[str, str, str]] | None,
) -> HeatMap:
    """Lay out the values of one map, without suites, tasks and runs that have none."""
    shown = [run for run in runs if any(key[2] == run for key in values)]
    rows = {
        suite.name: {
            task: _row([(suite.name, task, run) for run in shown], values, strong)
            for task in suite.metrics
            if any((suite.name, task, run) in values for run in shown)
        }
        for suite in suites
    }
    return HeatMap(
        name, label, note, shown, {suite: tasks for suite, tasks in rows.items() if tasks}
    )


def _row(
    keys: Sequence[tuple[str, str, str]],
    values: Values,
    strong: set[tuple[str, str, str]] | None,
) -> list[Cell]:
    """Make the cells of a task: of scores where `strong` is None, else of differences."""
    if strong is not None:
        return [_difference(values.get(key), key in strong) for key in keys]
    known = [values[key] for key in keys if key in values]
    low, high = min(known), max(known)
    cells = []
    for key in keys:
        score = values.get(key)
        if score is None:
            cells.append(Cell(MISSING))
            continue
        share = (score - low) / (high - low) if high > low else 0.0
        is_best = round(100 * score, 1) == round(100 * high, 1)
        cells.append(Cell(percent(score), "up", round(100 * share), is_best))
    return cells


def _difference(value: float | None, strong: bool) -> Cell:
    if value is None:
        return Cell(MISSING)
    tone = "up" if value >= 0 else "down"
    return Cell(percent(value, "+"), tone, round(100 * min(1.0, abs(value) / FULL)), strong)
