import json
from itertools import product

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, matthews_corrcoef, roc_auc_score
from sklearn.model_selection import cross_val_predict

from dnastudents.benchmarks.task import write_task
from dnastudents.errors import InputError
from dnastudents.probes.kmer_logistic import kmer_features, kmer_logistic
from dnastudents.results.rows import REQUIRED_COLUMNS, collect


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
    monkeypatch.setattr("dnastudents.probes.kmer_logistic._CHUNK", 7)  # several chunks
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
    assert set(REQUIRED_COLUMNS) <= set(row)
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
        kmer_logistic(task, tmp_path / name, settings={"k": [1, 2, 3]})
    assert (tmp_path / "a/predictions.parquet").read_bytes() == (
        tmp_path / "b/predictions.parquet"
    ).read_bytes()


def test_a_limit_draws_other_rows_by_seed(task, tmp_path):
    kmer_logistic(task, tmp_path / "out", [0, 1], {"k": [1, 2], "max_train_sequences": 40})
    rows = [json.loads((tmp_path / f"out/seed_{seed}.json").read_text()) for seed in (0, 1)]
    assert [row["n_train"] for row in rows] == [40, 40]
    table = pd.read_parquet(tmp_path / "out/predictions.parquet")
    assert table.groupby("seed").size().tolist() == [100, 100]
    assert not np.array_equal(*(group["p_yes"] for _, group in table.groupby("seed")))


def test_test_labels_never_select(task, tmp_path):
    kmer_logistic(task, tmp_path / "a", settings={"k": [1, 2, 3]})
    test = pd.read_parquet(task / "test.parquet")
    test.assign(label=1 - test["label"]).to_parquet(task / "test.parquet", index=False)
    kmer_logistic(task, tmp_path / "b", settings={"k": [1, 2, 3]})
    a, b = (pd.read_parquet(tmp_path / name / "predictions.parquet") for name in "ab")
    pd.testing.assert_series_equal(a["p_yes"], b["p_yes"])


@pytest.fixture
def few_shot_task(tmp_path):
    splits = {"train": sequences(200, 0), "test": sequences(100, 2)}
    write_task(tmp_path / "few", "few", "motif", splits, ["no", "yes"], "accuracy", shots=20)
    return tmp_path / "few"


def rows_of(folder):
    files = sorted(folder.glob("seed_*.json"))
    return [json.loads(file.read_text()) for file in files]


@pytest.mark.parametrize(("selection", "counts"), [("best_dev", (36, 4)), ("last", (40, 0))])
def test_few_shot_seeds_draw_their_own_rows(few_shot_task, tmp_path, selection, counts):
    settings = {"k": [1, 2, 3], "selection": selection}
    kmer_logistic(few_shot_task, tmp_path / "out", [0, 1], settings)
    rows = rows_of(tmp_path / "out")
    assert [(row["n_train"], row["n_dev"]) for row in rows] == [counts] * 2
    assert {row["selection"] for row in rows} == {selection}
    table = pd.read_parquet(tmp_path / "out/predictions.parquet")
    assert not np.array_equal(*(group["p_yes"] for _, group in table.groupby("seed")))


def test_seeds_that_share_a_draw_have_one_row(few_shot_task, tmp_path):
    train = sequences(40, 0)
    splits = {"train": train, "test": sequences(10, 2)}
    write_task(tmp_path / "t", "few", "motif", splits, ["no", "yes"], "accuracy", shots=20)
    for selection, count in (("last", 1), ("best_dev", 2)):  # dev differs, so does what trains
        folder = tmp_path / selection
        kmer_logistic(tmp_path / "t", folder, [0, 1], {"k": [1, 2], "selection": selection})
        assert len(rows_of(folder)) == count


def test_cross_validation_equals_its_plain_twin(task, tmp_path):
    """With `last` no dev is used: the split may be missing."""
    (task / "dev.parquet").unlink()
    kmer_logistic(task, tmp_path / "out", settings={"k": [1, 2, 3], "selection": "last"})
    train = pd.read_parquet(task / "train.parquet")
    inputs, labels = kmer_features(train["sequence"].tolist(), [1, 2, 3]), train["label"]
    scores = {}
    for strength in (0.01, 0.1, 1.0, 10.0):
        model = LogisticRegression(C=strength, max_iter=500)
        guesses = cross_val_predict(model, inputs, labels, cv=5)
        scores[strength] = matthews_corrcoef(labels, guesses)
    history = pd.read_csv(tmp_path / "out/history.csv").set_index("strength")
    assert set(history["split"]) == {"cross-validation"}
    assert history["mcc"].to_dict() == pytest.approx(scores)
    (row,) = rows_of(tmp_path / "out")
    best = max(scores, key=scores.get)
    assert (row["strength"], row["n_train"], row["n_dev"]) == (best, 300, 0)
    model = LogisticRegression(C=best, max_iter=500).fit(inputs, labels)
    test = kmer_features(pd.read_parquet(task / "test.parquet")["sequence"].tolist(), [1, 2, 3])
    table = pd.read_parquet(tmp_path / "out/predictions.parquet")
    np.testing.assert_allclose(table["p_yes"], model.predict_proba(test)[:, 1])


def test_three_classes_have_all_metrics(tmp_path):
    rows = sequences(60, 0)
    rows["label"] = np.arange(60) % 3
    splits = {"train": rows, "test": rows}
    write_task(tmp_path / "t", "few", "three", splits, ["a", "b", "c"], "accuracy", shots=10)
    kmer_logistic(tmp_path / "t", tmp_path / "out", settings={"k": [1, 2, 3], "selection": "last"})
    (row,) = rows_of(tmp_path / "out")
    table = pd.read_parquet(tmp_path / "out/predictions.parquet")
    scores = table[["p_a", "p_b", "p_c"]].to_numpy()
    expected = roc_auc_score(table["label"], scores, multi_class="ovo", average="macro")
    assert row["auc"] == pytest.approx(expected)
    assert (
        row["value"]
        == row["accuracy"]
        == pytest.approx((table["label"] == table["prediction"]).mean())
    )
    assert row["f1_macro"] == pytest.approx(
        f1_score(table["label"], table["prediction"], average="macro")
    )
    assert row["mcc"] == pytest.approx(matthews_corrcoef(table["label"], table["prediction"]))


def test_bad_settings(task, tmp_path):
    with pytest.raises(InputError, match="selection: unknown value 'best'; did you mean 'best_dev"):
        kmer_logistic(task, tmp_path / "out", settings={"selection": "best"})
    with pytest.raises(InputError, match=r"a class has [01] training sequences; cross-validation"):
        settings = {"selection": "last", "max_train_sequences": 2}
        kmer_logistic(task, tmp_path / "out", settings=settings)
    assert not (tmp_path / "out").exists()
