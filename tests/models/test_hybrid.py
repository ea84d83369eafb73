"""The hybrid student: size, no leak from padding, no dependence on the batch, both directions."""

from __future__ import annotations

import copy

import pytest
import torch

from dnastudents.errors import InputError
from dnastudents.models import HybridConfig, HybridForMaskedLM, count_parameters


@pytest.fixture(scope="module")
def student() -> HybridForMaskedLM:
    torch.manual_seed(0)
    config = HybridConfig(
        hidden_size=16,
        num_hidden_layers=2,
        heads=2,
        head_size=4,
        attention_heads=2,
        intermediate_size=24,
        chunk_size=8,
        initializer_range=0.3,  # so that every path carries weight
    )
    return HybridForMaskedLM(config).eval()


def test_default_size() -> None:
    student = HybridForMaskedLM(HybridConfig())
    assert 1_050_000 <= count_parameters(student) <= 1_150_000
    output = student(torch.randint(7, 11, (2, 10)))
    assert output.last_hidden_state.shape == (2, 10, 128)
    assert output.logits.shape == (2, 10, 16)


def test_padding_never_reaches_a_real_token(student: HybridForMaskedLM) -> None:
    lengths = torch.tensor([21, 13, 1, 9])
    mask = torch.arange(21) < lengths[:, None]
    ids = torch.randint(7, 11, (4, 21))
    padded, noise = ids.where(mask, 4), ids.where(mask, torch.randint(0, 16, ids.shape))
    with torch.no_grad():
        expected = student(padded, mask).last_hidden_state[mask]
        assert torch.equal(student(noise, mask).last_hidden_state[mask], expected)
        alone = [student(ids[i : i + 1, :n]).last_hidden_state[0] for i, n in enumerate(lengths)]
    assert torch.allclose(torch.cat(alone), expected, atol=1e-5)


def test_no_gradient_flows_from_real_tokens_to_padding(student: HybridForMaskedLM) -> None:
    mask = torch.arange(12) < torch.tensor([[12], [5]])
    embeddings = torch.randn(2, 12, 16, requires_grad=True)
    student(attention_mask=mask, inputs_embeds=embeddings).logits[mask].sum().backward()
    assert (embeddings.grad[~mask] == 0).all()
    assert (embeddings.grad[mask] != 0).all()


def test_without_attention_both_directions_still_reach(student: HybridForMaskedLM) -> None:
    config = HybridConfig(**{**student.config.to_diff_dict(), "attention_layers": 0})
    model = HybridForMaskedLM(config).eval()
    assert len(model.attention) == 0
    embeddings = torch.randn(1, 15, 16, requires_grad=True)
    model.backbone(inputs_embeds=embeddings)[0, 7].sum().backward()
    assert (embeddings.grad[0].abs().sum(-1) > 0).all()


def test_chunk_size_changes_nothing(student: HybridForMaskedLM) -> None:
    ids = torch.randint(7, 11, (2, 30))
    with torch.no_grad():
        expected = student(ids).logits
        other = copy.deepcopy(student)
        for layer in other.layers:
            layer.mixer.chunk_size = 64
        assert torch.allclose(other(ids).logits, expected, atol=1e-5)


def test_bfloat16_autocast_stays_close(student: HybridForMaskedLM) -> None:
    ids = torch.randint(7, 11, (2, 30))
    with torch.no_grad():
        expected = student(ids).last_hidden_state
        with torch.autocast("cpu", torch.bfloat16):
            output = student(ids).last_hidden_state
    error = (output.float() - expected).square().mean() / expected.square().mean()
    assert 0 < error < 1e-2


def test_ids_or_embeddings(student: HybridForMaskedLM) -> None:
    ids = torch.randint(7, 11, (2, 6))
    with torch.no_grad():
        assert torch.equal(student(ids).logits, student(inputs_embeds=student.embed(ids)).logits)
    for arguments in ({}, {"input_ids": ids, "inputs_embeds": student.embed(ids)}):
        with pytest.raises(InputError, match="one of them"):
            student(**arguments)


def test_odd_head_size_is_refused() -> None:
    with pytest.raises(InputError, match="attention_heads"):
        HybridConfig(hidden_size=12, attention_heads=4)
