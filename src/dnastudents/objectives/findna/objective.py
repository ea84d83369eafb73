"""FinDNA: masked nucleotides, and self-distillation on CLS positions from an EMA teacher.

L = cls_weight * L_CL + masked_weight * L_MNM. The student sees a masked and noisy view, the teacher
a translocated one without masks; CLS positions (zero vectors) stand at the end of both. The
teacher, whose weights follow the student's, is the result. Source: arXiv 2405.08538, Figure 1, and
wiedersehne/FinDNA @e3e72f1, contrastive_pretraining.py; docs/findna.md has what differs.

Options are in `options`: what the released code does differently, two symmetric views, and a
contrastive loss between them. `views` draws what is seen, `losses` has the losses.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dnastudents.errors import InputError
from dnastudents.genome.tokenizers import Tokenizer
from dnastudents.masking import Masking
from dnastudents.models import ChordMixerForMaskedLM
from dnastudents.objectives.base import Objective, Views, masked_prediction
from dnastudents.objectives.findna.ema import cosine_momentum, follow
from dnastudents.objectives.findna.losses import (
    distil,
    entropies,
    nt_xent,
    released_masked_loss,
    running_mean,
)
from dnastudents.objectives.findna.options import FinDNAOptions
from dnastudents.objectives.findna.views import ViewMaker

__all__ = ["FinDNA", "FinDNAOptions"]


class FinDNA(Objective):
    """The objective of FinDNA.

    Parameters
    ----------
    student : ChordMixerForMaskedLM
        Its copy becomes the teacher.
    tokenizer : Tokenizer
        Of single nucleotides, with a CLS id.
    masking : Masking
        Bernoulli at 0.3 in the paper.
    total_steps : int
        Over which the momentum rises.
    options : FinDNAOptions
        Default is the paper's.
    """

    reads = "student_ids"
    teacher: Any
    centre: Tensor
    target_mean: Tensor

    def __init__(
        self,
        student: Any,
        tokenizer: Tokenizer,
        masking: Masking,
        total_steps: int,
        options: FinDNAOptions | None = None,
    ) -> None:
        if not isinstance(student, ChordMixerForMaskedLM):
            raise InputError("objective findna: its student must be a chordmixer")
        super().__init__(student)
        self.options = options or FinDNAOptions()
        student.config.masked_temperature = self.options.masked_temperature  # for those who load it
        self.teacher = copy.deepcopy(self.student).requires_grad_(False).eval()
        self.tokenizer, self.total_steps = tokenizer, total_steps
        self.compares_rows = self.options.compares_rows
        self.view_maker = ViewMaker(tokenizer, masking, self.options)
        symbols, tokens = student.config.vocab_size, self.options.cls_tokens
        self.register_buffer("centre", torch.zeros(1, tokens, symbols))
        self.register_buffer("target_mean", torch.full((1, tokens, symbols), 1 / symbols))
        self._sums: Tensor | None = None  # of this step's teacher logits and targets, (2, K, V)
        self._cls_rows = 0

    def train(self, mode: bool = True) -> FinDNA:
        """Set the mode of all but the teacher, which is always in evaluation mode."""
        super().train(mode)
        self.teacher.eval()
        return self

    def views(self, codes: np.ndarray, seed: int, step: int) -> Views:
        """Draw a masked, noisy view for the student, a translocated one for the teacher."""
        return self.view_maker.train(codes, seed, step)

    def validation_views(self, codes: np.ndarray, step: int) -> Views:
        """Draw the same in one fixed way, without noise."""
        return self.view_maker.validation(codes, step)

    def forward(self, views: dict[str, Tensor], counts: dict[str, float]) -> dict[str, Tensor]:
        """Compute the terms `loss`, and those of `prediction_terms`.

        By option `released`, `contrastive`, and those of `_distil`. In evaluation `masked` and what
        goes with it are the teacher's, which is the result; the student's are `student_masked` and
        so on, and in `loss`.
        """
        options = self.options
        if options.symmetric:  # rows 2 i and 2 i + 1 are the views of one sequence
            flat = {n: t.flatten(0, 1) for n, t in views.items() if n != "positions"}
            views = views | flat
        hidden = self.student.backbone(inputs_embeds=self._embed(views))
        terms = self._predict(self.student, hidden, views, counts)
        loss = options.masked_weight * terms["masked"]
        if not self.training:
            averaged = self.teacher.backbone(views["student_ids"])
            students = {f"student_{name}": value for name, value in terms.items()}
            terms = self._predict(self.teacher, averaged, views, counts) | students
        if options.masked_loss == "released":
            terms["released"] = self._released(hidden, views) / counts["scrambled"]
            loss = options.masked_weight * terms["released"]
        if options.cls_weight:
            terms |= self._distil(hidden, views["teacher_ids"], counts["rows"])
            loss = loss + options.cls_weight * terms["cls"]
        if options.contrastive_weight:
            terms["contrastive"] = self._contrast(hidden, views) / counts["rows"]
            loss = loss + options.contrastive_weight * terms["contrastive"]
        return {"loss": loss, **terms}

    def _predict(
        self, model: Any, hidden: Tensor, views: dict[str, Tensor], counts: dict[str, float]
    ) -> dict[str, Tensor]:
        return masked_prediction(
            lambda chosen: model.lm_head(chosen) / self.options.masked_temperature,
            hidden,
            views,
            counts,
        )

    def _embed(self, views: dict[str, Tensor]) -> Tensor:
        """Embed the student's view; noise is on the five channels, never on CLS."""
        embedded = self.student.embed(views["student_ids"])
        if "noise" in views:
            noise = F.linear(views["noise"], self.student.embedding.weight)
            embedded = embedded + F.pad(noise, (0, 0, 0, self.options.cls_tokens))
        return embedded

    def _released(self, hidden: Tensor, views: dict[str, Tensor]) -> Tensor:
        logits = self.student.lm_head(hidden[:, : -self.options.cls_tokens])
        temperature = self.options.masked_temperature
        return released_masked_loss(logits, views["symbols"], views["scrambled"], temperature)

    def _distil(self, hidden: Tensor, teacher_ids: Tensor, rows: float) -> dict[str, Tensor]:
        """Compute the term `cls`, and what shows a collapse.

        `cls_entropy` is the mean entropy of a target, `cls_mean_entropy` about that of the mean
        target of each CLS position: their difference is what the targets say about the sequence,
        in nats, and 0 after a collapse. `centre_norm` is the length of the centre.
        """
        options = self.options
        student_logits = self.student.lm_head(hidden[:, -options.cls_tokens :])
        with torch.no_grad():
            features = self.teacher.backbone(teacher_ids)[:, -options.cls_tokens :]
            teacher_logits = self.teacher.lm_head(features).float()
        if options.symmetric:  # each of the student's views learns from the teacher's other
            teacher_logits = teacher_logits.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)
        loss, target = distil(
            student_logits,
            teacher_logits,
            self.centre,
            options.student_temperature,
            options.teacher_temperature,
        )
        if self.training:
            sums = torch.stack([teacher_logits.sum(0), target.sum(0)])
            self._sums = sums if self._sums is None else self._sums + sums
            self._cls_rows += len(target)
        entropy, mean_entropy = entropies(target, self.target_mean)
        count = rows * options.cls_tokens
        return {
            "cls": loss.sum() / count,
            "cls_entropy": entropy.sum() / count,
            "cls_mean_entropy": mean_entropy.sum() / count,
            "centre_norm": self.centre.norm(dim=-1).mean() * (len(target) / rows),
        }

    def _contrast(self, hidden: Tensor, views: dict[str, Tensor]) -> Tensor:
        """Sum NT-Xent over the rows, between means over the bases of each view.

        The negatives of a row are the other rows of its slice (micro-batch and process), so unlike
        the other losses this one depends on the slices; terms add up to the mean over all rows.
        """
        tokens = self.options.cls_tokens
        is_base = views["student_ids"][:, :-tokens] != self.tokenizer.pad_id
        total = (hidden[:, :-tokens] * is_base.unsqueeze(-1)).sum(1)  # a mean has the same cosine
        return nt_xent(total, self.options.contrastive_temperature).sum()

    def forget_step(self) -> None:
        """Begin the step's sums again."""
        self._sums, self._cls_rows = None, 0

    def before_step(self, step: int) -> None:
        """Let the teacher follow the weights that the step will change, as released."""
        if self.options.ema == "before_step":
            self._follow(step)

    def after_step(self, step: int) -> None:
        """Let the teacher follow the student, and the centre the teacher's logits."""
        if self.options.ema == "after_step":
            self._follow(step)
        if self._sums is not None:
            means = mean_over_processes(self._sums, self._cls_rows)
            # A step that is left out may have no finite ones, which would stay in the running mean.
            usable, momentum = means.isfinite().all(), self.options.centre_momentum
            for name, mean in zip(("centre", "target_mean"), means, strict=True):
                before = getattr(self, name)
                followed = running_mean(before, mean, momentum)
                setattr(self, name, torch.where(usable, followed, before))
            self.forget_step()

    def _follow(self, step: int) -> None:
        momentum = cosine_momentum(step, self.total_steps, self.options.momentum)
        follow(self.teacher, self.student, momentum)

    def result(self) -> nn.Module:
        """Return the teacher: pretraining is for it."""
        return self.teacher

    def extras(self) -> dict[str, nn.Module]:
        """Return the student, which is saved beside the teacher."""
        return {"student": self.student}


def mean_over_processes(total: Tensor, rows: int) -> Tensor:
    """Average rows that several processes have summed."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        packed = torch.cat([total.flatten(), total.new_full((1,), rows)])
        torch.distributed.all_reduce(packed)
        return packed[:-1].view_as(total) / packed[-1]
    return total / rows
