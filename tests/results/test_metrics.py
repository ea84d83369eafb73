import math

import numpy as np
import pytest

from dnastudents.errors import InputError
from dnastudents.results.metrics import classification_metrics
from dnastudents.results.row import primary


def probabilities(predictions, classes):
    return np.eye(classes)[predictions]


def test_binary_metrics_equal_their_formulas():
    truth = np.array([1] * 6 + [0] * 4)
    guess = np.array([1, 1, 1, 1, 0, 0, 1, 0, 0, 0])  # tp 4, fn 2, fp 1, tn 3
    scores = np.linspace(0.05, 0.95, 10)
    metrics = classification_metrics(truth, guess, np.stack([1 - scores, scores], 1), "ab")
    assert metrics["confusion"] == [[3, 1], [2, 4]]
    assert metrics["accuracy"] == pytest.approx(0.7)
    assert metrics["f1"] == pytest.approx(2 * 4 / (2 * 4 + 1 + 2))
    assert metrics["f1_macro"] == pytest.approx((8 / 11 + 6 / 9) / 2)
    assert metrics["mcc"] == pytest.approx((4 * 3 - 1 * 2) / math.sqrt(5 * 6 * 4 * 5))
    pairs = [(scores[i] > scores[j]) for i in range(6) for j in range(6, 10)]
    assert metrics["auc"] == pytest.approx(np.mean(pairs))


def test_whole_set_mcc_is_not_the_mean_over_batches():
    truth = np.array([0, 0, 0, 1, 1, 1, 1, 0])
    guess = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    whole = classification_metrics(truth, guess, probabilities(guess, 2), "ab")["mcc"]
    halves = [
        classification_metrics(
            truth[i : i + 4], guess[i : i + 4], np.eye(2)[guess[i : i + 4]], "ab"
        )
        for i in (0, 4)
    ]
    assert whole == pytest.approx(0.5)
    assert np.mean([half["mcc"] for half in halves]) == 0.0


def test_three_classes_have_no_binary_f1_and_auc_stands_small_rounding():
    truth = np.array([0, 1, 2, 0, 1, 2])
    scores = np.full((6, 3), 0.2, dtype=np.float32)
    scores[np.arange(6), truth] = 0.6001  # rows sum to 1.0001
    metrics = classification_metrics(truth, truth, scores, "abc")
    assert metrics["f1"] is None
    assert metrics["auc"] == 1.0
    assert primary(metrics, "f1_macro") == 1.0
    with pytest.raises(InputError, match="undefined"):
        primary(metrics, "f1")


def test_one_predicted_class_gives_zero_mcc_and_an_absent_class_no_auc():
    zeros = np.zeros(4, dtype=int)
    metrics = classification_metrics([0, 0, 1, 1], zeros, probabilities(zeros, 2), "ab")
    assert metrics["mcc"] == 0.0
    assert metrics["f1"] == 0.0
    absent = classification_metrics([0, 0], [0, 1], probabilities([0, 1], 2), "ab")
    assert absent["auc"] is None
    assert absent["confusion"] == [[1, 1], [0, 0]]


@pytest.mark.parametrize(
    ("labels", "predictions", "scores", "message"),
    [
        ([], [], np.zeros((0, 2)), "empty"),
        ([0, 1], [0], np.zeros((2, 2)), "do not fit"),
        ([0, 1], [0, 1], np.zeros((2, 3)), "do not fit"),
        ([0, 2], [0, 1], np.zeros((2, 2)), "labels must be"),
    ],
)
def test_wrong_input_is_named(labels, predictions, scores, message):
    with pytest.raises(InputError, match=message):
        classification_metrics(labels, predictions, scores, "ab")


def test_unknown_metric_lists_the_known():
    with pytest.raises(InputError, match="f1_macro, mcc"):
        primary({}, "kappa")
