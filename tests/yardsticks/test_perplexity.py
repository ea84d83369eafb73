"""What is read around hidden tokens, and the perplexities of plain models there."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from plain_chain import PlainChain

from dnastudents import masking
from dnastudents.genome import tokenizers
from dnastudents.genome.codes import PAD, decode, encode
from dnastudents.genome.tokenizers import NO_LABEL, Tokenizer
from dnastudents.objectives.base import Views
from dnastudents.pmi import count_kmers
from dnastudents.yardsticks import Yardsticks, read
from dnastudents.yardsticks.chain import Chain
from dnastudents.yardsticks.perplexity import chain_losses, frequency_losses, suitable_order

KMERS, SIXES = tokenizers.build("kmer6"), tokenizers.build("nucleotide_transformer")
SYMBOLS = tokenizers.build("chordmixer")


def seen_by(tokenizer: Tokenizer, text: str, changes: dict[int, int], hidden: list[int]) -> str:
    """What is seen of `text` where tokens are replaced by other ids."""
    true = tokenizer.encode_batch(encode(text)[None])
    ids, mask = true.copy(), np.zeros(true.shape, dtype=bool)
    ids[0, list(changes)] = list(changes.values())
    mask[0, hidden] = True
    return decode(read(tokenizer, ids, true, mask).seen[0]).replace("N", "?")


def test_overlapping_tokens_show_the_bases_of_their_neighbours() -> None:
    text = "ACGTACGTTGCAAC"  # [CLS], 9 tokens, [SEP]
    span = dict.fromkeys(range(2, 8), KMERS.mask_id)  # bases 1 to 11; all cover base 6
    assert seen_by(KMERS, text, span, [4]) == "ACGTAC?TTGCAAC"
    assert seen_by(KMERS, text, {3: KMERS.mask_id}, [3]) == text
    kept = dict.fromkeys((2, 3, 5, 6, 7), KMERS.mask_id)
    assert seen_by(KMERS, text, kept, [3]) == text
    contradicted = span | {4: KMERS.kmer_ids[0]}  # AAAAAA, at random
    assert seen_by(KMERS, text, contradicted, [3]) == "ACGTAC?TTGCAAC"


def test_other_tokens_are_read_as_they_stand() -> None:
    text = "ACGTACGTTGCAACGG"  # <cls>, two 6-mers, four letters
    assert seen_by(SIXES, text, {1: SIXES.mask_id}, [1]) == "??????GTTGCAACGG"
    assert seen_by(SIXES, text, {2: int(SIXES.kmer_ids[0]), 4: SIXES.mask_id}, [4]) == (
        "ACGTACAAAAAAA?GG"
    )
    assert seen_by(SYMBOLS, "ACGN", {0: SYMBOLS.mask_id, 1: 2}, [0]) == "?GG?"


@pytest.mark.parametrize(
    ("name", "mask"),
    [
        ("kmer6", {"name": "random_span", "probability": 0.06}),
        ("kmer3", {"name": "bernoulli", "probability": 0.6}),
        ("nucleotide_transformer", {"name": "bernoulli", "probability": 0.2}),
        ("nucleotide", {"name": "bernoulli", "probability": 0.4}),
        (
            "chordmixer",
            {"name": "bernoulli", "probability": 0.3, "mask_share": 1.0, "random_share": 0},
        ),
    ],
)
def test_as_the_plain_twin(name: str, mask: dict[str, object]) -> None:
    generator = np.random.default_rng(1)
    codes = generator.choice(4, (3, 62), p=[0.5, 0.2, 0.2, 0.1]).astype(np.uint8)
    codes[0, 30], codes[1, 50:] = 4, PAD
    background = "".join(generator.choice(list("ACGT"), 300, p=[0.5, 0.2, 0.2, 0.1]))
    tokenizer, order = tokenizers.build(name), 2
    true = tokenizer.encode_batch(codes)
    rule = masking.build(mask, tokenizer, None, 1)
    masked = rule(torch.from_numpy(true), torch.Generator().manual_seed(3), 0)
    ids = masked.input_ids.numpy()
    hidden = masked.mask.numpy() & (ids == tokenizer.mask_id)
    found = read(tokenizer, ids, true, hidden)
    counts = count_kmers([encode(background)], max(order + 1, tokenizer.k))
    chain, frequency = chain_losses(found, Chain(counts, order)), frequency_losses(found, counts)
    plain = PlainChain([background], order)
    spans = tokenizer.batch_spans(codes)
    checked = 0
    for number, (row, token) in enumerate(np.argwhere(hidden).tolist()):
        text = "".join("ACGTN"[code] for code in codes[row] if code != PAD)
        start, end = spans[row, token].tolist()
        if "N" in text[start:end] or not end:
            continue
        seen = ["?"] * len(text)
        for other, (first, last) in enumerate(spans[row].tolist()):
            is_true = ids[row, other] == true[row, other]
            if ids[row, other] == tokenizer.mask_id or (tokenizer.overlaps and not is_true):
                continue
            letters = tokenizer.vocabulary[ids[row, other]]
            for place in range(last - first):
                if letters[0] != "[" and letters[place] != "N":
                    seen[first + place] = letters[place]
        assert chain[number] == pytest.approx(plain.loss("".join(seen), text, start, end), rel=1e-4)
        share = (plain.count(text[start:end]) + 1) / (300 - (end - start) + 1 + 4 ** (end - start))
        assert frequency[number] == pytest.approx(-math.log(share))
        checked += 1
    assert checked > 8


def test_views_to_perplexities() -> None:
    """Two views a sequence, a position that is no base, and a base that is shown."""
    symbols = torch.tensor([[[0, 5, 0, 6], [0, 0, 5, 6]]])  # A ? A, A A ?
    labels = torch.tensor([[[NO_LABEL, 0, 0, NO_LABEL], [NO_LABEL, NO_LABEL, 1, NO_LABEL]]])
    hidden = torch.tensor([[[False, True, False, False], [False, False, True, False]]])
    views = Views({"ids": symbols, "labels": labels, "hidden": hidden}, {})
    found = Yardsticks(lambda: [encode("AACAAC")], SYMBOLS, "ids")(views)
    share = [(4 + 1) / (6 + 4), (2 + 1) / (6 + 4)]
    assert found["frequency_perplexity"] == pytest.approx((share[0] * share[1]) ** -0.5)
    chain = PlainChain(["AACAAC"], 1)
    chances = chain.between("A", "A", "A") * chain.between("C", "A", "")
    assert found["markov_perplexity"] == pytest.approx(chances**-0.5)
    assert "oracle_perplexity" not in found
    knows = Yardsticks(lambda: [encode("AACAAC")], SYMBOLS, "ids", lambda found: found.row + 1.0)
    assert knows(views)["oracle_perplexity"] == pytest.approx(math.exp(1.5))


def test_nothing_hidden_has_no_perplexity() -> None:
    labels = torch.full((1, 3), NO_LABEL)
    views = Views({"ids": torch.tensor([[0, 0, 0]]), "labels": labels}, {})
    found = Yardsticks(lambda: [encode("AACAAC")], SYMBOLS, "ids")(views)
    assert found == {"frequency_perplexity": None, "markov_perplexity": None}


def test_contexts_are_as_long_as_the_genome_can_fill() -> None:
    assert [suitable_order(bases) for bases in (6, 63, 64, 4**11 - 1, 4**11, 3 * 10**9)] == [
        *(1, 1, 2, 9, 10, 10)
    ]
