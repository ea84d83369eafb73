"""HAD: features of a frozen teacher on visible bases, and reconstruction of masked ones.

L = alignment_weight * L_align + reconstruction_weight * L_rec. L_align is the mean squared error
between the student's features, projected to the teacher's width, and the teacher's final ones;
L_rec the cross-entropy of masked bases from a cross-attention decoder. Source: arXiv 2505.20836,
its abstract and reviews; docs/had.md says what they leave open, and our defaults.

Projection and teacher serve pretraining only; the decoder becomes the student's head. The teacher
is not a submodule, see `frozen_teacher`; where windows and masks are fixed, its features may come
from a `feature_cache`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dnastudents.errors import InputError
from dnastudents.genome import tokenizers
from dnastudents.genome.codes import N
from dnastudents.genome.tokenizers import NO_LABEL
from dnastudents.models.hybrid.decoder import CrossAttentionDecoder
from dnastudents.models.layers import take_positions
from dnastudents.objectives.base import (
    VALIDATION_SEED,
    Objective,
    Views,
    count_of,
    hidden_labels,
    prediction_terms,
    query_positions,
    row_generators,
)
from dnastudents.objectives.had.feature_cache import FeatureCache
from dnastudents.objectives.had.frozen_teacher import FrozenTeacher
from dnastudents.objectives.had.group_masking import DrawnGroups, GroupMasking
from dnastudents.objectives.had.options import HADOptions, TeacherGroups
from dnastudents.objectives.had.stopwatch import Stopwatch
from dnastudents.objectives.ingredients import Ingredients
from dnastudents.randomness import derive_seed, torch_generator
from dnastudents.teachers.checkpoint import load_teacher


class TeacherFeatures(Protocol):
    """Where HAD's targets come from: `FrozenTeacher` or `FeatureCache`."""

    watch: Stopwatch

    @property
    def feature_size(self) -> int:
        """D, the width of the features."""

    def prepare(self, views: dict[str, Any], timed: bool) -> None:
        """Add to a slice on the CPU what `launch` needs."""

    def launch(self, views: dict[str, Any], timed: bool) -> Callable[[], Tensor]:
        """Begin with the features of a slice, float32 (B, T, D); what is returned gives them."""


class HAD(Objective):
    """The objective of HAD.

    Parameters
    ----------
    student : PreTrainedModel
        Over single nucleotides.
    masking : GroupMasking
        With the tokenizers of both models.
    teacher : TeacherFeatures or None
        None where nothing is aligned.
    options : HADOptions
        Default is the full objective.
    """

    reads = "student_ids"
    teacher: TeacherFeatures | None

    def __init__(
        self,
        student: Any,
        masking: GroupMasking,
        teacher: TeacherFeatures | None,
        options: HADOptions | None = None,
    ) -> None:
        super().__init__(student)
        self.masking = masking
        self.options = options or HADOptions()
        self.teacher = teacher if self.options.alignment_weight else None
        if self.teacher is not None:
            self.project = nn.Linear(student.feature_size, self.teacher.feature_size)
        if self.options.reconstruction_weight:
            self.decoder = CrossAttentionDecoder(
                student.feature_size, student.config.vocab_size, self.options.decoder_heads
            )

    def views(self, codes: np.ndarray, seed: int, step: int) -> Views:
        """Tokenise for both models, with the same groups masked."""
        return self.own_views(codes, seed, step, slice(None))

    def own_views(self, codes: np.ndarray, seed: int, step: int, rows: slice) -> Views:
        """Draw all groups, which takes little, and tokenise these rows."""
        if not self.options.static_masks:
            return self._views(self.masking.draw(codes, torch_generator(seed, "mask", step)), rows)
        each = zip(codes[:, None], row_generators(codes, seed, "mask"), strict=True)
        return self._views(DrawnGroups.joined([self.masking.draw(*row) for row in each]), rows)

    def validation_views(self, codes: np.ndarray, step: int) -> Views:
        """Draw the same in one fixed way."""
        generator = torch_generator(VALIDATION_SEED, "validation mask")
        return self._views(self.masking.draw(codes, generator), slice(None))

    def _views(self, groups: DrawnGroups, rows: slice) -> Views:
        tensors = self.masking.read(groups.part(rows))
        masked, real, padding = (tensors.pop(name) for name in ("masked", "real", "padding"))
        tensors["labels"] = torch.where(masked, tensors.pop("targets"), NO_LABEL)
        if self.masking.mask_share < 1:
            mask_id = self.masking.student.mask_id
            tensors["hidden"] = hidden_labels(tensors["student_ids"], tensors["labels"], mask_id)
        tensors["visible"] = ~masked & ~padding
        tensors["queries"] = query_positions(masked)
        tensors["aligned"] = self._aligned(real, masked)
        if padding.any():
            tensors["attention_mask"] = ~padding
        return Views(tensors, self._counts(groups), self._prepare)

    def _counts(self, groups: DrawnGroups) -> dict[str, float]:
        """Count labels and what is aligned, all of it by tokens."""
        drawn, hidden = groups.drawn, groups.hidden
        bases = groups.spans[..., 1] - groups.spans[..., 0]  # none under special ones and padding
        counts = {"masked": count_of(bases * drawn)}
        if self.masking.mask_share < 1:
            counts["hidden"] = count_of(bases * hidden)
            counts["shown"] = count_of(bases * (drawn & ~hidden))
        # The bases of a token are all A, C, G or T, or none is.
        real = (groups.codes.gather(1, groups.spans[..., 0]) < N) & (bases > 0)
        aligned = self._aligned(real, drawn)
        counts["aligned"] = count_of(aligned if self.options.pooled else bases * aligned)
        return counts

    def _aligned(self, real: Tensor, masked: Tensor) -> Tensor:
        """Choose what is aligned, of bases (B, L) or of tokens (B, T); all bool."""
        return {"visible": real & ~masked, "masked": masked, "all": real}[self.options.align_on]

    def _prepare(self, views: dict[str, Any]) -> None:
        if self.teacher is not None:
            self.teacher.prepare(views, timed=self.training)

    def forward(self, views: dict[str, Any], counts: dict[str, float]) -> dict[str, Tensor]:
        """Compute the terms `loss`, `alignment`, `reconstruction`, and what goes with the last."""
        teacher = self.teacher
        # Launched first, so that on a GPU the teacher runs beside the student; see `features()`.
        features = None if teacher is None else teacher.launch(views, timed=self.training)
        hidden = self.student.backbone(views["student_ids"], views.get("attention_mask"))
        terms: dict[str, Tensor] = {}
        loss = hidden.new_zeros((), dtype=torch.float32)
        if features is not None:
            terms["alignment"] = self._align(hidden, views, features()) / counts["aligned"]
            loss = loss + self.options.alignment_weight * terms["alignment"]
        if self.options.reconstruction_weight:
            terms |= self._reconstruct(hidden, views, counts)
            loss = loss + self.options.reconstruction_weight * terms["reconstruction"]
        return {"loss": loss, **terms}

    def _reconstruct(
        self, features: Tensor, views: dict[str, Tensor], counts: dict[str, float]
    ) -> dict[str, Tensor]:
        queries = views["queries"]
        logits = self.decoder(features, queries, views["visible"]).float()
        hidden = views["hidden"].gather(1, queries) if "hidden" in views else None
        labels = views["labels"].gather(1, queries)
        terms = prediction_terms(logits.transpose(1, 2), labels, hidden, counts)
        return {"reconstruction": terms.pop("masked"), **terms}

    def _align(self, hidden: Tensor, views: dict[str, Tensor], target: Tensor) -> Tensor:
        """Sum over aligned bases (or tokens) the mean squared error over features."""
        if self.options.normalize_teacher:
            target = F.layer_norm(target, target.shape[-1:])
        aligned, token = views["aligned"], views["token_of_base"].clamp(min=0)
        if self.options.pooled:
            projected = self.project(_mean_over_tokens(hidden, token, aligned, target.shape[1]))
            aligned = _tokens_of(views, aligned)
        else:
            projected = self.project(hidden)
            target = take_positions(target, token)
        error = F.mse_loss(projected.float(), target, reduction="none").mean(-1)
        return (error * aligned).sum()

    def result(self) -> Any:
        """Return the student with the decoder as its head; with none where nothing trained it."""
        return self.student.with_head(getattr(self, "decoder", None))

    def seconds(self) -> dict[str, float]:
        """Return the time in which the `teacher` ran, or in which its features were read."""
        return {} if self.teacher is None else {"teacher": self.teacher.watch.take()}


