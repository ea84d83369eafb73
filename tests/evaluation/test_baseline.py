import json
from itertools import product

import numpy as np
import pandas as pd
import pytest

from dnastudents.benchmarks.task import write_task
from dnastudents.evaluation.baseline import kmer_features, kmer_logistic
from dnastudents.evaluation.rows import COLUMNS, collect


def plain_features(sequence, lengths):
    """Count by slicing strings."""
    parts = []
    for k in lengths:
        kmers = ["".join(letters) for letters in product("ACGT", repeat=k)]
        found = [sequence[i : i + k] for i in range(len(sequence) - k + 1)]
        counts = np.array([found.count(kmer) for kmer in kmers], dtype=float)
        parts.append(np.sqrt(counts / max(counts.sum(), 1)))
    return np.concatenate(parts)


def test_features_equal_their_plain_twin(monkeypatch):
    monkeypatch.setattr("dnastudents.evaluation.baseline._CHUNK", 7)  # several chunks
    generator = np.random.default_rng(0)
    sequences = ["".join(generator.choice(list("ACGTN"), length)) for length in range(1, 25)]
    features = kmer_features(sequences, [1, 2, 4])
    expected = np.stack([plain_features(sequence, [1, 2, 4]) for sequence in sequences])
    np.testing.assert_allclose(features.toarray(), expected, atol=1e-6)


def test_default_features_are_all_kmers_up_to_six():
    assert kmer_features(["ACGTACGT"]).shape == (1, 4 + 16 + 64 + 256 + 1024 + 4096)


def sequences(count, seed):
    """Two classes that differ by a motif, hidden in one of three."""
    generator = np.random.default_rng(seed)
    rows = []
    for index in range(count):
        letters = generator.choice(list("ACGT"), 60)
        if index % 2:
            letters[20:26] = list("TATAAA")
        rows.append(("".join(letters), index % 2))
    return pd.DataFrame(rows, columns=["sequence", "label"])


@pytest.fixture
def task(tmp_path):
    splits = {"train": sequences(300, 0), "dev": sequences(80, 1), "test": sequences(100, 2)}
    write_task(tmp_path / "task", "mine", "motif", splits, ["no", "yes"], "mcc", simulated=True)
    return tmp_path / "task"


def test_baseline_writes_what_fine_tuning_writes(task, tmp_path):
    kmer_logistic(task, tmp_path / "out", seeds=[3, 4, 5])
    assert sorted(p.name for p in (tmp_path / "out").glob("seed_*")) == ["seed_3.json"]
    row = json.loads((tmp_path / "out/seed_3.json").read_text())
    assert set(COLUMNS) <= set(row)
    assert (row["run"], row["n_train"], row["n_test"]) == ("kmer_logistic", 300, 100)
    assert row["simulated"] is True
    assert row["pretrained"] is False
    assert row["value"] == row["mcc"] > 0.5  # the motif is found
    table = pd.read_parquet(tmp_path / "out/predictions.parquet")
    assert list(table.columns) == ["seed", "index", "label", "prediction", "p_no", "p_yes"]
    assert (table["label"] == table["prediction"]).mean() == pytest.approx(row["accuracy"])
    np.testing.assert_allclose(table["p_no"] + table["p_yes"], 1)
    history = pd.read_csv(tmp_path / "out/history.csv").set_index("strength")
    assert history.loc[row["strength"], "mcc"] == history["mcc"].max()
    assert len(collect([tmp_path / "out"], tmp_path / "metrics.csv")) == 1


def test_baseline_is_deterministic(task, tmp_path):
    for name in ("a", "b"):
        kmer_logistic(task, tmp_path / name, k=[1, 2, 3])
    assert (tmp_path / "a/predictions.parquet").read_bytes() == (
        tmp_path / "b/predictions.parquet"
    ).read_bytes()


def test_a_limit_draws_other_rows_by_seed(task, tmp_path):
    kmer_logistic(task, tmp_path / "out", seeds=[0, 1], k=[1, 2], max_train_sequences=40)
    rows = [json.loads((tmp_path / f"out/seed_{seed}.json").read_text()) for seed in (0, 1)]
    assert [row["n_train"] for row in rows] == [40, 40]
    table = pd.read_parquet(tmp_path / "out/predictions.parquet")
    assert table.groupby("seed").size().tolist() == [100, 100]
    assert not np.array_equal(*(group["p_yes"] for _, group in table.groupby("seed")))


def test_test_labels_never_select(task, tmp_path):
    kmer_logistic(task, tmp_path / "a", k=[1, 2, 3])
    test = pd.read_parquet(task / "test.parquet")
    test.assign(label=1 - test["label"]).to_parquet(task / "test.parquet", index=False)
    kmer_logistic(task, tmp_path / "b", k=[1, 2, 3])
    a, b = (pd.read_parquet(tmp_path / name / "predictions.parquet") for name in "ab")
    pd.testing.assert_series_equal(a["p_yes"], b["p_yes"])
