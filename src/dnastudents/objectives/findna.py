"""FinDNA: masked nucleotides, and self-distillation on CLS positions from an EMA teacher.

L = cls_weight * L_CL + masked_weight * L_MNM. The student sees a masked and noisy view, the teacher
a translocated one without masks; CLS positions (zero vectors) stand at the end of both. The
teacher, whose weights follow the student's, is the result. Source: papers/findna.md §2 to §5.

As described (default) L_MNM is the softmax cross-entropy of masked A, C, G, T; `as_released` takes
the released code's binary one under its scrambled mask. Augmentations of bases come before masking,
so targets and masks move with the sequence.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dnastudents import augment
from dnastudents.augment import View
from dnastudents.errors import InputError
from dnastudents.masking import Masking
from dnastudents.models import ChordMixerForMaskedLM
from dnastudents.objectives.base import (
    IGNORE,
    VALIDATION_SEED,
    Objective,
    Views,
    count_of,
    masked_prediction,
)
from dnastudents.objectives.distillation import (
    distil,
    released_masked_loss,
    scrambled_mask,
    update_centre,
)
from dnastudents.objectives.ema import cosine_momentum, follow
from dnastudents.randomness import torch_generator
from dnastudents.tokenizers import Tokenizer


@dataclass(frozen=True)
class FinDNAOptions:
    """Settings of FinDNA; defaults are the released run's.

    Attributes
    ----------
    cls_weight, masked_weight : float
        Default is 1 and 1. Without a CLS weight the teacher is not run, only averaged.
    cls_tokens : int
        Default is 10.
    student_temperature, teacher_temperature : float
        Default is 0.1 and 0.04.
    masked_temperature : float
        Divides the logits of masked bases, as the released code does with all of the student's.
        Default is 0.1: the temperatures multiply gradients by ten, so that without this one the
        CLS loss drowns the masked one.
    centre_momentum : float
        Default is 0.9.
    momentum : float
        Of the teacher at the first step; it rises to 1 as a cosine. Default is 0.996. Over K
        steps a share exp(-K (1 - momentum) / 2) of the initial weights stays in the teacher, so
        short trainings need less.
    noise : float
        Standard deviation added to each of the student's five input channels. Default is 0.2.
    student_augmentations, teacher_augmentations : list
        Of bases, see `dnastudents.augment`. Default is none, and translocation.
    as_released : bool
        The released code's masked loss. Default is False.
    """

    cls_weight: float = 1.0
    masked_weight: float = 1.0
    cls_tokens: int = 10
    student_temperature: float = 0.1
    teacher_temperature: float = 0.04
    masked_temperature: float = 0.1
    centre_momentum: float = 0.9
    momentum: float = 0.996
    noise: float = 0.2
    student_augmentations: list[Any] = field(default_factory=list)
    teacher_augmentations: list[Any] = field(default_factory=lambda: [{"name": "translocation"}])
    as_released: bool = False


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

    teacher: Any
    centre: Tensor

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
        self.teacher = copy.deepcopy(self.student).requires_grad_(False).eval()
        self.tokenizer, self.masking, self.total_steps = tokenizer, masking, total_steps
        self.options = options or FinDNAOptions()
        self.student_augment = augment.build(self.options.student_augmentations)
        self.teacher_augment = augment.build(self.options.teacher_augmentations)
        symbols, tokens = student.config.vocab_size, self.options.cls_tokens
        self.register_buffer("centre", torch.zeros(1, tokens, symbols))
        self._cls_sum = torch.zeros(tokens, symbols)
        self._cls_rows = 0

    def train(self, mode: bool = True) -> FinDNA:
        """The teacher is always in evaluation mode."""
        super().train(mode)
        self.teacher.eval()
        return self

    def views(self, codes: np.ndarray, seed: int, step: int) -> Views:
        """A masked, noisy view for the student, a translocated one for the teacher."""
        generator = torch_generator(seed, "views", step)
        return self._views(codes, self.masking, generator, step, noise=self.options.noise)

    def validation_views(self, codes: np.ndarray, step: int) -> Views:
        """The same with one fixed draw, and no noise."""
        generator = torch_generator(VALIDATION_SEED, "validation views")
        return self._views(codes, self.masking.validation(), generator, step, noise=0.0)

    def _views(
        self,
        codes: np.ndarray,
        masking: Masking,
        generator: torch.Generator,
        step: int,
        noise: float,
    ) -> Views:
        view = self.student_augment(View.of(torch.from_numpy(codes)), generator)
        targets = self._ids(view.targets)
        masked = masking(self._ids(view.codes), generator, step)
        known = masked.mask & torch.isin(targets, torch.tensor(self.tokenizer.base_ids))
        labels = targets.masked_fill(~known, IGNORE)
        tensors = {
            "student_ids": self._append(masked.input_ids, self.tokenizer.cls_id),
            "labels": self._append(labels, IGNORE),
        }
        if noise:
            shape = (*targets.shape, self.student.config.vocab_size)
            tensors["noise"] = noise * torch.randn(shape, generator=generator)
        if self.options.cls_weight:
            other = self.teacher_augment(View.of(torch.from_numpy(codes)), generator)
            tensors["teacher_ids"] = self._append(self._ids(other.codes), self.tokenizer.cls_id)
        counts = {"masked": count_of(known), "rows": float(len(codes))}
        if self.options.as_released:
            tensors |= {"symbols": targets, "scrambled": scrambled_mask(masked.mask)}
            counts["scrambled"] = count_of(tensors["scrambled"])
        return Views(tensors, counts)

    def _ids(self, codes: Tensor) -> Tensor:
        return torch.from_numpy(self.tokenizer.encode_batch(codes.numpy()))

    def _append(self, ids: Tensor, value: int | None) -> Tensor:
        """`value` at the CLS positions, behind the bases."""
        return F.pad(ids, (0, self.options.cls_tokens), value=value)

    def forward(self, views: dict[str, Tensor], counts: dict[str, float]) -> dict[str, Tensor]:
        """Shares `loss`, `masked`, `masked_accuracy`; with a CLS weight `cls`, `cls_entropy`.

        In evaluation `teacher_masked_accuracy` tells how good the result is by now.
        """
        options, head = self.options, self.student.lm_head
        hidden = self.student.backbone(inputs_embeds=self._embed(views))
        shares = self._predict(self.student, hidden, views, counts)
        if not self.training:
            averaged = self.teacher.backbone(views["student_ids"])
            accuracy = self._predict(self.teacher, averaged, views, counts)["masked_accuracy"]
            shares["teacher_masked_accuracy"] = accuracy
        loss = options.masked_weight * shares["masked"]
        if options.as_released:
            logits = head(hidden[:, : -options.cls_tokens])
            released = released_masked_loss(logits, views["symbols"], views["scrambled"])
            shares["released"] = released / counts["scrambled"]
            loss = options.masked_weight * shares["released"]
        if options.cls_weight:
            shares |= self._distil(head(hidden[:, -options.cls_tokens :]), views, counts["rows"])
            loss = loss + options.cls_weight * shares["cls"]
        return {"loss": loss, **shares}

    def _predict(
        self, model: Any, hidden: Tensor, views: dict[str, Tensor], counts: dict[str, float]
    ) -> dict[str, Tensor]:
        return masked_prediction(
            lambda chosen: model.lm_head(chosen) / self.options.masked_temperature,
            hidden,
            views["labels"],
            views["positions"],
            counts["masked"],
        )

    def _embed(self, views: dict[str, Tensor]) -> Tensor:
        """Embeddings of the student's view; noise is on the five channels, never on CLS."""
        embedded = self.student.embed(views["student_ids"])
        if "noise" in views:
            noise = F.linear(views["noise"], self.student.embedding.weight)
            embedded = embedded + F.pad(noise, (0, 0, 0, self.options.cls_tokens))
        return embedded

    def _distil(
        self, student_logits: Tensor, views: dict[str, Tensor], rows: float
    ) -> dict[str, Tensor]:
        options = self.options
        with torch.no_grad():
            hidden = self.teacher.backbone(views["teacher_ids"])[:, -options.cls_tokens :]
            teacher_logits = self.teacher.lm_head(hidden).float()
        if self.training:
            self._cls_sum = self._cls_sum.to(teacher_logits.device) + teacher_logits.sum(0)
            self._cls_rows += len(teacher_logits)
        loss, entropy = distil(
            student_logits,
            teacher_logits,
            self.centre,
            options.student_temperature,
            options.teacher_temperature,
        )
        count = rows * options.cls_tokens
        return {"cls": loss.sum() / count, "cls_entropy": entropy.sum() / count}

    def after_step(self, step: int) -> None:
        """The teacher follows the student, the centre the teacher's logits."""
        follow(
            self.teacher,
            self.student,
            cosine_momentum(step, self.total_steps, self.options.momentum),
        )
        if self.options.cls_weight:
            mean = mean_over_processes(self._cls_sum, self._cls_rows)
            self.centre = update_centre(self.centre, mean, self.options.centre_momentum)
            self._cls_sum, self._cls_rows = torch.zeros_like(self._cls_sum), 0

    def result(self) -> nn.Module:
        """The teacher."""
        return self.teacher

    def extras(self) -> dict[str, nn.Module]:
        """The student, beside it."""
        return {"student": self.student}


def mean_over_processes(total: Tensor, rows: int) -> Tensor:
    """Mean of rows that several processes have summed."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        packed = torch.cat([total.flatten(), total.new_tensor([float(rows)])])
        torch.distributed.all_reduce(packed)
        return packed[:-1].view_as(total) / packed[-1]
    return total / rows
