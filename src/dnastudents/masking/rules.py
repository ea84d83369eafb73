"""Masking rules as batched tensor code, on whatever device the batch is on.

Drawing and choosing are apart: `draw_centres` is the only random step, and every rule is a function
of the centres it is given, so that a rule can be held against vectors of the authors' code.
The rules and their numbers: CM-GEMS (ECAI 2024), GeneMask (ECAI 2023), DNABERT (2021).
Shapes: B sequences, T tokens. Masks never leave `eligible`.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from dnastudents.tokenizers import Tokenizer

HighSet = Literal["top_half", "released_rule"]
_UNRANKED = 1 << 20  # behind the rank of any k-mer


def draw_centres(eligible: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Draw each eligible position with the same probability, bool (B, T)."""
    draws = torch.rand(eligible.shape, generator=generator, device=eligible.device)
    return (draws < probability) & eligible


def bernoulli(centres: Tensor, eligible: Tensor) -> Tensor:
    """Mask the centres alone, for tokens that do not overlap."""
    return centres & eligible


def random_span(centres: Tensor, eligible: Tensor, k: int = 6) -> Tensor:
    """Mask the k tokens around each centre, as DNABERT does: they all cover one base.

    Parameters
    ----------
    centres, eligible : Tensor
        bool (B, T).
    k : int
        Bases of a token. For k = 6 the offsets are -2 .. 3. Default is 6.

    Returns
    -------
    Tensor
        bool (B, T).
    """
    return _dilate(centres, (k - 1) // 2, k // 2) & eligible


def genemask(
    centres: Tensor,
    eligible: Tensor,
    ranks: Tensor,
    high_set: HighSet = "top_half",
    k: int = 6,
) -> Tensor:
    """Mask more around those centres that have a k-mer of high PMI near them.

    The best-ranked token among the k around a centre stands for it. The better half of a row's
    centres also loses the 2 k - 1 tokens around that token, which hides its whole k-mer; every
    centre loses the k tokens of `random_span`.

    Parameters
    ----------
    centres, eligible : Tensor
        bool (B, T).
    ranks : Tensor
        int (B, T), PMI rank at each position; 1 is the highest PMI.
    high_set : {"top_half", "released_rule"}
        The half, rounded up, as described; or all centres when that half is less than five, as
        released. Default is "top_half".
    k : int
        Bases of a token. Default is 6.

    Returns
    -------
    Tensor
        bool (B, T).

    Notes
    -----
    GeneMask (ECAI 2023), the authors' figure and roysoumya/GeneMask @c761446 Code-B. Equal ranks
    are ordered by position.
    """
    row, best, best_rank = _best_near(centres, eligible, ranks, k)
    counts = centres.sum(1)
    high = (counts + 1) // 2
    if high_set == "released_rule":
        high = torch.where(high < 5, counts, high)
    # Place of each centre among those of its row, in the order of rank, then of position.
    order = torch.argsort(row * _UNRANKED + best_rank, stable=True)
    row, best = row[order], best[order]
    place = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row]
    is_high = place < high[row]
    marks = torch.zeros_like(eligible)
    marks[row[is_high], best[is_high]] = True
    return (_dilate(marks, k - 1, k - 1) & eligible) | random_span(centres, eligible, k)


def global_pmi(centres: Tensor, eligible: Tensor, ranks: Tensor, k: int = 6) -> Tensor:
    """Mask the 2 k - 1 tokens around the best-ranked positions of each row.

    Parameters
    ----------
    centres, eligible : Tensor
        bool (B, T); of the centres only their number in each row is used.
    ranks : Tensor
        int (B, T), PMI rank at each position; 1 is the highest PMI.
    k : int
        Bases of a token. Default is 6.

    Returns
    -------
    Tensor
        bool (B, T).

    Notes
    -----
    CM-GEMS (ECAI 2024), roysoumya/curriculum-GeneMask @60fea76a, Global pretraining code. Equal
    ranks are ordered by position; spans may overlap.
    """
    counts = centres.sum(1, keepdim=True)
    length = ranks.shape[1]
    position = torch.arange(length, device=ranks.device)
    # One number that orders by rank, then by position, has no ties that a device could break.
    key = torch.where(eligible, ranks, _UNRANKED) * length + position
    most = int(counts.max()) if len(counts) else 0
    chosen = torch.topk(key, most, dim=1, largest=False).indices
    is_used = torch.arange(most, device=ranks.device) < counts
    marks = torch.zeros_like(eligible).scatter_(1, chosen, is_used)
    return _dilate(marks, k - 1, k - 1) & eligible


def replace(
    input_ids: Tensor,
    mask: Tensor,
    tokenizer: Tokenizer,
    generator: torch.Generator,
    mask_share: float = 0.8,
    random_share: float = 0.1,
    as_released: bool = False,
) -> Tensor:
    """Replace masked tokens: most by [MASK], some by a random token, the others not at all.

    Parameters
    ----------
    input_ids : Tensor
        int64 (B, T).
    mask : Tensor
        bool (B, T), what the model has to predict.
    tokenizer : Tokenizer
        Whose ids they are.
    generator : torch.Generator
        On the device of `input_ids`.
    mask_share, random_share : float
        Shares of the masked tokens. Default is 0.8 and 0.1, as in BERT.
    as_released : bool
        Draw random tokens from the whole vocabulary, special tokens included. Default is False:
        from the ids that stand for known bases.

    Returns
    -------
    Tensor
        int64 (B, T), a new tensor.
    """
    draws = torch.rand(input_ids.shape, generator=generator, device=input_ids.device)
    known = range(tokenizer.vocab_size) if as_released else tokenizer.base_ids
    choices = torch.tensor(known, device=input_ids.device)
    picks = torch.randint(
        len(choices), input_ids.shape, generator=generator, device=input_ids.device
    )
    is_random = mask & (draws >= mask_share) & (draws < mask_share + random_share)
    replaced = torch.where(is_random, choices[picks], input_ids)
    return replaced.masked_fill(mask & (draws < mask_share), tokenizer.mask_id)


def _dilate(marks: Tensor, before: int, after: int) -> Tensor:
    """Mark also `before` positions left and `after` positions right of every mark."""
    return pad(marks, (after, before)).unfold(1, before + after + 1, 1).any(-1)


def _best_near(
    centres: Tensor, eligible: Tensor, ranks: Tensor, k: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Row of each centre, and position and rank of the best token of those around it, all (M,).

    The centre itself wins against equal ranks, then the leftmost.
    """
    row, centre = centres.nonzero(as_tuple=True)
    before, after = (k - 1) // 2, k // 2
    offsets = sorted(range(-before, after + 1), key=lambda offset: (offset != 0, offset))
    near = centre[:, None] + torch.tensor(offsets, device=centres.device)
    inside = (near >= 0) & (near < ranks.shape[1])
    near = near.clamp(0, ranks.shape[1] - 1)
    inside &= eligible[row[:, None], near]
    near_ranks = torch.where(inside, ranks[row[:, None], near], _UNRANKED)
    # The order of the offsets breaks ties, since argmin need not return the first minimum.
    key = near_ranks * len(offsets) + torch.arange(len(offsets), device=centres.device)
    pick = key.argmin(1, keepdim=True)
    return row, near.gather(1, pick)[:, 0], near_ranks.gather(1, pick)[:, 0]
