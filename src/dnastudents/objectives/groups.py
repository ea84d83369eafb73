"""Two-stage masking of HAD: groups of bases that are one token of the teacher.

Stage 1 draws tokens of the teacher, stage 2 maps each to the bases that it covers, so student and
teacher are blind at exactly the same places: neither sees a base that the other has masked. Source:
papers/had.md §1.5 and §2. Groups with N, the bases of a tail and special tokens are never drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dnastudents.errors import InputError
from dnastudents.objectives.options import choose
from dnastudents.sequence import PAD, N
from dnastudents.tokenizers import Tokenizer


def token_of_base(spans: Tensor, length: int) -> Tensor:
    """Which token covers each base.

    Parameters
    ----------
    spans : Tensor
        [start, end) of each token, int64 (B, T, 2); consecutive, (0, 0) for special and padding
        tokens.
    length : int
        Bases L of a row.

    Returns
    -------
    Tensor
        int64 (B, L); -1 behind the last token's bases (padding).
    """
    ends = spans[..., 1].cummax(-1).values  # padding tokens end where the last token did
    base = torch.arange(length).expand(len(spans), length).contiguous()
    token = torch.searchsorted(ends, base, right=True)
    return torch.where(token < spans.shape[1], token, -1)


@dataclass(frozen=True)
class GroupOptions:
    """Settings of the group masking: `probability` of each group. Default is 0.15 (HAD)."""

    name: str = "teacher_groups"
    probability: float = 0.15

    def __post_init__(self) -> None:
        choose(self.name, ("teacher_groups",), "masking.name")
        if not 0 <= self.probability <= 1:
            raise InputError(f"masking.probability: {self.probability} is not from 0 to 1")


class GroupMasking:
    """Masks whole groups of `teacher.k` bases for student and teacher.

    Parameters
    ----------
    student, teacher : Tokenizer
        One id a base without special tokens; non-overlapping k-mers.
    probability : float
        Of each group to be masked. Default is 0.15.
    """

    def __init__(self, student: Tokenizer, teacher: Tokenizer, probability: float = 0.15) -> None:
        self.student, self.teacher = student, teacher
        self.probability = probability

    def __call__(self, codes: np.ndarray, generator: torch.Generator) -> dict[str, Tensor]:
        """Tokenise and mask codes, uint8 (B, L).

        Returns
        -------
        dict of Tensor
            With L the longest row: `student_ids` (B, L) and `teacher_ids` (B, T), masked;
            `targets` (B, L), the student's ids before; `token_of_base` (B, L); and bool (B, L):
            `masked`, `real` (A, C, G, T) and `padding`.
        """
        targets = torch.from_numpy(self.student.encode_batch(codes))
        codes = codes[:, : targets.shape[1]]
        teacher_ids = torch.from_numpy(self.teacher.encode_batch(codes))
        spans = torch.from_numpy(self.teacher.batch_spans(codes))
        drawn = torch.rand(teacher_ids.shape, generator=generator) < self.probability
        drawn &= spans[..., 1] - spans[..., 0] == self.teacher.k
        token = token_of_base(spans, codes.shape[1])
        masked = drawn.gather(1, token.clamp(min=0)) & (token >= 0)
        return {
            "student_ids": targets.masked_fill(masked, self.student.mask_id),
            "teacher_ids": teacher_ids.masked_fill(drawn, self.teacher.mask_id),
            "targets": targets,
            "token_of_base": token,
            "masked": masked,
            "real": torch.from_numpy(codes < N),
            "padding": torch.from_numpy(codes == PAD),
        }
