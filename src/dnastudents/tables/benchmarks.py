"""What is in each task folder: the protocol of a number, and what to know before believing it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from dnastudents.benchmarks.facts import METRICS, Protocol, read_protocol
from dnastudents.benchmarks.leaks import Leaks, read_leaks
from dnastudents.benchmarks.task import SPLITS
from dnastudents.tables.render import EN_DASH, MISSING, Sheet, Table, write

TEXTS = {
    "task": "task",
    "classes": "classes",
    "metric": "metric",
    "train": "train",
    "dev": "dev",
    "test": "test",
    "length": "length (bp)",
    "duplicates": "duplicates",
    "leaks": "train & test",
    "removed": "removed",
    "conflicts": "conflicts",
    "n_percent": "N (%)",
    "test_exact": "exact (%)",
    "test_reverse_complement": "other strand (%)",
    "test_near": "near (%)",
}
LEAKS = ("exact", "reverse_complement", "near")
NOTES = (
    f"train, dev, test: sequences. length: minimum{EN_DASH}maximum, in parentheses the median, "
    "over all splits.",
    "duplicates: sequences that occur before in their own split, summed over splits. train & test: "
    "different sequences that are in both. removed: rows that were in test too and were taken out "
    "of train and dev; without `leakage: remove` none is. conflicts: different sequences that have "
    "more than one label.",
    "N (%): share of bases that are not A, C, G or T.",
    "exact, other strand, near: test sequences, each row counted, that are in train (with a dev "
    "split that was drawn from it) as they are; whose reverse "
    "complement is; of which at least 90 % of the bases are those of a training sequence, on "
    f"either strand and at some shift without gaps, the first two among them. {MISSING}: the task "
    "folder was written without.",
)


def write_benchmarks_table(tasks: Iterable[str | Path], output: str | Path) -> pd.DataFrame:
    """Write one row per task as CSV, Markdown and LaTeX.

    Parameters
    ----------
    tasks : iterable of path
        Task folders.
    output : path
        `<output>.csv` (all numbers, with source, licence and dev rule), `.md` and `.tex` are
        written; a suffix .csv is taken off first.

    Returns
    -------
    DataFrame
        What the CSV holds.
    """
    table = benchmarks_table(tasks)
    write(table, output)
    return table.numbers


def benchmarks_table(tasks: Iterable[str | Path]) -> Table:
    """Make one row per task folder, in their order."""
    frame = pd.DataFrame([_record(read_protocol(task), read_leaks(task)) for task in tasks])
    title = "Benchmarks" + (" (with simulated tasks)" if frame["simulated"].any() else "")
    sheet = Sheet(title, list(TEXTS.values()), [], fixed=len(TEXTS), notes=list(NOTES))
    sheet.notes += _dev_rules(frame)
    for index, row in enumerate(frame.to_dict("records")):
        if not index or row["suite"] != frame.at[index - 1, "suite"]:
            sheet.groups[index] = row["suite"] + (" (simulated)" if row["simulated"] else "")
        sheet.rows.append([_text(row, key) for key in TEXTS])
        if row["notes"]:
            sheet.notes.append(f"{row['suite']}/{row['task']}: {row['notes']}")
    return Table(frame, [sheet])


def _record(protocol: Protocol, leaks: Leaks | None) -> dict[str, Any]:
    lengths, duplicates = protocol.length_distribution, protocol.duplicates
    return {
        **{key: getattr(protocol, key) for key in ("suite", "task", "metric", "simulated")},
        "dev_rule": str(protocol.dev_rule),
        "classes": ", ".join(protocol.classes),
        "n_classes": len(protocol.classes),
        **{split: protocol.n_sequences[split] for split in SPLITS},
        **{f"length_{name}": value for name, value in lengths},
        "duplicates": sum(duplicates.within.values()),
        "leaks": duplicates.across["train/test"],
        "train_and_dev": duplicates.across["train/dev"],
        "dev_and_test": duplicates.across["dev/test"],
        "leakage": protocol.leakage.rule,
        "removed": sum(protocol.leakage.removed.values()),
        "conflicts": protocol.conflicting_labels,
        "n_percent": 100 * protocol.n_content.fraction,
        "iupac_letters": protocol.n_content.iupac_letters,
        **{f"test_{key}": leaks and getattr(leaks, key) for key in LEAKS},
        **{key: getattr(protocol, key) for key in ("source", "licence", "sha256")},
        "notes": "; ".join(protocol.notes),
    }


def _dev_rules(frame: pd.DataFrame) -> list[str]:
    """Say where the dev splits come from: one line per rule, with the tasks that follow it."""
    sizes = frame.groupby("suite").size()
    lines = []
    for rule, rows in frame.groupby("dev_rule", sort=False):
        names = []
        for suite, tasks in rows.groupby("suite", sort=False)["task"]:
            some = f" ({' '.join(tasks.astype(str))})" if len(tasks) < sizes[suite] else ""
            names.append(f"{suite}{some}")
        lines.append(f"dev, {', '.join(names)}: {rule}.")
    return lines


def _text(row: dict[Any, Any], key: str) -> str:
    if key == "classes":
        return str(row["n_classes"])
    if key == "metric":
        return METRICS[row["metric"]]
    if key == "length":
        low, median, high = (row[f"length_{name}"] for name in ("min", "median", "max"))
        return f"{low}" if low == high else f"{low}{EN_DASH}{high} ({median:g})"
    if key.startswith("test_"):
        return MISSING if pd.isna(row[key]) else f"{100 * row[key] / row['test']:.3g}"
    if key == "n_percent":
        return f"{row[key]:.2g}" if row[key] else "0"
    if key == "task":
        return str(row[key])
    return MISSING if row[key] is None else f"{row[key]:,}"
