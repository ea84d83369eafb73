"""DNABert and LOGO: published sizes, transformers' own numbers, frozen pooler, tied head."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import BertForMaskedLM

from dnastudents import models
from dnastudents.models import BertStudentConfig, BertStudentForMaskedLM

LOGO = {"hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 8}
TINY = {**LOGO, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}


@pytest.mark.parametrize(("fields", "size"), [({}, 89_787_141), (LOGO, 4_998_917)])
def test_published_sizes(fields: dict[str, int], size: int) -> None:
    with torch.device("meta"):
        model = BertStudentForMaskedLM(BertStudentConfig(**fields))
    assert models.count_parameters(model) == size


@pytest.fixture(scope="module")
def student() -> BertStudentForMaskedLM:
    torch.manual_seed(0)
    return BertStudentForMaskedLM(BertStudentConfig(**TINY)).eval()


def test_equals_transformers(student: BertStudentForMaskedLM, tmp_path: Path) -> None:
    student.save_pretrained(tmp_path)
    plain = BertForMaskedLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    ids, mask = torch.randint(5, 4101, (2, 12)), torch.arange(12) < torch.tensor([[12], [7]])
    with torch.no_grad():
        output = student(ids, mask)
        expected = plain(ids, attention_mask=mask.long(), output_hidden_states=True)
        alone = student(ids[1:, :7]).logits[0]
    assert torch.allclose(output.logits[mask], expected.logits[mask], atol=1e-5)
    assert torch.allclose(
        output.last_hidden_state[mask], expected.hidden_states[-1][mask], atol=1e-5
    )
    assert torch.allclose(output.logits[1, :7], alone, atol=1e-5)


def test_a_users_choice_of_attention_hides_padding_too(
    student: BertStudentForMaskedLM, tmp_path: Path
) -> None:
    student.save_pretrained(tmp_path)
    eager = BertStudentForMaskedLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    ids, mask = torch.randint(5, 4101, (2, 12)), torch.arange(12) < torch.tensor([[12], [7]])
    with torch.no_grad():
        for model in (student, eager):
            assert torch.allclose(
                model(ids, mask).logits[1, :7], model(ids[1:, :7]).logits[0], atol=1e-5
            )
        assert torch.allclose(
            eager(ids, mask).logits[mask], student(ids, mask).logits[mask], atol=1e-5
        )


def test_attention_is_sdpa(student: BertStudentForMaskedLM) -> None:
    assert student.config._attn_implementation == "sdpa"


def test_head_is_tied_also_after_loading(student: BertStudentForMaskedLM, tmp_path: Path) -> None:
    student.save_pretrained(tmp_path)
    for model in (student, models.load(tmp_path)):
        words = model.bert.embeddings.word_embeddings.weight
        assert model.cls.predictions.decoder.weight is words
        assert models.count_parameters(model) == models.count_parameters(student)


def test_every_trainable_weight_gets_a_gradient(student: BertStudentForMaskedLM) -> None:
    student.zero_grad()
    student(torch.randint(5, 4101, (2, 12))).logits.square().sum().backward()
    for name, parameter in student.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
        assert parameter.requires_grad != ("pooler" in name), name


def test_long_input_is_refused_by_the_position_table(student: BertStudentForMaskedLM) -> None:
    with pytest.raises((RuntimeError, IndexError)):
        student(torch.zeros(1, 513, dtype=torch.long))


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("padded", [False, True])
def test_features_at_positions_are_those_of_all(attention: str, padded: bool) -> None:
    """The plain twin: all features, of which some are taken; so are the gradients."""
    torch.manual_seed(0)
    config = BertStudentConfig(**TINY, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    config._attn_implementation = attention
    student = BertStudentForMaskedLM(config).double().train()
    ids, positions = torch.randint(5, 4101, (3, 9)), torch.tensor([[0, 5], [3, 1], [2, 4]])
    mask = torch.arange(9) < torch.tensor([[9], [6], [7]]) if padded else None
    found, gradients = [], []
    for features in (
        student.backbone(ids, mask, positions=positions),
        student.backbone(ids, mask)[torch.arange(3)[:, None], positions],
    ):
        student.zero_grad()
        features.sin().sum().backward()
        found.append(features)
        used = [p for p in student.named_parameters() if p[1].grad is not None]
        gradients.append({name: weight.grad.clone() for name, weight in used})
    torch.testing.assert_close(*found)
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], msg=name)


def test_the_last_layer_is_computed_where_it_is_read(student: BertStudentForMaskedLM) -> None:
    rows: dict[str, int] = {}
    first, last = student.bert.encoder.layer
    hooks = [
        linear.register_forward_hook(
            lambda _, given, __, name=name: rows.update({name: given[0].shape[1]})
        )
        for name, linear in {
            "before": first.output.dense,
            "query": last.attention.self.query,
            "key": last.attention.self.key,
            "out": last.attention.output.dense,
            "mlp": last.output.dense,
        }.items()
    ]
    student.backbone(torch.randint(5, 4101, (2, 12)), positions=torch.tensor([[1, 7, 3]] * 2))
    for hook in hooks:
        hook.remove()
    assert rows == {"before": 12, "query": 3, "key": 12, "out": 3, "mlp": 3}
