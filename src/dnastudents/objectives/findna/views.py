"""What FinDNA's student and teacher see of a batch.

Augmentations of bases come before masking, so targets and masks move with the sequence. Ids are
those of five symbols; CLS positions stand at the end. Shapes: B sequences, L bases, K CLS
positions; ids and labels are (B, L + K), with two views of each sequence (B, 2, L + K).
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dnastudents.genome import augment
from dnastudents.genome.augment import NEW, Augmented
from dnastudents.genome.tokenizers import NO_LABEL, Tokenizer
from dnastudents.masking import Masking
from dnastudents.models.chordmixer.config import SYMBOLS
from dnastudents.objectives.base import (
    VALIDATION_SEED,
    Views,
    count_labels,
    count_of,
    hidden_labels,
    row_generators,
)
from dnastudents.objectives.findna.losses import scrambled_mask
from dnastudents.objectives.findna.options import FinDNAOptions
from dnastudents.randomness import torch_generator


class ViewMaker:
    """Draws views.

    Parameters
    ----------
    tokenizer : Tokenizer
        Of single nucleotides, with a CLS id.
    masking : Masking
        Of the student's batch.
    options : FinDNAOptions
        Which views, and how.
    """

    def __init__(self, tokenizer: Tokenizer, masking: Masking, options: FinDNAOptions) -> None:
        self.tokenizer, self.options = tokenizer, options
        self.masking = _with_n(masking) if options.random_n else masking
        self.validation_masking = masking.validation()
        self.student_augment = augment.build(options.student_augmentations)
        self.teacher_augment = augment.build(options.teacher_augmentations)

    def train(self, codes: np.ndarray, seed: int, step: int) -> Views:
        """Draw the views of a step from codes, uint8 (B, L).

        Static ones are drawn row by row, see `row_generators`.
        """
        masking, noise = self.masking, self.options.noise
        # Fresh views have a generator per step; static ones one per window, named by its bases,
        # which gives a window the same views in every epoch and in whatever batch it comes.
        if self.options.views == "fresh":
            generator = torch_generator(seed, "views", step)
            return self._finish([self._draw(codes, masking, generator, step, noise)])
        rows = zip(codes[:, None], row_generators(codes, seed, "views"), strict=True)
        return self._finish(
            [self._draw(row, masking, generator, step, noise) for row, generator in rows]
        )

    def validation(self, codes: np.ndarray, step: int) -> Views:
        """Draw the same in one fixed way, without noise."""
        generator = torch_generator(VALIDATION_SEED, "validation views")
        return self._finish([self._draw(codes, self.validation_masking, generator, step, 0.0)])

    def _draw(
        self,
        codes: np.ndarray,
        masking: Masking,
        generator: torch.Generator,
        step: int,
        noise: float,
    ) -> dict[str, Tensor]:
        """Draw tensors over bases; two views of a sequence are rows beside each other."""
        options = self.options
        if options.symmetric:  # (B, L) to (2 B, L): rows 2 i and 2 i + 1 are of one sequence
            codes = codes.repeat(2, axis=0)
        batch = self.student_augment(Augmented.of(torch.from_numpy(codes)), generator)
        if options.symmetric:
            batch = self.teacher_augment(batch, generator)
        # Targets are before mutation: the student has to see through it. They moved with the bases
        # of insertions, deletions and inversions, so a target stands under its own base.
        targets = self._ids(batch.targets)  # (B, L)
        masked = masking(self._ids(batch.codes), generator, step)
        # No loss where nothing can be learnt: on N, and on random bases that were inserted.
        known = masked.mask & (batch.source != NEW)
        known &= torch.isin(targets, torch.tensor(self.tokenizer.base_ids))
        tensors = {
            "student_ids": masked.input_ids,
            "labels": targets.masked_fill(~known, NO_LABEL),
            "symbols": targets,
            "mask": masked.mask,
        }
        if noise:
            drawn = augment.noise((*targets.shape, SYMBOLS), generator, noise)
            # By default masked and padding positions stay all zeros: that is what marks them.
            if not options.noise_on_masked:
                drawn *= (masked.input_ids < SYMBOLS).unsqueeze(-1)
            tensors["noise"] = drawn
        if options.cls_weight:
            # A view of its own; with `symmetric` the teacher reads the student's views, unmasked.
            if not options.symmetric:
                batch = self.teacher_augment(Augmented.of(torch.from_numpy(codes)), generator)
            tensors["teacher_ids"] = self._ids(batch.codes)
        return tensors

    def _finish(self, row_tensors: list[dict[str, Tensor]]) -> Views:
        """Join the rows, add CLS positions, count."""
        tensors = {name: torch.cat([row[name] for row in row_tensors]) for name in row_tensors[0]}
        # Left out of what goes to the device, unless the released loss needs it there.
        mask, symbols = tensors.pop("mask"), tensors.pop("symbols")
        # CLS positions are added after masking, so none is ever masked; they have no label.
        cls_id, cls_tokens = self.tokenizer.cls_id, self.options.cls_tokens
        for name in tensors.keys() & {"student_ids", "teacher_ids", "labels"}:
            value = NO_LABEL if name == "labels" else cls_id
            tensors[name] = F.pad(tensors[name], (0, cls_tokens), value=value)
        if self.masking.settings.shows_some:
            tensors["hidden"] = hidden_labels(
                tensors["student_ids"], tensors["labels"], self.tokenizer.mask_id
            )
        counts = count_labels(tensors) | {"rows": float(len(mask))}
        if self.options.masked_loss == "released":
            tensors |= {"symbols": symbols, "scrambled": scrambled_mask(mask)}
            counts["scrambled"] = count_of(tensors["scrambled"])
        # Two views of a sequence become one row, so that no slice separates them.
        if self.options.symmetric:
            tensors = {name: tensor.unflatten(0, (-1, 2)) for name, tensor in tensors.items()}
        return Views(tensors, counts)

    def _ids(self, codes: Tensor) -> Tensor:
        """Tokenise codes to int64 (B, L); put back the padding that the tokenizer trims."""
        ids = torch.from_numpy(self.tokenizer.encode_batch(codes.numpy()))
        missing = codes.shape[1] - ids.shape[1]
        return F.pad(ids, (0, missing), value=self.tokenizer.pad_id)


def _with_n(masking: Masking) -> Masking:
    """Copy the masking, with random replacements that may be N too."""
    # On a copy: this tokenizer's own base ids also say which targets have a loss, and N has none.
    tokenizer = copy.copy(masking.tokenizer)
    tokenizer.base_ids = (*tokenizer.base_ids, tokenizer.unk_id)
    return Masking(masking.settings, tokenizer, None, masking.total_steps)
