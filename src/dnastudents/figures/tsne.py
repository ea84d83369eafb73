"""t-SNE of frozen embeddings, a panel per run or teacher, and two numbers that do not need it.

Neighbourhoods in t-SNE are easy to over-read, so each panel's title carries the silhouette and the
cross-validated accuracy of a linear probe, both taken in the embedding space itself. The settings
(perplexity 30, PCA start, fixed seed) are ours: arXiv 2505.20836 is not known to state any.

Embeddings that are all equal, as after a collapse, have neither picture nor numbers, and their
panel says so. They must not reach scikit-learn's t-SNE: it divides the start by its spread, and the
tree of Barnes and Hut overflows the stack on points that are not numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from dnastudents.benchmarks.class_names import shown_classes
from dnastudents.errors import InputError
from dnastudents.figures.style import (
    COLUMN,
    PAGE,
    SIMULATED,
    check_pictures,
    figure_style,
    grid,
    headline,
    output_base,
    save,
    series,
)
from dnastudents.files import atomic_file, read_csv, read_json, reading
from dnastudents.results.metrics import are_equal

Embeddings = NDArray[np.float64]
Labels = NDArray[np.int64]

PERPLEXITY = 30.0
FOLDS = 5
DIMENSIONS = 50  # principal components that t-SNE sees; the usual first step


class Embedded(NamedTuple):
    """One run's embeddings of some sequences, with these sequences' labels and rows in the task."""

    values: Embeddings
    labels: Labels
    rows: Labels
    pooling: str


def tsne_figure(
    embeddings: Sequence[str | Path],
    names: Sequence[str],
    task_folder: str | Path,
    output: str | Path,
    seed: int = 0,
) -> pd.DataFrame:
    """Draw one panel for each run or teacher, and write what the panels say.

    Parameters
    ----------
    embeddings : sequence of path
        One .npz per run, with `embeddings` float32 (n, d), `labels` int64 (n,), `index` int64 (n,)
        and `pooling`, over the same sequences in the same order.
    names : sequence of str
        The runs' names, for the panels' titles; `teacher: NAME` is usual for a teacher.
    task_folder : path
        The task that the sequences are from: its `task.json` gives title and class names.
    output : path
        `<output>.csv` (run, n, dimensions, equal, silhouette, probe_accuracy, its standard
        deviation over folds, majority, pooling) and `_points.csv` (run, index, label, x, y) are
        written, and `.svg`, `.png` and `.pdf` that are drawn from them; a suffix of a picture is
        taken off first. Where all embeddings of a run are equal, what is undefined is empty.
    seed : int
        Of t-SNE and of the folds. Default is 0.

    Raises
    ------
    InputError
        When names do not match, a file is broken, the runs embed different sequences, or fewer than
        two classes have two sequences each.
    """
    if len(embeddings) != len(names) or not names:
        raise InputError(f"t-SNE: {len(embeddings)} embeddings for {len(names)} names")
    task = read_json(Path(task_folder) / "task.json")
    runs = _read_all([Path(path) for path in embeddings], len(task["classes"]))
    labels = runs[0].labels
    # One thread: sums over threads differ in their last bits, and t-SNE amplifies them.
    with threadpool_limits(1):
        scores = [_scores(run.values, labels, seed) for run in runs]
        points = [
            np.full((len(labels), 2), np.nan) if score["equal"] else _project(run.values, seed)
            for run, score in zip(runs, scores, strict=True)
        ]
    numbers = pd.DataFrame(
        [
            {"run": name} | score | {"pooling": run.pooling}
            for name, score, run in zip(names, scores, runs, strict=True)
        ]
    )
    of_runs = [
        pd.DataFrame({"run": name, "index": run.rows, "label": labels}).assign(
            x=xy[:, 0], y=xy[:, 1]
        )
        for name, run, xy in zip(names, runs, points, strict=True)
    ]
    check_pictures(output)
    _write_csv(numbers, f"{output_base(output)}.csv")
    _write_csv(pd.concat(of_runs), f"{output_base(output)}_points.csv")
    draw_tsne(output, task_folder, output)
    return numbers


def draw_tsne(source: str | Path, task_folder: str | Path, output: str | Path) -> None:
    """Draw the CSV files that `tsne_figure` wrote for `source`; write pictures at `output`.

    Parameters
    ----------
    source, output : path
        A suffix of a picture is taken off first.
    task_folder : path
        Whose `task.json` gives title and class names.
    """
    base = output_base(source)
    numbers, points = (read_csv(f"{base}{end}.csv", ["run"]) for end in ("", "_points"))
    with figure_style():
        save(_draw(numbers, points, read_json(Path(task_folder) / "task.json")), output)


def _draw(numbers: pd.DataFrame, points: pd.DataFrame, task: dict[str, Any]) -> Figure:
    """Draw the panels of all runs: name, scores and coordinates of each."""
    width = min(PAGE, max(COLUMN, 2.4 * len(numbers)))
    figure, axes = grid(len(numbers), 4, width, 2.1)
    classes = shown_classes(task["suite"], task["task"], task["classes"])
    scores = numbers.to_dict("records")
    of_run = dict(list(points.groupby("run", sort=False)))
    for axis, score in zip(axes, scores, strict=True):
        _panel(axis, score, of_run[score["run"]], classes)
    drawn = [axis for axis, score in zip(axes, scores, strict=True) if not score["equal"]]
    _legend(figure, (drawn or axes)[0])
    headline(figure, _title(task, scores[0]))
    return figure


def _write_csv(frame: pd.DataFrame, file: str) -> None:
    first = ",".join(frame.columns[:4])
    with atomic_file(file, first.encode()) as partial:
        frame.to_csv(partial, index=False, float_format="%.6g")


def _legend(figure: Figure, axis: Axes) -> None:
    handles, labels = axis.get_legend_handles_labels()
    if not handles:
        return
    legend = figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=4,
        handletextpad=0.2,
        markerscale=2,
    )
    for handle in filter(None, legend.legend_handles):
        handle.set_alpha(1)


def _read_all(paths: list[Path], classes: int) -> list[Embedded]:
    """Read what each run made of the same sequences, pooled in the same way."""
    runs = [_read(path) for path in paths]
    labels, rows = runs[0].labels, runs[0].rows
    for path, run in zip(paths, runs, strict=True):
        if not np.array_equal(run.rows, rows) or not np.array_equal(run.labels, labels):
            raise InputError(f"{path}: embeds other sequences than {paths[0]}")
    if any(run.pooling != runs[0].pooling for run in runs):
        raise InputError(f"{paths[0]}: pooled otherwise than the others; embed all runs alike")
    counts = np.unique(labels, return_counts=True)[1]
    if counts.size < 2 or counts.min() < 2:
        raise InputError(f"{paths[0]}: needs two classes with two sequences each")
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(f"{paths[0]}: labels reach {labels.max()}, beyond the class names")
    return runs


def _title(task: dict[str, Any], score: dict[Any, Any]) -> str:
    known = {"mean": "mean-pooled embeddings", "cls_tokens": "CLS tokens"}
    of = known.get(score["pooling"], f"embeddings of {score['pooling']}")
    label = SIMULATED * task["simulated"]
    return (
        f"{task['suite']}: {task['task']}, t-SNE of frozen {of}{label}\n"
        f"{score['n']:,} sequences, the commonest class has {100 * score['majority']:.1f} %; "
        f"probe: accuracy \u00b1 standard deviation over folds"
    )


def _read(path: Path) -> Embedded:
    with reading(path), np.load(path, allow_pickle=False) as archive:
        values, labels, index = (archive[key] for key in ("embeddings", "labels", "index"))
        # Files of older versions do not say so: they are means.
        pooling = str(archive["pooling"]) if "pooling" in archive else "mean"
    if values.ndim != 2 or not len(values) == len(labels) == len(index):
        raise InputError(f"{path}: {values.shape} embeddings for {len(labels)} labels")
    if not values.shape[1] or values.dtype.kind not in "fiu":
        raise InputError(f"{path}: embeddings of {values.shape[1]} dimensions, of {values.dtype}")
    # squares of what float32 cannot hold may overflow float64
    if not (np.abs(values) <= np.finfo(np.float32).max).all():
        raise InputError(f"{path}: embeddings are not finite; the checkpoint has diverged")
    return Embedded(values.astype(np.float64), labels, index, pooling)


def _scores(values: Embeddings, labels: Labels, seed: int) -> dict[str, Any]:
    """Compute the silhouette of standardised embeddings, and a linear probe's accuracy by folds."""
    counts = np.unique(labels, return_counts=True)[1]
    facts = {"n": len(labels), "dimensions": values.shape[1], "equal": are_equal(values)}
    majority = float(counts.max() / counts.sum())
    if facts["equal"]:
        undefined = dict.fromkeys(("silhouette", "probe_accuracy", "probe_sd"), np.nan)
        return {**facts, **undefined, "majority": majority}
    folds = StratifiedKFold(min(FOLDS, int(counts.min())), shuffle=True, random_state=seed)
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    accuracy = cross_val_score(probe, values, labels, cv=folds)
    return {
        **facts,
        "silhouette": float(silhouette_score(StandardScaler().fit_transform(values), labels)),
        "probe_accuracy": float(accuracy.mean()),
        "probe_sd": float(accuracy.std(ddof=1)),
        "majority": majority,
    }


