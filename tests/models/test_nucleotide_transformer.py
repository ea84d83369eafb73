"""The teacher: golden outputs, the published size, and loading that is strict about keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from dnastudents import models
from dnastudents.errors import InputError
from dnastudents.models import NucleotideTransformerConfig, NucleotideTransformerForMaskedLM

TINY = {
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
}


def hub_folder(folder: Path, tensors: dict[str, Tensor], config: dict[str, object]) -> Path:
    """A checkpoint folder as the hub has it."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "esm", **config}))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[Path, dict[str, Tensor]]:
    """A random tiny checkpoint folder, and its tensors."""
    model = NucleotideTransformerForMaskedLM(NucleotideTransformerConfig(**TINY))
    tensors = {name: x.clone() for name, x in model.state_dict().items()}
    return hub_folder(tmp_path / "tiny", tensors, TINY), tensors


def test_golden_from_the_hub_layout(golden: Path, tmp_path: Path) -> None:
    file = golden / "nucleotide_transformer_v2_tiny.safetensors"
    tensors = load_file(file)
    with safe_open(file, "pt") as handle:
        config = json.loads(handle.metadata()["config"])
    vectors = {
        name: tensors.pop(f"golden.{name}")
        for name in ("input_ids", "attention_mask", "last_hidden_state", "logits")
    }
    model = models.load(hub_folder(tmp_path / "hub", tensors, config))
    assert isinstance(model, NucleotideTransformerForMaskedLM)
    with torch.no_grad():
        output = model(vectors["input_ids"], vectors["attention_mask"])
    real = vectors["attention_mask"].bool()
    assert not real.all()
    for name in ("last_hidden_state", "logits"):
        assert (output[name] - vectors[name])[real].abs().max() <= 1e-4


def test_size_of_500m() -> None:
    with torch.device("meta"):
        model = NucleotideTransformerForMaskedLM(NucleotideTransformerConfig())
    assert models.count_parameters(model.esm) == 490_984_448
    assert models.count_parameters(model) - 490_984_448 == 5_261_323


def test_keys_are_those_of_the_hub(tiny: tuple[Path, dict[str, Tensor]]) -> None:
    layer = {
        f"{part}.{kind}"
        for part in (
            "attention.LayerNorm",
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
            "attention.output.dense",
            "LayerNorm",
        )
        for kind in ("weight", "bias")
    } | {"intermediate.dense.weight", "output.dense.weight"}
    ends = {
        "esm.embeddings.word_embeddings.weight",
        "esm.encoder.emb_layer_norm_after.weight",
        "esm.encoder.emb_layer_norm_after.bias",
        "lm_head.dense.weight",
        "lm_head.dense.bias",
        "lm_head.layer_norm.weight",
        "lm_head.layer_norm.bias",
        "lm_head.decoder.weight",
        "lm_head.bias",
    }
    expected = ends | {f"esm.encoder.layer.{i}.{key}" for i in range(2) for key in layer}
    assert set(tiny[1]) == expected


def test_allowed_left_overs_load(tiny: tuple[Path, dict[str, Tensor]]) -> None:
    folder, tensors = tiny
    extra = {
        "esm.embeddings.position_embeddings.weight": torch.zeros(2050, 8),
        "esm.embeddings.position_ids": torch.arange(2050)[None],
        "esm.encoder.layer.0.attention.self.rotary_embeddings.inv_freq": torch.ones(2),
        "esm.contact_head.regression.weight": torch.zeros(1, 4),
        "esm.contact_head.regression.bias": torch.zeros(1),
    }
    hub_folder(folder, tensors | extra, TINY)
    loaded = NucleotideTransformerForMaskedLM.from_pretrained(folder).state_dict()
    assert set(loaded) == set(tensors)
    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)


def test_missing_left_over_and_misshapen_weights_are_named(
    tiny: tuple[Path, dict[str, Tensor]],
) -> None:
    folder, tensors = tiny
    name = "esm.encoder.layer.1.output.dense.weight"
    without = {key: x for key, x in tensors.items() if key != name}
    for broken, message in (
        (without, f"missing.*{name}"),
        (tensors | {"esm.pooler.dense.weight": torch.zeros(8, 8)}, "unexpected.*esm.pooler"),
        (tensors | {name: torch.zeros(8, 13)}, "tiny"),
    ):
        with pytest.raises(InputError, match=message):
            models.load(hub_folder(folder, broken, TINY))


def test_version_one_is_refused() -> None:
    with pytest.raises(InputError, match=r"position_embedding_type.*version 2"):
        NucleotideTransformerConfig(**TINY, position_embedding_type="absolute")


def test_padding_does_not_reach_real_tokens(tiny: tuple[Path, dict[str, Tensor]]) -> None:
    model = models.load(tiny[0])
    ids, mask = torch.randint(6, 4000, (2, 9)), torch.arange(9) < torch.tensor([[9], [4]])
    with torch.no_grad():
        alone = model(ids[1:, :4]).last_hidden_state[0]
        padded = model(ids.where(mask, 1), mask).last_hidden_state[1, :4]
    assert torch.allclose(alone, padded, atol=1e-5)
