"""The batched rules against plain ones, the authors' vectors, and the rates of their simulation."""

import csv
import json
import random

import pytest
import torch
from torch import Tensor

from dnastudents import masking, tokenizers
from dnastudents.masking import draw_centres, genemask, global_pmi, random_span, replace
from dnastudents.randomness import torch_generator

TOKENIZER = tokenizers.build("kmer6")


def published_ranks(shared, special: int) -> Tensor:
    """PMI rank by DNABERT id, int64 (4101,)."""
    ranks = torch.full((TOKENIZER.vocab_size,), special)
    with (shared / "golden/pmi/genemask_published_pmi_ranking.csv").open() as handle:
        for row in csv.DictReader(handle):
            ranks[TOKENIZER.encode(row["ngram"])[1]] = int(row["norm_pmi_rank_rel"])
    return ranks


@pytest.mark.parametrize("source", ["token", "position"])
def test_golden_masks(shared, source):
    rows = json.loads((shared / "golden/masks_6mer.json").read_text())
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
    best, worst = (published_ranks(shared, special)[looked_up] for special in (0, 4096))
    masks = {
        "random_span": random_span(centres, eligible),
        f"genemask_{source}_rank": genemask(centres, eligible, best, "released_rule"),
        f"global_pmi_{source}_rank": global_pmi(centres, eligible, worst),
    }
    for name, mask in masks.items():
        for row, marked in zip(rows, mask, strict=True):
            assert set(marked.nonzero()[:, 0].tolist()) == set(row[name]), name


def plain_span(centres: set[int], eligible: set[int], before: int, after: int) -> set[int]:
    reach = {c + offset for c in centres for offset in range(-before, after + 1)}
    return reach & eligible


def plain_genemask(
    centres: set[int], eligible: set[int], ranks: list[int], high_set: str, k: int
) -> set[int]:
    before, after = (k - 1) // 2, k // 2
    bests = []
    for centre in sorted(centres):
        near = [centre, *range(centre - before, centre + after + 1)]
        best = min((y for y in near if y in eligible), key=lambda y: ranks[y])
        bests.append(best)
    half = (len(bests) + 1) // 2
    if high_set == "released_rule" and half < 5:
        half = len(bests)
    high = set(sorted(bests, key=lambda y: ranks[y])[:half])
    wide = plain_span(high, eligible, k - 1, k - 1)
    return wide | plain_span(centres, eligible, before, after)


def plain_global(centres: set[int], eligible: set[int], ranks: list[int], k: int) -> set[int]:
    order = sorted(eligible, key=lambda y: (ranks[y], y))
    return plain_span(set(order[: len(centres)]), eligible, k - 1, k - 1)


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
    for high_set in ("top_half", "released_rule"):
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


@pytest.mark.parametrize(
    ("settings", "mean", "sd", "rank_change"),
    [
        ({"name": "random_span"}, 13.99, 3.78, 4),
        ({"name": "genemask", "high_set": "released_rule"}, 15.49, 3.77, -25),
        ({"name": "genemask"}, 14.04, 4.50, None),
        ({"name": "genemask", "mode": "as_released"}, 15.31, 3.76, -3),
        ({"name": "global_pmi"}, 11.18, 4.53, -458),
        ({"name": "global_pmi", "mode": "as_released"}, 10.25, 4.33, -11),
        ({"name": "global_pmi", "probability": 0.0176}, 13.81, 5.09, None),
    ],
)
def test_rates_and_ranks_of_the_authors_rules(shared, enhancers, settings, mean, sd, rank_change):
    """papers/cmgems.md, 2.8: another simulation of as many draws, hence twice the variance."""
    ranks = published_ranks(shared, 4096)
    masks = masking.build(settings, TOKENIZER, ranks, total_steps=1)
    mask = masks(enhancers, torch_generator(1, "rates"), 0).mask[:, 1:-1]
    share = 100 * mask.float().mean(1)
    assert abs(share.mean().item() - mean) < 4 * sd * (2 / 3000) ** 0.5
    assert share.std().item() == pytest.approx(sd, rel=0.07)
    if rank_change is not None:
        all_ranks = ranks[enhancers[:, 1:-1]].float()
        change = all_ranks[mask].mean() - all_ranks.mean()
        # The mean rank of three thousand random masks has a standard deviation of about five.
        assert abs(change.item() - rank_change) < 4 * 5 * 2**0.5


def test_only_token_ranks_prefer_kmers_of_high_pmi(shared, enhancers):
    ranks = published_ranks(shared, 4096)
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
    replaced = replace(ids, mask, tokenizer, torch_generator(2, "replace"))
    assert torch.equal(ids, before)
    assert torch.equal(replaced[~mask], ids[~mask])
    count = int(mask.sum())
    masked = (replaced[mask] == tokenizer.mask_id).float().mean().item()
    assert abs(masked - 0.8) < 4 * (0.16 / count) ** 0.5
    others = replaced[mask & (replaced != tokenizer.mask_id)]
    assert torch.isin(others, bases).all()
    changed = (replaced[mask] != ids[mask]).float().mean().item() - masked
    assert abs(changed - 0.1 * (1 - 1 / len(bases))) < 4 * (0.09 / count) ** 0.5


def test_released_replacement_draws_special_tokens_too():
    ids = torch.full((300, 500), 100)
    mask = torch.ones_like(ids, dtype=torch.bool)
    chance = {"mask_share": 0.0, "random_share": 1.0}
    generator = torch_generator(0, "replace")
    assert replace(ids, mask, TOKENIZER, generator, **chance).min() >= 5
    released = replace(ids, mask, TOKENIZER, generator, **chance, as_released=True)
    assert set(range(5)) <= set(released.flatten().tolist())
    assert int(released.max()) == 4100
