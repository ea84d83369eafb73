"""One table per suite: our runs, their controls, and the published rows beside them.

Ours are test-set scores averaged over fine-tuning seeds, with the half width of the 95 % t
interval. Published rows are shown as they were read, with their source and their own kind of
spread, and only where task and metric are the same as ours. Nothing is filled in: a cell that
nobody measured stays a dash, and a mean over tasks is given only to rows that have all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from dnastudents.benchmarks.facts import METRICS
from dnastudents.errors import InputError
from dnastudents.results.failures import MARK, Incomplete, failure_notes, incomplete
from dnastudents.results.jobs import BASELINE
from dnastudents.results.published import MEAN_TASK, read_published
from dnastudents.results.rows import estimate, read_metrics, require_runs, runs_in_order
from dnastudents.results.statistics import Estimate
from dnastudents.tables.notes import finetuning_notes
from dnastudents.tables.render import (
    EN_DASH,
    MISSING,
    TIMES,
    Sheet,
    percent,
    write_sheets,
)

PROTOCOL = (
    f"Scores are {TIMES} 100. Ours: mean ± half width of the 95 % t interval over fine-tuning "
    "seeds; no ± for a single seed. Each seed gives one score on the whole test set, at {epoch}.",
    "{pretrainings}",
    f"{BASELINE}: logistic regression on k-mer frequencies, k = {{lengths}}, strength chosen on "
    "{strength}; its fit is deterministic: one value, or one per seed where seeds train on subsets "
    "of their own. *_scratch: the student of that name, never pretrained, with new weights for "
    "every seed.",
    f"{MISSING}: not measured or not published. Means only where every task has a score. Bold: "
    "best of the rows measured here.",
)
NEIGHBOURS = (
    f"Scores are {TIMES} 100, on the whole test set. Ours: the vote of the {{k}} nearest training "
    "sequences (Euclidean distance) in frozen {pooling}-pooled features; nothing is fine-tuned or "
    "selected. One value per pretraining, or per seed where seeds draw different sequences or "
    "weights; ± half width of the 95 % t interval over them."
)
FROZEN = (
    f"Scores are {TIMES} 100. Ours: a linear head on frozen, standardised features; mean ± half "
    "width of the 95 % t interval over seeds; no ± for a single seed. Each seed gives one score "
    "on the whole test set, at {epoch}."
)
EPOCHS = {
    "best_dev": "the epoch that was best on dev by the same metric",
    "last": "the last epoch (no dev set)",
}
STRENGTHS = {"best_dev": "dev", "last": "folds of train"}
ONE_PRETRAINING = (
    "A pretrained run is one pretraining: how much another one would differ is not in the "
    "intervals."
)
MANY_PRETRAININGS = (
    "Runs that were pretrained several times: the seeds that start from one pretraining are "
    "averaged first, and the interval is over pretrainings."
)
MODES = {
    "as_described": "as_described (the paper's text where it and the released code differ)",
    "as_released": "as_released (what the released code does otherwise; docs/ has the list)",
}


@dataclass
class Line:
    """One row of a table: its label and task -> estimate, all as fractions.

    `failed` has the tasks of which some seeds are missing.
    """

    label: str
    kind: str  # ours | baseline | published
    source: str
    scores: dict[str, Estimate]
    mean: float = math.nan
    simulated: bool = False
    failed: dict[str, Incomplete] = field(default_factory=dict)


def write_table(
    metrics_csv: str | Path,
    suite: str,
    published_csv: str | Path | None,
    output: str | Path,
    runs: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
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

    Raises
    ------
    InputError
        When the suite, or one of `tasks` or `runs`, has no row.
    """
    metrics = read_metrics(metrics_csv)
    require_runs(metrics, runs or (), metrics_csv)
    metrics = _select(metrics, Path(metrics_csv), suite, tasks)
    tasks = list(tasks or sorted(metrics["task"].unique()))
    names = {task: str(metrics.loc[metrics["task"] == task, "metric"].iloc[0]) for task in tasks}
    runs = runs_in_order(metrics, runs)
    metrics = metrics[metrics["run"].isin(runs)]
    ours = [_own_line(run, metrics[metrics["run"] == run], tasks) for run in runs]
    rows = read_published(published_csv) if published_csv else None
    published, sources = ([], []) if rows is None else published_lines(rows, suite, names)
    simulated = bool(metrics["simulated"].any())
    sheet = _sheet(ours + published, names)
    sheet.title = f"{suite}: {_probe(metrics)}test-set scores {TIMES} 100" + (
        " (simulated data)" if simulated else ""
    )
    sheet.notes = [*_protocol(metrics), *_mode_notes(metrics), *_truncation_notes(metrics)]
    sheet.notes += [*finetuning_notes(metrics), *failure_notes(metrics)]
    sheet.notes += _published_notes(published, sources)
    if simulated:
        sheet.notes.append("Simulated: made on generated sequences; it says nothing about genomes.")
    write_sheets(output, _numbers(ours + published, names), [sheet])


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
        mean = scores.pop(mean_of_all).mean if mean_of_all in scores else _mean(scores, tasks)
        label = f"{model} [{sources.index(str(source)) + 1}]"
        lines.append(Line(label, "published", str(source), scores, mean))
    kinds = rows.groupby("source")["spread_kind"].unique().to_dict()
    return lines, [source + _spread_note(kinds[source]) for source in sources]


