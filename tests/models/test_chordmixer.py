"""ChordMixer: golden outputs, FinDNA's size, and the one-pass shift against split, roll, cat."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from dnastudents.errors import InputError
from dnastudents.models import ChordMixerConfig, ChordMixerForMaskedLM, count_parameters
from dnastudents.models.chordmixer import shift, shift_rows

SMALL = {"max_length": 20, "track_size": 3, "hidden_size": 8, "blocks": 2}


def split_roll_cat(x: Tensor, track_size: int) -> Tensor:
    """The plain twin: each track rolled on its own."""
    tracks = x.split(track_size, dim=-1)
    rolled = [torch.roll(track, -(2**k), dims=1) for k, track in enumerate(tracks[1:])]
    return torch.cat([tracks[0], *rolled], dim=-1)


@pytest.mark.parametrize("length", [50, 128])
def test_golden(shared: Path, length: int) -> None:
    golden = load_file(shared / "golden" / f"chordmixer_len{length}.safetensors")
    expected = {name: golden.pop(name) for name in ("hidden", "logits", "one_hot", "symbols")}
    first = golden["block.0.layer.0.mlp.fc1.weight"]
    config = ChordMixerConfig(
        max_length=length,
        track_size=first.shape[1] // ((length - 1).bit_length() + 1),
        hidden_size=first.shape[0],
        blocks=4,
    )
    model = ChordMixerForMaskedLM(config).eval()
    model.load_state_dict(golden)  # strict: the names are FinDNA's
    with torch.no_grad():
        output = model(expected["symbols"])
        from_one_hot = model(inputs_embeds=model.embedding(expected["one_hot"]))
    for result in (output, from_one_hot):
        assert (result.last_hidden_state - expected["hidden"]).abs().max() <= 1e-4
        assert (result.logits - expected["logits"]).abs().max() <= 1e-4


def test_size_of_findna() -> None:
    with torch.device("meta"):
        model = ChordMixerForMaskedLM(ChordMixerConfig())
    assert count_parameters(model) == 12_651_873
    assert model.feature_size == model.config.channels == 308


@pytest.mark.parametrize(("batch", "length", "tracks"), [(2, 50, 7), (3, 5, 6), (1, 1, 2)])
def test_shift_equals_its_twin_with_gradient(batch: int, length: int, tracks: int) -> None:
    x = torch.randn(batch, length, 4 * tracks, requires_grad=True)
    weight = torch.randn(batch, length, 4 * tracks)
    output, expected = shift(x, 4), split_roll_cat(x, 4)
    assert torch.equal(output, expected)
    (gradient,) = torch.autograd.grad((output * weight).sum(), x)
    (expected_gradient,) = torch.autograd.grad((expected * weight).sum(), x)
    assert torch.equal(gradient, expected_gradient)


def test_shift_can_be_differentiated_twice() -> None:
    x = torch.randn(1, 6, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda y: shift(y, 2).pow(3), (x,))


def test_shift_rows_born_in_inference_mode_serve_training() -> None:
    shift_rows.cache_clear()
    with torch.inference_mode():
        shift(torch.randn(1, 9, 4), 2)
    shift(torch.randn(1, 9, 4, requires_grad=True), 2).sum().backward()


def test_one_block_sees_every_position() -> None:
    torch.manual_seed(0)
    model = ChordMixerForMaskedLM(ChordMixerConfig(**{**SMALL, "blocks": 1}))
    embeddings = torch.randn(1, 20, model.feature_size, requires_grad=True)
    model.backbone(inputs_embeds=embeddings)[0, 11].sum().backward()
    assert (embeddings.grad[0].abs().sum(-1) > 0).all()


def test_other_ids_and_masked_positions_are_the_zero_symbol() -> None:
    model = ChordMixerForMaskedLM(ChordMixerConfig(**SMALL))
    zero = model.embedding(torch.zeros(5))
    assert torch.equal(model.embed(torch.tensor([5, 6, 7, -1])), zero.expand(4, -1))
    assert torch.allclose(model.embed(torch.arange(5)), model.embedding(torch.eye(5)))

    ids, mask = torch.randint(0, 5, (2, 20)), torch.ones(2, 20, dtype=torch.bool)
    mask[1, 12:] = False
    with torch.no_grad():
        expected = model(ids.where(mask, 7), mask.long()).logits
        assert torch.equal(model(ids, mask.long()).logits, expected)


def test_every_dropout_acts_in_training_only() -> None:
    ids = torch.randint(0, 5, (2, 20))
    for name in ("mlp_dropout", "layer_dropout"):
        model = ChordMixerForMaskedLM(ChordMixerConfig(**SMALL, **{name: 0.5}))
        model.train()
        assert not torch.equal(model(ids).logits, model(ids).logits)
        model.eval()
        assert torch.equal(model(ids).logits, model(ids).logits)


def test_length_one_is_refused() -> None:
    with pytest.raises(InputError, match="max_length"):
        ChordMixerConfig(max_length=1)
