"""Masking rules as batched tensor code, on whatever device the batch is on.

Drawing and choosing are apart: `draw_centres` is the only random step, and every rule is a function
of the centres it is given, so that a rule can be held against vectors of the authors' code.
The rules and their numbers: CM-GEMS (ECAI 2024), GeneMask (ECAI 2023), DNABERT (2021).
Shapes: B sequences, T tokens. Masks never leave `eligible`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from dnastudents.masking.options import HighSet

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
    high_set : {"top_half", "released_rule", "first_half"}
        The better half, rounded up, as described. As GeneMask was released: that, but all centres
        when the half is less than five. As stage 1 of CM-GEMS was released: the same number, but
        of the first centres by position, whatever their rank. Default is "top_half".
    k : int
        Bases of a token. Default is 6.

    Returns
    -------
    Tensor
        bool (B, T).

    Notes
    -----
    GeneMask (ECAI 2023), the authors' figure and roysoumya/GeneMask @c761446 Code-B; CM-GEMS,
    roysoumya/curriculum-GeneMask @60fea76a, which cuts its list of centres before it sorts it.
    Equal ranks are ordered by position. That list has the order of a Python set, which is about
    that of the position modulo 32; "first_half" takes the position itself instead, so its wide
    spans lie in the first half of a sequence and not all over it.
    """
    row, best, best_rank = _best_near(centres, eligible, ranks, k)
    counts = torch.bincount(row, minlength=len(centres))
    high = (counts + 1) // 2  # rounded up, so a single centre is high
    if high_set != "top_half":
        high = torch.where(high < 5, counts, high)
    if high_set != "first_half":  # the centres come in the order of position
        # The row first, so that one sort ranks all rows; stable, so that position breaks ties.
        best = best[torch.argsort(row * _UNRANKED + best_rank, stable=True)]
    # Sorting within rows leaves the rows where they are: each begins with its high centres.
    end_of_high = counts.cumsum(0).sub_(counts).add_(high)
    is_high = torch.arange(len(row), device=row.device) < end_of_high[row]
    marks = torch.zeros(eligible.numel(), dtype=torch.bool, device=eligible.device)
    marks.index_fill_(0, best[is_high], True)
    # k - 1 to either side of a mark is k - 1 in all, then what every centre gets.
    before, after = (k - 1) // 2, k // 2
    wide = _dilate(marks.view(eligible.shape), k - 1 - before, k - 1 - after)
    return _dilate(wide.logical_or_(centres), before, after).logical_and_(eligible)


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
    counts = centres.sum(1, keepdim=True, dtype=torch.int32)  # twice as fast as int64
    length = ranks.shape[1]
    position = torch.arange(length, device=ranks.device)
    # One number that orders by rank, then by position, has no ties, of which each device would
    # choose its own. What is not eligible comes behind all k-mers.
    key = torch.add(position, torch.where(eligible, ranks, _UNRANKED), alpha=length)
    most = int(counts.max()) if len(counts) else 0
    # topk takes as many in every row; rows with fewer centres leave the last ones unused.
    chosen = torch.topk(key, most, dim=1, largest=False).indices
    is_used = torch.arange(most, device=ranks.device) < counts
    marks = torch.zeros_like(eligible).scatter_(1, chosen, is_used)
    return _dilate(marks, k - 1, k - 1) & eligible


def replace(
    input_ids: Tensor,
    mask: Tensor,
    mask_id: int,
    choices: Tensor,
    generator: torch.Generator,
    mask_share: float = 0.8,
    random_share: float = 0.1,
) -> Tensor:
    """Replace masked tokens: most by [MASK], some by a random token, the others not at all.

    Parameters
    ----------
    input_ids : Tensor
        int64 (B, T).
    mask : Tensor
        bool (B, T), what the model has to predict.
    mask_id : int
        Id of [MASK].
    choices : Tensor
        int64 (V,), the ids that random tokens are drawn from, all equally likely.
    generator : torch.Generator
        On the device of `input_ids`.
    mask_share, random_share : float
        Shares of the masked tokens. Default is 0.8 and 0.1, as in BERT.

    Returns
    -------
    Tensor
        int64 (B, T), a new tensor.
    """
    # Draws at the masked positions only: a seventh of all. One draw decides between [MASK], random
    # and unchanged, so the shares are disjoint; the random token goes in first, under the masks.
    positions = _flat_positions(mask)
    ids = input_ids.flatten().index_select(0, positions)
    draws = torch.rand(ids.shape, generator=generator, device=ids.device)
    picks = torch.randint(len(choices), ids.shape, generator=generator, device=ids.device)
    ids = torch.where(draws < mask_share + random_share, choices[picks], ids)
    ids.masked_fill_(draws < mask_share, mask_id)
    return input_ids.flatten().index_copy(0, positions, ids).view_as(input_ids)


def _dilate(marks: Tensor, before: int, after: int) -> Tensor:
    """Mark also `before` positions left and `after` positions right of every mark."""
    wide, width = pad(marks, (after, before)), 1
    # Each round at most doubles the width of a mark, by laying the marks over themselves.
    while width <= before + after:
        shift = min(width, before + after + 1 - width)
        wide = wide[:, shift:] | wide[:, :-shift]
        width += shift
    return wide


def _best_near(
    centres: Tensor, eligible: Tensor, ranks: Tensor, k: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return each centre's row, and position and rank of the best token around it, all (M,).

    Positions count through the whole batch. The centre itself wins against equal ranks, then the
    leftmost.
    """
    length = ranks.shape[1]
    centre = _flat_positions(centres)
    row, column = centre // length, centre % length
    before, after = (k - 1) // 2, k // 2
    offsets = sorted(range(-before, after + 1), key=lambda offset: (offset != 0, offset))
    offset = torch.tensor(offsets, device=centres.device)
    near = (column[:, None] + offset).clamp_(0, length - 1).add_((row * length)[:, None])
    # What the clamp moved is the row's first or last token, which an offset of its own reaches.
    near_ranks = ranks.reshape(-1)[near].masked_fill_(~eligible.reshape(-1)[near], _UNRANKED)
    # The order of the offsets breaks ties, since argmin need not return the first minimum.
    key = near_ranks * len(offsets) + torch.arange(len(offsets), device=centres.device)
    pick = key.argmin(1, keepdim=True)
    return row, near.gather(1, pick)[:, 0], near_ranks.gather(1, pick)[:, 0]


def _flat_positions(mask: Tensor) -> Tensor:
    """Find where `mask` is true, counted through all of its elements in order, int64 (M,)."""
    if mask.device.type == "cpu":  # several times faster than torch's
        return torch.from_numpy(np.flatnonzero(mask.numpy()))
    return mask.flatten().nonzero()[:, 0]
