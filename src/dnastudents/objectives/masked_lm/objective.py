"""Masked-token prediction: any student, its tokenizer, and any masking.

This is CM-GEMS and all its controls (arXiv 2408.07180): they differ in the masking alone. The
masking's curriculum is told the validation perplexity after each evaluation, and its history is
part of the training state.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from dnastudents.genome.tokenizers import NO_LABEL, Tokenizer
from dnastudents.masking import Masked, Masking
from dnastudents.objectives.base import (
    VALIDATION_SEED,
    Objective,
    Views,
    count_labels,
    hidden_labels,
    masked_prediction,
    perplexity,
    query_positions,
)
from dnastudents.objectives.masked_lm.options import MaskedLMOptions
from dnastudents.randomness import torch_generator

EVALUATION_ROWS = 6  # sequences that share a draw of the curriculum's rule, as released


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
    options : MaskedLMOptions or None
        None is the default of each.
    """

    def __init__(
        self,
        student: Any,
        tokenizer: Tokenizer,
        masking: Masking,
        options: MaskedLMOptions | None = None,
    ) -> None:
        super().__init__(student)
        self.tokenizer = tokenizer
        self.masking = masking
        self.options = options or MaskedLMOptions()

    def views(self, codes: np.ndarray, seed: int, step: int) -> Views:
        """Tokenise, then mask with the generator of this step."""
        ids = self._ids(codes)
        return self._views(ids, self.masking(ids, torch_generator(seed, "mask", step), step))

    def validation_views(self, codes: np.ndarray, step: int) -> Views:
        """Mask in one fixed way, by default by one fixed rule: a change of perplexity is learning.

        With `validation: current` the rule is that of the update `step`, the next one. It is drawn
        for a few sequences at a time, so that cm_step validates on its share of each rule.
        """
        ids = self._ids(codes)
        masking = self.masking.validation()
        generator = torch_generator(VALIDATION_SEED, "validation mask")
        masked = [masking(rows, generator, step) for rows in ids.split(EVALUATION_ROWS)]
        return self._views(ids, Masked.join(masked))

    def _ids(self, codes: np.ndarray) -> Tensor:
        return torch.from_numpy(self.tokenizer.encode_batch(codes))

    def _views(self, ids: Tensor, masked: Masked) -> Views:
        tensors = {"input_ids": masked.input_ids, "labels": masked.labels}
        if self.masking.settings.shows_some:
            mask_id = self.tokenizer.mask_id
            tensors["hidden"] = hidden_labels(masked.input_ids, masked.labels, mask_id)
        lengths = None
        if self.options.attention_mask:
            attention_mask = ids != self.tokenizer.pad_id
            if not attention_mask.all():  # attention without a mask is faster
                tensors["attention_mask"], lengths = attention_mask, attention_mask.sum(1)
        return Views(tensors, count_labels(tensors), _keep_labelled, lengths)

    def forward(self, views: dict[str, Tensor], counts: dict[str, float]) -> dict[str, Tensor]:
        """Compute the terms `loss` = `masked`, and those of `prediction_terms`."""
        features = self.student.backbone(
            views["input_ids"], views.get("attention_mask"), positions=views["queries"]
        )
        terms = masked_prediction(self.student.lm_head, features, views, counts)
        return {"loss": terms["masked"], **terms}

    def observe(self, metrics: dict[str, float], step: int) -> None:
        """Tell the curriculum the validation perplexity of all masked tokens, shown ones too.

        That is what CM-GEMS' code evaluates, and what its threshold is a change of.
        """
        self.masking.curriculum.observe(perplexity(metrics["masked"]), step)

    def stage(self, step: int) -> str:
        """Return the masking's stage."""
        return self.masking.curriculum.stage(step)

    def get_extra_state(self) -> dict[str, Any]:
        """Return the curriculum's history."""
        return self.masking.curriculum.state()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take back what `get_extra_state` gave."""
        self.masking.curriculum.load_state(state)


def _keep_labelled(views: dict[str, Any]) -> None:
    """Add `queries`, positions with all labels of each row; what is (B, T) of labels is (B, M)."""
    queries = views["queries"] = query_positions(views["labels"] != NO_LABEL)
    for name in views.keys() & {"labels", "hidden"}:
        views[name] = views[name].gather(1, queries)
