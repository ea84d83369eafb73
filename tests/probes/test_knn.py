"""The k-NN probe: its votes, its rows, and which seeds have one."""

from __future__ import annotations

import gc
import json
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from dnastudents import models
from dnastudents.benchmarks.draws import draw
from dnastudents.benchmarks.task import load_task, write_task
from dnastudents.errors import InputError
from dnastudents.finetune.data import FeatureSplit
from dnastudents.finetune.features import feature_split
from dnastudents.genome import tokenizers
from dnastudents.probes.knn import knn, neighbour_votes
from dnastudents.results.rows import collect
from dnastudents.tables.results import write_table
from dnastudents.training.pretrain import pretrain
from small_students import CHORDMIXER, PRETRAINING

STUDENT = CHORDMIXER | {"max_length": 40, "track_size": 4, "hidden_size": 16}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Students of three seeds that were never pretrained."""
    folder = tmp_path_factory.mktemp("students")
    for seed in (0, 1, 2):
        settings = {"student": STUDENT, "objective": {"name": "none"}, "seed": seed}
        pretrain(settings, output=folder / str(seed), state=folder / f"state{seed}", run="findna")
    return [folder / str(seed) for seed in (0, 1, 2)]


@pytest.fixture(scope="module")
def replicas(scratch: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same weights, as if they were pretrainings of one run."""
    folder = tmp_path_factory.mktemp("replicas")
    for start in scratch:
        (folder / start.name).mkdir()
        (folder / start.name / "model").symlink_to(start / "model")
        settings = json.loads((start / "settings.json").read_text())
        settings |= {"objective": {"name": "findna"}, "pretraining": PRETRAINING, "masking": None}
        (folder / start.name / "settings.json").write_text(json.dumps(settings))
    return [folder / start.name for start in scratch]


