"""What a pretraining writes, and how it fails."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from recipes import LEARNING, settings_of
from transformers import AutoModel, AutoModelForMaskedLM

from dnastudents import models
from dnastudents.errors import InputError
from dnastudents.genome import tokenizers
from dnastudents.genome.codes import decode
from dnastudents.genome.reference import build
from dnastudents.genome.tokenizers import NO_LABEL
from dnastudents.objectives.base import Views, count_labels
from dnastudents.objectives.findna.objective import FinDNA
from dnastudents.objectives.had.objective import HAD
from dnastudents.objectives.masked_lm.objective import MaskedLM
from dnastudents.settings import parse
from dnastudents.training import loop
from dnastudents.training.corpus import Corpus
from dnastudents.training.options import RunSettings
from dnastudents.training.pretrain import pretrain
from dnastudents.training.state import StateFolder
from small_students import HYBRID

OBJECTIVES_BUILT: dict[str, Any] = {"masked_lm": MaskedLM, "findna": FinDNA, "had": HAD}


@pytest.mark.parametrize("recipe", LEARNING)
def test_output_folder(recipe: str, inputs: dict[str, Path], tmp_path: Path) -> None:
    settings = settings_of(recipe)
    output = tmp_path / "out"
    pretrain(settings, output=output, state=tmp_path / "state", run="mine", **inputs)
    names = {path.name for path in output.iterdir()}
    extra = {"student"} if recipe == "findna" else set()
    assert names == {"model", "history.csv", "metrics.json", "settings.json"} | extra
    model = AutoModelForMaskedLM.from_pretrained(output / "model")
    tokenizer = tokenizers.load(output / "model")
    ids = torch.tensor([tokenizer.encode("ACGTACGTAC")])
    assert torch.isfinite(model(ids).logits).all()
    kept = json.loads((output / "settings.json").read_text())
    assert parse(RunSettings, kept) == parse(RunSettings, settings)  # with every default
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["run"] == "mine"
    torch.manual_seed(0)
    built = models.build(settings["student"], tokenizer)
    assert metrics["parameters"] == models.count_parameters(built)  # without a recipe's own head
    assert (metrics["steps"], metrics["simulated"], metrics["device"]) == (12, False, "cpu")
    assert metrics["tokens"] <= 12 * 6 * 54
    assert metrics["validation"]["perplexity"] > 1


@pytest.mark.parametrize("recipe", LEARNING)
def test_what_is_saved_is_what_was_trained(
    recipe: str, inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers alone gets the perplexity of metrics.json from the folder, at hidden tokens."""
    seen = {}
    evaluate = loop.Trainer.evaluate

    def note(self: loop.Trainer) -> None:
        views = self.objective.validation_views(self.corpus.validation(), self.step)
        seen.update(views.tensors)
        evaluate(self)

    monkeypatch.setattr(loop.Trainer, "evaluate", note)
    output = tmp_path / "out"
    pretrain(settings_of(recipe), output=output, state=tmp_path / "state", **inputs)
    model = AutoModelForMaskedLM.from_pretrained(output / "model").eval()
    ids = seen["input_ids"] if "input_ids" in seen else seen["student_ids"]
    is_mask = ids == tokenizers.load(output / "model").mask_id
    labels = seen["labels"].masked_fill(~is_mask, -100)
    with torch.inference_mode():
        loss = model(ids, attention_mask=seen.get("attention_mask"), labels=labels).loss
    metrics = json.loads((output / "metrics.json").read_text())
    assert loss.exp().item() == pytest.approx(metrics["validation"]["perplexity"], rel=1e-4)


