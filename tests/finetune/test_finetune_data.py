"""Batches: every row once, little padding, nothing dropped."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dnastudents.finetune.data import CHUNK, evaluation_batches, tokenize, training_batches
from dnastudents.genome import codes as sequence
from dnastudents.genome import tokenizers

LENGTHS = np.random.default_rng(0).integers(5, 500, 1003)


def padding(batches: list[np.ndarray]) -> float:
    """Padded tokens over real ones."""
    padded = sum(LENGTHS[rows].max() * len(rows) for rows in batches)
    return padded / LENGTHS.sum() - 1


def epoch(seed: int) -> list[np.ndarray]:
    return training_batches(LENGTHS, 16, np.random.default_rng(seed))


def test_every_row_once_and_no_batch_too_large() -> None:
    for batches in (epoch(0), evaluation_batches(LENGTHS, 16)):
        assert sorted(np.concatenate(batches).tolist()) == list(range(1003))
        assert max(map(len, batches)) == 16
        assert len(batches) == -(-1003 // 16)


def test_padding_is_a_few_percent() -> None:
    shuffled = np.random.default_rng(0).permutation(1003)
    unsorted = [shuffled[start : start + 16] for start in range(0, 1003, 16)]
    assert padding(unsorted) > 0.5
    assert padding(epoch(0)) < 0.05
    assert padding(evaluation_batches(LENGTHS, 16)) < 0.02


def test_epochs_differ_in_order_and_company() -> None:
    one, other = epoch(0), epoch(1)
    assert all(np.array_equal(a, b) for a, b in zip(one, epoch(0), strict=True))
    companies = {frozenset(rows.tolist()) for rows in one}
    assert not companies & {frozenset(rows.tolist()) for rows in other}
    first_lengths = [int(LENGTHS[rows].mean()) for rows in one[:10]]
    assert first_lengths != sorted(first_lengths)


def test_inputs_are_padded_and_masked_only_where_needed() -> None:
    tokenizer = tokenizers.build("nucleotide")
    split = tokenize(["ACG", "ACGTN", "TTT"], np.array([0, 1, 0]), tokenizer, None)
    inputs = split.inputs(np.array([1, 0]))
    assert inputs["input_ids"].tolist() == [[7, 8, 9, 10, 11], [7, 8, 9, 4, 4]]
    assert inputs["attention_mask"].tolist() == [[True] * 5, [True] * 3 + [False] * 2]
    assert set(split.inputs(np.array([0, 2]))) == {"input_ids"}
    assert split.take(np.array([2])).values[0].tolist() == [10, 10, 10]


@pytest.mark.parametrize("bases", [14, 15, 16, 40])
def test_sequences_that_are_too_long_lose_their_end(bases: int) -> None:
    tokenizer = tokenizers.build("kmer6")
    text = "ACGTTGCAAC" * 4
    split = tokenize([text[:bases]], np.array([0]), tokenizer, most=12)
    # 12 tokens are [CLS], ten 6-mers (15 bases), [SEP]
    assert split.values[0].tolist() == tokenizer.encode(text[: min(bases, 15)])
    assert split.truncated.tolist() == [bases > 15]
    assert torch.is_tensor(split.inputs(np.array([0]))["input_ids"])


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("nucleotide", None),
        ("chordmixer", 20),
        ("kmer6", 20),
        ("nucleotide_transformer", None),
    ],
)
def test_sequences_together_have_the_tokens_of_each_alone(name: str, most: int | None) -> None:
    """The plain twin: one sequence at a time; a token more is a base more."""
    tokenizer = tokenizers.build(name)
    generator = np.random.default_rng(0)
    texts = [
        "".join(generator.choice(list("ACGTN"), length, p=[0.24] * 4 + [0.04]))
        for length in generator.integers(1, 60, 2 * CHUNK + 3)
    ]
    split = tokenize(texts, np.zeros(len(texts)), tokenizer, most, both_strands=True)
    assert split.other is not None
    for number, text in enumerate(texts):
        too_long = 0 if most is None else max(0, len(tokenizer.encode(text)) - most)
        codes = sequence.encode(text)
        for ids, strand in (
            (split.values[number], codes),
            (split.other[number], sequence.reverse_complement(codes)),
        ):
            assert ids.tolist() == tokenizer.encode_codes(strand[: len(strand) - too_long]).tolist()
            assert ids.dtype == np.int64
        assert split.truncated[number] == (too_long > 0)
    assert split.truncated.any() == (most is not None)
