"""Classification metrics over a whole test set, and the table of its predictions.

All numbers are fractions in their own range (accuracy, F1, AUC in 0..1, MCC in -1..1) and are
computed once from all predictions, never averaged over batches: the mean of batch-wise MCCs, as in
the code that HAD's baselines come from (papers/had.md §5), is another quantity.
"""

from __future__ import annotations

from collections.abc import Sequence
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
        among labels or predictions, as scikit-learn does; `mcc` (0 where undefined); `auc`, of
        class 1 for two classes, else macro one-vs-one (None where a class is absent); `confusion`,
        C x C counts with true classes as rows.

    Raises
    ------
    InputError
        On an empty test set, shapes that do not fit, or a label outside 0..C-1.
    """
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
    return {
        "accuracy": float(accuracy_score(truth, guess)),
        "f1": float(f1_score(truth, guess, zero_division=0.0)) if ids.size == 2 else None,
        "f1_macro": float(f1_score(truth, guess, average="macro", zero_division=0.0)),
        "mcc": float(matthews_corrcoef(truth, guess)),
        "auc": _auc(truth, scores),
        "confusion": confusion_matrix(truth, guess, labels=ids).tolist(),
    }


def prediction_table(
    seed: int, labels: NDArray[Any], probabilities: NDArray[Any], classes: Sequence[str]
) -> pd.DataFrame:
    """Make one row per test sequence: seed, index, label, prediction, p_<class>."""
    table = pd.DataFrame({"seed": seed, "index": np.arange(len(labels)), "label": labels})
    table["prediction"] = probabilities.argmax(1)
    return table.assign(**{f"p_{name}": probabilities[:, k] for k, name in enumerate(classes)})


def _auc(truth: NDArray[Any], scores: NDArray[np.float64]) -> float | None:
    if np.unique(truth).size < scores.shape[1] or not np.isfinite(scores).all():
        return None
    if scores.shape[1] == 2:
        return float(roc_auc_score(truth, scores[:, 1]))
    # float32 softmax rows miss 1 by more than scikit-learn accepts
    scores = scores / scores.sum(axis=1, keepdims=True)
    return float(roc_auc_score(truth, scores, multi_class="ovo", average="macro"))
