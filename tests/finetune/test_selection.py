"""Few-shot draws, the epoch that is tested, and pretraining replicas."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from dnastudents.benchmarks.draws import draw
from dnastudents.benchmarks.task import load_task, write_task
from dnastudents.errors import InputError
from dnastudents.finetune import on_task
from dnastudents.finetune.fit import Fit, _seed
from dnastudents.finetune.on_task import StudentOnTask
from dnastudents.finetune.pretrainings import read_origin, seeds_of_replicas
from dnastudents.finetune.sweep import finetune
from dnastudents.probes.kmer_logistic import kmer_logistic
from dnastudents.results import metrics
from dnastudents.results.metrics import classification_metrics
from dnastudents.results.rows import collect

FAST = {"epochs": 3, "batch_size": 8, "learning_rate": 1e-2}


def run(
    folder: Path, pretrained: list[Path], task: Path, seeds: Any = (0,), **changes: Any
) -> Path:
    """Fine-tune into `folder`/out, with the state beside it."""
    finetune(
        "mine",
        pretrained=pretrained,
        task=task,
        settings={**FAST, **changes},
        seeds=seeds,
        state=folder / "state",
        output=folder / "out",
    )
    return folder / "out"


def row(output: Path, seed: int) -> Any:
    return json.loads((output / f"seed_{seed}.json").read_text())


def test_last_epoch_is_tested_without_dev(
    students: dict[str, Path], task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predicted: list[int] = []
    predict = Fit.predict

    def note(self: Fit, split: Any) -> np.ndarray:
        predicted.append(len(split))
        return predict(self, split)

    monkeypatch.setattr(Fit, "predict", note)
    output = run(tmp_path, [students["hybrid"]], task, selection="last")
    assert predicted == [40]  # test, once; dev never
    found = row(output, 0)
    assert (found["n_train"], found["n_dev"], found["n_test"]) == (80, 0, 40)
    assert (found["best_epoch"], found["best_dev"], found["selection"]) == (3, None, "last")
    history = pd.read_csv(output / "history.csv")
    assert list(history) == ["epoch", "step", "loss", "seed"]
    assert len(collect([output], tmp_path / "metrics.csv")) == 1


def test_dev_is_scored_by_the_metric_that_selects_alone(
    students: dict[str, Path], task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []

    def counted(name: str, function: Any) -> Any:
        return lambda *arrays: computed.append(name) or function(*arrays)

    functions = {name: counted(name, function) for name, function in metrics._FUNCTIONS.items()}
    monkeypatch.setattr(metrics, "_FUNCTIONS", functions)
    output = run(tmp_path, [students["hybrid"]], task)
    found = row(output, 0)
    assert computed == [found["metric"]] * FAST["epochs"] + list(functions)
    history = pd.read_csv(output / "history.csv")
    assert history[f"dev_{found['metric']}"].max() == found["best_dev"]


def test_last_weights_are_kept(students: dict[str, Path], task: Path, tmp_path: Path) -> None:
    """Where the last epoch is also the best on dev, both selections predict alike."""
    outputs = [
        run(tmp_path / name, [students["hybrid"]], task, selection=name, epochs=1)
        for name in ("best_dev", "last")
    ]
    frames = [pd.read_parquet(output / "predictions.parquet") for output in outputs]
    pd.testing.assert_frame_equal(*frames, check_exact=True)


@pytest.mark.parametrize(("selection", "counts"), [("best_dev", (18, 2)), ("last", (20, 0))])
@pytest.mark.parametrize("frozen", [False, True])
def test_students_and_baseline_learn_from_the_same_rows(
    students: dict[str, Path],
    few_shot_task: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    selection: str,
    counts: tuple[int, int],
    frozen: bool,
) -> None:
    trained: dict[int, list[int]] = {}
    train = Fit.train

    def note(self: Fit, split: Any, *rest: Any) -> Any:
        trained[self.seed] = split.labels.tolist()
        return train(self, split, *rest)

    monkeypatch.setattr(Fit, "train", note)
    options = {"selection": selection, "frozen": frozen}
    output = run(tmp_path, [students["hybrid"]], few_shot_task, (0, 1), **options)
    baseline = {"k": [1], "selection": selection}
    kmer_logistic(few_shot_task, tmp_path / "kmer", [0, 1], baseline)
    for seed in (0, 1):
        ours, theirs = row(output, seed), row(tmp_path / "kmer", seed)
        assert [(r["n_train"], r["n_dev"]) for r in (ours, theirs)] == [counts] * 2
        read = load_task(few_shot_task)
        rows = draw(read, seed, selection).train
        assert trained[seed] == read.train["label"].iloc[rows].tolist()


def test_tokens_are_those_of_the_draw(students: dict[str, Path], few_shot_task: Path) -> None:
    read = load_task(few_shot_task)
    mine = StudentOnTask(
        "mine", students["hybrid"], read, on_task.Finetuning(selection="last"), "", ""
    )
    for seed in (0, 1):
        rows = draw(read, seed, "last").train
        sequences = read.train["sequence"].iloc[rows].tolist()
        expected = [mine.checkpoint.tokenizer.encode(text) for text in sequences]
        assert [ids.tolist() for ids in mine._splits(seed)["train"].values] == expected


def test_three_classes_have_all_metrics(students: dict[str, Path], tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    sequences = ["".join(generator.choice(list("ACGT"), 20)) for _ in range(30)]
    rows = pd.DataFrame({"sequence": sequences, "label": np.arange(30) % 3})
    splits = {"train": rows, "test": rows}
    write_task(tmp_path / "t", "few", "three", splits, ["a", "b", "c"], "accuracy", shots=5)
    output = run(tmp_path, [students["hybrid"]], tmp_path / "t", selection="last")
    found = row(output, 0)
    table = pd.read_parquet(output / "predictions.parquet")
    scores = table[["p_a", "p_b", "p_c"]].to_numpy()
    names = ["a", "b", "c"]
    expected = classification_metrics(table["label"], table["prediction"], scores, names)
    assert {key: found[key] for key in expected} == expected
    assert all(isinstance(found[key], float) for key in ("accuracy", "f1_macro", "mcc", "auc"))


# ---- pretraining replicas


def test_seeds_start_from_the_replicas_in_turn(
    replicas: list[Path], task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    load = on_task.Checkpoint.load
    monkeypatch.setattr(on_task.Checkpoint, "load", lambda f: loaded.append(f.name) or load(f))
    together = run(tmp_path / "all", replicas, task, (4, 0, 1, 2, 3))
    assert loaded == ["5", "6", "7"]  # each once
    found = {seed: row(together, seed)["pretraining_seed"] for seed in range(5)}
    assert found == {0: 5, 1: 6, 2: 7, 3: 5, 4: 6}
    table = pd.read_parquet(together / "predictions.parquet")
    assert table["seed"].unique().tolist() == [4, 0, 1, 2, 3]
    alone = run(tmp_path / "one", replicas[1:2], task, (1, 4))
    both = table[table["seed"].isin([1, 4])].sort_values(["seed", "index"], ignore_index=True)
    pd.testing.assert_frame_equal(both, pd.read_parquet(alone / "predictions.parquet"))


def test_another_replica_keeps_the_seeds_that_start_as_before(
    replicas: list[Path], task: Path, tmp_path: Path, trained: list[int]
) -> None:
    run(tmp_path, replicas[:1], task, (0, 1, 2))
    output = run(tmp_path, replicas[:2], task, (0, 1, 2))
    assert trained == [0, 1, 2, 1]  # seeds 0 and 2 start from the first folder still
    assert [row(output, seed)["pretraining_seed"] for seed in (0, 1, 2)] == [5, 6, 5]


def test_student_that_was_not_pretrained_here_has_no_pretraining_seed(
    students: dict[str, Path], replicas: list[Path], task: Path, tmp_path: Path
) -> None:
    shutil.copytree(replicas[0] / "model", tmp_path / "checkpoint")
    for name, folder in {"new": students["hybrid"], "plain": tmp_path / "checkpoint"}.items():
        output = run(tmp_path / name, [folder], task, epochs=1)
        assert row(output, 0)["pretraining_seed"] is None


def test_a_checkpoint_inside_of_a_run_is_of_that_run(
    students: dict[str, Path], replicas: list[Path]
) -> None:
    for folder in (students["hybrid"], replicas[0]):
        assert (folder / "settings.json").is_file()
        assert read_origin(folder / "model") == read_origin(folder)


def test_folders_that_are_no_replicas(
    students: dict[str, Path], replicas: list[Path], task: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no folder is given"):
        run(tmp_path, [], task)
    with pytest.raises(InputError, match=r"none: no model\.safetensors in it; pretrain the run"):
        run(tmp_path, [replicas[0], tmp_path / "none"], task)
    with pytest.raises(InputError, match=r"--seeds: 3 is given twice; give each seed once"):
        seeds_of_replicas(replicas[:1], [3, 1, 3])
    with pytest.raises(InputError, match=r"pretrained with seed 5, as .*; give each one once"):
        run(tmp_path, [replicas[0], replicas[0]], task)
    with pytest.raises(InputError, match=r"method is 'scratch', but of .* it is 'findna'"):
        run(tmp_path, [replicas[0], students["hybrid"]], task)
    with pytest.raises(InputError, match="selection: unknown value 'lats'; did you mean 'last'"):
        run(tmp_path, replicas, task, selection="lats")


def test_what_updates_share_equals_its_plain_twin(students: dict[str, Path], task: Path) -> None:
    """The list of parameters that is made once, and the seeding without `torch.manual_seed`."""
    mine = StudentOnTask("mine", students["hybrid"], load_task(task), on_task.Finetuning(), "", "")
    fit = Fit(mine._classifier(0), on_task.Finetuning(), 0, torch.device("cpu"))
    assert list(map(id, fit.parameters)) == list(map(id, fit.model.parameters()))
    _seed(5, fit.device)
    ours = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(ours, torch.rand(3))
