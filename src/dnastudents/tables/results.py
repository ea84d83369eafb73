"""One table per suite: our runs, their controls, and the published rows beside them.

Ours are test-set scores averaged over fine-tuning seeds, with the half width of the 95 % t
interval. Published rows are shown as they were read, with their source and their own kind of
spread, and only where task and metric are the same as ours. Nothing is filled in: a cell that
nobody measured stays a dash, and a mean over tasks is given only to rows that have all of them.

A second sheet has what a row took to make, the means of the groups of tasks that papers print, and
the mean rank.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from dnastudents.benchmarks.facts import METRICS
from dnastudents.benchmarks.groups import groups_of
from dnastudents.errors import InputError
from dnastudents.results.costs import Size, read_sizes
from dnastudents.results.failures import MARK, failure_notes
from dnastudents.results.published import read_published
from dnastudents.results.rows import read_metrics, require_runs, runs_in_order
from dnastudents.results.soundness import MARK as UNSOUND
from dnastudents.results.soundness import soundness_notes
from dnastudents.results.statistics import mean_ranks
from dnastudents.tables import notes
from dnastudents.tables.lines import (
    PUBLISHED,
    UNKNOWN,
    Line,
    made_up_tasks,
    own_line,
    published_lines,
)
from dnastudents.tables.render import (
    EN_DASH,
    MISSING,
    TIMES,
    Sheet,
    Table,
    percent,
    thousands,
    three_digits,
    write,
)


class Suite(NamedTuple):
    """The results of a suite.

    Attributes
    ----------
    name : str
    metrics : dict of str to str
        Task to the metric that it is judged by, in the order of columns.
    lines : list of Line
        Ours first, then published ones.
    table : Table
    """

    name: str
    metrics: dict[str, str]
    lines: list[Line]
    table: Table

    @property
    def own(self) -> list[Line]:
        """The rows measured here."""
        return [line for line in self.lines if line.kind != PUBLISHED]


def write_table(
    metrics_csv: str | Path,
    suite: str,
    published_csv: str | Path | None,
    output: str | Path,
    runs: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    pretrainings: Iterable[str | Path] = (),
) -> None:
    """Write the table of one suite as CSV, Markdown and LaTeX.

    Parameters
    ----------
    metrics_csv : path
        What `rows.collect` wrote. A column `mode`, where there is one, names each run's mode
        (default "as_described"); with a column `neighbours` it is of the k-NN probe.
    suite : str
    published_csv : path or None
        See `results.published`. None is no published rows.
    output : path
        `<output>.csv`, `.md` and `.tex` are written; a suffix .csv is taken off first.
    runs, tasks : sequence of str, optional
        Rows and columns in their order. Default is all of the suite, sorted. Un-pretrained runs and
        the k-mer baseline are always shown.
    pretrainings : iterable of path
        Outputs of `dnastudents pretrain`, of which parameters, tokens and hours are shown.

    Raises
    ------
    InputError
        When the suite, or one of `tasks` or `runs`, has no row.
    """
    metrics = read_metrics(metrics_csv)
    require_runs(metrics, runs or (), metrics_csv)
    metrics = _select(metrics, Path(metrics_csv), suite, tasks)
    published = read_published(published_csv) if published_csv else None
    write(suite_results(metrics, published, runs, tasks, read_sizes(pretrainings)).table, output)


def suite_results(
    metrics: pd.DataFrame,
    published: pd.DataFrame | None = None,
    runs: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    sizes: Mapping[str, Size] | None = None,
) -> Suite:
    """Make the rows and the table of one suite; see `write_table`.

    Parameters
    ----------
    metrics : DataFrame
        Of one suite, as `rows.read_metrics` reads it.
    published : DataFrame, optional
        Of `results.published.read_published`.
    runs, tasks : sequence of str, optional
    sizes : mapping of str to Size, optional
        Run to what it took.
    """
    suite = str(metrics["suite"].iloc[0])
    tasks = list(tasks or sorted(metrics["task"].unique()))
    names = {task: str(metrics.loc[metrics["task"] == task, "metric"].iloc[0]) for task in tasks}
    runs = runs_in_order(metrics, runs)
    metrics = metrics[metrics["run"].isin(runs) & metrics["task"].isin(tasks)]
    made_up, of_run = made_up_tasks(metrics), dict(list(metrics.groupby("run")))
    nothing = metrics.iloc[:0]
    lines = [
        own_line(run, of_run.get(run, nothing), tasks, made_up, (sizes or {}).get(run, UNKNOWN))
        for run in runs
    ]
    sources: list[str] = []
    if published is not None:
        rows, sources = published_lines(published, suite, names)
        lines += rows
    scores, summary = _scores(lines, names), _summary(lines, names, suite)
    pretraining_only = not made_up and any(line.simulated for line in lines)
    made = "simulated data" if made_up else "simulated pretraining" if pretraining_only else ""
    label = f" ({made})" if made else ""
    scores.title = f"{suite}: {notes.probe_named(metrics)}test-set scores {TIMES} 100{label}"
    summary.title = f"{suite}: {notes.probe_named(metrics)}size and means of scores{label}"
    summary.notes = [
        *notes.protocol_notes(metrics),
        *([notes.SIZES] if sizes else []),
        *([notes.RANKS] if len(tasks) > 1 else []),
        *notes.mode_notes(metrics),
        *notes.truncation_notes(metrics),
        *notes.finetuning_notes(metrics),
        *failure_notes(metrics),
        *soundness_notes(metrics),
        *notes.published_notes(sources),
        *([notes.SIMULATED] if made_up else []),
        *([notes.SIMULATED_PRETRAINING] if pretraining_only else []),
    ]
    sheets = [scores, summary]
    if len(summary.headers) == summary.fixed:  # one task, and nothing is known of sizes
        scores.notes, sheets = summary.notes, [scores]
    return Suite(suite, names, lines, Table(_numbers(lines, names, suite), sheets))


def _select(
    metrics: pd.DataFrame, path: Path, suite: str, tasks: Sequence[str] | None
) -> pd.DataFrame:
    """Select the rows of one suite (and of `tasks`, each of which must have some)."""
    metrics = metrics[metrics["suite"] == suite]
    if metrics.empty:
        raise InputError(f"{path}: no row of suite {suite!r}")
    if missing := set(tasks or ()) - set(metrics["task"]):
        raise InputError(f"{path}: suite {suite!r} has no task {', '.join(sorted(missing))}")
    return metrics[metrics["task"].isin(tasks)] if tasks else metrics


def shown_groups(suite: str, tasks: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the groups of tasks that are shown whole, and all tasks where there are several.

    Parameters
    ----------
    suite : str
    tasks : sequence of str
        All that are shown.

    Returns
    -------
    dict of str to tuple of str
        `EMP (10)`, a group and its number of tasks, or `mean`, to its tasks.
    """
    shown = {
        f"{group} ({len(names)})": names
        for group, names in groups_of(suite).items()
        if set(names) <= set(tasks)
    }
    return shown | ({"mean": tuple(tasks)} if len(tasks) > 1 else {})


