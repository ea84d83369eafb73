"""What each pretraining took and reached: one row per run, replicas averaged."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from dnastudents.errors import InputError
from dnastudents.files import read_json, reading
from dnastudents.results.jobs import run_of
from dnastudents.results.soundness import MARK, against_pretraining
from dnastudents.results.statistics import mean_interval
from dnastudents.settings import parse
from dnastudents.tables.notes import start_notes
from dnastudents.tables.render import MISSING, TIMES, Sheet, Table, write
from dnastudents.training.options import NORM, RunSettings

ORACLE = "oracle"
ORACLE_NOTE = (
    "oracle: the perplexity, on the same hidden tokens, of who knows how the simulated genome was "
    "made; no student can have a lower one."
)
HEADERS = [
    "run",
    "parameters",
    f"steps {TIMES} batch",
    "tokens/s",
    "minutes",
    "validation perplexity",
    "token frequencies",
    "Markov chain",
    ORACLE,
    "gradient norm",
    "switch at step",
]
NOTES = (
    "tokens: bases that were read. Perplexity: of hidden tokens (vocabularies differ between "
    "runs), at the last evaluation, on the same held-out sequences for all runs with one window. "
    "The CSV has losses and accuracies too; where some tokens are drawn but shown (left as they "
    "are, or replaced at random), also of those.",
    "token frequencies, Markov chain: perplexities, on the same hidden tokens, of how often each "
    "token occurs in the training split, and of an interpolated Markov chain over its bases, read "
    "from both sides as far as bases are seen, at most ten. A student that is not below the first "
    "has learned nothing, one that is not below the second nothing that counting does not give.",
    "gradient norm: before clipping; median of the log's lines, and the last.",
    "Several pretrainings of one run differ in their seed: mean ± half width of the 95 % t "
    "interval, tokens/s and minutes as means.",
    "switch at step: the evaluation after which a curriculum used its second masking, or the step "
    "at which it was told to; one number per pretraining.",
)
MEASURES = (
    "loss",
    "perplexity",
    "accuracy",
    "shown_perplexity",
    "shown_accuracy",
    "frequency_perplexity",
    "markov_perplexity",
    "oracle_perplexity",
)
TEACHER = ("teacher_perplexity", "teacher_frequency_perplexity")


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
    table = pretraining_table(folders)
    write(table, output)
    return table.numbers


def pretraining_table(folders: Iterable[str | Path]) -> Table:
    """Make one row per run of the sheet, and one per pretraining of the numbers."""
    frame = pd.DataFrame([_record(Path(folder)) for folder in folders])
    title = "Pretraining" + (" (simulated data)" if frame["simulated"].any() else "")
    notes = [*NOTES, *start_notes(frame), *_notes_on_learning(frame)]
    sheet = Sheet(title, list(HEADERS), [], notes=notes)
    for run, rows in frame.groupby("run", sort=False):
        sheet.rows.append(_line(str(run), rows))
    if frame["validation_oracle_perplexity"].isna().all():  # of a real genome nobody knows
        column = sheet.headers.index(ORACLE)
        for cells in (sheet.headers, *sheet.rows):
            del cells[column]
    else:
        sheet.notes.append(ORACLE_NOTE)
    return Table(frame.drop(columns="switches"), [sheet])


def _record(folder: Path) -> dict[str, Any]:
    if not (folder / "metrics.json").is_file():
        raise InputError(f"{folder}: no finished pretraining (no metrics.json); run it first")
    metrics = read_json(folder / "metrics.json")
    settings: RunSettings = parse(RunSettings, read_json(folder / "settings.json"), str(folder))
    if settings.pretraining is None or settings.masking is None:
        raise InputError(f"{folder}: was never pretrained; leave it out")
    with reading(folder / "history.csv"):
        history = pd.read_csv(folder / "history.csv")
        norms = pd.to_numeric(history.get(NORM, pd.Series(dtype=float))).dropna()
    validation = metrics.get("validation", {})
    if "hidden" not in validation:  # an earlier version's, whose perplexity is of shown tokens too
        validation = {"loss": validation.get("loss")}
    return {
        "run": run_of(folder.name),
        "pretraining": folder.name,
        **{key: metrics[key] for key in ("seed", "parameters", "steps")},
        "batch_size": settings.pretraining.batch_size,
        **{key: metrics[key] for key in ("tokens", "tokens_per_second", "wall_seconds", "device")},
        **{f"validation_{key}": validation.get(key) for key in MEASURES},
        **{name: metrics.get(name) for name in TEACHER},
        NORM: norms.median(),
        f"{NORM}_last": norms.iloc[-1] if len(norms) else None,
        "masking": settings.masking.name,
        "initialisation": settings.student.initialisation.words,
        "switches": settings.masking.switches,
        "switch_step": _switch(history, settings.masking, metrics["steps"]),
        "simulated": metrics["simulated"],
    }


def _switch(history: pd.DataFrame, masking: Any, steps: int) -> int | None:
    """Return when a curriculum's second stage began: as it was told to, or as rows show."""
    if not masking.switches:
        return None
    if (told := getattr(masking, "switch_step", None)) is not None:
        return told if told < steps else None
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
        _perplexity(rows["validation_perplexity"])
        + f" {MARK}" * any(against_pretraining(row) for row in _validations(rows)),
        _perplexity(rows["validation_frequency_perplexity"]),
        _perplexity(rows["validation_markov_perplexity"]),
        _perplexity(rows["validation_oracle_perplexity"]),
        _norm(rows),
        ", ".join(switches) if first["switches"] else MISSING,
    ]


def _notes_on_learning(frame: pd.DataFrame) -> list[str]:
    """Name the pretrainings that taught nothing, and tell what the teachers had learned."""
    found = [
        f"{MARK} {name}: {reason}"
        for name, row in zip(frame["pretraining"], _validations(frame), strict=True)
        for reason in against_pretraining(row)
    ]
    for name, *known in frame[["pretraining", *TEACHER]].dropna().itertuples(index=False):
        perplexity, frequency = known
        reasons = against_pretraining({"perplexity": perplexity, "frequency_perplexity": frequency})
        found.append(
            f"{name}: its teacher has perplexity {perplexity:,.4g}, token frequencies have "
            f"{frequency:,.4g}{'; it is no better' if reasons else ''}"
        )
    return found


def _validations(rows: pd.DataFrame) -> list[dict[Any, Any]]:
    """Return the last validations as `metrics.json` has them."""
    named = {f"validation_{key}": key for key in MEASURES}
    values = rows[list(named)].rename(columns=named).astype(object)
    return values.where(values.notna(), None).to_dict("records")


def _norm(rows: pd.DataFrame) -> str:
    median, last = rows[NORM].mean(), rows[f"{NORM}_last"].astype(float).mean()
    return MISSING if math.isnan(median) else f"{median:.2g}, {last:.2g}"


def _perplexity(values: pd.Series) -> str:
    """Format mean and interval with four significant digits: perplexities run from 2 to 4,000."""
    known = values.dropna().astype(float).tolist()
    if not known:
        return MISSING
    estimate = mean_interval(known)
    digits = max(0, 3 - math.floor(math.log10(estimate.mean)))
    text = f"{estimate.mean:,.{digits}f}"
    if math.isnan(estimate.half_width) or max(known) - min(known) < 1e-6 * estimate.mean:
        return text
    return f"{text} ± {estimate.half_width:,.{digits}f}"
