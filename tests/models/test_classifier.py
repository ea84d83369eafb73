"""The classification head: what is pooled, what is trained, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModelForSequenceClassification

from dnastudents import models
from dnastudents.errors import InputError
from dnastudents.genome import tokenizers
from dnastudents.models import (
    BertStudentConfig,
    BertStudentForMaskedLM,
    HybridConfig,
    HybridForMaskedLM,
    classifier,
    content_mask,
    mean_pool,
    part_pool,
)

SMALL = {
    "hybrid": {"hidden_size": 16, "num_hidden_layers": 1, "heads": 2, "head_size": 8},
    "chordmixer": {"max_length": 16, "track_size": 4, "hidden_size": 16, "blocks": 1},
    "bert": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
    "nucleotide_transformer": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
}

NAMES = ["no", "yes"]


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


def plain_parts(hidden: torch.Tensor, mask: torch.Tensor, parts: int) -> torch.Tensor:
    """torch's own pooling of each sequence's content alone, the slow twin of `part_pool`."""
    rows = []
    for features, inside in zip(hidden, mask, strict=True):
        own = features[inside]
        if not len(own):
            rows.append(features.new_zeros(parts * features.shape[1]))
            continue
        rows.append(F.adaptive_avg_pool1d(own.T[None], parts)[0].T.flatten())
    return torch.stack(rows)


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 20])
def test_parts_equal_the_plain_twin(parts: int) -> None:
    generator = torch.Generator().manual_seed(parts)
    hidden = torch.randn(9, 23, 5, generator=generator, requires_grad=True)
    # from no content and one token to all, with holes as special tokens make them
    mask = torch.arange(23) < torch.tensor([0, 1, 2, 6, 7, 8, 15, 22, 23])[:, None]
    mask &= torch.rand(9, 23, generator=generator) < 0.9
    poisoned = hidden.masked_fill(~mask[..., None], torch.nan)  # padding may be anything
    found, expected = part_pool(poisoned, mask, parts), plain_parts(hidden, mask, parts)
    assert found.shape == (9, parts * 5)
    assert torch.allclose(found, expected, atol=1e-6)
    chosen = torch.randn(found.shape, generator=generator)
    gradients = [
        torch.autograd.grad((pooled * chosen).sum(), hidden)[0] for pooled in (found, expected)
    ]
    assert torch.allclose(*gradients, atol=1e-6)


def test_one_part_is_the_mean() -> None:
    hidden, mask = torch.randn(4, 11, 3), torch.arange(11) < torch.tensor([[0], [1], [7], [11]])
    assert torch.allclose(part_pool(hidden, mask, 1), mean_pool(hidden, mask), atol=1e-6)


def test_parts_keep_place_and_share_tokens_where_they_must() -> None:
    hidden = torch.tensor([[[1.0], [2.0], [3.0], [4.0], [5.0]]])
    mask = torch.tensor([[True, True, True, True, True]])
    assert part_pool(hidden, mask, 2).tolist() == [[2.0, 4.0]]  # 1 2 3 and 3 4 5
    assert part_pool(hidden, mask, 5).tolist() == [[1.0, 2.0, 3.0, 4.0, 5.0]]
    short = torch.tensor([[True, True, False, False, False]])
    assert part_pool(hidden, short, 4).tolist() == [[1.0, 1.0, 2.0, 2.0]]


def test_parts_are_as_exact_under_autocast() -> None:
    hidden, mask = torch.randn(2, 300, 4), torch.ones(2, 300, dtype=torch.bool)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(part_pool(hidden, mask, 7), part_pool(hidden, mask, 7).float())
        found = part_pool(hidden, mask, 7)
    assert torch.allclose(found, plain_parts(hidden, mask, 7), atol=1e-6)
    assert part_pool(hidden.bfloat16(), mask, 7).dtype == torch.bfloat16


@pytest.mark.parametrize("pooling", ["mean", "parts"])
@pytest.mark.parametrize("architecture", sorted(SMALL))
def test_batch_companions_do_not_change_an_answer(architecture: str, pooling: str) -> None:
    settings = {"architecture": architecture, **SMALL[architecture]}
    tokenizer = tokenizers.build(models.tokenizer_name(settings))
    student = models.build(settings, tokenizer)
    model = classifier(student, ["a", "b", "c"], pooling=pooling, pooling_parts=3).eval()
    bases = torch.tensor(tokenizer.base_ids[:4])
    ids = bases[torch.randint(4, (2, 14))]
    mask = torch.arange(14) < torch.tensor([[14], [5]])
    with torch.no_grad():
        batched = model(ids.where(mask, tokenizer.pad_id), mask).logits
        alone = model(ids[1:, :5]).logits
    assert batched.shape == (2, 3)
    assert model.classifier.in_features == model.feature_size * (3 if pooling == "parts" else 1)
    assert torch.allclose(batched[1], alone[0], atol=1e-5)


@pytest.mark.parametrize("architecture", sorted(SMALL))
def test_parts_survive_the_folder(architecture: str, tmp_path: Path) -> None:
    settings = {"architecture": architecture, **SMALL[architecture]}
    tokenizer = tokenizers.build(models.tokenizer_name(settings))
    student = models.build(settings, tokenizer)
    model = classifier(student, NAMES, pooling="parts", pooling_parts=3).eval()
    model.new_head()
    model.save_pretrained(tmp_path)
    ids = torch.tensor(tokenizer.base_ids[:4])[torch.randint(4, (2, 14))]
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    with torch.no_grad():
        pooled = plain_parts(student.eval().backbone(ids), torch.ones_like(ids).bool(), 3)
        assert torch.allclose(model(ids).logits, model.classifier(pooled), atol=1e-5)
        assert torch.equal(loaded(ids).logits, model(ids).logits)
    assert (loaded.config.pooling, loaded.config.pooling_parts) == ("parts", 3)


def test_given_pooling_mask_is_used(hybrid: HybridForMaskedLM) -> None:
    model = classifier(hybrid, NAMES).eval()
    ids = torch.randint(7, 11, (1, 6))
    chosen = torch.tensor([[False, True, False, False, True, False]])
    with torch.no_grad():
        expected = model.classifier(hybrid.backbone(ids)[:, [1, 4]].mean(1))
        found = model(ids, pooling_mask=chosen).logits
    assert torch.allclose(found, expected, atol=1e-6)


def test_cls_pooling_reads_the_pooler_and_trains_it(bert: BertStudentForMaskedLM) -> None:
    model = classifier(bert.eval(), NAMES, pooling="cls")
    ids = torch.randint(5, 4101, (3, 7))
    first = bert.backbone(ids)[:, 0]
    expected = model.classifier(torch.tanh(bert.bert.pooler.dense(first)))
    assert torch.allclose(model(ids).logits, expected, atol=1e-6)
    model(ids).logits.sum().backward()
    assert model.bert.pooler.dense.weight.grad.abs().sum() > 0


def test_head_starts_small_and_dropout_acts(hybrid: HybridForMaskedLM) -> None:
    model = classifier(hybrid, NAMES, classifier_dropout=0.5)
    assert (model.classifier.bias == 0).all()
    assert model.classifier.weight.abs().max() <= (6 / (8 + 2)) ** 0.5
    ids = torch.randint(7, 11, (4, 6))
    assert not torch.equal(model.train()(ids).logits, model(ids).logits)
    assert torch.equal(model.eval()(ids).logits, model(ids).logits)


def test_bad_pooling_is_refused(hybrid: HybridForMaskedLM) -> None:
    with pytest.raises(InputError, match="pooling_parts: must be at least 1, not 0"):
        classifier(hybrid, NAMES, pooling="parts", pooling_parts=0)
    with pytest.raises(InputError, match="mean, cls, parts"):
        classifier(hybrid, NAMES, pooling="max")
    with pytest.raises(InputError, match="use mean"):
        classifier(hybrid, NAMES, pooling="cls")
