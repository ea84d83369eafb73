"""What a reader who knows the simulator could achieve: likelihood ratios of the true elements."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dnastudents.benchmarks.simulator import elements
from dnastudents.benchmarks.simulator.background import Background, backgrounds
from dnastudents.benchmarks.task import Task
from dnastudents.genome.codes import encode
from dnastudents.randomness import numpy_generator


def codes(frame: pd.DataFrame) -> np.ndarray:
    return np.stack([encode(sequence) for sequence in frame["sequence"]])


def ratio(windows: np.ndarray, motif: elements.Motif) -> np.ndarray:
    """Log-likelihood ratio of the motif at every offset, (rows, offsets)."""
    scores = np.log(motif.matrix * 4)
    count = windows.shape[1] - motif.width + 1
    return sum(scores[i][windows[:, i : i + count]] for i in range(motif.width))


def log_likelihood(chain: Background, windows: np.ndarray) -> np.ndarray:
    """Of each row of (rows, length) codes, its first five bases given."""
    words = sum(windows[:, i : i - 5].astype(int) * 4 ** (4 - i) for i in range(5))
    return np.log(chain.probabilities)[words, windows[:, 5:]].sum(axis=1)


def oracle_features(task: str, windows: np.ndarray, seed: int) -> np.ndarray:
    """(rows, few): what decides the class, up to a linear rule."""
    if task == "promoter":
        tata, initiator = ratio(windows, elements.TATA_BOX), ratio(windows, elements.INITIATOR)
        pairs = [
            tata[:, : initiator.shape[1] - distance] + initiator[:, distance:][:, : tata.shape[1]]
            for distance in elements.TATA_TO_INITIATOR
        ]
        return logsumexp(np.concatenate(pairs, axis=1), axis=1)[:, None]
    if task == "splice_site":
        donor = ratio(windows, elements.DONOR)[:, elements.DONOR_AT]
        acceptor = ratio(windows, elements.ACCEPTOR)[:, elements.ACCEPTOR_AT]
        return np.stack([donor, acceptor], axis=1)
    if task == "enhancer":
        each = np.stack([ratio(windows, motif) for motif in elements.ENHANCER_MOTIFS])
        slots = np.array_split(each, elements.ENHANCER_INSTANCES, axis=2)
        return np.stack([logsumexp(slot, axis=(0, 2)) for slot in slots], axis=1)
    species = backgrounds(numpy_generator(seed, "simulator world"))
    chains = [log_likelihood(species[name], windows) for name in ("host", "foreign")]
    return (chains[0] - chains[1])[:, None]


def oracle_accuracy(task: Task, seed: int) -> float:
    """Test accuracy of a linear rule on the oracle's features, fitted on train."""
    train, test = codes(task.train), codes(task.test)
    rule = make_pipeline(StandardScaler(), LogisticRegression())
    rule.fit(oracle_features(task.task, train, seed), task.train["label"])
    return float(rule.score(oracle_features(task.task, test, seed), task.test["label"]))


def kmer_accuracy(task: Task, k: int, strength: float) -> float:
    """Test accuracy of logistic regression on k-mer counts."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=500))
    model.fit(kmer_counts(codes(task.train), k), task.train["label"])
    return float(model.score(kmer_counts(codes(task.test), k), task.test["label"]))


def kmer_counts(windows: np.ndarray, k: int) -> np.ndarray:
    count = windows.shape[1] - k + 1
    words = sum(windows[:, i : i + count].astype(int) * 4 ** (k - 1 - i) for i in range(k))
    return np.stack([np.bincount(row, minlength=4**k) for row in words]).astype(float)
