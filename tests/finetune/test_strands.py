"""Both strands: what is tokenised, what training reads, and what conjoining predicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from dnastudents.benchmarks.task import load_task, write_task
from dnastudents.errors import InputError
from dnastudents.files import read_json
from dnastudents.finetune.data import FeatureSplit, tokenize
from dnastudents.finetune.fit import Fit
from dnastudents.finetune.on_task import StudentOnTask
from dnastudents.finetune.options import Finetuning
from dnastudents.finetune.sweep import finetune
from dnastudents.genome import tokenizers
from dnastudents.settings import parse
from dnastudents.training.state import StateFolder

OTHER = str.maketrans("ACGTN", "TGCAN")


def other_strand(text: str) -> str:
    """The plain twin: letter by letter from the end."""
    return text.translate(OTHER)[::-1]


def sequences() -> list[str]:
    """Of 5 to 70 bases, some with N."""
    generator = np.random.default_rng(0)
    letters = list("ACGTN")
    weights = [0.24] * 4 + [0.04]
    return ["".join(generator.choice(letters, n, p=weights)) for n in range(5, 71)]


@pytest.mark.parametrize(
    ("name", "most"),
    [
        *((name, None) for name in ("nucleotide", "chordmixer", "nucleotide_transformer")),
        *((name, most) for name in ("kmer3", "kmer6") for most in (None, 40)),
    ],
)
def test_the_other_strand_equals_its_plain_twin(name: str, most: int | None) -> None:
    tokenizer, texts = tokenizers.build(name), sequences()
    split = tokenize(texts, np.zeros(len(texts)), tokenizer, most, both_strands=True)
    twin = tokenize([*map(other_strand, texts)], np.zeros(len(texts)), tokenizer, most)
    assert split.other is not None
    for ours, theirs in zip(split.other, twin.values, strict=True):
        assert ours.tolist() == theirs.tolist()
    if most is None:
        for ours, text in zip(split.other, texts, strict=True):
            assert ours.tolist() == tokenizer.encode(other_strand(text))
    assert [len(ids) for ids in split.other] == split.lengths.tolist()  # no row longer or shorter


def test_flipped_rows_are_read_from_the_other_strand() -> None:
    tokenizer, texts = tokenizers.build("nucleotide"), sequences()
    split = tokenize(texts, np.arange(len(texts)), tokenizer, None, both_strands=True)
    chosen = np.arange(len(texts)) % 3 == 0
    flipped = split.flip(chosen)
    for number, text in enumerate(texts):
        expected = other_strand(text) if chosen[number] else text
        assert flipped.values[number].tolist() == tokenizer.encode(expected)
    rows = np.array([3, 1, 6])
    parts = split.take(rows).flip(chosen[rows]).values
    assert [ids.tolist() for ids in parts] == [flipped.values[row].tolist() for row in rows]
    back = flipped.flip(chosen)
    assert [ids.tolist() for ids in back.values] == [ids.tolist() for ids in split.values]
    joined = split.take(rows).joined(split.take(rows[:1]))
    assert joined.labels.tolist() == [3, 1, 6, 3]
    last = joined.flip(np.ones(4, bool)).values[3]
    assert last.tolist() == tokenizer.encode(other_strand(texts[3]))
    with pytest.raises(ValueError, match="one strand only"):
        tokenize(texts, np.arange(len(texts)), tokenizer, None).flip(chosen)


def test_flipped_and_joined_features() -> None:
    here = np.arange(6, dtype=np.float32).reshape(3, 2)
    there = -here
    split = FeatureSplit(here, np.arange(3), np.zeros(3, bool), there)
    flipped = split.flip(np.array([True, False, True]))
    np.testing.assert_array_equal(flipped.values, [there[0], here[1], there[2]])
    assert flipped.other is not None
    np.testing.assert_array_equal(flipped.other, [here[0], there[1], here[2]])
    joined = split.take(np.array([2])).joined(split)
    assert joined.labels.tolist() == [2, 0, 1, 2]
    assert joined.other is not None
    np.testing.assert_array_equal(joined.other[1:], there)


def test_each_epoch_reads_about_half_of_the_sequences_on_either_strand(
    students: dict[str, Path], task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[int, bytes]] = []
    update = Fit._update

    def note(self: Fit, train: Any, rows: np.ndarray, total: int) -> torch.Tensor:
        read.extend((int(row), train.values[row].tobytes()) for row in rows)
        return update(self, train, rows, total)

    monkeypatch.setattr(Fit, "_update", note)

    def epochs(kind: str, seed: int) -> list[dict[int, bytes]]:
        """What was read of each row in each of two epochs."""
        options = Finetuning(epochs=2, batch_size=8, reverse_complement=kind)
        mine = StudentOnTask("mine", students["hybrid"], load_task(task), options, "", "")
        read.clear()
        mine._train(seed, StateFolder(tmp_path / "state", ""))
        return [dict(read[:80]), dict(read[80:])]

    tokens = StudentOnTask(
        "mine", students["hybrid"], load_task(task), Finetuning(), "", ""
    ).tokens["train"]
    plain = epochs("none", 0)
    assert plain[0] == plain[1] == {row: ids.tobytes() for row, ids in enumerate(tokens.values)}
    for kind in ("augment", "conjoin"):
        found = epochs(kind, 0)
        flipped = [{row for row in plain[0] if epoch[row] != plain[0][row]} for epoch in found]
        assert all(20 < len(rows) < 60 for rows in flipped)
        assert flipped[0] != flipped[1]
        assert epochs(kind, 0) == found
        assert epochs(kind, 1) != found


def scores(student: Path, task: Path, folder: Path, **settings: Any) -> np.ndarray:
    """Test-set probabilities of one fine-tuning."""
    finetune(
        "mine",
        pretrained=[student],
        task=task,
        settings={"epochs": 2, "batch_size": 8, "learning_rate": 1e-3} | settings,
        seeds=[0],
        state=folder / "state",
        output=folder / "out",
    )
    return pd.read_parquet(folder / "out/predictions.parquet")[["p_at", "p_gc"]].to_numpy()


@pytest.fixture(scope="module")
def turned_task(task: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The task with test on the other strand."""
    splits = {name: pd.read_parquet(task / f"{name}.parquet") for name in ("train", "dev", "test")}
    splits["test"]["sequence"] = splits["test"]["sequence"].map(other_strand)
    folder = tmp_path_factory.mktemp("turned") / "gc"
    write_task(folder, "made", "gc", splits, ["at", "gc"], "mcc", simulated=True)
    return folder


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("name", ["hybrid", "bert"])  # bert cuts sequences of 52 bases and more
def test_conjoined_predictions_do_not_depend_on_the_strand(
    name: str,
    frozen: bool,
    students: dict[str, Path],
    task: Path,
    turned_task: Path,
    tmp_path: Path,
) -> None:
    def both_ways(kind: str) -> list[np.ndarray]:
        settings = {"reverse_complement": kind, "frozen": frozen}
        return [
            scores(students[name], where, tmp_path / kind / side, **settings)
            for side, where in (("as given", task), ("turned", turned_task))
        ]

    given, turned = both_ways("conjoin")
    np.testing.assert_allclose(given, turned, rtol=0, atol=1e-6)
    row = read_json(tmp_path / "conjoin/turned/out/seed_0.json")
    assert row["reverse_complement"] == "conjoin"
    given, turned = both_ways("augment")
    assert np.abs(given - turned).max() > 1e-4


def test_conjoining_averages_logits(students: dict[str, Path], task: Path) -> None:
    options = Finetuning(reverse_complement="conjoin")
    mine = StudentOnTask("mine", students["hybrid"], load_task(task), options, "", "")
    fit = Fit(mine._classifier(0), options, 0, mine.device)
    fit.model.eval()
    found = fit.predict(mine.tokens["test"])
    for text, score in zip(load_task(task).test["sequence"], found, strict=True):
        pair = [
            torch.tensor([mine.checkpoint.tokenizer.encode(s)]) for s in (text, other_strand(text))
        ]
        with torch.inference_mode():
            logits = sum(fit.model(ids).logits[0] for ids in pair) / 2
        np.testing.assert_allclose(score, logits.softmax(-1), atol=1e-6)


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match=r"reverse_complement: unknown value 'conjoined'; did you"):
        parse(Finetuning, {"reverse_complement": "conjoined"}, "finetuning")