def _spread_note(kinds: Iterable[object]) -> str:
    known = [kind for kind in kinds if isinstance(kind, str)]
    return f" (in parentheses: {', '.join(known)})" if known else ""


def _own_line(run: str, rows: pd.DataFrame, tasks: Sequence[str]) -> Line:
    by_task = {str(task): group for task, group in rows.groupby("task") if task in tasks}
    scores = {task: estimate(by_task[task]) for task in tasks if task in by_task}
    failed = {task: lost for task, group in by_task.items() if (lost := incomplete(group))}
    simulated = bool(rows["simulated"].any())
    label = f"{run} (simulated)" if simulated else run
    kind = "baseline" if run == BASELINE else "ours"
    return Line(label, kind, "measured here", scores, _mean(scores, tasks), simulated, failed)


def _mean(scores: Mapping[str, Estimate], tasks: Sequence[str]) -> float:
    complete = all(task in scores for task in tasks)
    return sum(scores[task].mean for task in tasks) / len(tasks) if complete else math.nan


def _sheet(lines: list[Line], names: Mapping[str, str]) -> Sheet:
    tasks = list(names)
    with_mean = len(tasks) > 1
    headers = ["method", "seeds", *(f"{task} ({METRICS[names[task]]})" for task in tasks)]
    sheet = Sheet("", [*headers, "mean"] if with_mean else headers, [], fixed=2)
    for line in lines:
        row = [line.label, _seeds(line), *(_cell(line, task) for task in tasks)]
        if with_mean:
            marked = line.failed and not math.isnan(line.mean)
            row.append(percent(line.mean) + (f" {MARK}" if marked else ""))
        sheet.rows.append(row)
    own = sum(line.kind != "published" for line in lines)
    sheet.groups = {0: "Measured here"} | ({own: "Published"} if own < len(lines) else {})
    columns = [[_mean(line.scores, [task]) for line in lines[:own]] for task in tasks]
    if with_mean:
        columns.append([line.mean for line in lines[:own]])
    for column, values in enumerate(columns, start=2):
        sheet.bold |= {(row, column) for row in _best(values)}
    return sheet


def _best(values: Sequence[float]) -> list[int]:
    """Return the indices of the best values, as far as shown."""
    shown = [round(100 * value, 1) for value in values]
    best = max((value for value in shown if not math.isnan(value)), default=math.nan)
    return [index for index, value in enumerate(shown) if value == best]


def _numbers(lines: list[Line], names: Mapping[str, str]) -> pd.DataFrame:
    """Return what the CSV holds, scores × 100: per task its score, interval or spread, seeds."""
    records = []
    for line in lines:
        record: dict[str, object] = {"method": line.label, "kind": line.kind, "source": line.source}
        record["simulated"] = line.simulated
        spread = "spread" if line.kind == "published" else "ci95"
        for task, metric in names.items():
            score = line.scores.get(task)
            record[f"{task} ({metric})"] = score and 100 * score.mean
            record |= dict.fromkeys((f"{task} ci95", f"{task} spread", f"{task} seeds"))
            if score:
                record[f"{task} {spread}"] = 100 * score.half_width
                record[f"{task} seeds"] = None if line.kind == "published" else score.n
            if any(task in other.failed for other in lines):
                record[f"{task} failed seeds"] = None if line.kind == "published" else 0
            if task in line.failed:
                record[f"{task} failed seeds"] = len(line.failed[task].reasons)
        records.append(record | {"mean": 100 * line.mean})
    return pd.DataFrame(records).round(4)


