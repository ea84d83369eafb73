"""What counting k-mers achieves: the baseline in every table.

Logistic regression on square roots of k-mer frequencies, k = 1..6 (5,460 features, sparse). The
root damps frequent k-mers, needs no statistics of the training set, and was the best of three
scalings (root, standardised, plain) on the dev splits of four GUE tasks.

It learns from the sequences that the students learn from with the same seed (`benchmarks.draws`).
The strength of the L2 penalty is chosen by the task's metric: with selection `best_dev` on dev, and
the model stays fitted on train alone; with `last`, which uses no dev, by stratified
cross-validation on train in up to five folds (fewer where a class has fewer sequences), and the
model is fitted once more on all of train.

The fit is deterministic, so there is one row, of the first seed. Further seeds would repeat it,
unless they learn from other sequences (few-shot draws, `max_train_sequences`, a dev split by seed).
"""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from dnastudents.benchmarks.draws import POOL, Draw, dev_origin, draw, split_labels
from dnastudents.benchmarks.task import Task, load_task
from dnastudents.errors import InputError
from dnastudents.files import atomic_directory, digest, write_json, write_parquet
from dnastudents.genome.codes import encode, kmer_codes
from dnastudents.probes.options import BaselineOptions
from dnastudents.provenance import made_by
from dnastudents.results.jobs import BASELINE
from dnastudents.results.metrics import classification_metrics, metric_value, prediction_table
from dnastudents.results.row import MetricsRow, make_row, write_row
from dnastudents.settings import parse

METHOD = "k-mer logistic regression"
STRENGTHS = (0.01, 0.1, 1.0, 10.0)  # inverse L2 penalties, scikit-learn's C
FOLDS = 5  # of cross-validation, where no dev split selects
HOLDS = ("history.csv", "settings.json", "predictions.parquet", "seed_*.json")  # the folder
_CHUNK = 4096  # sequences whose positions are in memory at once


class ChosenModel(NamedTuple):
    """The model with the chosen strength; `history` has a row per strength."""

    model: LogisticRegression
    strength: float
    history: pd.DataFrame


def kmer_features(sequences: Sequence[str], k: Sequence[int] = range(1, 7)) -> sparse.csr_matrix:
    """Compute square roots of k-mer frequencies.

    Parameters
    ----------
    sequences : sequence of str, n
    k : sequence of int
        Lengths of the k-mers. Default is 1 to 6.

    Returns
    -------
    scipy.sparse.csr_matrix
        float32 (n, sum of 4**k): for each k, k-mers in A C G T order. A row's entries of one k have
        squares that sum to 1, or to 0 where the sequence has no such k-mer free of N.
    """
    chunks = [
        _root_frequencies(sequences[start : start + _CHUNK], k)
        for start in range(0, len(sequences), _CHUNK)
    ]
    return sparse.vstack(chunks, format="csr")


def kmer_logistic(
    task: str | Path,
    output: str | Path,
    seeds: Sequence[int] = (0,),
    settings: BaselineOptions | Mapping[str, Any] | None = None,
) -> None:
    """Fit the baseline on one task and write its metrics rows.

    Parameters
    ----------
    task : path
        A canonical task folder.
    output : path
        Folder that gets `seed_<s>.json` (see `results.row`), `settings.json`,
        `predictions.parquet` (as fine-tuning writes it) and `history.csv` (score by strength,
        and on what).
    seeds : sequence of int
        Only the first is used, unless they learn from different sequences. Default is 0.
    settings : BaselineOptions or mapping, optional
        Default is that of each.

    Raises
    ------
    InputError
        An unknown selection or dev, or a class with too few sequences.
    """
    data = load_task(task)
    options = parse(BaselineOptions, settings or {}, "baseline")
    protocol = (options.selection, options.max_train_sequences, options.dev)
    draws = {seed: draw(data, seed, *protocol) for seed in seeds}
    names = [name for name in data.splits if name != "dev" or options.selection == "best_dev"]
    features = {
        name: kmer_features(data.split(name)["sequence"].tolist(), options.k) for name in names
    }
    if draws[seeds[0]].train_of == POOL:
        features[POOL] = sparse.vstack([features["train"], features["dev"]], format="csr")
    predictions, histories = [], []
    with atomic_directory(output, *HOLDS, like=b"strength,") as folder:
        for seed in _distinct(draws):
            row, table, history = _run_seed(seed, data, features, draws[seed], options)
            write_row(folder / f"seed_{seed}.json", row)
            predictions.append(table)
            histories.append(history.assign(seed=seed))
        table = pd.concat(predictions, ignore_index=True)
        write_parquet(table, folder / "predictions.parquet")
        pd.concat(histories).to_csv(folder / "history.csv", index=False)
        write_json(folder / "settings.json", options.as_json())


def _root_frequencies(sequences: Sequence[str], lengths: Sequence[int]) -> sparse.csr_matrix:
    """Compute `kmer_features` of a few sequences at once; an N between keeps them apart."""
    codes = encode("N".join(sequences))
    owner = np.repeat(np.arange(len(sequences)), [len(sequence) + 1 for sequence in sequences])
    blocks = []
    for k in lengths:
        kmers = kmer_codes(codes, k)
        known = np.flatnonzero(kmers >= 0)
        rows, ones = owner[known], np.ones(len(known), dtype=np.float32)
        shape = (len(sequences), 4**k)
        counts = sparse.csr_matrix((ones, (rows, kmers[known])), shape=shape)  # duplicates add up
        totals = np.maximum(np.bincount(rows, minlength=len(sequences)), 1)
        counts.data = np.sqrt(counts.data / np.repeat(totals, np.diff(counts.indptr)))
        blocks.append(counts.astype(np.float32))
    return sparse.hstack(blocks, format="csr")


