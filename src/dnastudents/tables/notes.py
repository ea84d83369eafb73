"""Notes below a table: what its numbers are, and where runs were not all made alike."""

from __future__ import annotations

from typing import Any

import pandas as pd

from dnastudents.results.jobs import BASELINE
from dnastudents.tables.render import MISSING, TIMES

BEST = "★"
PROTOCOL = (
    f"Scores are {TIMES} 100. Ours: mean ± half width of the 95 % t interval over fine-tuning "
    "seeds; no ± for a single seed. Each seed gives one score on the whole test set, at {epoch}.",
    "{pretrainings}",
    f"{BASELINE}: logistic regression on k-mer frequencies, k = {{lengths}}, strength chosen on "
    "{strength}; its fit is deterministic: one value, or one per seed where seeds train on subsets "
    "of their own. *_scratch: the student of that name, never pretrained, with new weights for "
    "every seed.",
    f"{MISSING}: not measured or not published. Means only where every task has a score. Bold: "
    f"best of the rows measured here. {BEST}: best of all rows, where some are published.",
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
    "averaged first, and the interval is over pretrainings, whose number stands under seeds."
)
MODES = {
    "as_described": "as_described (the paper's text where it and the released code differ)",
    "as_released": "as_released (what the released code does otherwise; docs/ has the list)",
}
SIZES = (
    "Parameters: of a student without its heads for a task; of published rows as far as their "
    "source says. Tokens: bases that one pretraining read. Device hours: of one pretraining, its "
    "hours times its devices; a mean where there are several."
)
RANKS = (
    "mean rank: over tasks, among the rows measured here that have a score on each; 1 is best, "
    "equal scores share their ranks."
)
SIMULATED = "Simulated: made on generated sequences; it says nothing about genomes."
SIMULATED_PRETRAINING = (
    "Simulated pretraining: read a generated genome before it was fine-tuned on real sequences; "
    "it says nothing about pretraining on a real one."
)
GRID = "Chosen on dev, for each task, from a grid of {value}: {runs}."
BY_SEED = "Each seed draws its own dev split from the training sequences: {runs}."
START = "Initialisation: {value}: {runs}."
PARTS = "Features are means over each of {value:g} equal parts of a sequence, side by side: {runs}."
STRANDS = {
    "augment": "Training sequences are read on either strand: {runs}.",
    "conjoin": (
        "Training sequences are read on either strand, and the logits of both strands are averaged "
        "for dev and test: {runs}."
    ),
}


def finetuning_notes(metrics: pd.DataFrame) -> list[str]:
    """Return one line for each way of fine-tuning other than the plain one, with its runs.

    Parameters
    ----------
    metrics : DataFrame
        Metrics rows. Of the columns `grid`, `dev`, `reverse_complement`, `pooling_parts`
        and `initialisation` those count that are there; rows of probes lack some.
    """
    nothing = pd.Series(pd.NA, index=metrics.index)
    dev, strands = (metrics.get(name, nothing) for name in ("dev", "reverse_complement"))
    found = [
        (BY_SEED, dev == "by_seed"),
        *((text, strands == name) for name, text in STRANDS.items()),
    ]
    notes = _by_value(GRID, metrics, "grid")
    for text, rows in found:
        if runs := sorted(set(metrics.loc[rows.fillna(False).astype(bool), "run"])):
            notes.append(text.format(runs=", ".join(runs)))
    notes += _by_value(PARTS, metrics, "pooling_parts")
    return notes + start_notes(metrics)


def start_notes(rows: pd.DataFrame) -> list[str]:
    """Return one line for each initialisation other than an architecture's own, with its runs.

    Parameters
    ----------
    rows : DataFrame
        With `run`, and `initialisation` where any row has one; it is empty for the usual one.
    """
    return _by_value(START, rows, "initialisation")


def _by_value(text: str, rows: pd.DataFrame, column: str) -> list[str]:
    """Return one line for each value of a column, with its runs."""
    if column not in rows:
        return []
    groups = rows.dropna(subset=column).groupby(column)
    return [text.format(value=value, runs=_runs(group, rows)) for value, group in groups]


def _runs(some: pd.DataFrame, rows: pd.DataFrame) -> str:
    """Name the runs of some rows, with their tasks where the run has rows of others too."""
    if "task" not in rows:
        return ", ".join(sorted(set(some["run"])))
    names = []
    for run in sorted(set(some["run"])):
        tasks, whole = (set(of.loc[of["run"] == run, "task"]) for of in (some, rows))
        names.append(run if tasks == whole else f"{run} ({', '.join(sorted(tasks))})")
    return ", ".join(names)


def protocol_notes(metrics: pd.DataFrame) -> list[str]:
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


def probe_named(metrics: pd.DataFrame) -> str:
    """Return which probe of frozen features the rows are of, for the title."""
    if _values(metrics, "neighbours"):
        return "k-NN probe, "
    return "linear probe, " if _is_frozen(metrics) else ""


def _is_frozen(metrics: pd.DataFrame) -> bool:
    return _values(metrics, "frozen") == [True]


def _values(metrics: pd.DataFrame, column: str) -> list[Any]:
    """Return what a column holds, sorted; nothing where there is no such column."""
    return sorted(set(metrics[column].dropna())) if column in metrics else []


def mode_notes(metrics: pd.DataFrame) -> list[str]:
    if "mode" not in metrics:
        return [f"Recipes: {MODES['as_described']}."]
    known = metrics.dropna(subset="mode")  # the baseline has none, and of others' it is not known
    modes = known.groupby("mode")["run"]
    if len(modes) == 1 and {*metrics["run"]} <= {*known["run"], BASELINE}:
        return [f"Recipes: {MODES[next(iter(modes.groups))]}."]
    return [f"{MODES[str(mode)]}: {', '.join(sorted(set(runs)))}." for mode, runs in modes]


def truncation_notes(metrics: pd.DataFrame) -> list[str]:
    """Name the runs that read only the beginning of some sequences, because their positions end."""
    if "n_truncated" not in metrics:
        return []
    cut = metrics[metrics["n_truncated"].fillna(0) > 0]
    if cut.empty:
        return []
    tasks = cut.groupby("run")["task"].unique()
    readers = [f"{run} ({', '.join(sorted(names))})" for run, names in tasks.items()]
    return [f"Only the beginning of longer sequences is read by {'; '.join(readers)}."]


def published_notes(sources: list[str]) -> list[str]:
    if not sources:
        return ["No published number of this suite, task and metric could be read."]
    note = "Published rows are under their own protocols, and only where task and metric are ours."
    return [note, *(f"[{number}] {source}." for number, source in enumerate(sources, 1))]
