import itertools
import math

import numpy as np
import pytest

from dnastudents.errors import InputError
from dnastudents.results.metrics import are_equal, classification_metrics, metric_value
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
    assert metrics["constant"] is True
    assert metrics["undefined"] == ["mcc"]
    absent = classification_metrics([0, 0], [0, 1], probabilities([0, 1], 2), "ab")
    assert absent["auc"] is None
    assert absent["confusion"] == [[1, 1], [0, 0]]
    assert absent["constant"] is False
    assert absent["undefined"] == ["mcc", "auc"]
    nothing = classification_metrics([0, 0], [0, 0], probabilities([0, 0], 2), "ab")
    assert nothing["undefined"] == ["f1", "mcc", "auc"]
    sound = classification_metrics([0, 1], [1, 0], probabilities([1, 0], 2), "ab")
    assert (sound["constant"], sound["undefined"]) == (False, None)


@pytest.mark.parametrize("classes", [2, 3])
def test_undefined_is_where_the_formula_divides_by_zero(classes):
    """The plain twin: the denominators themselves, for all labels and predictions of 3 rows."""
    for numbers in itertools.product(range(classes), repeat=6):
        truth, guess = np.array(numbers[:3]), np.array(numbers[3:])
        names = "abc"[:classes]
        metrics = classification_metrics(truth, guess, probabilities(guess, classes), names)
        matrix = np.array(metrics["confusion"])
        rows, columns, total = matrix.sum(1), matrix.sum(0), matrix.sum()
        expected = []
        if classes == 2 and 2 * matrix[1, 1] + matrix[0, 1] + matrix[1, 0] == 0:
            expected.append("f1")
        if (total**2 - (rows**2).sum()) * (total**2 - (columns**2).sum()) == 0:
            expected.append("mcc")
        if (rows == 0).any():
            expected.append("auc")
        assert (metrics["undefined"] or []) == expected
        assert metrics["constant"] == (len(set(guess.tolist())) == 1)


def test_one_metric_alone_is_what_all_metrics_say():
    rng = np.random.default_rng(0)
    for classes in (2, 3):
        scores = rng.dirichlet(np.ones(classes), 40)
        truth, guess = rng.integers(0, classes, 40), scores.argmax(1)
        every = classification_metrics(truth, guess, scores, "abc"[:classes])
        for name in ("accuracy", "f1_macro", "mcc", *["f1"][: classes == 2]):
            alone = metric_value(name, truth, guess, scores, "abc"[:classes])
            assert alone == primary(every, name) == every[name]
    with pytest.raises(InputError, match="undefined"):
        metric_value("f1", truth, guess, scores, "abc")
    with pytest.raises(InputError, match="kappa"):
        metric_value("kappa", truth, guess, scores, "abc")
    with pytest.raises(InputError, match="empty"):
        metric_value("mcc", [], [], np.zeros((0, 2)), "ab")


def test_vectors_that_differ_by_rounding_are_equal():
    vectors = np.random.default_rng(0).normal(size=(1, 8)).repeat(20, axis=0).astype(np.float32)
    noise = np.random.default_rng(1).normal(size=vectors.shape).astype(np.float32)
    assert are_equal(vectors)
    assert are_equal(np.zeros((3, 4)))
    assert are_equal(vectors + 1e-7 * noise)
    assert not are_equal(vectors + 1e-3 * noise)
    assert not are_equal(1e-30 * noise)


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