def group_mean(line: Line, names: Sequence[str], tasks: Sequence[str]) -> float:
    """Return the mean of a row over a group of the tasks; NaN where it lacks a score."""
    return line.overall(tasks) if len(names) == len(tasks) else line.mean(names)


def ranks(lines: Sequence[Line], tasks: Sequence[str]) -> list[float]:
    """Return the mean rank of each row among those measured here; NaN for published ones."""
    own = [line for line in lines if line.kind != PUBLISHED]
    found = iter(mean_ranks([[line.score(task) for task in tasks] for line in own]))
    return [math.nan if line.kind == PUBLISHED else next(found) for line in lines]


def _scores(lines: list[Line], names: Mapping[str, str]) -> Sheet:
    """Lay out one column per task."""
    headers = ["method", "seeds", *(f"{task} ({METRICS[names[task]]})" for task in names)]
    sheet = _sheet(lines, headers)
    cells = {task: [_cell(line, task) for line in lines] for task in names}
    for column, task in enumerate(names, start=2):
        _mark_best(sheet, column, lines, [line.score(task) for line in lines], cells[task])
    if len(names) > 1:
        sheet.headers.append("mean")
        means = [line.overall(list(names)) for line in lines]
        _mark_best(sheet, len(sheet.headers) - 1, lines, means, _mean_cells(lines, means, names))
    return sheet


def _mean_cells(lines: list[Line], means: list[float], tasks: Iterable[str]) -> list[str]:
    """Write means over tasks, marked where a seed failed or a score says nothing."""
    over, cells = set(tasks), []
    for line, mean in zip(lines, means, strict=True):
        marks = {MARK: over & line.failed.keys(), UNSOUND: over & line.unsound}
        marked = [mark for mark, of in marks.items() if of and not math.isnan(mean)]
        cells.append(" ".join([percent(mean), *marked]))
    return cells