def _cell(line: Line, task: str) -> str:
    score = line.scores.get(task)
    if score is None:
        return MISSING
    text = percent(score.mean)
    if not math.isnan(score.half_width):
        spread = percent(score.half_width)
        text += f" ({spread})" if line.kind == "published" else f" ± {spread}"
    return f"{text} {MARK} {line.failed[task]}" if task in line.failed else text


def _seeds(line: Line) -> str:
    counts = sorted({score.n for score in line.scores.values()})
    if line.kind == "published" or not counts:
        return ""
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]}{EN_DASH}{counts[-1]}"


def _protocol(metrics: pd.DataFrame) -> list[str]:
    """Return what the numbers are, as the rows of this table were made."""
    selections = _values(metrics, "selection") or ["best_dev"]
    learnt = metrics[metrics["pretrained"]]
    many = "pretraining_seed" in learnt and bool(
        (learnt.groupby("run")["pretraining_seed"].nunique() > 1).any()
    )
    words = {
        "epoch": " or ".join(EPOCHS[name] for name in selections),
        "lengths": " or ".join(_values(metrics, "kmer_lengths")) or "as configured",
        "strength": " or ".join(STRENGTHS[name] for name in selections),
        "pretrainings": MANY_PRETRAININGS if many else ONE_PRETRAINING,
    }
    lines = (FROZEN, *PROTOCOL[1:]) if _is_frozen(metrics) else PROTOCOL
    if neighbours := _values(metrics, "neighbours"):
        lines = (NEIGHBOURS, *PROTOCOL[1:])
        words["k"] = " or ".join(f"{int(k)}" for k in neighbours)
        words["pooling"] = " or ".join(_values(metrics, "pooling"))
    return [line.format(**words) for line in lines]


def _probe(metrics: pd.DataFrame) -> str:
    """Return which probe of frozen features the rows are of, for the title."""
    if _values(metrics, "neighbours"):
        return "k-NN probe, "
    return "linear probe, " if _is_frozen(metrics) else ""


def _is_frozen(metrics: pd.DataFrame) -> bool:
    return _values(metrics, "frozen") == [True]


def _values(metrics: pd.DataFrame, column: str) -> list[Any]:
    """Return what a column holds, sorted; nothing where there is no such column."""
    return sorted(set(metrics[column].dropna())) if column in metrics else []


def _mode_notes(metrics: pd.DataFrame) -> list[str]:
    if "mode" not in metrics:
        return [f"Recipes: {MODES['as_described']}."]
    modes = metrics.assign(mode=metrics["mode"].fillna("as_described")).groupby("mode")["run"]
    if len(modes) == 1:
        return [f"Recipes: {MODES[next(iter(modes.groups))]}."]
    return [f"{MODES[str(mode)]}: {', '.join(sorted(set(runs)))}." for mode, runs in modes]


def _truncation_notes(metrics: pd.DataFrame) -> list[str]:
    """Name the runs that read only the beginning of some sequences, because their positions end."""
    if "n_truncated" not in metrics:
        return []
    cut = metrics[metrics["n_truncated"].fillna(0) > 0]
    if cut.empty:
        return []
    tasks = cut.groupby("run")["task"].unique()
    readers = [f"{run} ({', '.join(sorted(names))})" for run, names in tasks.items()]
    return [f"Only the beginning of longer sequences is read by {'; '.join(readers)}."]


def _published_notes(lines: list[Line], sources: list[str]) -> list[str]:
    if not lines:
        return ["No published number of this suite, task and metric could be read."]
    note = "Published rows are under their own protocols, and only where task and metric are ours."
    return [note, *(f"[{number}] {source}." for number, source in enumerate(sources, 1))]
