"""ChordMixer: golden outputs, FinDNA's size, and the one-pass shift against split, roll, cat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from plain_shift import split_roll_cat
from safetensors.torch import load_file
from torch import Tensor, nn

from dnastudents.errors import InputError
from dnastudents.models import (
    ChordMixerConfig,
    ChordMixerForMaskedLM,
    backbone_tensors,
    classifier,
    count_parameters,
    resized,
)
from dnastudents.models.chordmixer.model import add_shifted, shift, shift_rows

SMALL = {"max_length": 20, "track_size": 3, "hidden_size": 8, "blocks": 2}


@pytest.mark.parametrize("length", [50, 128])
def test_golden(golden: Path, length: int) -> None:
    vectors = load_file(golden / f"chordmixer_len{length}.safetensors")
    expected = {name: vectors.pop(name) for name in ("hidden", "logits", "one_hot", "symbols")}
    first = vectors["block.0.layer.0.mlp.fc1.weight"]
    config = ChordMixerConfig(
        max_length=length,
        track_size=first.shape[1] // ((length - 1).bit_length() + 1),
        hidden_size=first.shape[0],
        blocks=4,
    )
    model = ChordMixerForMaskedLM(config).eval()
    model.load_state_dict(vectors)  # strict: the names are FinDNA's
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


# Sizes of section 7 of the facts: promoters, coding, Cohn, mouse, regulatory, covid, MTcDNA 16k
@pytest.mark.parametrize(
    ("max_length", "track_size", "blocks", "classes", "size"),
    [
        (251, 50, 4, 2, 10_121_250),
        (200, 38, 2, 2, 5_061_858),
        (500, 40, 3, 2, 8_540_190),
        (4776, 24, 2, 2, 8_223_978),
        (802, 36, 4, 3, 12_651_255),
        (999, 28, 4, 9, 12_653_109),
        (16384, 20, 4, 2, 17_710_338),
    ],
)
def test_sizes_of_the_downstream_networks(
    max_length: int, track_size: int, blocks: int, classes: int, size: int
) -> None:
    sizes = {"max_length": max_length, "track_size": track_size, "blocks": blocks, "width": 308}
    with torch.device("meta"):
        model = ChordMixerForMaskedLM(ChordMixerConfig(**sizes))
        model.linear = nn.Linear(model.feature_size, classes)
    assert count_parameters(model) == size


@pytest.mark.parametrize(("norm", "added"), [("none", 0), ("pre", 2), ("post", 2)])
def test_norms(norm: str, added: int) -> None:
    torch.manual_seed(0)
    plain = ChordMixerForMaskedLM(ChordMixerConfig(**SMALL))
    config = ChordMixerConfig(**SMALL, norm=norm)
    model = ChordMixerForMaskedLM(config)
    layers = config.blocks * config.layers_per_block
    expected = count_parameters(plain) + layers * added * config.channels
    assert count_parameters(model) == expected
    layer = model.block[0].layer[0]
    x = torch.randn(2, 20, config.channels)
    rows = shift_rows(2, 20, config.channels, config.track_size, x.device)
    normed = layer.norm(x) if norm == "pre" else x
    twin = x + split_roll_cat(layer.mlp(normed), config.track_size)
    twin = layer.norm(twin) if norm == "post" else twin
    assert torch.equal(layer(x, rows), twin)


@pytest.mark.parametrize(
    ("batch", "length", "channels"), [(2, 50, 28), (3, 5, 24), (1, 1, 8), (2, 9, 14), (2, 9, 5)]
)
def test_shift_equals_its_twin_with_gradient(batch: int, length: int, channels: int) -> None:
    x = torch.randn(batch, length, channels, requires_grad=True)
    weight = torch.randn(batch, length, channels)
    output, expected = shift(x, 4), split_roll_cat(x, 4)
    assert torch.equal(output, expected)
    (gradient,) = torch.autograd.grad((output * weight).sum(), x)
    (expected_gradient,) = torch.autograd.grad((expected * weight).sum(), x)
    assert torch.equal(gradient, expected_gradient)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_adding_the_shifted_equals_its_twin_with_gradients(kind: torch.dtype) -> None:
    def inputs() -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(0)
        x, mixed = torch.randn(2, 3, 9, 14, generator=generator)
        return x.requires_grad_(), mixed.to(kind).requires_grad_()

    ours, twins = inputs(), inputs()
    output = add_shifted(*ours, 4, shift_rows(3, 9, 14, 4, torch.device("cpu")))
    expected = twins[0] + split_roll_cat(twins[1], 4)
    assert output.dtype == torch.float32
    assert torch.equal(output, expected)
    for result in (output, expected):
        result.pow(2).sum().backward()
    for mine, other in zip(ours, twins, strict=True):
        assert torch.equal(mine.grad, other.grad)


def test_shift_can_be_differentiated_twice() -> None:
    rows = shift_rows(1, 6, 8, 2, torch.device("cpu"))
    x, y = (torch.randn(1, 6, 8, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradgradcheck(lambda a: shift(a, 2).pow(3), (x,))
    assert torch.autograd.gradgradcheck(lambda a, b: add_shifted(a, b, 2, rows).pow(3), (x, y))


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


def test_only_parts_tell_a_sequence_from_the_same_one_rolled() -> None:
    torch.manual_seed(0)
    student = ChordMixerForMaskedLM(ChordMixerConfig(**SMALL))
    ids = torch.randint(0, 5, (1, 20))
    for pooling, blind in (("mean", True), ("parts", False)):
        model = classifier(student, ["no", "yes"], pooling=pooling).eval()
        with torch.no_grad():
            pair = model(ids).logits, model(ids.roll(6, 1)).logits
        assert torch.allclose(*pair, atol=1e-6) == blind


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


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"max_length": 1}, "max_length: must be at least 2, not 1"),
        ({"track_size": 0}, "track_size: must be at least 1, not 0"),
        ({"norm": "pst"}, "did you mean 'post'"),
    ],
)
def test_bad_settings_are_refused(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ChordMixerConfig(**bad)


# What FinDNA's released code takes over at L = 251 and for the mouse [findna, section 1.4]
@pytest.mark.parametrize(
    ("max_length", "track_size", "blocks", "taken", "wanted"),
    [(251, 50, 4, 130, 130), (200, 50, 4, 130, 130), (4776, 24, 2, 82, 106)],
)
def test_resized_takes_the_layers_that_both_have(
    max_length: int, track_size: int, blocks: int, taken: int, wanted: int
) -> None:
    with torch.device("meta"):
        student = ChordMixerForMaskedLM(ChordMixerConfig())
    assert len(backbone_tensors(student.state_dict())) == 162
    with torch.device("meta"):
        new, count = resized(student, max_length, track_size, blocks)
    assert (count, len(backbone_tensors(new.state_dict()))) == (taken, wanted)


def test_resized_copies_and_starts_the_rest_by_the_seed() -> None:
    student = ChordMixerForMaskedLM(ChordMixerConfig(**SMALL))
    before = {name: weight.clone() for name, weight in student.state_dict().items()}
    news = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        news.append(resized(student, max_length=40, track_size=4, blocks=3)[0])
    one, same, other = (new.state_dict() for new in news)
    for name, weight in one.items():
        assert torch.equal(weight, same[name])
        assert torch.equal(weight, other[name]) == (name in before)
        assert name not in before or torch.equal(weight, before[name])
    assert news[0].config.channels == student.config.channels == 18
    ids = torch.randint(0, 5, (1, 30))
    news[0](ids).logits.sum().backward()
    one["embedding.bias"].zero_()  # a copy: the pretrained student stays
    assert torch.equal(student.embedding.bias, before["embedding.bias"])


def test_width_survives_a_checkpoint(tmp_path: Path) -> None:
    config = ChordMixerConfig(max_length=251, track_size=50, hidden_size=4, blocks=1, width=308)
    model = ChordMixerForMaskedLM(config).eval()
    model.save_pretrained(tmp_path)
    loaded = ChordMixerForMaskedLM.from_pretrained(tmp_path)
    ids = torch.randint(0, 5, (1, 30))
    assert torch.equal(loaded(ids).logits, model(ids).logits)
