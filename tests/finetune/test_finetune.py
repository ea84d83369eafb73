"""Fine-tuning: rows, predictions, resume, the probe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from dnastudents import models
from dnastudents.benchmarks.task import load_task
from dnastudents.errors import InputError
from dnastudents.finetune import fit
from dnastudents.finetune.features import Checkpoint
from dnastudents.finetune.fit import Best, Fit, FrozenHead, cross_entropy
from dnastudents.finetune.on_task import StudentOnTask
from dnastudents.finetune.options import Finetuning
from dnastudents.finetune.pretrainings import provenance
from dnastudents.finetune.sweep import finetune
from dnastudents.genome import tokenizers
from dnastudents.inference.embed import embed
from dnastudents.models import content_mask
from dnastudents.results.metrics import classification_metrics
from dnastudents.results.rows import collect
from small_students import HYBRID, NUCLEOTIDE_TRANSFORMER, PRETRAINING

FAST = {"epochs": 6, "batch_size": 8, "learning_rate": 1e-2}


def run(
    tmp_path: Path, student: Path, task: Path, name: str = "out", seeds: Any = (0,), **changes: Any
) -> Path:
    finetune(
        "mine",
        pretrained=[student],
        task=task,
        settings={**FAST, **changes},
        seeds=seeds,
        state=tmp_path / f"state of {name}",
        output=tmp_path / name,
    )
    return tmp_path / name


@pytest.mark.parametrize("name", ["hybrid", "bert"])
def test_rows_and_predictions_agree(
    name: str, students: dict[str, Path], task: Path, tmp_path: Path
) -> None:
    output = run(tmp_path, students[name], task, seeds=(0, 7))
    frame = collect([output], tmp_path / "metrics.csv")
    assert frame["seed"].tolist() == [0, 7]
    assert frame["method"].tolist() == ["scratch", "scratch"]
    assert not frame["pretrained"].any()
    assert frame["simulated"].all()
    predictions = pd.read_parquet(output / "predictions.parquet")
    assert list(predictions) == ["seed", "index", "label", "prediction", "p_at", "p_gc"]
    labels = pd.read_parquet(task / "test.parquet")["label"]
    for row in (json.loads((output / f"seed_{seed}.json").read_text()) for seed in (0, 7)):
        mine = predictions[predictions["seed"] == row["seed"]]
        assert mine["index"].tolist() == list(range(40))
        assert mine["label"].tolist() == labels.tolist()
        expected = classification_metrics(
            mine["label"], mine["prediction"], mine[["p_at", "p_gc"]], ["at", "gc"]
        )
        assert {key: row[key] for key in expected} == expected
        assert (row["metric"], row["value"]) == ("mcc", expected["mcc"])
        assert (row["n_train"], row["n_dev"], row["n_test"]) == (80, 20, 40)
        assert row["value"] > 0.5  # base composition is easy


def test_best_epoch_of_dev_predicts_test(
    students: dict[str, Path], task: Path, tmp_path: Path
) -> None:
    output = run(tmp_path, students["hybrid"], task)
    history = pd.read_csv(output / "history.csv")
    row = json.loads((output / "seed_0.json").read_text())
    ranked = history.sort_values(["dev_mcc", "dev_loss"], ascending=[False, True])
    assert row["best_epoch"] == ranked["epoch"].iloc[0]
    assert row["best_dev"] == ranked["dev_mcc"].iloc[0]


def test_kept_weights_are_those_of_the_best_epoch() -> None:
    model, best = torch.nn.Linear(1, 1), Best()
    for epoch, (value, loss) in enumerate([(0.5, 0.3), (0.8, 0.9), (0.8, 0.4), (0.7, 0.1)], 1):
        torch.nn.init.constant_(model.weight, epoch)
        best.offer(value, loss, epoch, model)
    assert (best.epoch, best.value, best.loss) == (3, 0.8, 0.4)
    assert best.weights["weight"].item() == 3.0


def test_same_seed_same_predictions(students: dict[str, Path], task: Path, tmp_path: Path) -> None:
    outputs = [
        pd.read_parquet(run(tmp_path, students["bert"], task, name, seeds) / "predictions.parquet")
        for name, seeds in (("a", (0, 1)), ("b", (1, 0)))
    ]
    first, second = (frame.sort_values(["seed", "index"], ignore_index=True) for frame in outputs)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    by_seed = [first.loc[first["seed"] == seed, "p_gc"].to_numpy() for seed in (0, 1)]
    assert not np.array_equal(*by_seed)


def test_finished_seeds_are_not_done_again(
    students: dict[str, Path], task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run(tmp_path, students["hybrid"], task, "whole", seeds=(0, 1, 2))
    done: list[int] = []
    run_seed = StudentOnTask.run_seed

    def note_or_die(self: StudentOnTask, seed: int, *places: Any) -> None:
        if seed == 2 and 2 not in done:
            done.append(2)
            raise KeyboardInterrupt
        done.append(seed)
        run_seed(self, seed, *places)

    monkeypatch.setattr(StudentOnTask, "run_seed", note_or_die)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, students["hybrid"], task, seeds=(0, 1, 2))
    assert not (tmp_path / "out").exists()
    output = run(tmp_path, students["hybrid"], task, seeds=(0, 1, 2))
    assert done == [0, 1, 2, 2]
    frames = [pd.read_parquet(path / "predictions.parquet") for path in (expected, output)]
    pd.testing.assert_frame_equal(*frames, check_exact=True)
    run(tmp_path, students["hybrid"], task, seeds=(0, 1, 2, 3))
    assert done == [0, 1, 2, 2, 3]  # one seed more costs one seed


@pytest.mark.parametrize("name", ["hybrid", "bert"])
def test_a_killed_seed_goes_on_after_its_last_epoch(
    name: str,
    students: dict[str, Path],
    task: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = run(tmp_path, students[name], task, "whole", epochs=4)
    monkeypatch.setattr(fit, "EVERY", -1.0)  # always
    epochs: list[int] = []
    one_epoch = fit.Fit._epoch

    def note_or_die(self: fit.Fit, train: Any, epoch: int, total: int) -> float:
        epochs.append(epoch)
        if epochs == [1, 2, 3]:
            raise KeyboardInterrupt
        return one_epoch(self, train, epoch, total)

    monkeypatch.setattr(fit.Fit, "_epoch", note_or_die)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, students[name], task, epochs=4)
    output = run(tmp_path, students[name], task, epochs=4)
    assert epochs == [1, 2, 3, 3, 4]
    for file in ("predictions.parquet", "history.csv"):
        assert (output / file).read_bytes() == (whole / file).read_bytes()
    assert not list(tmp_path.rglob("*.unfinished"))


def test_a_student_that_was_never_pretrained_is_new_with_each_seed(
    students: dict[str, Path], task: Path
) -> None:
    options = Finetuning(epochs=1, batch_size=8, learning_rate=1e-3)
    mine = StudentOnTask("scratch", students["hybrid"], load_task(task), options, "", "")
    first, again, other = (next(mine._classifier(seed).parameters()).detach() for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    mine.provenance["pretrained"] = True
    pretrained = [next(mine._classifier(seed).parameters()).detach() for seed in (0, 1)]
    assert torch.equal(*pretrained)


def test_kept_seed_of_other_settings_is_done_again(
    students: dict[str, Path], task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_seed = StudentOnTask.run_seed

    def die_at_one(self: StudentOnTask, seed: int, *places: Any) -> None:
        if seed == 1:
            raise KeyboardInterrupt
        run_seed(self, seed, *places)

    with monkeypatch.context() as patch:
        patch.setattr(StudentOnTask, "run_seed", die_at_one)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, students["hybrid"], task, seeds=(0, 1))
    output = run(tmp_path, students["hybrid"], task, seeds=(0, 1), epochs=2)
    assert (pd.read_csv(output / "history.csv").groupby("seed")["epoch"].max() == 2).all()


def test_max_steps_and_max_train_sequences(
    students: dict[str, Path], task: Path, tmp_path: Path
) -> None:
    output = run(tmp_path, students["hybrid"], task, max_steps=7, max_train_sequences=30)
    assert pd.read_csv(output / "history.csv")["step"].tolist() == [4, 7]
    assert json.loads((output / "seed_0.json").read_text())["n_train"] == 30


def test_frozen_probe_leaves_the_student_alone(
    students: dict[str, Path], task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    init = Fit.__init__

    def note(self: Fit, model: torch.nn.Module, *rest: Any) -> None:
        calls.append(sum(parameter.numel() for parameter in model.parameters()))
        init(self, model, *rest)

    monkeypatch.setattr(Fit, "__init__", note)
    output = run(tmp_path, students["hybrid"], task, frozen=True, epochs=20, seeds=(0, 1))
    assert calls == [16 * 2 + 2] * 2  # the head alone is trained
    row = json.loads((output / "seed_0.json").read_text())
    assert row["frozen"] is True
    assert row["value"] > 0.5


def test_a_constant_feature_is_not_blown_up(students: dict[str, Path]) -> None:
    """Its differences are rounding; and what is saved is what was tested."""
    model = models.classifier(models.load(students["hybrid"] / "model"), ["at", "gc"])
    features = torch.randn(50, 16, generator=torch.Generator().manual_seed(0))
    features[:, 3] = 2.7 + 1e-7 * features[:, 3]
    features[:, 4] = 0.0
    head = FrozenHead(model, features)
    assert head.scale[3:5].tolist() == [1.0, 1.0]
    whole = head.whole().classifier(features)
    torch.testing.assert_close(head(features).logits, whole, rtol=1e-4, atol=1e-5)


def test_only_a_table_of_positions_is_a_limit(students: dict[str, Path], tmp_path: Path) -> None:
    """The hub's config of a Nucleotide Transformer has one, though its positions are rotary."""
    tokenizer = tokenizers.build("nucleotide_transformer")
    models.build(NUCLEOTIDE_TRANSFORMER, tokenizer).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 40}))
    split = Checkpoint.load(tmp_path).tokenize(["ACGTAC" * 60], np.array([0]))
    assert (len(split.values[0]), split.truncated.tolist()) == (61, [False])


