"""HAD: features of a frozen teacher on visible bases, and reconstruction of masked ones.

L = alignment_weight * L_align + reconstruction_weight * L_rec. L_align is the mean squared error
between the student's features, projected to the teacher's width, and the teacher's final ones;
L_rec the cross-entropy of masked bases from a cross-attention decoder. Source: papers/had.md §2, 3;
what the paper leaves open has the defaults given there.

Projection, decoder and teacher serve pretraining only. The teacher is no submodule: it is not
trained, not wrapped, and not part of any checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dnastudents.objectives.base import IGNORE, VALIDATION_SEED, Objective, Views, count_of
from dnastudents.objectives.groups import GroupMasking
from dnastudents.objectives.had_decoder import CrossAttentionDecoder, query_positions
from dnastudents.objectives.options import choose
from dnastudents.randomness import torch_generator


@dataclass(frozen=True)
class HADOptions:
    """Settings of HAD.

    Attributes
    ----------
    alignment_weight, reconstruction_weight : float
        0 leaves that part out, with its cost. Default is 1 and 1 (lambda is unknown).
    align_on : {'visible', 'masked', 'all'}
        Bases whose features are aligned. Default is 'visible'; the others are ablations.
    pooled : bool
        Compare the mean of the student's features over a token's bases, instead of each base's,
        with the token's feature. Default is False.
    normalize_teacher : bool
        Layer-normalise the teacher's features first. Default is False.
    random_teacher : bool
        An untrained teacher of the same shape, as a control. Default is False.
    decoder_heads : int
        Default is 4.
    """

    alignment_weight: float = 1.0
    reconstruction_weight: float = 1.0
    align_on: str = "visible"
    pooled: bool = False
    normalize_teacher: bool = False
    random_teacher: bool = False
    decoder_heads: int = 4

    def __post_init__(self) -> None:
        choose(self.align_on, ("visible", "masked", "all"), "objective.align_on")


class HAD(Objective):
    """The objective of HAD.

    Parameters
    ----------
    student : PreTrainedModel
        Over single nucleotides.
    masking : GroupMasking
        With the tokenizers of both models.
    teacher : PreTrainedModel or None
        Frozen here. None where nothing is aligned.
    options : HADOptions
        Default is the full objective.
    """

    prediction = "reconstruction"

    def __init__(
        self,
        student: Any,
        masking: GroupMasking,
        teacher: Any,
        options: HADOptions | None = None,
    ) -> None:
        super().__init__(student)
        self.masking = masking
        self.options = options or HADOptions()
        # In a tuple, because a module as an attribute would become a submodule.
        self._teacher: tuple[Any] = (
            None if teacher is None else teacher.requires_grad_(False).eval(),
        )
        if self.options.alignment_weight:
            self.project = nn.Linear(student.feature_size, teacher.feature_size)
        if self.options.reconstruction_weight:
            self.decoder = CrossAttentionDecoder(
                student.feature_size, student.config.vocab_size, self.options.decoder_heads
            )

    def views(self, codes: np.ndarray, seed: int, step: int) -> Views:
        """Both models' ids with the same groups masked."""
        return self._views(codes, torch_generator(seed, "mask", step))

    def validation_views(self, codes: np.ndarray, step: int) -> Views:
        """The same with one fixed draw."""
        return self._views(codes, torch_generator(VALIDATION_SEED, "validation mask"))

    def _views(self, codes: np.ndarray, generator: torch.Generator) -> Views:
        tensors = self.masking(codes, generator)
        masked, real, padding = (tensors.pop(name) for name in ("masked", "real", "padding"))
        tensors["labels"] = tensors.pop("targets").masked_fill(~masked, IGNORE)
        tensors["visible"] = ~masked & ~padding
        tensors["queries"] = query_positions(masked)
        chosen = {"visible": real & ~masked, "masked": masked, "all": real}
        tensors["aligned"] = chosen[self.options.align_on]
        if padding.any():
            tensors["attention_mask"] = ~padding
        counts = {"masked": count_of(masked), "aligned": self._count_aligned(tensors)}
        return Views(tensors, counts)

    def _count_aligned(self, tensors: dict[str, Tensor]) -> float:
        aligned = tensors["aligned"]
        return count_of(_tokens_of(tensors, aligned) if self.options.pooled else aligned)

    def forward(self, views: dict[str, Tensor], counts: dict[str, float]) -> dict[str, Tensor]:
        """Shares `loss`, `alignment`, `reconstruction` and `masked_accuracy`."""
        hidden = self.student.backbone(views["student_ids"], views.get("attention_mask"))
        shares: dict[str, Tensor] = {}
        loss = hidden.new_zeros((), dtype=torch.float32)
        if self.options.alignment_weight:
            shares["alignment"] = self._align(hidden, views) / counts["aligned"]
            loss = loss + self.options.alignment_weight * shares["alignment"]
        if self.options.reconstruction_weight:
            shares |= self._reconstruct(hidden, views, counts["masked"])
            loss = loss + self.options.reconstruction_weight * shares["reconstruction"]
        return {"loss": loss, **shares}

    def _reconstruct(
        self, hidden: Tensor, views: dict[str, Tensor], count: float
    ) -> dict[str, Tensor]:
        logits = self.decoder(hidden, views["queries"], views["visible"]).float()
        labels = views["labels"].gather(1, views["queries"])
        loss = F.cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORE, reduction="sum")
        correct = (logits.argmax(-1) == labels).sum()  # never equal where the label is IGNORE
        return {"reconstruction": loss / count, "masked_accuracy": correct / count}

    def _align(self, hidden: Tensor, views: dict[str, Tensor]) -> Tensor:
        """Sum over aligned bases (or tokens) of the mean squared error over features."""
        target = self.teacher_features(views["teacher_ids"])
        aligned, token = views["aligned"], views["token_of_base"].clamp(min=0)
        if self.options.pooled:
            projected = self.project(_mean_over_tokens(hidden, token, aligned, target.shape[1]))
            aligned = _tokens_of(views, aligned)
        else:
            projected = self.project(hidden)
            target = target.gather(1, token.unsqueeze(-1).expand(-1, -1, target.shape[-1]))
        error = F.mse_loss(projected.float(), target, reduction="none").mean(-1)
        return (error * aligned).sum()

    @torch.no_grad()
    def teacher_features(self, teacher_ids: Tensor) -> Tensor:
        """The teacher's final features, float32 (B, T, D_teacher); computed in bf16 on a GPU."""
        teacher = self._teacher[0].to(teacher_ids.device)
        self._teacher = (teacher,)
        on_gpu = teacher_ids.device.type == "cuda"
        attention_mask = teacher_ids != self.masking.teacher.pad_id
        with torch.autocast(teacher_ids.device.type, torch.bfloat16, enabled=on_gpu):
            features = teacher.backbone(teacher_ids, attention_mask)
        features = features.float()
        if self.options.normalize_teacher:
            features = F.layer_norm(features, features.shape[-1:])
        return features


def _tokens_of(views: dict[str, Tensor], bases: Tensor) -> Tensor:
    """Which tokens cover at least one of `bases`, bool (B, T)."""
    hit = torch.zeros(views["teacher_ids"].shape, dtype=torch.int32, device=bases.device)
    token = views["token_of_base"].clamp(min=0)
    return hit.scatter_add(1, token, bases.to(hit.dtype)) > 0


def _mean_over_tokens(hidden: Tensor, token: Tensor, bases: Tensor, tokens: int) -> Tensor:
    """Mean of hidden (B, L, D) over those `bases` (B, L) that a token covers, (B, T, D)."""
    weight = bases.to(hidden.dtype).unsqueeze(-1)
    index = token.unsqueeze(-1).expand_as(hidden)
    total = hidden.new_zeros(len(hidden), tokens, hidden.shape[-1])
    total = total.scatter_add(1, index, hidden * weight)
    number = hidden.new_zeros(len(hidden), tokens, 1).scatter_add(1, index[..., :1], weight)
    return total / number.clamp(min=1)
