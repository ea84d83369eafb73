"""Masked-token prediction against its plain form."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from small import DETERMINISTIC_BERT, masked_lm, random_codes, whole
from torch.nn import functional as F
from torch.testing import assert_close

from dnastudents import masking, models
from dnastudents.genome import tokenizers
from dnastudents.genome.codes import PAD
from dnastudents.objectives.masked_lm.objective import MaskedLM
from dnastudents.objectives.masked_lm.options import MaskedLMOptions
from small_students import SMALL

NO_DROPOUT = {"bert": DETERMINISTIC_BERT}


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
    is_hidden = (views["labels"] >= 0) & (views["input_ids"] == objective.tokenizer.mask_id)
    assert_close(shares["accuracy"], correct[is_hidden].sum() / is_hidden.sum(), check_dtype=False)


@pytest.mark.parametrize("architecture", SMALL)
def test_gradients_are_those_of_full_logits(architecture: str) -> None:
    """The plain twin: all features and logits, in float64."""
    codes = random_codes(4, 60)
    codes[1, 30:] = PAD
    tokenizer = tokenizers.build(models.tokenizer_name(SMALL[architecture]))
    mask = masking.build({"name": "bernoulli", "probability": 0.3}, tokenizer, None, 10)
    torch.manual_seed(0)
    student = models.build(SMALL[architecture] | NO_DROPOUT.get(architecture, {}), tokenizer)
    objective = MaskedLM(student, tokenizer, mask).double().train()
    whole(objective, codes)["loss"].backward()
    found = {n: p.grad.clone() for n, p in student.named_parameters() if p.grad is not None}
    student.zero_grad()
    views = objective.views(codes, 1, 0).tensors
    logits = student.lm_head(student.backbone(views["input_ids"], views.get("attention_mask")))
    F.cross_entropy(logits.flatten(0, 1), views["labels"].flatten()).backward()
    for name, weight in student.named_parameters():
        if weight.grad is not None:
            assert_close(found.pop(name), weight.grad, rtol=1e-6, atol=1e-8, msg=name)
    assert not found


def test_unpadded_batch_has_no_attention_mask() -> None:
    assert "attention_mask" not in masked_lm().views(random_codes(4, 60), 1, 0).tensors


def test_batch_without_any_mask_has_loss_zero() -> None:
    codes = random_codes(1, 60)
    codes[:, 2:] = PAD  # shorter than a k-mer: [CLS] [SEP]
    assert whole(masked_lm(), codes)["loss"].item() == 0.0
    assert torch.isfinite(whole(masked_lm(), codes)["accuracy"])


@pytest.mark.parametrize("is_kept_out", [True, False])
def test_padding_changes_nothing_unless_it_is_attended(is_kept_out: bool) -> None:
    objective = masked_lm()
    objective.options = MaskedLMOptions(attention_mask=is_kept_out)
    for weights in objective.student.parameters():
        weights.data *= 5  # an untrained student hardly attends
    codes = random_codes(2, 60)
    codes[1, 40:] = PAD  # 35 tokens of 55, between [CLS] and [SEP]
    views = objective.views(codes, 1, 0)
    assert ("attention_mask" in views.tensors) is is_kept_out
    ids, labels = views.tensors["input_ids"], views.tensors["labels"]
    loss = objective(views.rows(1, 2, torch.device("cpu")), views.counts | {"masked": 1.0})["loss"]
    padded, alone = (
        F.cross_entropy(
            objective.student(ids[1:, :end]).logits[0], labels[1, :end], reduction="sum"
        )
        for end in (57, 37)
    )
    assert_close(loss, alone if is_kept_out else padded)
    assert abs(padded - alone) > 1e-3


def curriculum(total_steps: int = 100, **settings: Any) -> MaskedLM:
    tokenizer = tokenizers.build("kmer6")
    ranks = torch.arange(tokenizer.vocab_size)
    rule = masking.build({"validation": "current", **settings}, tokenizer, ranks, total_steps)
    return MaskedLM(models.build(DETERMINISTIC_BERT, tokenizer), tokenizer, rule)


def test_current_validation_follows_the_switch() -> None:
    codes = random_codes(40, 200)
    switched = curriculum(name="cm_gems", switch_step=7)
    learnt = curriculum(name="cm_gems")
    easy, hard = (curriculum(name=name) for name in ("genemask", "global_pmi"))

    def labels(objective: MaskedLM, step: int) -> torch.Tensor:
        return objective.validation_views(codes, step).tensors["labels"]

    assert torch.equal(labels(switched, 6), labels(easy, 6))
    assert torch.equal(labels(switched, 7), labels(hard, 7))
    assert torch.equal(labels(learnt, 9), labels(easy, 9))
    # Of all masked tokens, as the authors': the perplexity of hidden ones has no say.
    learnt.observe({"masked": math.log(5.0), "perplexity": 9.0}, 8)
    learnt.observe({"masked": math.log(4.9), "perplexity": 7.0}, 9)
    assert torch.equal(labels(learnt, 9), labels(hard, 9))
    fixed = curriculum(name="cm_gems", switch_step=7, validation="fixed")
    assert torch.equal(labels(fixed, 6), labels(fixed, 7))


@pytest.mark.parametrize(("step", "share"), [(0, 0.0), (30, 0.3), (100, 1.0)])
def test_current_validation_of_cm_step_has_its_share_of_hard_masks(step: int, share: float) -> None:
    # Only the hard rule, by position rank, masks the first tokens of every sequence.
    objective = curriculum(name="cm_step", rank_source="position", probability={"global_pmi": 0.2})
    views = objective.validation_views(random_codes(6 * 100, 200), step).tensors
    is_hard = (views["labels"][:, 1:11] >= 0).all(1).view(100, 6).all(1)
    # 100 draws of the rule
    assert abs(is_hard.float().mean().item() - share) <= 4 * (share * (1 - share) / 100) ** 0.5