def _tokens_of(views: dict[str, Tensor], bases: Tensor) -> Tensor:
    """Find the tokens that cover at least one of `bases`, bool (B, T)."""
    hit = torch.zeros(views["teacher_ids"].shape, dtype=torch.int32, device=bases.device)
    token = views["token_of_base"].clamp(min=0)
    return hit.scatter_add(1, token, bases.to(hit.dtype)) > 0


def _mean_over_tokens(hidden: Tensor, token: Tensor, bases: Tensor, tokens: int) -> Tensor:
    """Average hidden (B, L, D) over those `bases` (B, L) that a token covers, (B, T, D)."""
    weight = bases.to(hidden.dtype).unsqueeze(-1)
    index = token.unsqueeze(-1).expand_as(hidden)
    total = hidden.new_zeros(len(hidden), tokens, hidden.shape[-1])
    total = total.scatter_add(1, index, hidden * weight)
    number = hidden.new_zeros(len(hidden), tokens, 1).scatter_add(1, index[..., :1], weight)
    return total / number.clamp(min=1)


def build(options: HADOptions, made: Ingredients) -> HAD:
    """Make HAD with its teacher, masks, and new weights of its own."""
    groups = cast(TeacherGroups, made.masking)
    teacher_tokenizer = tokenizers.build("nucleotide_transformer")
    teacher = _teacher_features(options, teacher_tokenizer.pad_id, made)
    torch.manual_seed(derive_seed(made.seed, "objective"))
    masking = GroupMasking(
        made.tokenizer,
        teacher_tokenizer,
        groups.probability,
        groups.mask_share,
        groups.random_share,
    )
    return HAD(made.student, masking, teacher, options)


def _teacher_features(
    options: HADOptions, pad_id: int, made: Ingredients
) -> FrozenTeacher | FeatureCache | None:
    if not options.needs_teacher:
        return None
    if made.resources.features is not None:
        return FeatureCache(made.resources.features, pad_id)
    if made.resources.teacher is None:
        raise InputError("objective had: needs a teacher folder; give --teacher")
    model, _ = load_teacher(made.resources.teacher)
    if options.random_teacher:
        torch.manual_seed(derive_seed(made.seed, "random teacher"))
        model = type(model)(model.config)
    return FrozenTeacher(model, pad_id)