def _project(values: Embeddings, seed: int) -> Embeddings:
    """Compute two t-SNE coordinates for each sequence."""
    values = StandardScaler().fit_transform(values)
    if values.shape[1] == 1:  # the start has two components
        values = np.pad(values, ((0, 0), (0, 1)))
    if (components := min(DIMENSIONS, *values.shape)) < values.shape[1]:
        values = PCA(components, random_state=seed, svd_solver="full").fit_transform(values)
    perplexity = min(PERPLEXITY, (len(values) - 1) / 3)
    tsne = TSNE(2, perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed)
    return np.asarray(tsne.fit_transform(values), dtype=np.float64)


def _panel(axis: Axes, score: dict[Any, Any], points: pd.DataFrame, classes: Sequence[str]) -> None:
    axis.set_title(score["run"], fontweight="bold", pad=11)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(True)
    axis.spines[:].set_color("#C8C8C8")
    if score["equal"]:
        text = f"all {score['n']} embeddings are equal:\nnothing to draw or to probe"
        axis.text(0.5, 0.5, text, transform=axis.transAxes, fontsize=6, ha="center", va="center")
        return
    size = float(np.clip(3000 / len(points), 1.5, 9))
    for label in sorted(set(points["label"].tolist())):
        look, chosen = series(label), points[points["label"] == label]
        axis.scatter(
            chosen["x"],
            chosen["y"],
            s=size,
            c=look.colour,
            marker=look.marker,
            alpha=0.6,
            linewidth=0,
            label=classes[label],
        )
    # + 0.0 turns a rounded -0.0 into 0.0
    silhouette = f"{round(score['silhouette'], 2) + 0.0:.2f}"
    probe, spread = 100 * score["probe_accuracy"], 100 * score["probe_sd"]
    numbers = f"silhouette {silhouette}, probe {probe:.1f} \u00b1 {spread:.1f} %"
    axis.text(0, 1.02, numbers, transform=axis.transAxes, fontsize=6)
