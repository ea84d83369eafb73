"""Two-stage masking of HAD: groups of bases that are one token of the teacher.

Stage 1 draws tokens of the teacher, stage 2 maps each to the bases that it covers, so student and
teacher are blind at exactly the same places: neither sees a base that the other has masked. Groups
with N, the bases of a tail and special tokens are never drawn. Source: reviews of arXiv 2505.20836;
docs/had.md.

80/10/10, which the paper leaves open, is decided for whole groups: a drawn group is masked for both
models, replaced by the same random bases for both, or left as it is for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from dnastudents.genome.codes import PAD, N
from dnastudents.genome.tokenizers import Tokenizer


def token_of_base(spans: Tensor, length: int) -> Tensor:
    """Find the token that covers each base.

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
    if len(spans) > 1 and torch.equal(spans, spans[:1].expand_as(spans)):  # as without N
        return token_of_base(spans[:1], length).repeat(len(spans), 1)
    ends = spans[..., 1].cummax(-1).values  # padding tokens end where the last token did
    base = torch.arange(length).expand(len(spans), length).contiguous()
    token = torch.searchsorted(ends, base, right=True)
    return torch.where(token < spans.shape[1], token, -1)


@dataclass(frozen=True)
class DrawnGroups:
    """What was drawn of a batch.

    Attributes
    ----------
    codes : Tensor
        uint8 (B, L), as long as the longest row.
    spans : Tensor
        Of the teacher's tokens, int64 (B, T, 2).
    drawn, hidden, replaced : Tensor
        Tokens that are drawn, and of them those that are masked or replaced, bool (B, T).
    bases : Tensor or None
        What replaces, uint8 (B, L). None where nothing may.
    """

    codes: Tensor
    spans: Tensor
    drawn: Tensor
    hidden: Tensor
    replaced: Tensor
    bases: Tensor | None

    @classmethod
    def joined(cls, rows: Sequence[DrawnGroups]) -> DrawnGroups:
        """Join batches of one row; the longest sets the width."""

        def join(name: str, fill: int) -> Tensor:
            return pad_sequence([getattr(row, name)[0] for row in rows], True, fill)

        return cls(
            codes=join("codes", PAD),
            spans=join("spans", 0),
            drawn=join("drawn", 0),
            hidden=join("hidden", 0),
            replaced=join("replaced", 0),
            bases=None if rows[0].bases is None else join("bases", 0),
        )

    def part(self, rows: slice) -> DrawnGroups:
        """Take some rows; they stay as wide."""
        taken = {name: None if x is None else x[rows] for name, x in vars(self).items()}
        return DrawnGroups(**taken)  # type: ignore[arg-type]


class GroupMasking:
    """Masks whole groups of `teacher.k` bases for student and teacher.

    What is drawn for a batch is small; what the models read of it is made of any of its rows.

    Parameters
    ----------
    student, teacher : Tokenizer
        One id per base without special tokens; non-overlapping k-mers.
    probability, mask_share, random_share : float
        See `TeacherGroups`. Default is 0.15, 1 and 0.
    """

    def __init__(
        self,
        student: Tokenizer,
        teacher: Tokenizer,
        probability: float = 0.15,
        mask_share: float = 1.0,
        random_share: float = 0.0,
    ) -> None:
        self.student, self.teacher = student, teacher
        self.probability = probability
        self.mask_share, self.random_share = mask_share, random_share

    def __call__(self, codes: np.ndarray, generator: torch.Generator) -> dict[str, Tensor]:
        """Tokenise and mask codes, uint8 (B, L): `read` what was drawn for them."""
        return self.read(self.draw(codes, generator))

    def draw(self, codes: np.ndarray, generator: torch.Generator) -> DrawnGroups:
        """Draw groups of codes, uint8 (B, L), and decide what is read in their place."""
        codes = codes[:, : int((codes != PAD).sum(1).max(initial=0))]
        spans = torch.from_numpy(self.teacher.batch_spans(codes))
        drawn = torch.rand(spans.shape[:2], generator=generator) < self.probability
        # Only whole k-mers: special tokens span 0 bases, N and the letters of a tail 1.
        drawn &= spans[..., 1] - spans[..., 0] == self.teacher.k
        hidden, replaced = self._deal(drawn, generator)
        bases = None
        if self.random_share:
            bases = torch.randint(N, codes.shape, generator=generator, dtype=torch.uint8)
        return DrawnGroups(torch.from_numpy(codes), spans, drawn, hidden, replaced, bases)

    def read(self, groups: DrawnGroups) -> dict[str, Tensor]:
        """Make of drawn groups what the models read.

        Returns
        -------
        dict of Tensor
            With L the longest row: `student_ids` (B, L) and `teacher_ids` (B, T), what the models
            read; `targets` (B, L), the student's ids before; `token_of_base` (B, L); and bool
            (B, L): `masked`, the bases of all drawn groups, whatever is read in their place;
            `real` (A, C, G, T) and `padding`.
        """
        targets = torch.from_numpy(self.student.encode_batch(groups.codes.numpy()))
        codes = groups.codes[:, : targets.shape[1]].numpy()
        token = token_of_base(groups.spans, codes.shape[1])
        student_ids, read = targets, codes
        if groups.bases is not None:
            # Other letters instead of letters leave the tokens where they are.
            replaced = _bases_of(groups.replaced, token).numpy()
            read = np.where(replaced, groups.bases[:, : codes.shape[1]].numpy(), codes)
            student_ids = torch.from_numpy(self.student.encode_batch(read))
        teacher_ids = torch.from_numpy(self.teacher.encode_batch(read))
        hidden = groups.hidden[:, : teacher_ids.shape[1]]
        masked = _bases_of(groups.drawn, token)
        unread = masked if self.mask_share == 1 else _bases_of(hidden, token)
        return {
            "student_ids": torch.where(unread, self.student.mask_id, student_ids),
            "teacher_ids": torch.where(hidden, self.teacher.mask_id, teacher_ids),
            "targets": targets,
            "token_of_base": token,
            "masked": masked,
            "real": torch.from_numpy(codes < N),
            "padding": torch.from_numpy(codes == PAD),
        }

    def _deal(self, drawn: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Decide which of the drawn tokens, bool (B, T), are masked and which are replaced."""
        if self.mask_share == 1:  # no number is drawn for what is decided
            return drawn, torch.zeros_like(drawn)
        draws = torch.rand(drawn.shape, generator=generator)
        hidden = drawn & (draws < self.mask_share)
        return hidden, drawn & ~hidden & (draws < self.mask_share + self.random_share)


def _bases_of(tokens: Tensor, token_of_base: Tensor) -> Tensor:
    """Map some tokens, bool (B, T), to the bases under them, bool (B, L)."""
    return tokens.gather(1, token_of_base.clamp(min=0)) & (token_of_base >= 0)
