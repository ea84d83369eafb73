"""The classification head: what is pooled, what is trained, what is refused."""

from __future__ import annotations

import pytest
import torch

from dnastudents import models
from dnastudents.errors import InputError
from dnastudents.genome import tokenizers
from dnastudents.models import (
    BertStudentConfig,
    BertStudentForMaskedLM,
    HybridConfig,
    HybridForMaskedLM,
    SequenceClassifier,
    content_mask,
    mean_pool,
)

SMALL = {
    "hybrid": {"hidden_size": 16, "num_hidden_layers": 1, "heads": 2, "head_size": 8},
    "chordmixer": {"max_length": 16, "track_size": 4, "hidden_size": 16, "blocks": 1},
    "bert": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
    "nucleotide_transformer": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
}


@pytest.fixture
def hybrid() -> HybridForMaskedLM:
    torch.manual_seed(0)
    config = HybridConfig(
        hidden_size=8,
        num_hidden_layers=1,
        heads=1,
        head_size=4,
        attention_heads=1,
        intermediate_size=8,
    )
    return HybridForMaskedLM(config)


@pytest.fixture
def bert() -> BertStudentForMaskedLM:
    torch.manual_seed(0)
    config = BertStudentConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    return BertStudentForMaskedLM(config)


def test_mean_is_over_chosen_positions_only() -> None:
    hidden = torch.tensor([[[1.0], [2.0], [6.0], [torch.nan]], [[5.0], [7.0], [9.0], [11.0]]])
    mask = torch.tensor([[True, False, True, False], [False] * 4])
    assert mean_pool(hidden, mask).tolist() == [[3.5], [0.0]]


def test_content_is_neither_padding_nor_special() -> None:
    ids = torch.tensor([[2, 10, 11, 3, 0], [2, 12, 3, 0, 0]])
    attention = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]])
    expected = [[False, True, True, False, False], [False, True, False, False, False]]
    assert content_mask(ids, attention, (0, 2, 3)).tolist() == expected
    assert content_mask(ids, attention).tolist() == attention.bool().tolist()
    assert content_mask(ids, None).all()


@pytest.mark.parametrize("architecture", sorted(SMALL))
def test_batch_companions_do_not_change_an_answer(architecture: str) -> None:
    settings = {"architecture": architecture, **SMALL[architecture]}
    tokenizer = tokenizers.build(models.tokenizer_name(settings))
    student = models.build(settings, tokenizer)
    model = SequenceClassifier(student, classes=3, special_ids=tokenizer.special_ids).eval()
    bases = torch.tensor(tokenizer.base_ids[:4])
    ids = bases[torch.randint(4, (2, 14))]
    mask = torch.arange(14) < torch.tensor([[14], [5]])
    with torch.no_grad():
        batched = model(ids.where(mask, tokenizer.pad_id), mask)
        alone = model(ids[1:, :5])
    assert batched.shape == (2, 3)
    assert torch.allclose(batched[1], alone[0], atol=1e-5)


def test_given_pooling_mask_is_used(hybrid: HybridForMaskedLM) -> None:
    model = SequenceClassifier(hybrid, classes=2).eval()
    ids = torch.randint(7, 11, (1, 6))
    chosen = torch.tensor([[False, True, False, False, True, False]])
    with torch.no_grad():
        expected = model.head(hybrid.backbone(ids)[:, [1, 4]].mean(1))
        assert torch.allclose(model(ids, None, chosen), expected, atol=1e-6)


def test_cls_pooling_reads_the_pooler_and_trains_it(bert: BertStudentForMaskedLM) -> None:
    model = SequenceClassifier(bert, classes=2, pooling="cls").eval()
    ids = torch.randint(5, 4101, (3, 7))
    first = bert.backbone(ids)[:, 0]
    expected = model.head(torch.tanh(bert.bert.pooler.dense(first)))
    assert torch.allclose(model(ids), expected, atol=1e-6)
    model(ids).sum().backward()
    assert bert.bert.pooler.dense.weight.grad.abs().sum() > 0


def test_head_starts_small_and_dropout_acts(hybrid: HybridForMaskedLM) -> None:
    model = SequenceClassifier(hybrid, classes=2, dropout=0.5)
    assert (model.head.bias == 0).all()
    assert model.head.weight.abs().max() <= (6 / (8 + 2)) ** 0.5
    ids = torch.randint(7, 11, (4, 6))
    assert not torch.equal(model.train()(ids), model(ids))
    assert torch.equal(model.eval()(ids), model(ids))


def test_bad_pooling_is_refused(hybrid: HybridForMaskedLM) -> None:
    with pytest.raises(InputError, match="mean, cls"):
        SequenceClassifier(hybrid, classes=2, pooling="max")
    with pytest.raises(InputError, match="use mean"):
        SequenceClassifier(hybrid, classes=2, pooling="cls")