def _run_seed(
    seed: int,
    task: Task,
    features: dict[str, sparse.csr_matrix],
    drawn: Draw,
    options: BaselineOptions,
) -> tuple[MetricsRow, pd.DataFrame, pd.DataFrame]:
    """Make the metrics row of one seed, its predictions, and the scores of all strengths."""
    started = time.perf_counter()
    chosen = _fit(task, features, drawn)
    labels = task.test["label"].to_numpy()
    guesses, probabilities = _predict(chosen.model, features["test"], len(task.classes))
    metrics = classification_metrics(labels, guesses, probabilities, task.classes)
    of_seed = {
        "seed": seed,
        "n_train": len(drawn.train),
        "n_dev": len(drawn.dev),
        "strength": chosen.strength,
        "wall_seconds": time.perf_counter() - started,
    }
    table = prediction_table(seed, labels, probabilities, task.classes)
    return _row(task, metrics, options, of_seed), table, chosen.history


def _distinct(draws: dict[int, Draw]) -> list[int]:
    """Return all seeds, or the first alone where all learn from the same sequences."""
    seeds = list(draws)
    first = draws[seeds[0]]
    same = all(
        np.array_equal(drawn.train, first.train) and np.array_equal(drawn.dev, first.dev)
        for drawn in draws.values()
    )
    return seeds[:1] if same else seeds


def _fit(task: Task, features: dict[str, sparse.csr_matrix], drawn: Draw) -> ChosenModel:
    """Fit with each strength; the first of the best on the held-out sequences wins."""
    inputs, labels = features[drawn.train_of], split_labels(task, drawn.train_of)
    folds = [drawn] if len(drawn.dev) else _cross_folds(task, drawn)
    truth = np.concatenate([split_labels(task, fold.dev_of)[fold.dev] for fold in folds])
    models, scores = [], []
    for strength in STRENGTHS:
        guesses = []
        for fold in folds:
            models.append(_logistic(strength, inputs[fold.train], labels[fold.train]))
            held = features[fold.dev_of][fold.dev]
            guesses.append(_predict(models[-1], held, len(task.classes)))
        predictions, probabilities = map(np.concatenate, zip(*guesses, strict=True))
        scores.append(metric_value(task.metric, truth, predictions, probabilities, task.classes))
    best = int(np.argmax(scores))
    if len(drawn.dev):
        model, held_out_of = models[best], "dev"
    else:
        held_out_of = "cross-validation"
        model = _logistic(STRENGTHS[best], inputs[drawn.train], labels[drawn.train])
    history = pd.DataFrame({"strength": STRENGTHS, "split": held_out_of, task.metric: scores})
    return ChosenModel(model, STRENGTHS[best], history)


def _cross_folds(task: Task, drawn: Draw) -> list[Draw]:
    """Make stratified folds of the training rows: each is held out once, the others fit."""
    labels = task.train["label"].to_numpy()[drawn.train]
    fewest = int(np.bincount(labels, minlength=len(task.classes)).min())
    if fewest < 2:
        raise InputError(
            f"{task.folder}: a class has {fewest} training sequences; cross-validation of the "
            "baseline needs 2: raise max_train_sequences"
        )
    folds = StratifiedKFold(min(FOLDS, fewest)).split(labels, labels)
    return [Draw(drawn.train[fit], drawn.train[held], "train") for fit, held in folds]


def _logistic(
    strength: float, inputs: sparse.csr_matrix, labels: NDArray[np.int64]
) -> LogisticRegression:
    return LogisticRegression(C=strength, max_iter=500).fit(inputs, labels)


def _predict(
    model: LogisticRegression, inputs: sparse.csr_matrix, classes: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Predict ids (n,) and probabilities (n, classes); 0 for a class that the fit never saw."""
    probabilities = np.zeros((inputs.shape[0], classes))
    probabilities[:, model.classes_] = model.predict_proba(inputs)
    return probabilities.argmax(axis=1), probabilities


def _range(k: list[int]) -> str:
    """Write as 1 to 6, or 3, 5 where some between are left out."""
    whole = len(k) > 2 and k == list(range(k[0], k[-1] + 1))
    return f"{k[0]} to {k[-1]}" if whole else ", ".join(map(str, k))


def _row(
    task: Task, metrics: Mapping[str, Any], options: BaselineOptions, of_seed: Mapping[str, Any]
) -> MetricsRow:
    """Make the metrics row of one seed; `of_seed` differs between seeds, the rest does not."""
    values = {
        "run": BASELINE,
        "method": METHOD,
        **dict.fromkeys(("best_epoch", "learning_rate", "batch_size")),
        "selection": options.selection,
        "dev": dev_origin(task, options.selection, options.dev),
        "device": "cpu",
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "config_digest": digest(options.as_json()),
        "kmer_lengths": _range(list(options.k)),
        "pretrained": False,
        **made_by("scikit-learn", "scipy"),
    }
    return make_row(task, metrics, {**values, **of_seed})