def test_a_student_distilled_without_reconstruction_has_no_head(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    settings = settings_of("had", steps=1)
    settings["objective"] = {"name": "had", "reconstruction_weight": 0.0}
    pretrain(settings, output=tmp_path / "out", state=tmp_path / "s", **inputs)
    ids = torch.tensor([[7, 8, 9, 3]])
    assert AutoModel.from_pretrained(tmp_path / "out/model")(ids).last_hidden_state.shape[1] == 4
    with pytest.raises(InputError, match="distilled without reconstruction"):
        AutoModelForMaskedLM.from_pretrained(tmp_path / "out/model")(ids)


def test_history_has_a_row_a_log_line_and_evaluation(
    inputs: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output = tmp_path / "out"
    pretrain(settings_of("had"), output=output, state=tmp_path / "s", run="had", **inputs)
    history = pd.read_csv(output / "history.csv")
    steps = history.groupby("split")["step"].apply(list)
    assert steps["train"] == [5, 10, 12]
    assert steps["validation"] == [3, 6, 9, 12]
    parts = ["alignment", "reconstruction", "accuracy", "perplexity", "loss"]
    assert history[parts].notna().all(axis=None)
    assert np.allclose(history["loss"], history["alignment"] + history["reconstruction"])
    # All masked bases are hidden here, so there are no others to tell apart.
    assert np.allclose(np.log(history["perplexity"]), history["reconstruction"])
    assert not any(name.startswith("shown") for name in history)
    shares = history.query("split == 'train'")["teacher_share"]
    assert shares.between(0, 1, inclusive="neither").all()
    total = json.loads((output / "metrics.json").read_text())["teacher_share"]
    assert shares.min() <= total <= shares.max()
    line = r"had step 5/12 loss \d\.\d{4} perplexity \d+\.\d+ accuracy \d+\.\d% "
    line += r"gradient \d[\d.]* lr \d\.\de-0\d \S+ s/step \S+ tokens/s "
    line += r"teacher \d+% eta \d:\d\d:\d\d"
    assert any(re.fullmatch(line, message) for message in caplog.messages)
    line = r"had step 12/12 validation loss \S+ perplexity \S+ accuracy \d+\.\d% "
    line += r"frequency_perplexity \S+ markov_perplexity \S+ alignment \S+ hidden .*"
    assert any(re.fullmatch(line, message) for message in caplog.messages)


def test_training_learns(inputs: dict[str, Path], tmp_path: Path) -> None:
    """The genome's bases are unequal, so the loss must fall below that of a uniform guess."""
    settings = settings_of("findna", steps=60, batch_size=16, micro_batch_size=None, log_every=60)
    settings["objective"] = {"name": "findna", "cls_weight": 0.0, "momentum": 0.5}
    pretrain(settings, output=tmp_path / "out", state=tmp_path / "s", **inputs)
    validation = pd.read_csv(tmp_path / "out" / "history.csv").query("split == 'validation'")
    assert validation["masked"].iloc[-1] < np.log(4) - 0.05 < validation["masked"].iloc[0]


@pytest.mark.parametrize("recipe", LEARNING)
def test_a_validation_with_nothing_masked_has_no_loss(
    recipe: str,
    inputs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is null, not a loss of 0 and a perplexity of 1, and the curriculum does not hear of it."""
    kind = OBJECTIVES_BUILT[recipe]
    draw = kind.validation_views
    told: list[Any] = []

    def unmasked(self: Any, codes: np.ndarray, step: int) -> Views:
        views = draw(self, codes, step)
        tensors = {**views.tensors, "labels": torch.full_like(views.tensors["labels"], NO_LABEL)}
        tensors |= {k: torch.zeros_like(v) for k, v in tensors.items() if k == "hidden"}
        return Views(tensors, views.counts | count_labels(tensors), views.prepare)

    monkeypatch.setattr(kind, "validation_views", unmasked)
    monkeypatch.setattr(kind, "observe", lambda self, metrics, step: told.append(metrics))
    settings = settings_of(recipe, steps=6)
    pretrain(settings, output=tmp_path / "out", state=tmp_path / "s", **inputs)
    history = pd.read_csv(tmp_path / "out" / "history.csv")
    validation = history[history["split"] == "validation"]
    shown = ["shown", "shown_accuracy", "shown_perplexity"] if recipe != "had" else []
    void = ["loss", "perplexity", kind.prediction, "accuracy", *shown]
    assert len(validation) == 2
    assert validation[void].isna().all(axis=None)
    assert history.loc[history["split"] == "train", void].notna().all(axis=None)
    last = json.loads((tmp_path / "out" / "metrics.json").read_text())["validation"]
    assert [last[name] for name in void] == [None] * len(void)
    means = r"(student_)?(loss|masked|reconstruction|hidden|shown|(shown_)?(accuracy|perplexity))"
    for name, value in last.items():
        is_void = re.fullmatch(means, name) or name in ("frequency_perplexity", "markov_perplexity")
        assert (value is None) == bool(is_void), name
    assert not told
    assert "nothing is masked in the validation sequences" in caplog.text


def test_a_real_validation_without_a_mask(inputs: dict[str, Path], tmp_path: Path) -> None:
    """One short sequence of few tokens, of which the fixed mask takes none."""
    settings = settings_of("findna", steps=3, validation_sequences=1)
    settings["masking"] = {"name": "bernoulli", "probability": 1e-6}
    pretrain(settings, output=tmp_path / "out", state=tmp_path / "s", **inputs)
    last = json.loads((tmp_path / "out" / "metrics.json").read_text())["validation"]
    assert last["perplexity"] is None
    assert last["loss"] is None
    assert last["cls"] > 0


@pytest.mark.parametrize("recipe", LEARNING)
def test_contigs_shorter_than_a_window_are_learnt_from(
    recipe: str, inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    contigs = ["".join(generator.choice(list("ACGT"), size)) for size in range(20, 52, 2)]
    fasta = "".join(f">c{number}\n{contig}\n" for number, contig in enumerate(contigs))
    (tmp_path / "contigs.fa").write_text(fasta)
    build(tmp_path / "contigs.fa", tmp_path / "contigs")
    read: list[np.ndarray] = []
    batch = Corpus.batch
    monkeypatch.setattr(
        Corpus, "batch", lambda self, step: (read.append(batch(self, step)), read[-1])[1]
    )
    settings = settings_of(
        recipe,
        steps=6,
        window={"kind": "windows", "length": 54},
        splits={"train": [f"c{n}" for n in range(12)], "validation": ["c12", "c13", "c14"]},
        reverse_complement=0.0,
    )
    folders = {**inputs, "reference": tmp_path / "contigs"}
    pretrain(settings, output=tmp_path / "out", state=tmp_path / "s", **folders)
    assert {decode(row) for row in np.concatenate(read)} <= set(contigs[:12])
    last = json.loads((tmp_path / "out" / "metrics.json").read_text())["validation"]
    assert np.isfinite(last["loss"])


def test_scratch_has_the_weights_that_its_twin_begins_with(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = {"student": HYBRID, "objective": {"name": "none"}, "seed": 3}
    assert pretrain(scratch, output=tmp_path / "scratch", state=tmp_path / "s") == 0
    found = {}
    advance = loop.Trainer.advance

    def note(self: loop.Trainer) -> None:
        if self.step == 0:
            found.update({k: v.clone() for k, v in self.objective.student.state_dict().items()})
        advance(self)

    monkeypatch.setattr(loop.Trainer, "advance", note)
    pretrain(settings_of("had", steps=1), output=tmp_path / "had", state=tmp_path / "s", **inputs)
    for name, value in models.load(tmp_path / "scratch" / "model").state_dict().items():
        assert torch.equal(value, found[name]), name
    assert (tmp_path / "scratch" / "history.csv").read_text().startswith("step,split,stage,loss")


def test_slices_do_not_change_the_training(inputs: dict[str, Path], tmp_path: Path) -> None:
    weights = []
    for size in (None, 1):
        settings = settings_of("had", micro_batch_size=size)
        output = tmp_path / str(size)
        pretrain(settings, output=output, state=tmp_path / f"s{size}", **inputs)
        weights.append(models.load(output / "model").state_dict())
    for name, value in weights[0].items():
        # sums in another order, which AdamW amplifies where a gradient is near zero
        torch.testing.assert_close(value, weights[1][name], rtol=2e-3, atol=2e-4)


def test_second_job_on_the_same_state_is_refused(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnastudents.training.state.PATIENCE", 0.0)
    with StateFolder(tmp_path / "s", "x") as other:
        other.lock()
        with pytest.raises(InputError, match="another job trains this run"):
            pretrain(settings_of("had"), output=tmp_path / "out", state=tmp_path / "s", **inputs)
    assert pretrain(settings_of("had"), output=tmp_path / "o", state=tmp_path / "s", **inputs) == 0


def test_a_file_system_without_locks_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(*_: object) -> None:
        raise OSError(38, "Function not implemented")  # Lustre without -o flock

    monkeypatch.setattr("fcntl.flock", none)
    with StateFolder(tmp_path / "s", "x") as state:
        state.lock()
    assert "no file locks here (Function not implemented)" in caplog.text


def test_second_job_waits_and_takes_the_first_ones_result(
    inputs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An orphan of a killed workflow finishes its run while the workflow is started again."""
    settings, output = settings_of("masked_lm"), tmp_path / "out"
    orphan = StateFolder(tmp_path / "s", "x")
    orphan.lock()

    def finish(_: float) -> None:  # while the second job sleeps
        pretrain(settings, output=output, state=tmp_path / "elsewhere", **inputs)
        made.append((output / "metrics.json").stat().st_mtime_ns)
        orphan.__exit__()

    made: list[int] = []
    monkeypatch.setattr("dnastudents.training.state.time.sleep", finish)
    assert pretrain(settings, output=output, state=tmp_path / "s", **inputs) == 0
    assert [(output / "metrics.json").stat().st_mtime_ns] == made
    assert "complete already" in caplog.text


@pytest.mark.parametrize("variable", ["WORLD_SIZE", "DNASTUDENTS_PROCESSES"])
def test_processes_that_do_not_train_together_are_refused(
    variable: str, inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "2")
    with pytest.raises(InputError, match=rf"{variable} is 2, but 1 process"):
        pretrain(settings_of("had"), output=tmp_path / "out", state=tmp_path / "s", **inputs)


def test_genome_and_split_mistakes(inputs: dict[str, Path], tmp_path: Path) -> None:
    places = {"output": tmp_path / "out", "state": tmp_path / "s"}
    with pytest.raises(InputError, match="--reference"):
        pretrain(settings_of("findna"), **places)
    overlap = settings_of("findna", splits={"train": ["chrA"], "validation": ["chrA"]})
    with pytest.raises(InputError, match="chrA"):
        pretrain(overlap, **places, **inputs)
    with pytest.raises(InputError, match="did you mean 'steps'"):
        pretrain(settings_of("findna", stepz=3), **places, **inputs)


def test_without_validation_split(inputs: dict[str, Path], tmp_path: Path) -> None:
    settings = settings_of("findna", splits={"train": ["chrA"]})
    pretrain(settings, output=tmp_path / "out", state=tmp_path / "s", **inputs)
    assert set(pd.read_csv(tmp_path / "out" / "history.csv")["split"]) == {"train"}