def _summary(lines: list[Line], names: Mapping[str, str], suite: str) -> Sheet:
    """Lay out what each row took, the means over groups, and the mean rank."""
    tasks = list(names)
    sheet = _sheet(lines, ["method", "seeds"])
    sizes = {
        "parameters": [thousands(line.size.parameters) for line in lines],
        "pretraining tokens": [thousands(line.size.tokens) for line in lines],
        "device hours": [three_digits(line.size.hours) for line in lines],
    }
    for header, texts in sizes.items():
        if any(text != MISSING for text in texts):
            sheet.headers.append(header)
            for row, text in zip(sheet.rows, texts, strict=True):
                row.append(text)
    for name, names_of in shown_groups(suite, tasks).items():
        sheet.headers.append(name)
        means = [group_mean(line, names_of, tasks) for line in lines]
        _mark_best(sheet, len(sheet.headers) - 1, lines, means, _mean_cells(lines, means, names_of))
    if len(tasks) > 1:
        sheet.headers.append("mean rank")
        for row, rank in zip(sheet.rows, ranks(lines, tasks), strict=True):
            row.append(MISSING if math.isnan(rank) else f"{rank:.2f}")
    return sheet


def _sheet(lines: list[Line], headers: list[str]) -> Sheet:
    """Begin a sheet with the names of its rows, ours and published."""
    sheet = Sheet("", headers, [[line.label, _seeds(line)] for line in lines], fixed=2)
    own = sum(line.kind != PUBLISHED for line in lines)
    sheet.groups = {0: "Measured here"} | ({own: "Published"} if own < len(lines) else {})
    return sheet


def _mark_best(
    sheet: Sheet, column: int, lines: list[Line], values: list[float], cells: list[str]
) -> None:
    """Add a column, the best of ours in bold; where some are published, mark the best of all."""
    own = [value for line, value in zip(lines, values, strict=True) if line.kind != PUBLISHED]
    sheet.bold |= {(row, column) for row in best(own)}
    others = values[len(own) :]
    winners = best(values) if any(not math.isnan(value) for value in others) else []
    for index, (row, cell) in enumerate(zip(sheet.rows, cells, strict=True)):
        row.append(f"{cell} {notes.BEST}" if index in winners else cell)


def best(values: Sequence[float]) -> list[int]:
    """Return the indices of the best values, as far as shown."""
    shown = [round(100 * value, 1) for value in values]
    best = max((value for value in shown if not math.isnan(value)), default=math.nan)
    return [index for index, value in enumerate(shown) if value == best]


def _numbers(lines: list[Line], names: Mapping[str, str], suite: str) -> pd.DataFrame:
    """Return what the CSV holds, scores × 100: per task its score, interval or spread, seeds."""
    tasks = list(names)
    groups = {**shown_groups(suite, tasks), "mean": tuple(tasks)}  # of one task too
    mean_rank = ranks(lines, tasks)
    records = []
    for index, line in enumerate(lines):
        record: dict[str, object] = {"method": line.label, "kind": line.kind, "source": line.source}
        record["simulated"] = line.simulated
        record |= {
            "parameters": line.size.parameters,
            "pretraining_tokens": line.size.tokens,
            "pretraining_device_hours": line.size.hours,
        }
        spread = "spread" if line.kind == PUBLISHED else "ci95"
        for task, metric in names.items():
            score = line.scores.get(task)
            record[f"{task} ({metric})"] = score and 100 * score.mean
            record |= dict.fromkeys((f"{task} ci95", f"{task} spread", f"{task} seeds"))
            if score:
                record[f"{task} {spread}"] = 100 * score.half_width
                record[f"{task} seeds"] = None if line.kind == PUBLISHED else score.n
            if any(task in other.failed for other in lines):
                record[f"{task} failed seeds"] = None if line.kind == PUBLISHED else 0
            if any(task in other.unsound for other in lines):
                record[f"{task} unsound"] = task in line.unsound
            if task in line.failed:
                record[f"{task} failed seeds"] = len(line.failed[task].reasons)
        record |= {name: 100 * group_mean(line, of, tasks) for name, of in groups.items()}
        records.append(record | {"mean_rank": mean_rank[index]})
    return pd.DataFrame(records).round(4)


def _cell(line: Line, task: str) -> str:
    score = line.scores.get(task)
    if score is None:
        return MISSING
    text = percent(score.mean)
    if not math.isnan(score.half_width):
        spread = percent(score.half_width)
        text += f" ({spread})" if line.kind == PUBLISHED else f" ± {spread}"
    text += f" {UNSOUND}" * (task in line.unsound)
    return f"{text} {MARK} {line.failed[task]}" if task in line.failed else text


def _seeds(line: Line) -> str:
    counts = sorted({score.n for score in line.scores.values()})
    if line.kind == PUBLISHED or not counts:
        return ""
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]}{EN_DASH}{counts[-1]}"
