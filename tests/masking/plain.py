"""The masking rules for one sequence, on Python sets: what the batched ones are held against."""

from __future__ import annotations

import random
from collections.abc import Callable

from dnastudents.genome.tokenizers import Tokenizer

Rule = Callable[[set[int], set[int], list[int], int], set[int]]


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
    if high_set != "top_half" and half < 5:
        half = len(bests)
    if high_set == "first_half":
        bests = bests[:half]
    high = set(sorted(bests, key=lambda y: ranks[y])[:half])
    wide = plain_span(high, eligible, k - 1, k - 1)
    return wide | plain_span(centres, eligible, before, after)


def plain_global(centres: set[int], eligible: set[int], ranks: list[int], k: int) -> set[int]:
    order = sorted(eligible, key=lambda y: (ranks[y], y))
    return plain_span(set(order[: len(centres)]), eligible, k - 1, k - 1)


def plain_masking(
    rule: Rule,
    probability: float,
    tokenizer: Tokenizer,
    ranks: list[int],
    batch: list[list[int]],
    rng: random.Random,
) -> list[tuple[list[int], list[int]]]:
    """Masked ids and labels of each row, with `ranks` by id: all of `Masking`, token by token."""
    masked = []
    for ids in batch:
        eligible = {i for i, token in enumerate(ids) if token not in tokenizer.special_ids}
        centres = {i for i in eligible if rng.random() < probability}
        mask = rule(centres, eligible, [ranks[token] for token in ids], tokenizer.k)
        labels = [token if i in mask else -100 for i, token in enumerate(ids)]
        seen = list(ids)
        for i in mask:
            draw = rng.random()
            if draw < 0.8:
                seen[i] = tokenizer.mask_id
            elif draw < 0.9:
                seen[i] = rng.choice(tokenizer.base_ids)
        masked.append((seen, labels))
    return masked
