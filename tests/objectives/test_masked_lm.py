"""Masked-token prediction against its plain form."""

from __future__ import annotations

import torch
from small import masked_lm, random_codes, whole
from torch.nn import functional as F
from torch.testing import assert_close

from dnastudents.sequence import PAD


def test_loss_is_that_of_full_logits() -> None:
    objective = masked_lm()
    codes = random_codes(4, 60)
    codes[1, 30:] = PAD
    views = objective.views(codes, 1, 0).tensors
    assert not views["attention_mask"].all()
    output = objective.student(views["input_ids"], views["attention_mask"])
    expected = F.cross_entropy(output.logits.flatten(0, 1), views["labels"].flatten())
    shares = whole(objective, codes)
    assert_close(shares["loss"], expected)
    correct = output.logits.argmax(-1) == views["labels"]
    assert_close(
        shares["masked_accuracy"], correct.sum() / (views["labels"] >= 0).sum(), check_dtype=False
    )


def test_unpadded_batch_has_no_attention_mask() -> None:
    assert "attention_mask" not in masked_lm().views(random_codes(4, 60), 1, 0).tensors


def test_batch_without_any_mask_has_loss_zero() -> None:
    codes = random_codes(1, 60)
    codes[:, 2:] = PAD  # shorter than a k-mer: [CLS] [SEP]
    assert whole(masked_lm(), codes)["loss"].item() == 0.0
    assert torch.isfinite(whole(masked_lm(), codes)["masked_accuracy"])
