"""Masked-token prediction: any student, its tokenizer, and any masking.

This is CM-GEMS and all its controls (papers/cmgems.md §2): they differ in the masking alone. The
masking's curriculum is told the validation perplexity after each evaluation, and its history is
part of the training state.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from dnastudents.masking import Masking
from dnastudents.objectives.base import (
    VALIDATION_SEED,
    Objective,
    Views,
    count_of,
    masked_prediction,
)
from dnastudents.randomness import torch_generator
from dnastudents.tokenizers import Tokenizer


class MaskedLM(Objective):
    """Cross-entropy of masked tokens.

    Parameters
    ----------
    student : PreTrainedModel
        A masked-LM class.
    tokenizer : Tokenizer
        The student's.
    masking : Masking
        Chooses and replaces tokens; see `dnastudents.masking`.
    """

    def __init__(self, student: Any, tokenizer: Tokenizer, masking: Masking) -> None:
        super().__init__(student)
        self.tokenizer = tokenizer
        self.masking = masking

    def views(self, codes: np.ndarray, seed: int, step: int) -> Views:
        """Tokenise, then mask with the generator of this step."""
        return self._views(codes, self.masking, torch_generator(seed, "mask", step), step)

    def validation_views(self, codes: np.ndarray, step: int) -> Views:
        """One fixed rule, one fixed draw: a change of perplexity is learning."""
        generator = torch_generator(VALIDATION_SEED, "validation mask")
        return self._views(codes, self.masking.validation(), generator, step)

    def _views(
        self, codes: np.ndarray, masking: Masking, generator: torch.Generator, step: int
    ) -> Views:
        ids = torch.from_numpy(self.tokenizer.encode_batch(codes))
        masked = masking(ids, generator, step)
        tensors = {"input_ids": masked.input_ids, "labels": masked.labels}
        attention_mask = ids != self.tokenizer.pad_id
        if not attention_mask.all():  # attention without a mask is faster
            tensors["attention_mask"] = attention_mask
        return Views(tensors, {"masked": count_of(masked.mask)})

    def forward(self, views: dict[str, Tensor], counts: dict[str, float]) -> dict[str, Tensor]:
        """Shares `loss` = `masked`, and `masked_accuracy`."""
        hidden = self.student.backbone(views["input_ids"], views.get("attention_mask"))
        shares = masked_prediction(
            self.student.lm_head, hidden, views["labels"], views["positions"], counts["masked"]
        )
        return {"loss": shares["masked"], **shares}

    def observe(self, metrics: dict[str, float], step: int) -> None:
        """Tell the curriculum the validation perplexity."""
        self.masking.observe(metrics["perplexity"], step)

    def stage(self, step: int) -> str:
        """The masking's stage."""
        return self.masking.stage(step)

    def get_extra_state(self) -> dict[str, Any]:
        """The curriculum's history."""
        return self.masking.state()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take back what `get_extra_state` gave."""
        self.masking.load_state(state)
