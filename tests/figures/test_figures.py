"""Figures are looked at by people; tests hold their numbers, what they draw, and their errors."""

import json

import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

from dnastudents.errors import InputError
from dnastudents.figures import losses, pmi, results, style, tsne
from dnastudents.results.rows import REQUIRED_COLUMNS


@pytest.fixture
def drawn(monkeypatch):
    """Keep figures open after they are written, to look into them."""
    figures = []
    monkeypatch.setattr(style.plt, "close", figures.append)
    yield figures
    monkeypatch.undo()
    plt.close("all")


def written(folder, name):
    """The bytes of both files; the PNG must be a picture."""
    assert matplotlib.image.imread(folder / f"{name}.png").size > 10_000
    return [(folder / f"{name}.{kind}").read_bytes() for kind in ("svg", "png")]


# ---- style


def test_twenty_eight_series_look_different():
    looks = [style.series(index) for index in range(28)]
    assert len({(look.colour, look.dash) for look in looks}) == 28


def test_long_names_are_wrapped_without_loss():
    name = "demo_coding_vs_intergenomic_seqs"
    lines = style.wrapped(name, 16).split("\n")
    assert "".join(lines) == name
    assert max(map(len, lines)) <= 16
    assert style.wrapped("tf_0") == "tf_0"


def test_output_base_takes_off_its_own_suffixes_only():
    assert style.output_base("a/tsne_v1.2.png") == style.output_base("a/tsne_v1.2") == "a/tsne_v1.2"


def test_a_users_matplotlib_settings_do_not_matter():
    with plt.rc_context({"font.size": 40.0}), style.figure_style():
        assert plt.rcParams["font.size"] == 7


# ---- losses


def history(path, steps=40, stage=None, perplexity=True):
    rows = []
    for step in range(1, steps + 1):
        loss = 1 + 3 * np.exp(-step / 10)
        rows.append({"step": step, "split": "train", "loss": loss})
        if step % 10 == 0:
            more = {"perplexity": np.exp(loss)} if perplexity else {}
            rows.append({"step": step, "split": "validation", "loss": loss, **more})
    frame = pd.DataFrame(rows)
    if stage:
        frame["stage"] = np.where(frame["step"] <= stage, "genemask", "global_pmi")
    frame.to_csv(path, index=False)
    return path


def test_losses_draw_each_run_and_mark_the_switch(tmp_path, drawn):
    empty = tmp_path / "empty.csv"
    empty.write_text("step,split,stage,loss\n")
    histories = {
        "had": history(tmp_path / "a.csv", perplexity=False),
        "cm_gems": history(tmp_path / "b.csv", stage=20),
        "scratch": empty,
    }
    losses.losses_figure(histories, tmp_path / "losses.png")
    figure = drawn[0]
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles == ["training loss", "validation loss", "validation perplexity"]
    labels = [axis.get_legend_handles_labels()[1] for axis in figure.axes]
    assert labels == [["had", "cm_gems"], ["had", "cm_gems"], ["cm_gems"]]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["had", "cm_gems", "curriculum switch"]
    switched_at = [
        [
            line.get_xdata()[0]
            for line in axis.get_lines()
            if line.get_marker() == "D" and len(line.get_xdata()) == 1
        ]
        for axis in figure.axes
    ]
    assert switched_at == [[21], [30], [30]]
    assert figure.axes[2].get_yscale() == "linear"
    assert figure.get_suptitle() == ""


def test_replicas_share_the_look_of_their_run(tmp_path, drawn):
    names = ("a", "a@1", "a@2", "b")
    histories = {name: history(tmp_path / f"{name}.csv") for name in names}
    losses.losses_figure(histories, tmp_path / "losses")
    (figure,) = drawn
    colours = [line.get_color() for line in figure.axes[1].get_lines()]
    assert colours[0] == colours[1] == colours[2] != colours[3]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]


def test_losses_of_simulated_runs_are_labelled(tmp_path, drawn):
    (tmp_path / "settings.json").write_text('{"simulated": true}')
    losses.losses_figure({"had": history(tmp_path / "a.csv")}, tmp_path / "losses")
    assert drawn[0].get_suptitle() == "simulated data"


def test_stages_that_never_change_are_not_marked():
    constant = pd.DataFrame({"stage": ["cm_step"] * 3})
    late = pd.DataFrame({"stage": [None, "genemask", "genemask"]})
    twice = pd.DataFrame({"stage": ["a", None, "b", "b", "c"]}, index=[9, 8, 7, 6, 5])
    assert losses._switches(constant) == losses._switches(late) == []
    assert losses._switches(twice) == [2, 4]


def test_losses_are_the_same_every_time(tmp_path):
    source = {"had": history(tmp_path / "a.csv")}
    for name in ("one", "two"):
        losses.losses_figure(source, tmp_path / name)
    assert written(tmp_path, "one") == written(tmp_path, "two")
    assert b"<dc:date>" not in written(tmp_path, "one")[0]


def test_losses_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):  # the command line makes it a line
        losses.losses_figure({"had": tmp_path / "none.csv"}, tmp_path / "l")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match="no run has been trained"):
        losses.losses_figure({"had": tmp_path / "empty.csv"}, tmp_path / "l")
    (tmp_path / "wrong.csv").write_text("loss\n1\n")
    with pytest.raises(InputError, match="no column split, step"):
        losses.losses_figure({"had": tmp_path / "wrong.csv"}, tmp_path / "l")


