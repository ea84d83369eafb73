"""Batches are functions of seed and step; validation is always the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recipes import settings_of

from dnastudents.errors import InputError
from dnastudents.genome.codes import reverse_complement_padded
from dnastudents.genome.windows.pieces import Pieces
from dnastudents.settings import parse
from dnastudents.training.corpus import Corpus
from dnastudents.training.options import Pretraining


def corpus(inputs: dict[str, Path], recipe: str, seed: int = 0, **changes: Any) -> Corpus:
    plan = parse(Pretraining, settings_of(recipe, **changes)["pretraining"], "pretraining")
    return Corpus(inputs["reference"], plan, seed)


@pytest.mark.parametrize("recipe", ["findna", "masked_lm"])
def test_batches(recipe: str, inputs: dict[str, Path]) -> None:
    one, again = corpus(inputs, recipe), corpus(inputs, recipe)
    assert one.batch(3).shape == (6, 54)
    assert np.array_equal(one.batch(3), again.batch(3))
    assert not np.array_equal(one.batch(3), one.batch(4))
    assert not np.array_equal(one.batch(3), corpus(inputs, recipe, seed=1).batch(3))


def test_half_of_the_rows_are_read_from_the_other_strand(inputs: dict[str, Path]) -> None:
    plain = corpus(inputs, "masked_lm", reverse_complement=0.0, batch_size=400).batch(0)
    some = corpus(inputs, "masked_lm", reverse_complement=0.5, batch_size=400).batch(0)
    turned = reverse_complement_padded(plain)
    is_turned = (some == turned).all(1)
    assert ((some == plain).all(1) | is_turned).all()
    assert 140 < is_turned.sum() < 260


def test_validation_is_the_same_for_every_seed(inputs: dict[str, Path]) -> None:
    first, second = (corpus(inputs, "findna", seed=seed).validation() for seed in (0, 1))
    assert first is not None
    assert second is not None
    assert first.shape == (8, 54)
    assert np.array_equal(first, second)


def test_training_and_validation_are_cut_alike(
    inputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []
    cut = Pieces.__init__

    def spy(self: Pieces, *args: Any, **options: Any) -> None:
        seen.append({"max_length": args[2], **options})
        cut(self, *args, **options)

    monkeypatch.setattr(Pieces, "__init__", spy)
    window = {"kind": "pieces", "length": 54, "unknown": "delete", "duplicates": "keep"}
    corpus(inputs, "masked_lm", window=window)
    assert seen == [{"max_length": 54, "unknown": "delete", "duplicates": "keep"}] * 2


def test_counted_windows_by_name_repeat_after_an_epoch(inputs: dict[str, Path]) -> None:
    window = {"kind": "windows", "length": 54, "sampling": "by_name", "count": 6}
    changes = {"window": window, "reverse_complement": 0.0}
    one, again = (corpus(inputs, "findna", **changes) for _ in range(2))
    epochs = [sorted(map(bytes, one.batch(step))) for step in range(3)]
    assert epochs[0] == epochs[1] == epochs[2]
    assert np.array_equal(one.batch(2), again.batch(2))
    assert not np.array_equal(one.batch(0), one.batch(1))
    plain = corpus(inputs, "findna", window={"kind": "windows", "length": 54})
    assert np.array_equal(one.validation(), plain.validation())


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ({"kind": "windows", "unknown": "delete"}, "window: unknown key 'unknown'"),
        ({"kind": "windows", "duplicates": "keep"}, "window: unknown key 'duplicates'"),
        ({"kind": "pieces", "max_n_fraction": 0.1}, "window: unknown key 'max_n_fraction'"),
        ({"kind": "pieces", "sampling": "by_name"}, "window: unknown key 'sampling'"),
        ({"kind": "pieces", "count": 9}, "window: unknown key 'count'"),
        ({"kind": "intervals", "count": 9}, "window: unknown key 'count'"),
        ({"kind": "interval"}, "did you mean 'intervals'"),
        ({"kind": "windows", "sampling": "by_nam"}, "did you mean 'by_name'"),
        ({"kind": "windows", "count": 0}, "window.count: must be at least 1, not 0"),
        ({"kind": "pieces", "unknown": "splits"}, "did you mean 'split'"),
        ({"kind": "pieces", "duplicates": "drops"}, "did you mean 'drop'"),
    ],
)
def test_windows_and_pieces_refuse_the_options_of_the_other(
    inputs: dict[str, Path], window: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        corpus(inputs, "masked_lm", window={"length": 54, **window})
