"""A teacher that has learnt is accepted, one that has not is refused, and by the right numbers."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from dnastudents import models
from dnastudents.cli import main
from dnastudents.errors import InputError
from dnastudents.files import read_json
from dnastudents.genome import codes as sequence
from dnastudents.genome import tokenizers
from dnastudents.genome.codes import N
from dnastudents.genome.reference import Reference, build
from dnastudents.teachers import check as teacher_check
from dnastudents.teachers.check import check_teacher, draw_windows, frequencies, score
from dnastudents.teachers.checkpoint import load_teacher
from dnastudents.training.pretrain import pretrain

STUDENT = {
    "architecture": "nucleotide_transformer",
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
RECIPE = {
    "student": STUDENT,
    "objective": {"name": "masked_lm"},
    "masking": {"name": "bernoulli", "probability": 0.15},
    "pretraining": {
        "steps": 150,
        "batch_size": 16,
        "window": {"kind": "windows", "length": 120},
        "splits": {"train": ["chrA"], "validation": ["chrB"]},
        "optimizer": {"learning_rate": 1e-2},
        "schedule": {"kind": "cosine", "warmup_steps": 5},
        "evaluate_every": 150,
        "checkpoint_every": 150,
        "validation_sequences": 8,
    },
}
LENGTH = 123  # 20 6-mers, of which 3 are masked, and a tail


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies of one unit of 30 bases, one base in a hundred changed, and some N."""
    generator = np.random.default_rng(0)
    codes = np.tile(generator.integers(0, 4, 30), 2000)
    changed = generator.random(len(codes)) < 0.01
    codes[changed] = generator.integers(0, 4, changed.sum())
    codes[20_000:20_100] = N
    text = sequence.decode(codes.astype(np.uint8))
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    path.write_text(f">chrA\n{text[:30_000]}\n>chrB\n{text[30_000:]}\n")
    return path


