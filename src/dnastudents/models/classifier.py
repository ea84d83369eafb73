"""A student with a classification head: pooled features, dropout, one linear layer.

The mean runs over a sequence's own bases: padding and special tokens are left out, so that a short
sequence in a long batch gets the answer it gets alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dnastudents.errors import InputError
from dnastudents.models.output import StudentMixin

POOLING = ("mean", "cls")


def content_mask(
    input_ids: Tensor, attention_mask: Tensor | None, special_ids: Sequence[int] = ()
) -> Tensor:
    """Mark the tokens (B, T) that are attended to and whose id is not special."""
    real = torch.ones_like(input_ids, dtype=torch.bool)
    if attention_mask is not None:
        real = attention_mask.bool()
    for special in special_ids:  # numbers, not a tensor, for which a GPU would be waited for
        real = real & (input_ids != special)
    return real


def mean_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Average the features (B, T, D) where `mask` (B, T) is True; zeros where it never is."""
    weights = mask.to(hidden.dtype)
    # masked_fill, not a product with 0: what stands at padding may be anything
    total = hidden.masked_fill(~mask.unsqueeze(-1), 0).sum(dim=1)
    return total / weights.sum(dim=1, keepdim=True).clamp(min=1)


class SequenceClassifier(nn.Module):
    """A student's backbone with a linear head over classes.

    Parameters
    ----------
    student : PreTrainedModel
        A masked-LM student of `dnastudents.models`; all its weights are made trainable.
    classes : int
        Number of classes.
    pooling : {"mean", "cls"}
        Mean over bases, or the student's classification token. Default is "mean".
    dropout : float
        On the pooled features. Default is 0.
    special_ids : sequence of int
        Token ids left out of the mean. Default is none.
    """

    def __init__(
        self,
        student: StudentMixin,
        classes: int,
        pooling: str = "mean",
        dropout: float = 0.0,
        special_ids: Sequence[int] = (),
    ) -> None:
        super().__init__()
        if pooling not in POOLING:
            raise InputError(f"pooling: {pooling!r} is not one of {', '.join(POOLING)}")
        if pooling == "cls" and not student.has_cls:
            raise InputError(
                f"pooling: cls needs a classification token, which {type(student).__name__} "
                "does not have; use mean"
            )
        self.student = student.requires_grad_(True)  # type: ignore[attr-defined]
        self.pooling = pooling
        self.special_ids = tuple(special_ids)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(student.feature_size, classes)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def pool(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        pooling_mask: Tensor | None = None,
    ) -> Tensor:
        """Pool the features of a batch into (B, D); the arguments are those of `forward`."""
        hidden = self.student.backbone(input_ids, attention_mask)
        if self.pooling == "cls":
            return self.student.pool_cls(hidden)
        if pooling_mask is None:
            pooling_mask = content_mask(input_ids, attention_mask, self.special_ids)
        return mean_pool(hidden, pooling_mask)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        pooling_mask: Tensor | None = None,
    ) -> Tensor:
        """Compute logits (B, classes).

        Parameters
        ----------
        input_ids : Tensor, int64 (B, T)
        attention_mask : Tensor, bool or int (B, T), optional
            True (1) at real tokens. Default is all of them.
        pooling_mask : Tensor, bool (B, T), optional
            Positions that the mean runs over. Default is real tokens that are not special.
        """
        return self.head(self.dropout(self.pool(input_ids, attention_mask, pooling_mask)))
