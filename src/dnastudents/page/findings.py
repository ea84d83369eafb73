"""The answer, before all tables: which run is best where, and what pretraining changed.

The numbers are those of the tables: scores and ranks of the suite's, differences, intervals and
verdicts of the comparisons.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from dnastudents.results.statistics import mean_interval
from dnastudents.tables.comparisons import ALL_TASKS
from dnastudents.tables.lines import PUBLISHED, Line
from dnastudents.tables.render import percent
from dnastudents.tables.results import Suite, best, ranks


class Effect(NamedTuple):
    """What pretraining changed: a run against one control on the tasks of a suite, scores × 100.

    Attributes
    ----------
    suite, run, control : str
    tasks : int
    difference, half_width : float
        Mean over tasks and half its 95 % interval; of one task, the interval over seeds. NaN where
        there is none.
    better, worse, unclear : int
        Tasks by the verdict of the comparisons.
    untested : int
        Tasks with too few seeds for a test.
    """

    suite: str
    run: str
    control: str
    tasks: int
    difference: float
    half_width: float
    better: int
    worse: int
    unclear: int
    untested: int

    @property
    def low(self) -> float:
        """Lower end of the interval, or the difference where there is none."""
        return self.difference - (0.0 if math.isnan(self.half_width) else self.half_width)

    @property
    def high(self) -> float:
        """Upper end of the interval, or the difference where there is none."""
        return self.difference + (0.0 if math.isnan(self.half_width) else self.half_width)


def effects(comparisons: pd.DataFrame) -> list[Effect]:
    """Return one effect per suite, run and control, in the order of the comparisons."""
    found = []
    keys = ["suite", "run", "control"]
    for (suite, run, control), rows in comparisons.groupby(keys, sort=False):
        single = rows[rows["task"] != ALL_TASKS]
        whole = rows[rows["task"] == ALL_TASKS] if len(single) > 1 else single
        verdicts = Counter(single["verdict"].dropna())
        found.append(
            Effect(
                str(suite),
                str(run),
                str(control),
                tasks=len(single),
                difference=float(whole["difference"].iloc[0]),
                half_width=float(whole["ci95"].iloc[0]),
                better=verdicts["better"],
                worse=verdicts["worse"],
                unclear=verdicts["unclear"],
                untested=len(single) - verdicts.total(),
            )
        )
    return found


def said_of_effects(found: Sequence[Effect], untrained: set[str]) -> str:
    """Sum up all comparisons with a student that was never pretrained, in one sentence."""
    own = [effect for effect in found if effect.control in untrained]
    tested = sum(effect.tasks - effect.untested for effect in own)
    if not own:
        return "No run was compared with the same student without pretraining."
    if not tested:
        return (
            "No difference between a pretrained run and the same student without pretraining could "
            "be tested: there are too few seeds."
        )
    better, worse = sum(e.better for e in own), sum(e.worse for e in own)
    return (
        f"{_range_of(own)} Of {_count(tested, 'comparison')} of a pretrained run with the same "
        f"student without pretraining, {better:,} {_are(better)} better, {worse:,} {_are(worse)} "
        f"worse and {tested - better - worse:,} unclear (p\u00a0<\u00a00.05, adjusted by Holm's "
        "method)."
    )


def _range_of(found: Sequence[Effect]) -> str:
    """Say by how much pretraining changed the mean score of a suite, from the least to the most."""
    least, most = (choose(found, key=lambda e: e.difference) for choose in (min, max))
    several = len({effect.suite for effect in found}) > 1

    def named(effect: Effect) -> str:
        where = f" on {effect.suite}" if several else ""
        return f"{percent(effect.difference / 100, '+')} points ({effect.run}{where})"

    if least == most:
        what = "mean score" if most.tasks > 1 else "score"
        return f"Pretraining changed the {what} by {named(most)}."
    return f"Pretraining changed the mean score of a suite by {named(least)} to {named(most)}."


def said_of_suite(suite: Suite) -> list[str]:
    """Say which run is best on a suite, by how much, and how it stands to published results."""
    tasks = list(suite.metrics)
    own = [line for line in suite.own if line.scores]
    whole = [line for line in own if not math.isnan(line.mean(tasks))]
    said = []
    if len(tasks) > 1 and whole:
        said.append(_best_mean(whole, tasks))
    said.append(_wins(own, tasks))
    published = [line for line in suite.lines if line.kind == PUBLISHED]
    if published:
        said.append(_against_published(own, published, tasks))
    return said


def _best_mean(lines: list[Line], tasks: list[str]) -> str:
    """Say who has the best mean, with its distance to the next, and the best mean rank."""
    by_mean = sorted(lines, key=lambda line: line.mean(tasks), reverse=True)
    first = by_mean[0]
    text = f"{first.run} has the best mean, {percent(first.mean(tasks))}"
    if len(by_mean) > 1:
        gains = [first.score(task) - by_mean[1].score(task) for task in tasks]
        gap = mean_interval(gains)
        text += f", {percent(gap.mean)} ± {percent(gap.half_width)} above {by_mean[1].run}"
        text += f" over {len(tasks)} tasks"
    of_line = dict(zip([line.run for line in lines], ranks(lines, tasks), strict=True))
    leader = min(of_line, key=lambda run: of_line[run])
    who = ", and also" if leader == first.run else f". {leader} has"
    return f"{text}{who} the best mean rank, {of_line[leader]:.1f} among {len(lines)}."


def _wins(lines: list[Line], tasks: list[str]) -> str:
    """Say on how many tasks which row has the best score, equal ones counted each."""
    wins: Counter[str] = Counter()
    for task in tasks:
        wins.update(lines[index].run for index in best([line.score(task) for line in lines]))
    if len(tasks) == 1:
        return f"Best on {tasks[0]}: {', '.join(wins)}."
    counts = ", ".join(f"{name} {count}" for name, count in wins.most_common())
    return f"Tasks with the best score: {counts}."


def _against_published(own: list[Line], published: list[Line], tasks: list[str]) -> str:
    """Say on how many tasks the best of ours is at least as good as the best published score."""
    above, known = 0, 0
    for task in tasks:
        ours, theirs = top(own, task), top(published, task)
        if not math.isnan(ours + theirs):
            known += 1
            above += ours >= theirs
    return (
        f"The best of these runs reaches the best published score on {above} of "
        f"{_count(known, 'task')} with one."
    )


def top(lines: Sequence[Line], task: str) -> float:
    """Return the best score of the rows on a task; NaN where none has one."""
    scores = [line.score(task) for line in lines if task in line.scores]
    return max(scores, default=math.nan)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