# ---- t-SNE


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
    assert "probe 100.0 %" in figure.axes[1].texts[0].get_text()
    assert "(simulated data)" in figure.get_suptitle()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["no", "yes"]
    points = pd.read_csv(tmp_path / "tsne_points.csv")
    assert len(points) == 120
    assert pd.read_csv(tmp_path / "tsne.csv")["majority"].tolist() == [0.5, 0.5]
    # the classes that a probe tells apart are apart in the picture too
    xy = points[points["run"] == "had"]
    nearest = NearestNeighbors(n_neighbors=1).fit(xy[["x", "y"]]).kneighbors()[1][:, 0]
    assert (xy["label"].to_numpy()[nearest] == xy["label"]).mean() > 0.9


def test_tsne_is_the_same_every_time(tmp_path, task):
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
    with pytest.raises(InputError, match="embed all runs alike"):
        tsne.tsne_figure([cls, mean], ["a", "b"], task, tmp_path / "both")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"index": np.arange(60)[::-1]}, "embeds other sequences"),
        ({"labels": np.arange(60) % 3}, "embeds other sequences"),
        ({"embeddings": np.full((60, 8), np.nan)}, "not finite"),
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


# ---- PMI


def test_pmi_names_the_extremes(tmp_path, drawn):
    names = [f"{first}{second}" for first in "ACGT" for second in "ACGT"]
    frame = pd.DataFrame({"ngram": names, "score": np.linspace(2, -1, 16), "rank": range(1, 17)})
    rare = pd.DataFrame({"ngram": ["NA"], "score": [-np.inf], "rank": [17]})
    longer = pd.DataFrame({"ngram": ["AAA"], "score": [9.0], "rank": [1], "size": 3})
    frame = pd.concat([rare.assign(size=2), frame.assign(size=2), longer])
    frame.to_parquet(tmp_path / "pmi.parquet")
    (tmp_path / "pmi.json").write_text('{"k": 2, "simulated": true}')
    pmi.pmi_figure(tmp_path, tmp_path / "figure.png", named=2)
    top, bottom = (text.get_text() for text in drawn[0].axes[0].texts)
    assert top.split() == ["1", "AA", "+2.00", "2", "AC", "+1.80"]
    assert bottom.split() == ["15", "TG", "-0.80", "16", "TT", "-1.00"]
    title = drawn[0].axes[0].get_title(loc="left")
    assert title == "16 k-mers, 1 more without a score (simulated data)"
    written(tmp_path, "figure")


def test_pmi_errors(tmp_path):
    with pytest.raises(InputError, match=r"pmi\.parquet: no such file"):
        pmi.pmi_figure(tmp_path, tmp_path / "figure")
    pd.DataFrame({"ngram": ["A"], "rank": [1]}).to_parquet(tmp_path / "pmi.parquet")
    with pytest.raises(InputError, match="no column score, size"):
        pmi.pmi_figure(tmp_path, tmp_path / "figure")


# ---- overview


def test_overview_shows_means_intervals_and_controls(tmp_path, drawn):
    scores = {"had": [0.8, 0.9], "had_scratch": [0.7, 0.7], "kmer_logistic": [0.75]}
    rows = [
        {"run": run, "suite": suite, "task": "tf_0", "seed": seed, "value": value}
        for suite in ("a", "b")
        for run, values in scores.items()
        for seed, value in enumerate(values)
    ]
    frame = pd.DataFrame(rows, columns=REQUIRED_COLUMNS)
    frame = frame.assign(metric="mcc", simulated=True, pretrained=frame["run"] == "had")
    frame.to_csv(tmp_path / "metrics.csv", index=False)
    results.overview_figure(tmp_path / "metrics.csv", tmp_path / "overview.png", ["had"])
    figure = drawn[0]
    assert len(figure.axes) == 2
    first = figure.axes[0]
    names = [label.get_text() for label in first.get_yticklabels()]
    assert names == ["had", "had_scratch", "kmer_logistic"]
    dots = {line.get_ydata()[0]: line for line in first.get_lines() if line.get_marker() == "o"}
    assert [dots[place].get_xdata()[0] for place in range(3)] == pytest.approx([85, 70, 75])
    hollow = [dots[place].get_markerfacecolor() == "white" for place in range(3)]
    assert hollow == [False, True, True]
    interval = first.collections[0].get_segments()[0]
    # half width 12.706 * 5 below; above it ends where the scale does
    assert interval[:, 0].tolist() == pytest.approx([85 - 12.706 * 5, 100], rel=1e-3)
    assert "(simulated data)" in figure.get_suptitle()
    assert not first.texts and "†" not in figure.get_suptitle()


def test_overview_marks_where_seeds_failed(tmp_path, drawn):
    reasons = {"had": '{"2": "the loss is nan"}', "findna": None}
    rows = [
        {"run": run, "suite": "a", "task": "tf_0", "seed": seed, "value": 0.8, "failed_seeds": lost}
        for run, lost in reasons.items()
        for seed in range(2)
    ]
    frame = pd.DataFrame(rows, columns=[*REQUIRED_COLUMNS, "failed_seeds"])
    frame = frame.assign(metric="mcc", simulated=False, pretrained=True)
    frame.to_csv(tmp_path / "metrics.csv", index=False)
    results.overview_figure(tmp_path / "metrics.csv", tmp_path / "overview.png", ["findna", "had"])
    (mark,) = drawn[0].axes[0].texts
    assert (mark.get_text(), mark.xy) == ("†", (80, 1))
    assert drawn[0].get_suptitle().endswith("†: without the seeds that failed")
