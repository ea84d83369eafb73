"""Classification metrics over a whole test set, and the table of its predictions.

All numbers are fractions in their own range (accuracy, F1, AUC in 0..1, MCC in -1..1) and are
computed once from all predictions, never averaged over batches: the mean of batch-wise MCCs, as in
the code that HAD's baselines come from (kuleshov-group/caduceus @0060a6d8), is another quantity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    matthews_corrcoef,
    roc_auc_score,
)

from dnastudents.errors import InputError
from dnastudents.results.row import primary

Ids = NDArray[Any]
Scores = NDArray[np.float64]

ROUNDING = 1e-5  # of the largest value: no more is left of float32 behind a network


def classification_metrics(
    labels: ArrayLike,
    predictions: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[str],
) -> dict[str, Any]:
    """Compute every metric of one test set.

    Parameters
    ----------
    labels : array of int, (n,)
        True class ids, 0..C-1.
    predictions : array of int, (n,)
        Predicted class ids.
    probabilities : array of float, (n, C)
        Predicted probability of each class; each row sums to 1.
    classes : sequence of str, C
        Class names in the order of their ids.

    Returns
    -------
    dict
        `accuracy`; `f1`, of class 1 (None unless C = 2); `f1_macro`, over the classes that occur
        among labels or predictions, as scikit-learn does; `mcc`; `auc`, of class 1 for two classes,
        else macro one-vs-one (None where a class is absent); `confusion`, C x C counts with true
        classes as rows; `constant`, whether one class is predicted throughout; `undefined`, the
        metrics that are 0 or None because they are undefined here (None: all are defined).

    Raises
    ------
    InputError
        On an empty test set, shapes that do not fit, or a label outside 0..C-1.
    """
    truth, guess, scores = _checked(labels, predictions, probabilities, classes)
    values = {name: metric(truth, guess, scores) for name, metric in _FUNCTIONS.items()}
    confusion = confusion_matrix(truth, guess, labels=np.arange(len(classes)))
    return {
        **values,
        "confusion": confusion.tolist(),
        "constant": bool((guess == guess[0]).all()),
        "undefined": _undefined(confusion, values) or None,
    }


def metric_value(
    name: str,
    labels: ArrayLike,
    predictions: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[str],
) -> float:
    """Compute the metric `name` alone: that of `classification_metrics`, as `primary` reads it."""
    checked = _checked(labels, predictions, probabilities, classes)
    return primary({name: _FUNCTIONS[name](*checked)} if name in _FUNCTIONS else {}, name)


def are_equal(vectors: NDArray[Any]) -> bool:
    """Return whether vectors (n, D), n > 0, are the same but for rounding: nothing tells them."""
    return bool(np.ptp(vectors, axis=0).max() <= ROUNDING * np.abs(vectors).max())


def _checked(
    labels: ArrayLike, predictions: ArrayLike, probabilities: ArrayLike, classes: Sequence[str]
) -> tuple[Ids, Ids, Scores]:
    """Check what all metrics are of; return labels, predictions and probabilities as arrays."""
    truth, guess = np.asarray(labels), np.asarray(predictions)
    scores = np.asarray(probabilities, dtype=np.float64)
    ids = np.arange(len(classes))
    if truth.size == 0:
        raise InputError("metrics: the test set is empty")
    if guess.shape != truth.shape or scores.shape != (truth.size, ids.size):
        raise InputError(
            f"metrics: {truth.shape} labels, {guess.shape} predictions and {scores.shape} "
            f"probabilities do not fit {ids.size} classes"
        )
    if not np.isin(truth, ids).all() or not np.isin(guess, ids).all():
        raise InputError(f"metrics: labels must be 0..{ids.size - 1}, one for each of {classes}")
    return truth, guess, scores


def _undefined(confusion: NDArray[Any], values: Mapping[str, float | None]) -> list[str]:
    """Name the metrics whose formula divides by zero, or that lack a class, in their order."""
    true, guessed = confusion.sum(1), confusion.sum(0)
    is_single = (np.count_nonzero(true) < 2) | (np.count_nonzero(guessed) < 2)
    zero = {
        "mcc": bool(is_single),
        "f1": values["f1"] is not None and true[1] + guessed[1] == 0,
        "auc": values["auc"] is None,
    }
    return [name for name in values if zero.get(name)]


def prediction_table(
    seed: int, labels: NDArray[Any], probabilities: NDArray[Any], classes: Sequence[str]
) -> pd.DataFrame:
    """Make one row per test sequence: seed, index, label, prediction, p_<class>."""
    table = pd.DataFrame({"seed": seed, "index": np.arange(len(labels)), "label": labels})
    table["prediction"] = probabilities.argmax(1)
    return table.assign(**{f"p_{name}": probabilities[:, k] for k, name in enumerate(classes)})


def _accuracy(truth: Ids, guess: Ids, scores: Scores) -> float:
    return float(accuracy_score(truth, guess))


def _f1(truth: Ids, guess: Ids, scores: Scores) -> float | None:
    two = scores.shape[1] == 2
    return float(f1_score(truth, guess, zero_division=0.0)) if two else None


def _f1_macro(truth: Ids, guess: Ids, scores: Scores) -> float:
    return float(f1_score(truth, guess, average="macro", zero_division=0.0))


def _mcc(truth: Ids, guess: Ids, scores: Scores) -> float:
    return float(matthews_corrcoef(truth, guess))


def _auc(truth: Ids, guess: Ids, scores: Scores) -> float | None:
    if np.unique(truth).size < scores.shape[1] or not np.isfinite(scores).all():
        return None
    if scores.shape[1] == 2:
        return float(roc_auc_score(truth, scores[:, 1]))
    # float32 softmax rows miss 1 by more than scikit-learn accepts
    scores = scores / scores.sum(axis=1, keepdims=True)
    return float(roc_auc_score(truth, scores, multi_class="ovo", average="macro"))


_FUNCTIONS: dict[str, Callable[[Ids, Ids, Scores], float | None]] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "f1_macro": _f1_macro,
    "mcc": _mcc,
    "auc": _auc,
}
