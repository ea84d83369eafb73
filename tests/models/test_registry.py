"""Building from settings, and the way through a checkpoint folder, for every architecture."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForMaskedLM

from dnastudents import models
from dnastudents.errors import InputError

TOKENIZER = SimpleNamespace(vocab_size=16, pad_id=4)
TINY: dict[str, dict[str, Any]] = {
    "hybrid": {
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "heads": 1,
        "head_size": 4,
        "attention_heads": 2,
        "intermediate_size": 8,
    },
    "chordmixer": {"max_length": 20, "track_size": 2, "hidden_size": 6, "blocks": 1},
    "bert": {
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 8,
    },
    "nucleotide_transformer": {
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 8,
    },
}


def build(name: str, **fields: Any) -> Any:
    return models.build({"architecture": name, **TINY[name], **fields}, TOKENIZER).eval()


@pytest.mark.parametrize("name", TINY)
def test_round_trip_through_a_folder(name: str, tmp_path: Path) -> None:
    model = build(name)
    model.save_pretrained(tmp_path)
    ids = torch.randint(0, 5, (2, 20))
    with torch.no_grad():
        expected = model(ids)
        for loaded in (
            models.load(tmp_path),
            type(model).from_pretrained(tmp_path),
            AutoModelForMaskedLM.from_pretrained(tmp_path),
        ):
            assert type(loaded) is type(model) and not loaded.training
            output = loaded(ids)
            assert torch.equal(output.last_hidden_state, expected.last_hidden_state)
            assert torch.equal(output.logits, expected.logits)
    assert type(AutoConfig.from_pretrained(tmp_path)) is type(model.config)


@pytest.mark.parametrize("name", TINY)
def test_every_field_survives_the_folder(name: str, tmp_path: Path) -> None:
    config = build(name).config
    config.save_pretrained(tmp_path)
    loaded = type(config).from_pretrained(tmp_path)
    for field, value in TINY[name].items():
        assert getattr(config, field) == getattr(loaded, field) == value


@pytest.mark.parametrize("name", TINY)
def test_forward_is_head_of_backbone(name: str) -> None:
    model = build(name)
    ids = torch.randint(0, 5, (2, 20))
    mask = torch.arange(20) < torch.tensor([[20], [11]])
    with torch.no_grad():
        output = model(ids, mask)
        hidden = model.backbone(ids, mask)
        assert hidden.shape == (2, 20, model.feature_size)
        assert torch.equal(output.last_hidden_state, hidden)
        assert torch.equal(output.logits, model.lm_head(hidden))
        assert output.logits.shape[-1] == model.config.vocab_size
        embedded = model(attention_mask=mask, inputs_embeds=model.embed(ids))
    assert torch.equal(embedded.logits, output.logits)


@pytest.mark.parametrize("name", TINY)
def test_weights_follow_the_seed(name: str) -> None:
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(build(name).state_dict())
    first, same, other = states
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", TINY)
def test_broken_folders_give_one_line(name: str, tmp_path: Path) -> None:
    model = build(name)
    model.save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(InputError, match=type(model).__name__):
        models.load(tmp_path)
    weights.unlink()
    with pytest.raises(InputError, match=type(model).__name__):
        models.load(tmp_path)


def test_vocabulary_comes_from_the_tokenizer() -> None:
    for name in ("hybrid", "bert", "nucleotide_transformer"):
        assert build(name).config.vocab_size == 16
    assert build("chordmixer").config.vocab_size == 5


def test_folder_without_a_model_of_ours(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json: no such file"):
        models.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(InputError, match="gpt2"):
        models.load(tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "hybird"}, "did you mean 'hybrid'"),
        ({}, "student: 'architecture' is missing; add it"),
        ({"architecture": "hybrid", "hiden_size": 8}, "'hiden_size'; did you mean 'hidden_size'"),
        ({"architecture": "chordmixer", "heads": 2}, "unknown key 'heads'"),
        ({"architecture": "hybrid", "vocab_size": 8}, "unknown key 'vocab_size'"),
        (
            {"architecture": "bert", "hidden_size": "256"},
            "hidden_size: must be an integer",
        ),
        (
            {"architecture": "chordmixer", "mlp_dropout": True},
            "mlp_dropout: must be a number",
        ),
    ],
)
def test_bad_settings_name_the_mistake(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        models.build(settings, TOKENIZER)


def test_tokenizer_names() -> None:
    names = {name: models.tokenizer_name({"architecture": name}) for name in TINY}
    assert names == {
        "hybrid": "nucleotide",
        "chordmixer": "chordmixer",
        "bert": "kmer6",
        "nucleotide_transformer": "nucleotide_transformer",
    }


def test_importing_again_registers_again() -> None:
    importlib.reload(models)