def rows_of_sequence(count: int, seed: int) -> pd.DataFrame:
    """Three classes by their share of A; 20 to 40 bases."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    weights = {label: [a] + [(1 - a) / 3] * 3 for label, a in enumerate((0.1, 0.25, 0.4))}
    sequences = [
        "".join(generator.choice(list("ACGT"), generator.integers(20, 41), p=weights[label]))
        for label in labels.tolist()
    ]
    return pd.DataFrame({"sequence": sequences, "label": labels})


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    splits = {
        name: rows_of_sequence(count, count)
        for name, count in {"train": 90, "dev": 15, "test": 30}.items()
    }
    write_task(folder / "a", "made", "a", splits, ["few", "some", "many"], "mcc")
    return folder / "a"


@pytest.fixture(scope="module")
def few_shot_task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    splits = {"train": rows_of_sequence(90, 3), "test": rows_of_sequence(30, 4)}
    names = ["few", "some", "many"]
    write_task(folder / "few", "few_shot", "few", splits, names, "accuracy", shots=5)
    return folder / "few"


def probe(
    pretrained: list[Path], task: Path, output: Path, seeds: list[int], **settings: Any
) -> tuple[dict[int, dict[str, Any]], pd.DataFrame]:
    """Rows by seed, and predictions."""
    knn("mine", pretrained=pretrained, task=task, settings=settings, seeds=seeds, output=output)
    rows = [json.loads(file.read_text()) for file in sorted(output.glob("seed_*.json"))]
    return {row["seed"]: row for row in rows}, pd.read_parquet(output / "predictions.parquet")


def plain_votes(folder: Path, train: pd.DataFrame, test: pd.DataFrame, k: int) -> np.ndarray:
    """The plain twin: one sequence at a time, all distances, sorted."""
    model, tokenizer = models.load(folder / "model"), tokenizers.load(folder / "model")

    def feature(sequence: str) -> np.ndarray:
        with torch.inference_mode():
            hidden = model(torch.tensor([tokenizer.encode(sequence)])).last_hidden_state
        return hidden[0].mean(0).double().numpy()

    known = [feature(sequence) for sequence in train["sequence"]]
    votes = np.zeros((len(test), 3))
    for row, sequence in enumerate(test["sequence"]):
        own = feature(sequence)
        distances = [float(((own - other) ** 2).sum()) for other in known]
        for neighbour in np.argsort(distances)[:k]:
            votes[row, train["label"].iloc[neighbour]] += 1 / k
    return votes


@pytest.mark.parametrize("limit", [None, 40])
def test_votes_equal_the_plain_twin(
    replicas: list[Path], task: Path, tmp_path: Path, limit: int | None
) -> None:
    settings = {"k": 4, "max_train_sequences": limit}
    rows, table = probe(replicas[:1], task, tmp_path / "out", [0], **settings)
    data = load_task(task)
    train = data.train.iloc[draw(data, 0, "last", limit).train]
    votes = plain_votes(replicas[0], train, data.test, k=4)
    found = table[["p_few", "p_some", "p_many"]].to_numpy()
    np.testing.assert_allclose(found, votes, atol=1e-6)
    assert table["prediction"].tolist() == votes.round(6).argmax(1).tolist()
    accuracy = (votes.round(6).argmax(1) == data.test["label"]).mean()
    assert rows[0]["accuracy"] == pytest.approx(accuracy)
    assert rows[0]["value"] == rows[0]["mcc"] > 0.3
    assert (rows[0]["n_train"], rows[0]["n_dev"], rows[0]["n_test"]) == (limit or 90, 0, 30)
    assert (rows[0]["neighbours"], rows[0]["pooling"], rows[0]["frozen"]) == (4, "mean", True)
    assert rows[0]["best_epoch"] is rows[0]["learning_rate"] is rows[0]["batch_size"] is None


def test_the_gpu_is_free_while_neighbours_are_looked_for(
    replicas: list[Path], task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but the checkpoint is left of the model, and its memory has been given back."""
    alive: list[weakref.ref[torch.nn.Module]] = []
    order: list[str] = []

    def features(model: torch.nn.Module, *arguments: Any) -> FeatureSplit:
        alive.append(weakref.ref(model))
        return feature_split(model, *arguments)

    def votes(*arguments: Any) -> np.ndarray:
        gc.collect()
        assert not any(reference() for reference in alive)
        order.append("votes")
        return neighbour_votes(*arguments)

    monkeypatch.setattr("dnastudents.probes.knn.feature_split", features)
    monkeypatch.setattr("dnastudents.probes.knn.neighbour_votes", votes)
    monkeypatch.setattr("dnastudents.probes.knn.release", lambda device: order.append("release"))
    probe(replicas[:1], task, tmp_path / "out", [0], k=4)
    assert order == ["release", "votes"]
    assert len(alive) == 2


def test_parts_of_sequences_can_be_neighbours(
    replicas: list[Path], task: Path, tmp_path: Path
) -> None:
    settings = {"k": 4, "pooling": "parts"}
    rows, table = probe(replicas[:1], task, tmp_path / "a", [0], pooling_parts=1, **settings)
    assert (rows[0]["pooling"], rows[0]["pooling_parts"]) == ("parts", 1)
    _, mean = probe(replicas[:1], task, tmp_path / "b", [0], k=4)
    pd.testing.assert_frame_equal(table, mean)  # one part is the mean
    rows, table = probe(replicas[:1], task, tmp_path / "c", [0], **settings)
    assert rows[0]["pooling_parts"] == 7 and not table.equals(mean)


def test_a_seed_that_repeats_another_has_no_row(
    replicas: list[Path], task: Path, tmp_path: Path
) -> None:
    rows, table = probe(replicas, task, tmp_path / "a", [0, 1, 2, 3, 4])
    assert sorted(rows) == [0, 1, 2]
    assert [rows[seed]["pretraining_seed"] for seed in (0, 1, 2)] == [0, 1, 2]
    assert {rows[0][name] for name in ("epochs", "grid_cells", "learning_rate")} == {None}
    assert sorted(table["seed"].unique()) == [0, 1, 2]
    limited, _ = probe(replicas[:1], task, tmp_path / "b", [0, 1, 2], max_train_sequences=40)
    assert sorted(limited) == [0, 1, 2]


