"""The losses of FinDNA as functions, and what the released code takes for the masked one.

Source: arXiv 2405.08538, Figure 1; wiedersehne/FinDNA @e3e72f1, contrastive_pretraining.py.
Shapes: B rows, K CLS positions, V symbols, L bases, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def distil(
    student_logits: Tensor,
    teacher_logits: Tensor,
    centre: Tensor,
    student_temperature: float = 0.1,
    teacher_temperature: float = 0.04,
) -> tuple[Tensor, Tensor]:
    """Compute the student's cross-entropy under the teacher's centred, sharpened softmax.

    Parameters
    ----------
    student_logits, teacher_logits : Tensor
        (B, K, V) at K CLS positions.
    centre : Tensor
        Running mean of the teacher's logits, (1, K, V).
    student_temperature, teacher_temperature : float
        Default is 0.1 and 0.04.

    Returns
    -------
    loss : Tensor
        In nats, (B, K).
    target : Tensor
        The teacher's softmax, (B, K, V).
    """
    target = F.softmax((teacher_logits.float() - centre) / teacher_temperature, dim=-1)
    loss = -(target * F.log_softmax(student_logits.float() / student_temperature, -1)).sum(-1)
    return loss, target


def entropies(target: Tensor, mean_target: Tensor) -> tuple[Tensor, Tensor]:
    """Measure how sharp targets are, and how different from each other.

    Parameters
    ----------
    target : Tensor
        (B, K, V).
    mean_target : Tensor
        Running mean of the targets, (1, K, V).

    Returns
    -------
    entropy : Tensor
        Of each target, in nats, (B, K).
    mean_entropy : Tensor
        Cross-entropy of `mean_target` under each target, (B, K). Its mean over rows is the entropy
        of the mean target (as long as that has settled), but unlike it is a sum over rows.

    Notes
    -----
    Targets that are the same for all sequences, whether sharp or uniform, have the same mean of
    both. Sharp ones that differ have an entropy near 0 and a mean entropy near log V.
    """
    entropy = torch.special.entr(target).sum(-1)
    tiny = torch.finfo(mean_target.dtype).tiny
    return entropy, -(target * mean_target.clamp(min=tiny).log()).sum(-1)


def running_mean(old: Tensor, batch_mean: Tensor, momentum: float = 0.9) -> Tensor:
    """Compute m C + (1 - m) mean over the global batch: the update of a centre C."""
    return momentum * old + (1.0 - momentum) * batch_mean


def nt_xent(features: Tensor, temperature: float = 0.1) -> Tensor:
    """Compute the cross-entropy of finding a sequence's other view among all rows, by cosine.

    Parameters
    ----------
    features : Tensor
        (2 B, D); rows 2 i and 2 i + 1 are two views of one sequence.
    temperature : float
        Divides the cosines. Default is 0.1.

    Returns
    -------
    Tensor
        In nats, (2 B,); each row is compared with 2 B - 1. A single sequence has no negatives and
        a loss of 0.
    """
    with torch.autocast(features.device.type, enabled=False):
        unit = F.normalize(features.float(), dim=-1)
        cosine = unit @ unit.T
    row = torch.arange(len(unit), device=unit.device)
    logits = (cosine / temperature).masked_fill(row == row[:, None], -torch.inf)
    return F.cross_entropy(logits, row ^ 1, reduction="none")


def scrambled_mask(mask: Tensor, symbols: int = 5) -> Tensor:
    """Expand the mask over symbols as the released code does, bool (B, L) to (B, L, V).

    Entry (b, t, c) is the mask at flat index ((b L + t) V + c) mod (B L), so the loss falls on
    masked bases no more often than chance. Kept for `masked_loss: released`.
    """
    return mask.repeat(symbols, 1).reshape(*mask.shape, symbols)


def released_masked_loss(
    logits: Tensor, symbols: Tensor, scrambled: Tensor, temperature: float = 0.1
) -> Tensor:
    """Sum binary cross-entropies at the scrambled mask, as released.

    Parameters
    ----------
    logits : Tensor
        (B, L, V).
    symbols : Tensor
        True symbols, int64 (B, L).
    scrambled : Tensor
        bool (B, L, V), from `scrambled_mask`; its number of True is the denominator of the mean.
    temperature : float
        Divides the logits. Default is 0.1, that of the distillation, as released.
    """
    known = torch.arange(logits.shape[-1], device=symbols.device)
    target = (symbols.unsqueeze(-1) == known).float()  # a padding symbol is all zeros
    losses = F.binary_cross_entropy_with_logits(
        logits.float() / temperature, target, reduction="none"
    )
    return torch.where(scrambled, losses, 0.0).sum()