@pytest.fixture(scope="module")
def trained(genome: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    build(genome, folder / "reference")
    pretrain(
        RECIPE,
        run="teacher",
        output=folder / "teacher",
        state=folder / "state",
        reference=folder / "reference",
    )
    return folder / "teacher"


def saved(folder: Path, change: object = None) -> Path:
    """A teacher with random weights, after `change` (a function of the model)."""
    torch.manual_seed(0)
    tokenizer = tokenizers.build("nucleotide_transformer")
    model = models.build(STUDENT, tokenizer)
    if callable(change):
        with torch.no_grad():
            change(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_trained_teacher_is_usable(
    genome: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--fasta", str(genome), "--length", str(LENGTH), "--json", str(tmp_path / "c.json")]
    capsys.readouterr()
    assert main(["teacher", "check", str(trained), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "teacher: 275,563 parameters, 1 layers, width 32"
    assert lines[-1].startswith("usable: perplexity is 0.")
    found = json.loads((tmp_path / "c.json").read_text())
    assert found["usable"] is True
    assert found["verdict"] == lines[-1]
    assert (found["windows"], found["masked_a_window"]) == (64, 3)
    ratio, low, high = found["perplexity_ratio"]
    ours, theirs = (found[f"{name}_scores"]["perplexity"][0] for name in ("teacher", "frequency"))
    assert ratio == pytest.approx(ours / theirs)
    assert low < ratio < high < 0.5
    assert theirs < 100  # thirty 6-mers and their changes


def test_an_untrained_teacher_is_refused(
    genome: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = saved(tmp_path / "random")
    options = ["--fasta", str(genome), "--length", str(LENGTH)]
    assert main(["teacher", "check", str(folder), *options]) == 1
    said = capsys.readouterr().out
    assert "features: finite" in said
    assert said.splitlines()[-1].startswith("not usable: perplexity is ")
    check = check_teacher(folder, genome, length=LENGTH)
    assert 3000 < check.teacher.estimates()["perplexity"][0] < 6000  # about the vocabulary


def test_frequencies_alone_are_not_enough(genome: Path, tmp_path: Path) -> None:
    """A teacher that says the frequencies of 6-mers whatever it sees is as good as they are."""
    reference = build(genome, tmp_path / "reference")
    known = frequencies(draw_windows(reference, 64, LENGTH, 0)[1])
    ids = torch.from_numpy(tokenizers.build("nucleotide_transformer").kmer_ids)

    def blind(model: models.NucleotideTransformerForMaskedLM) -> None:
        model.lm_head.decoder.weight.zero_()
        model.lm_head.bias.fill_(-100.0)
        model.lm_head.bias[ids] = torch.from_numpy(np.log(known)).float()

    check = check_teacher(saved(tmp_path / "blind", blind), genome, length=LENGTH)
    assert check.ratio == pytest.approx([1.0, 1.0, 1.0], abs=1e-5)
    for mine, theirs in zip(
        check.teacher.estimates().values(), check.frequencies.estimates().values(), strict=True
    ):
        assert mine == pytest.approx(theirs, rel=1e-4)
    assert not check.usable


def test_scores_equal_the_plain_twin(trained: Path, genome: Path, tmp_path: Path) -> None:
    """One window at a time, from letters to a mean of logarithms."""
    windows, others = draw_windows(build(genome, tmp_path / "reference"), 3, LENGTH, 5)
    masked = np.array([[0, 7, 19], [3, 4, 5], [11, 2, 8]])
    model, tokenizer = load_teacher(trained)
    scores, finite = teacher_check._score_teacher(model, tokenizer, windows, masked)
    counts = Counter(
        text[i : i + 6] for text in map(sequence.decode, others) for i in range(len(text) - 5)
    )
    share = frequencies(others)
    assert finite
    letters = "ACGT"
    token = {k: tokenizer.encode(k)[1] for k in map("".join, itertools.product(letters, repeat=6))}
    for row, (text, places) in enumerate(zip(map(sequence.decode, windows), masked, strict=True)):
        ids, losses, right, bases = tokenizer.encode(text), [], [], []
        expected_share = []
        for place in places:
            ids[place + 1] = tokenizer.mask_id
        with torch.inference_mode():
            probabilities = model(torch.tensor([ids])).logits[0].double().softmax(-1)
        for place in places:
            truth = text[6 * place : 6 * place + 6]
            of = {k: float(probabilities[place + 1, number]) for k, number in token.items()}
            losses.append(-math.log(of[truth]))
            right.append(max(of, key=of.__getitem__) == truth)
            for i, base in enumerate(truth):
                best = max(letters, key=lambda b: sum(p for k, p in of.items() if k[i] == b))
                bases.append(best == base)
            expected_share.append((counts[truth] + 1) / (counts.total() + 4096))
        assert scores.log_loss[row] == pytest.approx(np.mean(losses), rel=1e-5)
        assert scores.accuracy[row] == np.mean(right)
        assert scores.base_accuracy[row] == pytest.approx(np.mean(bases))
        numbers = [list(token).index(text[6 * place : 6 * place + 6]) for place in places]
        assert share[numbers] == pytest.approx(expected_share)


def test_scores_of_a_prediction_made_by_hand() -> None:
    """AAAAAA and AAAAAC are 0 and 1: five bases are right where the 6-mer is wrong."""
    probabilities = np.full((1, 2, 4096), 0.2 / 4095)
    probabilities[0, 0, 0] = probabilities[0, 1, 1] = 0.8
    scores = score(np.log(probabilities), np.array([[0, 0]]))
    assert scores.log_loss == pytest.approx([-np.log([0.8, 0.2 / 4095]).mean()])
    assert scores.accuracy.tolist() == [0.5]
    assert scores.base_accuracy == pytest.approx([11 / 12])


def test_windows_have_no_n_and_share_no_base(genome: Path, tmp_path: Path) -> None:
    """In a genome whose bases are different numbers, none of them comes twice."""
    built = build(genome, tmp_path / "reference")
    places = 5 + np.arange(len(built.codes))
    places[built.codes == N] = N
    index = read_json(tmp_path / "reference" / "reference.json")
    numbered = Reference(places, index)
    checked, others = draw_windows(numbered, 20, LENGTH, 0)
    bases = np.concatenate([checked.ravel(), others.ravel()])
    assert len(np.unique(bases)) == len(bases)
    assert N not in bases
    assert len(checked) == 20
    assert len(others) > 400  # all that is left of the genome
    assert np.array_equal(draw_windows(numbered, 20, LENGTH, 0)[0], checked)
    assert not np.array_equal(draw_windows(numbered, 20, LENGTH, 1)[0], checked)


def test_features_that_are_no_numbers_are_refused(genome: Path, tmp_path: Path) -> None:
    def broken(model: models.NucleotideTransformerForMaskedLM) -> None:
        model.esm["encoder"].emb_layer_norm_after.weight[3] = math.nan

    check = check_teacher(saved(tmp_path / "broken", broken), genome, length=LENGTH)
    assert check.verdict == "not usable: its features are not finite"
    assert json.loads(json.dumps(check.as_json()))["teacher_scores"]["perplexity"][0] is None
    assert "features: not finite" in str(check)


def test_weights_that_mean_nothing_have_no_finite_perplexity(genome: Path, tmp_path: Path) -> None:
    def loud(model: models.NucleotideTransformerForMaskedLM) -> None:
        model.lm_head.decoder.weight.mul_(1e6)

    check = check_teacher(saved(tmp_path / "loud", loud), genome, length=LENGTH)
    assert check.teacher.estimates()["perplexity"][0] == math.inf
    assert not check.usable
    assert check.as_json()["perplexity_ratio"][0] is None


def test_the_hubs_layout_and_a_built_reference(golden: Path, genome: Path, tmp_path: Path) -> None:
    """The golden weights are random: they load, and are refused."""
    file = golden / "nucleotide_transformer_v2_tiny.safetensors"
    weights = {k: x for k, x in load_file(file).items() if not k.startswith("golden.")}
    with safe_open(file, "pt") as handle:
        config = json.loads(handle.metadata()["config"])
    folder = tmp_path / "hub"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "esm", **config}))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    build(genome, tmp_path / "reference")
    from_folder = check_teacher(folder, tmp_path / "reference", length=LENGTH)
    assert not from_folder.usable
    assert from_folder.finite
    assert from_folder.as_json() == check_teacher(folder, genome, length=LENGTH).as_json()


def test_what_cannot_be_checked_is_said(genome: Path, trained: Path) -> None:
    with pytest.raises(InputError, match=r"genome\.fa: 12 windows of 4,500 bases without N, where"):
        check_teacher(trained, genome, length=4500)
    with pytest.raises(InputError, match="1 sequences of 1020 bases: an interval needs 2"):
        check_teacher(trained, genome, sequences=1)
    with pytest.raises(InputError, match="no such file"):
        check_teacher(trained, genome.with_name("none.fa"))