def test_a_student_that_was_never_pretrained_is_new_with_each_seed(
    scratch: list[Path], task: Path, tmp_path: Path
) -> None:
    rows, table = probe(scratch[:1], task, tmp_path / "a", [0, 1])
    assert sorted(rows) == [0, 1]
    assert not np.array_equal(*(group["p_few"] for _, group in table.groupby("seed")))
    assert [row["pretrained"] for row in rows.values()] == [False, False]
    _, again = probe(scratch[:1], task, tmp_path / "b", [1])
    pd.testing.assert_frame_equal(again, table[table["seed"] == 1].reset_index(drop=True))


def test_all_shots_are_neighbours(
    replicas: list[Path], few_shot_task: Path, tmp_path: Path
) -> None:
    rows, _ = probe(replicas[:1], few_shot_task, tmp_path / "out", [0, 1])
    assert [(row["n_train"], row["n_dev"]) for row in rows.values()] == [(15, 0)] * 2


def collapsed(folder: Path, start: Path, head: float) -> Path:
    """A pretraining whose weights are all `head`: its features are the same for every sequence."""
    model = models.load(start / "model")
    for value in model.parameters():
        value.data.fill_(head)
    model.save_pretrained(folder / "model")
    tokenizers.load(start / "model").save_pretrained(folder / "model")
    (folder / "settings.json").write_text((start / "settings.json").read_text())
    return folder


def test_equal_features_are_marked(replicas: list[Path], task: Path, tmp_path: Path) -> None:
    start = collapsed(tmp_path / "collapsed", replicas[0], 0.0)
    rows, table = probe([start], task, tmp_path / "knn", [0])
    assert (rows[0]["equal_features"], rows[0]["constant"]) == (True, True)
    assert rows[0]["undefined"] == ["mcc"]
    assert rows[0]["value"] == 0
    assert table["prediction"].nunique() == 1
    collect([tmp_path / "knn"], tmp_path / "knn.csv")
    write_table(tmp_path / "knn.csv", "made", None, tmp_path / "table", ["mine"])
    text = (tmp_path / "table.md").read_text()
    assert "\u2021 mine on a, seed 0: all frozen features are equal" in text
    assert "\u2021 mine on a, seed 0: one class is predicted throughout" in text
    sound, _ = probe(replicas[:1], task, tmp_path / "sound", [0])
    assert (sound[0]["equal_features"], sound[0]["constant"]) == (False, False)
    assert sound[0]["undefined"] is None


def test_features_that_are_not_finite_are_refused() -> None:
    labels, cut = np.arange(6) % 2, np.zeros(6, dtype=bool)
    good = FeatureSplit(np.random.default_rng(0).normal(size=(6, 3)), labels, cut, None)
    bad = FeatureSplit(np.full((6, 3), np.nan), labels, cut, None)
    for train, test in ((good, bad), (bad, good)):
        with pytest.raises(InputError, match="features are not finite"):
            neighbour_votes(train, test, 2, 2)


def test_its_table_says_what_it_is(replicas: list[Path], task: Path, tmp_path: Path) -> None:
    probe(replicas, task, tmp_path / "knn", [0, 1, 2])
    collect([tmp_path / "knn"], tmp_path / "knn.csv")
    write_table(tmp_path / "knn.csv", "made", None, tmp_path / "table", ["mine"])
    text = (tmp_path / "table.md").read_text()
    assert "made: k-NN probe, test-set scores" in text
    assert "the vote of the 5 nearest training sequences" in text
    assert "frozen mean-pooled features; nothing is fine-tuned" in text
    assert "epoch" not in text
    assert "\n| mine | 3 |" in text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": 0}, r"probes\.knn\.k: must be at least 1, not 0"),
        ({"neighbours": 5}, "unknown key 'neighbours'"),
        ({"pooling": "max"}, "unknown value 'max'; known: cls, mean, parts"),
        ({"max_train_sequences": 4}, "4 training sequences for k = 5 neighbours; lower k"),
        ({"pooling": "cls"}, "needs a classification token"),
    ],
)
def test_bad_settings(
    replicas: list[Path], task: Path, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        probe(replicas[:1], task, tmp_path / "out", [0], **settings)
    assert not (tmp_path / "out").exists()


def test_folders_are_of_one_run(
    replicas: list[Path], scratch: list[Path], task: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="give the pretrainings of one run"):
        probe([replicas[0], scratch[1]], task, tmp_path / "out", [0])