def test_long_sequences_are_counted_not_dropped(
    students: dict[str, Path], task: Path, tmp_path: Path
) -> None:
    # 48 places are [CLS], 46 6-mers of 51 bases, and [SEP]
    lengths = [
        pd.read_parquet(task / f"{name}.parquet")["sequence"].str.len()
        for name in ("train", "dev", "test")
    ]
    row = json.loads((run(tmp_path, students["bert"], task) / "seed_0.json").read_text())
    assert row["n_truncated"] == sum(int((length > 51).sum()) for length in lengths) > 0
    assert row["n_test"] == 40


def test_embeddings_are_means_over_bases(
    students: dict[str, Path], task: Path, tmp_path: Path
) -> None:
    embed(
        students["bert"] / "model",
        str(task / "test.parquet"),
        tmp_path / "e.npz",
        sample=10,
        window=51,
    )
    found = np.load(tmp_path / "e.npz", allow_pickle=False)
    assert found["embeddings"].shape == (10, 16)
    assert found["embeddings"].dtype == np.float32
    frame = pd.read_parquet(task / "test.parquet")
    assert found["labels"].tolist() == frame["label"].iloc[found["index"]].tolist()
    model = models.load(students["bert"] / "model")
    from dnastudents.genome.tokenizers import load

    tokenizer = load(students["bert"] / "model")
    for vector, index in zip(found["embeddings"], found["index"], strict=True):
        ids = torch.tensor([tokenizer.encode(frame["sequence"][index][:51])])
        hidden = model(ids).last_hidden_state[0]
        own = hidden[content_mask(ids, None, tokenizer.special_ids)[0]]
        assert len(own) == len(ids[0]) - 2
        if len(frame["sequence"][index]) <= 51:  # longer ones are the mean of windows
            np.testing.assert_allclose(vector, own.mean(0).detach(), rtol=1e-4, atol=1e-5)


