"""The batched rules against plain ones, the authors' vectors, and the rates of their simulation."""

import csv
import json
import random

import pytest
import torch
from plain import plain_genemask, plain_global, plain_span
from torch import Tensor

from dnastudents import masking
from dnastudents.genome import tokenizers
from dnastudents.masking import draw_centres, genemask, global_pmi, random_span, replace
from dnastudents.randomness import torch_generator

TOKENIZER = tokenizers.build("kmer6")


def published_ranks(golden, special: int) -> Tensor:
    """PMI rank by DNABERT id, int64 (4101,)."""
    ranks = torch.full((TOKENIZER.vocab_size,), special)
    with (golden / "pmi/genemask_published_pmi_ranking.csv").open() as handle:
        for row in csv.DictReader(handle):
            ranks[TOKENIZER.encode(row["ngram"])[1]] = int(row["norm_pmi_rank_rel"])
    return ranks


@pytest.mark.parametrize("source", ["token", "position"])
def test_golden_masks(golden, source):
    rows = json.loads((golden / "masks_6mer.json").read_text())
    assert len(rows) == 24
    # One batch of all rows, so that padding is under test as well.
    width = max(len(row["input_ids"]) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    centres = torch.zeros(ids.shape, dtype=torch.bool)
    for index, row in enumerate(rows):
        ids[index, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
        centres[index, row["centres"]] = True
    eligible = ~torch.isin(ids, torch.tensor(TOKENIZER.special_ids))
    looked_up = ids if source == "token" else torch.arange(width).expand_as(ids)
    best, worst = (published_ranks(golden, special)[looked_up] for special in (0, 4096))
    masks = {
        "random_span": random_span(centres, eligible),
        f"genemask_{source}_rank": genemask(centres, eligible, best, "released_rule"),
        f"global_pmi_{source}_rank": global_pmi(centres, eligible, worst),
    }
    for name, mask in masks.items():
        for row, marked in zip(rows, mask, strict=True):
            assert set(marked.nonzero()[:, 0].tolist()) == set(row[name]), name


@pytest.mark.parametrize("k", [1, 3, 4, 6])
@pytest.mark.parametrize("distinct_ranks", [3, 4096])  # with 3 nearly every choice is a tie
def test_rules_equal_the_plain_twins(k, distinct_ranks):
    rng = random.Random(k)
    rows, width = 60, 90
    ranks = [[rng.randrange(1, distinct_ranks + 1) for _ in range(width)] for _ in range(rows)]
    eligible = [set(range(1, rng.randrange(1, width))) for _ in range(rows)]
    share = [rng.choice((0.0, 0.05, 0.3)) for _ in range(rows)]
    centres = [{i for i in e if rng.random() < p} for e, p in zip(eligible, share, strict=True)]

    def marks(sets: list[set[int]]) -> Tensor:
        return torch.tensor([[i in row for i in range(width)] for row in sets])

    c, e, r = marks(centres), marks(eligible), torch.tensor(ranks)
    each = list(zip(centres, eligible, ranks, strict=True))
    expected = [plain_span(c_, e_, (k - 1) // 2, k // 2) for c_, e_, _ in each]
    assert torch.equal(random_span(c, e, k), marks(expected))
    expected = [plain_global(*row, k) for row in each]
    assert torch.equal(global_pmi(c, e, r, k), marks(expected))
    for high_set in ("top_half", "released_rule", "first_half"):
        expected = [plain_genemask(*row, high_set, k) for row in each]
        assert torch.equal(genemask(c, e, r, high_set, k), marks(expected))


def test_a_batch_without_centres_is_not_masked():
    eligible = torch.ones(3, 20, dtype=torch.bool)
    none, ranks = torch.zeros_like(eligible), torch.ones(3, 20, dtype=torch.long)
    for mask in (
        random_span(none, eligible),
        genemask(none, eligible, ranks),
        global_pmi(none, eligible, ranks),
    ):
        assert not mask.any()


def test_centres_come_at_their_rate_from_eligible_positions():
    eligible = torch.ones(400, 500, dtype=torch.bool)
    eligible[:, ::3] = False
    centres = draw_centres(eligible, 0.1, torch_generator(0, "centres"))
    assert not centres[~eligible].any()
    count = int(eligible.sum())
    assert abs(int(centres.sum()) / count - 0.1) < 4 * (0.09 / count) ** 0.5


@pytest.fixture(scope="module")
def enhancers(shared) -> Tensor:
    """1,000 real human enhancers as DNABERT ids, three times, int64 (3000, 497)."""
    import pandas as pd

    folder = shared / "data/genomic_benchmarks/official_test"
    sequences = pd.read_csv(folder / "test_human_enhancers_cohn.csv.gz", nrows=1000)["seq"]
    ids = [TOKENIZER.encode(sequence) for sequence in sequences]
    return torch.tensor(ids).repeat(3, 1)


RELEASED = {"mode": "as_released"}


@pytest.mark.parametrize(
    ("settings", "mean", "sd", "on_80", "rank_change"),
    [
        ({"name": "random_span"}, 13.99, 3.78, 0.173, 4),
        ({"name": "genemask", "high_set": "released_rule"}, 15.49, 3.77, 0.173, -25),
        ({"name": "genemask"}, 14.04, 4.50, 0.173, None),
        ({"name": "genemask", **RELEASED}, 15.31, 3.76, 0.219, -3),
        ({"name": "cm_gems", **RELEASED}, 15.46, 3.69, 0.223, None),
        ({"name": "global_pmi"}, 11.18, 4.53, 0.182, -458),
        ({"name": "global_pmi", **RELEASED}, 10.25, 4.33, 0.975, -11),
        ({"name": "global_pmi", "probability": 0.0176}, 13.81, 5.09, 0.179, None),
        ({"name": "global_pmi", **RELEASED, "probability": 0.0176}, 13.48, 4.84, 0.928, None),
    ],
)
def test_rates_and_ranks_of_the_authors_rules(
    golden, enhancers, settings, mean, sd, on_80, rank_change
):
    """Means of 3,000 draws on 1,000 sequences, simulated apart: hence twice the variance."""
    ranks = published_ranks(golden, 4096)
    masks = masking.build(settings, TOKENIZER, ranks, total_steps=1)
    mask = masks(enhancers, torch_generator(1, "rates"), 0).mask[:, 1:-1]
    share = 100 * mask.float().mean(1)
    assert abs(share.mean().item() - mean) < 4 * sd * (2 / 3000) ** 0.5
    assert share.std().item() == pytest.approx(sd, rel=0.07)
    counts = mask.sum(0).sort(descending=True).values
    # Masks come in spans of at most 11 tokens, so the share on the 80 most-masked positions is at
    # least as sure as one of a number of independent draws that is 11 times smaller: 0.008 to 0.02.
    draws = int(counts.sum()) / 11
    tolerance = 4 * (2 * on_80 * (1 - on_80) / draws) ** 0.5
    assert abs((counts[:80].sum() / counts.sum()).item() - on_80) < tolerance
    if rank_change is not None:
        all_ranks = ranks[enhancers[:, 1:-1]].float()
        change = all_ranks[mask].mean() - all_ranks.mean()
        # The mean rank of three thousand random masks has a standard deviation of about five.
        assert abs(change.item() - rank_change) < 4 * 5 * 2**0.5


def test_only_token_ranks_prefer_kmers_of_high_pmi(golden, enhancers):
    ranks = published_ranks(golden, 4096)
    means = {}
    for source in ("token", "position"):
        settings = {"name": "genemask", "high_set": "released_rule", "rank_source": source}
        masks = masking.build(settings, TOKENIZER, ranks, total_steps=1)
        mask = masks(enhancers, torch_generator(2, "rates"), 0).mask
        means[source] = ranks[enhancers[mask]].float().mean().item()
    assert means["token"] < means["position"] - 10


@pytest.mark.parametrize("name", ["kmer6", "nucleotide", "chordmixer", "nucleotide_transformer"])
def test_replacement_shares(name):
    tokenizer = tokenizers.build(name)
    bases = torch.tensor(tokenizer.base_ids)
    picks = torch.randint(len(bases), (200, 400), generator=torch_generator(0, "ids"))
    ids, mask = bases[picks], torch.rand(200, 400, generator=torch_generator(1, "m")) < 0.5
    before = ids.clone()
    replaced = replace(ids, mask, tokenizer.mask_id, bases, torch_generator(2, "replace"))
    assert torch.equal(ids, before)
    assert torch.equal(replaced[~mask], ids[~mask])
    count = int(mask.sum())
    masked = (replaced[mask] == tokenizer.mask_id).float().mean().item()
    assert abs(masked - 0.8) < 4 * (0.16 / count) ** 0.5
    others = replaced[mask & (replaced != tokenizer.mask_id)]
    assert torch.isin(others, bases).all()
    changed = (replaced[mask] != ids[mask]).float().mean().item() - masked
    assert abs(changed - 0.1 * (1 - 1 / len(bases))) < 4 * (0.09 / count) ** 0.5


def test_replacement_equals_the_plain_twin():
    ids = torch.arange(600).view(20, 30)
    mask = torch.rand(20, 30, generator=torch_generator(0, "m")) < 0.4
    choices = torch.arange(1000, 1100)
    replaced = replace(ids, mask, -1, choices, torch_generator(1, "replace"), 0.5, 0.3)
    generator = torch_generator(1, "replace")
    count = int(mask.sum())
    draws = torch.rand(count, generator=generator).tolist()
    picks = torch.randint(100, (count,), generator=generator).tolist()
    expected = ids.flatten().tolist()
    places = mask.flatten().nonzero()[:, 0].tolist()
    for place, draw, pick in zip(places, draws, picks, strict=True):
        if draw < 0.5:
            expected[place] = -1
        elif draw < 0.8:
            expected[place] = 1000 + pick
    assert replaced.flatten().tolist() == expected


@pytest.mark.parametrize("released", [False, True])
def test_released_replacement_draws_special_tokens_too(released):
    settings = {"name": "bernoulli", "probability": 1.0, "mask_share": 0.0, "random_share": 1.0}
    masks = masking.build({**settings, "random_special": released}, TOKENIZER, None, 1)
    drawn = masks(torch.full((300, 500), 100), torch_generator(0, "replace"), 0).input_ids
    assert set(drawn.flatten().tolist()) == set(range(0 if released else 5, 4101))
