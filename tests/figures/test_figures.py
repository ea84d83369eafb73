"""Figures are looked at by people; tests hold their numbers, what they draw, and their errors."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from dnastudents.errors import InputError
from dnastudents.figures import losses, pmi, results, style
from dnastudents.figures.scores import read_scores
from dnastudents.results.rows import REQUIRED_COLUMNS
from small_students import BERT, CHORDMIXER, HYBRID

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
    assert style.wrapped("no binding site", 12) == "no binding\nsite"


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
    assert titles == ["training loss", "validation loss", "hidden tokens in validation"]
    assert all(axis.get_ylabel() for axis in figure.axes)
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
    assert figure.get_suptitle() == "Pretraining"


def test_plain_models_stand_beside_perplexities(tmp_path, drawn):
    for name in ("a.csv", "b.csv"):
        frame = pd.read_csv(history(tmp_path / name))
        frame.loc[frame.index[-1], [*losses.YARDSTICKS]] = [3.9, 2.5, 1.8]
        frame.to_csv(tmp_path / name, index=False)
    histories = {"had": tmp_path / "a.csv", "had@1": tmp_path / "b.csv"}
    losses.losses_figure({**histories, "c": history(tmp_path / "c.csv")}, tmp_path / "losses")
    (figure,) = drawn
    lines = [line for line in figure.axes[2].get_lines() if len(set(line.get_ydata())) == 1]
    nats = [line.get_ydata()[0] for line in lines]
    assert nats == pytest.approx(np.log([3.9, 2.5, 1.8]))  # once for a run, none for c
    assert len({line.get_color() for line in lines}) == 1
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["had", "c", "token frequencies", "Markov chain", "oracle"]
    for axis in figure.axes[:2]:
        assert all(len(set(line.get_ydata())) > 1 for line in axis.get_lines())


def test_each_vocabulary_has_a_row_of_its_own(tmp_path, drawn):
    histories = {}
    for name, student in (("had", HYBRID), ("logo", BERT), ("findna", CHORDMIXER)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "settings.json").write_text(json.dumps({"student": student}))
        histories[name] = history(tmp_path / name / "history.csv")
    losses.losses_figure(histories, tmp_path / "losses")
    labels = {
        axis.get_title(loc="left"): axis.get_legend_handles_labels()[1] for axis in drawn[0].axes
    }
    assert labels == {
        f"{panel}, {tokens}": runs
        for tokens, runs in {"bases": ["had", "findna"], "6-mers": ["logo"]}.items()
        for _, _, panel, _ in losses.PANELS
    }


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
    assert drawn[0].get_suptitle() == "Pretraining (simulated data)"


def test_stages_that_never_change_are_not_marked():
    constant = pd.DataFrame({"stage": ["cm_step"] * 3})
    late = pd.DataFrame({"stage": [None, "genemask", "genemask"]})
    twice = pd.DataFrame({"stage": ["a", None, "b", "b", "c"]}, index=[9, 8, 7, 6, 5])
    assert losses._switches(constant) == losses._switches(late) == []
    assert losses._switches(twice) == [2, 4]


def test_losses_are_the_same_every_time(tmp_path, written):
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


# ---- PMI


def test_pmi_names_the_extremes(tmp_path, drawn, written):
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
    scores = {"had": [0.8, 0.85, 0.9], "had_scratch": [0.6, 0.8], "kmer_logistic": [0.75]}
    rows = [
        {"run": run, "suite": suite, "task": "tf_0", "seed": seed, "value": value}
        for suite in ("a", "b")
        for run, values in scores.items()
        for seed, value in enumerate(values)
    ]
    frame = pd.DataFrame(rows, columns=REQUIRED_COLUMNS)
    frame = frame.assign(metric="mcc", simulated=True, pretrained=frame["run"] == "had")
    frame.to_csv(tmp_path / "metrics.csv", index=False)
    results.overview_figure(
        read_scores(tmp_path / "metrics.csv", ["had"]), tmp_path / "overview.png"
    )
    figure = drawn[0]
    assert len(figure.axes) == 2
    first = figure.axes[0]
    names = [label.get_text() for label in first.get_yticklabels()]
    assert names == ["had", "had_scratch", "kmer_logistic"]
    seeds, intervals, means = first.collections
    assert len(seeds.get_offsets()) == 6
    assert means.get_offsets()[:, 0].tolist() == pytest.approx([85, 70, 75])
    assert [face.tolist() == [1, 1, 1, 1] for face in means.get_facecolors()] == [False, True, True]
    lines = [segment[:, 0].tolist() for segment in intervals.get_segments()]
    assert lines[0] == pytest.approx([85 - 12.42, 97.42], rel=1e-3)  # 4.303 * 5 / sqrt(3)
    assert lines[1:] == [[70, 70], [75, 75]]  # two seeds and one have none
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
    scores = read_scores(tmp_path / "metrics.csv", ["findna", "had"])
    results.overview_figure(scores, tmp_path / "overview.png")
    (mark,) = drawn[0].axes[0].texts
    assert (mark.get_text(), mark.xy) == ("†", (80, 1))
    assert drawn[0].get_suptitle().endswith("†: without the seeds that failed")


def test_overview_marks_scores_that_say_nothing(tmp_path, drawn):
    rows = [
        {"run": run, "suite": "a", "task": "tf_0", "seed": seed, "value": 0.8, "constant": bad}
        for run, bad in {"had": True, "findna": False}.items()
        for seed in range(2)
    ]
    frame = pd.DataFrame(rows, columns=[*REQUIRED_COLUMNS, "constant"])
    frame = frame.assign(metric="mcc", simulated=False, pretrained=True)
    frame.to_csv(tmp_path / "metrics.csv", index=False)
    scores = read_scores(tmp_path / "metrics.csv", ["findna", "had"])
    results.overview_figure(scores, tmp_path / "overview.png")
    (mark,) = drawn[0].axes[0].texts
    assert (mark.get_text(), mark.xy) == ("\u2021", (80, 1))
    assert "\u2021: predicts one class throughout" in drawn[0].get_suptitle()
