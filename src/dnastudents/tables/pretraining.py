"""What each pretraining took and reached: one row per run, replicas averaged."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from dnastudents.errors import InputError
from dnastudents.files import read_json, reading
from dnastudents.results.statistics import mean_interval
from dnastudents.settings import parse
from dnastudents.tables.notes import start_notes
from dnastudents.tables.render import MISSING, TIMES, Sheet, write_sheets
from dnastudents.training.options import RunSettings

HEADERS = [
    "run",
    "parameters",
    f"steps {TIMES} batch",
    "tokens/s",
    "minutes",
    "validation perplexity",
    "switch at step",
]
NOTES = (
    "tokens: bases that were read. Perplexity: of masked tokens (vocabularies differ between "
    "runs), at the last evaluation, on the same held-out sequences for all runs with one window. "
    "The CSV has validation losses and accuracies too.",
    "Several pretrainings of one run differ in their seed: mean ± half width of the 95 % t "
    "interval, tokens/s and minutes as means.",
    "switch at step: the first evaluation after which a curriculum used its second masking; one "
    "number per pretraining.",
)
MEASURES = ("loss", "perplexity", "masked_accuracy")


def write_pretraining_table(folders: Iterable[str | Path], output: str | Path) -> pd.DataFrame:
    """Write one row per run as CSV (one row per pretraining), Markdown and LaTeX.

    Parameters
    ----------
    folders : iterable of path
        Outputs of `dnastudents pretrain`; `run@1`, `run@2` are further pretrainings of `run`.
    output : path
        `<output>.csv`, `.md` and `.tex` are written; a suffix .csv is taken off first.

    Returns
    -------
    DataFrame
        What the CSV holds.

    Raises
    ------
    InputError
        A folder is not a finished pretraining.
    """
    frame = pd.DataFrame([_record(Path(folder)) for folder in folders])
    title = "Pretraining" + (" (simulated data)" if frame["simulated"].any() else "")
    sheet = Sheet(title, HEADERS, [], notes=[*NOTES, *start_notes(frame)])
    for run, rows in frame.groupby("run", sort=False):
        sheet.rows.append(_line(str(run), rows))
    write_sheets(output, frame.drop(columns="switches"), [sheet])
    return frame


def _record(folder: Path) -> dict[str, Any]:
    if not (folder / "metrics.json").is_file():
        raise InputError(f"{folder}: no finished pretraining (no metrics.json); run it first")
    metrics = read_json(folder / "metrics.json")
    settings: RunSettings = parse(RunSettings, read_json(folder / "settings.json"), str(folder))
    if settings.pretraining is None or settings.masking is None:
        raise InputError(f"{folder}: was never pretrained; leave it out")
    with reading(folder / "history.csv"):
        history = pd.read_csv(folder / "history.csv")
    validation = metrics.get("validation", {})
    return {
        "run": folder.name.partition("@")[0],
        "pretraining": folder.name,
        **{key: metrics[key] for key in ("seed", "parameters", "steps")},
        "batch_size": settings.pretraining.batch_size,
        **{key: metrics[key] for key in ("tokens", "tokens_per_second", "wall_seconds", "device")},
        **{f"validation_{key}": validation.get(key) for key in MEASURES},
        "masking": settings.masking.name,
        "initialisation": settings.student.initialisation.words,
        "switches": settings.masking.switches,
        "switch_step": _switch(history) if settings.masking.switches else None,
        "simulated": metrics["simulated"],
    }


def _switch(history: pd.DataFrame) -> int | None:
    """Return the step of the last row before a curriculum's second stage."""
    stages = history["stage"]
    later = stages.index[stages != stages.iloc[0]]
    return int(history["step"].iloc[later[0] - 1]) if len(later) else None


def _line(run: str, rows: pd.DataFrame) -> list[str]:
    first = rows.iloc[0]
    steps = rows["switch_step"].astype(float)
    switches = ["never" if math.isnan(step) else f"{step:,.0f}" for step in steps]
    return [
        run if len(rows) == 1 else f"{run} ({len(rows)} seeds)",
        f"{first['parameters']:,}",
        f"{first['steps']:,} {TIMES} {first['batch_size']:,}",
        f"{rows['tokens_per_second'].mean():,.0f}",
        f"{rows['wall_seconds'].mean() / 60:,.1f}",
        _perplexity(rows["validation_perplexity"]),
        ", ".join(switches) if first["switches"] else MISSING,
    ]


def _perplexity(values: pd.Series) -> str:
    """Format mean and interval with four significant digits: perplexities run from 2 to 4,000."""
    known = values.dropna().astype(float).tolist()
    if not known:
        return MISSING
    estimate = mean_interval(known)
    digits = max(0, 3 - math.floor(math.log10(estimate.mean)))
    text = f"{estimate.mean:,.{digits}f}"
    if math.isnan(estimate.half_width):
        return text
    return f"{text} ± {estimate.half_width:,.{digits}f}"
