"""The two losses of FinDNA as functions, and what the released code takes for the masked one.

Source: papers/findna.md §3 and §4; wiedersehne/FinDNA @e3e72f1, contrastive_pretraining.py.
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
    """Cross-entropy of the student under the teacher's centred, sharpened softmax.

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
    loss, entropy : Tensor
        In nats, (B, K): the cross-entropy, and the entropy of the target. A collapse shows as an
        entropy of log V for all (uniform targets), or of 0 with the same class for all.
    """
    sharpened = (teacher_logits.float() - centre) / teacher_temperature
    target = F.softmax(sharpened, dim=-1)
    loss = -(target * F.log_softmax(student_logits.float() / student_temperature, -1)).sum(-1)
    entropy = -(target * F.log_softmax(sharpened, dim=-1)).sum(-1)
    return loss, entropy


def update_centre(centre: Tensor, mean_logits: Tensor, momentum: float = 0.9) -> Tensor:
    """C <- m C + (1 - m) mean, with the mean over the global batch."""
    return momentum * centre + (1.0 - momentum) * mean_logits


def scrambled_mask(mask: Tensor, symbols: int = 5) -> Tensor:
    """The mask as the released code expands it over symbols, bool (B, L) to (B, L, V).

    Entry (b, t, c) is the mask at flat index ((b L + t) V + c) mod (B L), so the loss falls on
    masked bases no oftener than chance. Kept for `as_released`.
    """
    return mask.repeat(symbols, 1).reshape(*mask.shape, symbols)


def released_masked_loss(
    logits: Tensor, symbols: Tensor, scrambled: Tensor, temperature: float = 0.1
) -> Tensor:
    """Sum of binary cross-entropies at the scrambled mask, as released.

    Parameters
    ----------
    logits : Tensor
        (B, L, V); divided by the temperature of the distillation, as the released code does.
    symbols : Tensor
        True symbols, int64 (B, L).
    scrambled : Tensor
        bool (B, L, V), from `scrambled_mask`; its number of True is the denominator of the mean.
    """
    known = torch.arange(logits.shape[-1], device=symbols.device)
    target = (symbols.unsqueeze(-1) == known).float()  # a padding symbol is all zeros
    each = F.binary_cross_entropy_with_logits(
        logits.float() / temperature, target, reduction="none"
    )
    return torch.where(scrambled, each, 0.0).sum()
