"""t-SNE figures: their numbers, what they draw, and what they cannot draw."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

from dnastudents.errors import InputError
from dnastudents.figures import tsne


@pytest.fixture
def task(tmp_path):
    folder = tmp_path / "task"
    folder.mkdir()
    protocol = {"suite": "mine", "task": "two", "classes": ["no", "yes"], "simulated": True}
    (folder / "task.json").write_text(json.dumps(protocol))
    return folder


def embedding(path, distance, seed=0, **changes):
    """Two Gaussian classes; what separates them is `distance` of one of eight dimensions."""
    labels = np.arange(60) % 2
    values = np.random.default_rng(seed).normal(size=(60, 8)).astype(np.float32)
    values[:, 0] += distance * labels
    arrays = {"embeddings": values, "labels": labels, "index": np.arange(60)} | changes
    np.savez(path, **arrays)
    return path


def test_tsne_numbers_and_panels(tmp_path, task, drawn):
    paths = [embedding(tmp_path / "a.npz", 0.0), embedding(tmp_path / "b.npz", 12.0)]
    frame = tsne.tsne_figure(paths, ["scratch", "had"], task, tmp_path / "tsne.png")
    assert frame["run"].tolist() == ["scratch", "had"]
    assert frame["probe_accuracy"][1] == 1.0
    assert frame["probe_accuracy"][0] < 0.75
    assert frame["silhouette"][0] < 0.1 < frame["silhouette"][1]
    values = np.load(paths[1])["embeddings"].astype(float)
    standard = (values - values.mean(0)) / values.std(0)
    assert frame["silhouette"][1] == pytest.approx(silhouette_score(standard, np.arange(60) % 2))
    figure = drawn[0]
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["scratch", "had"]
    assert "probe 100.0 ± 0.0 %" in figure.axes[1].texts[0].get_text()
    assert "(simulated data)" in figure.get_suptitle()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["no", "yes"]
    points = pd.read_csv(tmp_path / "tsne_points.csv")
    assert len(points) == 120
    assert pd.read_csv(tmp_path / "tsne.csv")["majority"].tolist() == [0.5, 0.5]
    # the classes that a probe tells apart are apart in the picture too
    xy = points[points["run"] == "had"]
    nearest = NearestNeighbors(n_neighbors=1).fit(xy[["x", "y"]]).kneighbors()[1][:, 0]
    assert (xy["label"].to_numpy()[nearest] == xy["label"]).mean() > 0.9


def test_tsne_names_classes_that_the_files_number(tmp_path, task, drawn):
    protocol = {"suite": "gue", "task": "prom_300_all", "classes": ["0", "1"], "simulated": False}
    (task / "task.json").write_text(json.dumps(protocol))
    tsne.tsne_figure([embedding(tmp_path / "a.npz", 2.0)], ["had"], task, tmp_path / "tsne")
    legend = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert legend == ["no promoter", "promoter"]


def test_tsne_is_the_same_every_time(tmp_path, task, written):
    paths = [embedding(tmp_path / "a.npz", 2.0)]
    for name in ("one", "two"):
        tsne.tsne_figure(paths, ["had"], task, tmp_path / name)
    assert written(tmp_path, "one") == written(tmp_path, "two")
    assert (tmp_path / "one_points.csv").read_text() == (tmp_path / "two_points.csv").read_text()


def test_tsne_says_what_it_shows(tmp_path, task, drawn):
    cls = embedding(tmp_path / "a.npz", 2.0, pooling=np.array("cls_tokens"))
    tsne.tsne_figure([cls], ["findna"], task, tmp_path / "cls")
    assert "t-SNE of frozen CLS tokens" in drawn[0].get_suptitle()
    mean = embedding(tmp_path / "b.npz", 2.0, pooling=np.array("mean"))
    old = embedding(tmp_path / "c.npz", 2.0)
    tsne.tsne_figure([mean, old], ["a", "b"], task, tmp_path / "mean")
    assert "t-SNE of frozen mean-pooled embeddings" in drawn[1].get_suptitle()
    parts = embedding(tmp_path / "d.npz", 2.0, pooling=np.array("7 parts"))
    tsne.tsne_figure([parts], ["a"], task, tmp_path / "parts")
    assert "t-SNE of frozen embeddings of 7 parts" in drawn[2].get_suptitle()
    for other in (cls, parts):
        with pytest.raises(InputError, match="embed all runs alike"):
            tsne.tsne_figure([other, mean], ["a", "b"], task, tmp_path / "both")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"index": np.arange(60)[::-1]}, "embeds other sequences"),
        ({"labels": np.arange(60) % 3}, "embeds other sequences"),
        ({"embeddings": np.full((60, 8), np.nan)}, "not finite"),
        ({"embeddings": np.full((60, 8), np.inf)}, "not finite"),
        ({"embeddings": np.full((60, 8), 1e200)}, "not finite"),
        ({"embeddings": np.zeros((60, 0))}, "embeddings of 0 dimensions"),
        ({"embeddings": np.zeros((59, 8))}, "59, 8"),
        ({"embeddings": np.array([None] * 60)}, "cannot be read"),
    ],
)
def test_tsne_refuses_broken_embeddings(tmp_path, task, changes, message):
    good, bad = embedding(tmp_path / "a.npz", 1.0), embedding(tmp_path / "b.npz", 1.0, **changes)
    with pytest.raises(InputError, match=rf"b\.npz.*{message}"):
        tsne.tsne_figure([good, bad], ["a", "b"], task, tmp_path / "tsne")


def test_tsne_needs_two_known_classes(tmp_path, task):
    one = embedding(tmp_path / "a.npz", 1.0, labels=np.zeros(60, dtype=int))
    with pytest.raises(InputError, match="two classes"):
        tsne.tsne_figure([one], ["a"], task, tmp_path / "tsne")
    three = embedding(tmp_path / "b.npz", 1.0, labels=np.arange(60) % 3)
    with pytest.raises(InputError, match="beyond the class names"):
        tsne.tsne_figure([three], ["a"], task, tmp_path / "tsne")
    with pytest.raises(InputError, match="1 embeddings for 2 names"):
        tsne.tsne_figure([three], ["a", "b"], task, tmp_path / "tsne")


def spread(kind):
    """Embeddings (60, 8) that t-SNE must not fall over."""
    values = np.random.default_rng(5).normal(size=(60, 8)).astype(np.float32)
    constant = np.repeat(values[:1], 60, axis=0)
    return {
        "equal": constant,
        "zero": 0 * values,
        "rounding": constant + 1e-7 * values,
        "two points": np.where(np.arange(60)[:, None] < 30, constant, -constant),
        "one other": np.where(np.arange(60)[:, None] == 7, -constant, constant),
        "tiny": 1e-30 * values,
        "huge": 1e37 * values,
        "one dimension": values[:, :1],
        "one varies": np.concatenate([constant, values[:, :1]], axis=1),
    }[kind]


@pytest.mark.parametrize("kind", ["equal", "zero", "rounding"])
def test_a_panel_of_equal_embeddings_says_so_and_the_others_are_drawn(tmp_path, task, drawn, kind):
    paths = [
        embedding(tmp_path / "a.npz", 0.0, embeddings=spread(kind)),
        embedding(tmp_path / "b.npz", 12.0),
    ]
    frame = tsne.tsne_figure(paths, ["collapsed", "had"], task, tmp_path / "tsne.png")
    assert frame["equal"].tolist() == [True, False]
    columns = ["silhouette", "probe_accuracy", "probe_sd"]
    assert frame[columns].isna().all(axis=1).tolist() == [True, False]
    first, second = drawn[0].axes
    assert [text.get_text() for text in first.texts] == [
        "all 60 embeddings are equal:\nnothing to draw or to probe"
    ]
    assert not first.collections
    assert len(second.collections) == 2
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ["no", "yes"]
    points = pd.read_csv(tmp_path / "tsne_points.csv").set_index("run")
    assert points.loc["collapsed", ["x", "y"]].isna().all(axis=None)
    alone = tsne.tsne_figure(paths[1:], ["had"], task, tmp_path / "alone.png")
    assert alone["silhouette"][0] == frame["silhouette"][1]
    xy = pd.read_csv(tmp_path / "alone_points.csv")[["x", "y"]]
    assert points.loc["had", ["x", "y"]].to_numpy().tolist() == xy.to_numpy().tolist()


def test_a_figure_of_equal_embeddings_alone(tmp_path, task, drawn, written):
    path = embedding(tmp_path / "a.npz", 0.0, embeddings=spread("equal"))
    tsne.tsne_figure([path], ["collapsed"], task, tmp_path / "tsne")
    assert not drawn[0].legends
    written(tmp_path, "tsne")


@pytest.mark.parametrize(
    "kind", ["two points", "one other", "tiny", "huge", "one dimension", "one varies"]
)
def test_embeddings_with_little_or_much_spread_are_drawn(tmp_path, task, kind):
    path = embedding(tmp_path / "a.npz", 0.0, embeddings=spread(kind))
    frame = tsne.tsne_figure([path], ["a"], task, tmp_path / "tsne")
    assert not frame["equal"][0]
    points = pd.read_csv(tmp_path / "tsne_points.csv")
    assert np.isfinite(points[["x", "y"]]).all(axis=None)


@pytest.mark.parametrize("count", [4, 5, 10, 30])
def test_fewer_sequences_than_the_perplexity(tmp_path, task, count):
    values = np.random.default_rng(0).normal(size=(count, 8)).astype(np.float32)
    for equal in (False, True):
        arrays = {"labels": np.arange(count) % 2, "index": np.arange(count)}
        arrays["embeddings"] = values[:1].repeat(count, axis=0) if equal else values
        path = embedding(tmp_path / "a.npz", 0.0, **arrays)
        frame = tsne.tsne_figure([path], ["a"], task, tmp_path / "tsne")
        assert frame["equal"][0] == equal
        points = pd.read_csv(tmp_path / "tsne_points.csv")
        assert np.isfinite(points[["x", "y"]]).all(axis=None) != equal