def test_cross_entropy_by_hand() -> None:
    scores = np.array([[0.5, 0.5], [0.25, 0.75]], dtype=np.float32)
    assert cross_entropy(scores, np.array([0, 1])) == pytest.approx(
        -(np.log(0.5) + np.log(0.75)) / 2
    )


def test_bad_settings_and_diverged_loss(
    students: dict[str, Path], task: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="did you mean 'epochs'"):
        run(tmp_path, students["hybrid"], task, epoch=3)
    with pytest.raises(InputError, match="pooling"):
        run(tmp_path, students["hybrid"], task, pooling="cls")
    with pytest.raises(InputError, match=r"its gradient is (nan|inf).*learning_rate"):
        run(tmp_path, students["bert"], task, learning_rate=1e30, gradient_clip=1e30)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"objective": {"name": "had"}}, ("had", True)),
        ({"objective": {"name": "masked_lm"}, "masking": {"name": "cm_gems"}}, ("cm_gems", True)),
        ({"objective": {"name": "none"}}, ("scratch", False)),
    ],
)
def test_provenance(settings: dict[str, Any], expected: tuple[str, bool], tmp_path: Path) -> None:
    whole = {"student": HYBRID, "pretraining": PRETRAINING, **settings}
    (tmp_path / "settings.json").write_text(json.dumps(whole))
    found = provenance(tmp_path)
    assert (found["method"], found["pretrained"]) == expected
    assert found["simulated"] is False


@pytest.mark.parametrize(
    ("settings", "mode"),
    [
        ({"objective": {"name": "findna", "as_released": True}}, "as_released"),
        (
            {
                "objective": {"name": "masked_lm"},
                "masking": {"name": "genemask", "mode": "as_released"},
            },
            "as_released",
        ),
        ({"objective": {"name": "masked_lm"}, "masking": {"name": "genemask"}}, "as_described"),
    ],
)
def test_rows_say_whether_the_released_code_was_followed(
    settings: dict[str, Any], mode: str, tmp_path: Path
) -> None:
    whole = {"student": HYBRID, "pretraining": PRETRAINING, **settings}
    (tmp_path / "settings.json").write_text(json.dumps(whole))
    assert provenance(tmp_path)["mode"] == mode
