"""A teacher as the hub has it, from its config.json to a student that learns from it.

`hub/` holds config.json of nucleotide-transformer-v2-50m-multi-species, byte for byte, from
https://huggingface.co/InstaDeepAI/nucleotide-transformer-v2-50m-multi-species at `COMMIT`
(CC-BY-NC-SA-4.0). Its weights are too large for a test; their names follow from the file's size.
"""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hub_vocabulary import VOCABULARY
from recipes import settings_of
from safetensors.torch import load_file, save_file
from small import HYBRID, NUCLEOTIDES
from torch import Tensor

from dnastudents import models
from dnastudents.benchmarks.task import write_task
from dnastudents.cli import main
from dnastudents.downloads.manifest import read_manifest
from dnastudents.errors import InputError
from dnastudents.files import read_json, sha256
from dnastudents.finetune.features import Checkpoint
from dnastudents.models import NucleotideTransformerConfig, NucleotideTransformerForMaskedLM
from dnastudents.objectives import Resources, build
from dnastudents.teachers.checkpoint import import_teacher, load_teacher

HUB = Path(__file__).parents[1] / "golden/hub"
CONFIG = HUB / "nucleotide-transformer-v2-50m-multi-species.config.json"
COMMIT = "81b29e5786726d891dbf929404ef20adca5b36f1"
CONFIG_SHA256 = "e20f497248c7cb264c7cd4582dbcfd52dc4cbf74a97fc711559b8c8f71c635db"
WEIGHTS_BYTES = 223_642_688
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
SMALL["intermediate_size"] = 64
EXTRA = ("README.md", "tokenizer_config.json", "special_tokens_map.json", "modeling_esm.py")


def unused_shapes(config: NucleotideTransformerConfig) -> dict[str, list[int]]:
    """The hub's tensors that version 2 does not compute with."""
    heads, layers = config.num_attention_heads, config.num_hidden_layers
    inverse = "esm.encoder.layer.{}.attention.self.rotary_embeddings.inv_freq"
    return {
        "esm.embeddings.position_embeddings.weight": [2050, config.hidden_size],
        "esm.contact_head.regression.weight": [1, layers * heads],
        "esm.contact_head.regression.bias": [1],
        **{inverse.format(i): [config.hidden_size // heads // 2] for i in range(layers)},
    }


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    """All tensors of a small checkpoint of the whole architecture, under the hub's names."""
    torch.manual_seed(0)
    config = NucleotideTransformerConfig(**SMALL)
    model = NucleotideTransformerForMaskedLM(config)
    unused = {name: torch.rand(shape) for name, shape in unused_shapes(config).items()}
    return {name: x.clone() for name, x in model.state_dict().items()} | unused


def as_the_hub(folder: Path, tensors: dict[str, Tensor], **changes: Any) -> Path:
    """A folder as it is downloaded, with the files that nobody needs."""
    folder.mkdir()
    config = json.loads(CONFIG.read_bytes()) | SMALL | changes
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    for name in EXTRA:
        (folder / name).write_text("{}")
    return folder


@pytest.fixture
def hub(tensors: dict[str, Tensor], tmp_path: Path) -> Path:
    return as_the_hub(tmp_path / "hub", tensors)


# ---- what is downloaded


def test_the_fixture_is_the_file_of_the_manifest(root: Path, tmp_path: Path) -> None:
    assert sha256(CONFIG) == CONFIG_SHA256
    manifest = read_manifest(root / "workflow/resources/datasets.csv")
    config = manifest["nt_v2_50m/config.json"]
    assert (config.sha256, config.bytes) == (CONFIG_SHA256, CONFIG.stat().st_size)
    assert f"/resolve/{COMMIT}/" in config.urls[0]
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY))
    for size in ("50m", "100m", "250m", "500m"):
        entry = manifest[f"nt_v2_{size}/vocab.txt"]
        assert entry.sha256 == sha256(tmp_path / "vocab.txt")
        assert entry.bytes == (tmp_path / "vocab.txt").stat().st_size
    weights = manifest["nt_v2_50m/model.safetensors"]
    assert weights.bytes == WEIGHTS_BYTES
    assert str(weights.sha256).startswith("17e75af297556ea5")
    of_250m = manifest["nt_v2_250m/model.safetensors"]
    assert of_250m.urls[0].endswith("/resolve/refs%2Fpr%2F2/model.safetensors")


def test_names_and_shapes_fit_the_hubs_file_to_the_byte() -> None:
    """The size of a safetensors file depends on every name and every shape in it."""
    config = NucleotideTransformerConfig(**json.loads(CONFIG.read_bytes()))
    with torch.device("meta"):
        model = NucleotideTransformerForMaskedLM(config)
    shapes = {name: list(x.shape) for name, x in model.state_dict().items()} | unused_shapes(config)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in sorted(shapes):
        begin, end = end, end + 4 * prod(shapes[name])
        entry = {"dtype": "F32", "shape": shapes[name], "data_offsets": [begin, end]}
        header[name] = entry
    length = len(json.dumps(header, separators=(",", ":")))
    assert 8 + length + -length % 8 + end == WEIGHTS_BYTES


# ---- what is loaded


def test_the_hubs_config_loads(hub: Path, tensors: dict[str, Tensor]) -> None:
    assert "model_type" not in read_json(hub / "config.json")
    model, _ = load_teacher(hub)
    state = model.state_dict()
    assert all(torch.equal(state[name], tensors[name]) for name in state)
    assert set(tensors) - set(state) == set(unused_shapes(model.config))


@pytest.mark.parametrize("given", ["folder", "files"])
def test_what_is_imported_is_ours(
    given: str,
    hub: Path,
    tensors: dict[str, Tensor],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    used = tensors.keys() - unused_shapes(NucleotideTransformerConfig(**SMALL))
    files = [hub] if given == "folder" else sorted(hub.iterdir())
    output = tmp_path / "ours"
    assert main(["teacher", "import", *map(str, files), "--output", str(output)]) == 0
    count = sum(tensors[name].numel() for name in used)
    assert capsys.readouterr().out == f"hub: {count:,} parameters\n"
    config = read_json(output / "model/config.json")
    assert config["model_type"] == "nucleotide_transformer"
    assert "auto_map" not in config
    assert config["architectures"] == ["NucleotideTransformerForMaskedLM"]
    made = read_json(output / "model/provenance.json")
    assert set(made["sha256"]) == {"config.json", "model.safetensors", "vocab.txt"}
    assert not set(EXTRA) & {path.name for path in output.rglob("*")}
    import_teacher([output], tmp_path / "again")  # its own vocabulary file is as good
    same = [load_file(tmp_path / name / "model/model.safetensors") for name in ("ours", "again")]
    assert same[0].keys() == same[1].keys()
    assert all(torch.equal(same[0][name], same[1][name]) for name in same[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("stated", ["float32", "float16", None])
def test_half_precision_is_computed_with_in_full(
    dtype: torch.dtype, stated: str | None, tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    halves = {name: x.to(dtype) for name, x in tensors.items()}
    model = models.load(as_the_hub(tmp_path / "hub", halves, torch_dtype=stated))
    for name, x in model.state_dict().items():
        assert x.dtype == torch.float32
        assert torch.equal(x, halves[name].float())


def test_from_the_hub_to_a_student(
    tensors: dict[str, Tensor],
    inputs: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Import, check, cache, pretrain and embed, of a checkpoint of float16 and of its import."""
    raw = as_the_hub(tmp_path / "hub", {name: x.half() for name, x in tensors.items()})
    ours = tmp_path / "ours"
    reference = str(inputs["reference"])
    assert main(["teacher", "import", str(raw), "--output", str(ours)]) == 0
    had = settings_of("had", steps=2)
    fixed = settings_of("had", steps=2, reverse_complement=0.0)
    fixed["pretraining"]["window"] = {"count": 6, "kind": "windows", "length": 54}
    fixed["objective"] = {"name": "had", "static_masks": True}
    said = []
    for teacher in (raw, ours):
        capsys.readouterr()
        options = ["--fasta", reference, "--sequences", "4", "--length", "120"]
        assert main(["teacher", "check", str(teacher), *options]) == 1  # its weights are random
        said.append(capsys.readouterr().out.partition("\n")[2])
        given = ["--reference", reference, "--teacher", str(teacher)]
        place = tmp_path / f"of_{teacher.name}"
        cache = [*given, "--settings", json.dumps(fixed), "--output", f"{place}/cache"]
        assert main(["--quiet", "teacher", "cache", *cache]) == 0
        run = [*given, "--settings", json.dumps(had), "--output", f"{place}/run"]
        assert main(["--quiet", "pretrain", "had", *run, "--state", f"{place}/state"]) == 0
    assert "features: finite" in said[0]
    assert said[0] == said[1]
    for file in ("cache/windows_000000.safetensors", "run/model/model.safetensors"):
        one, other = (load_file(tmp_path / of / file) for of in ("of_hub", "of_ours"))
        assert all(torch.equal(one[name], other[name]) for name in one)
        assert all(x.float().isfinite().all() for x in one.values())
    frame = pd.DataFrame({"sequence": ["ACGTACGTACGTA", "TTGACANGGC"] * 4, "label": [0, 1] * 4})
    splits = {"train": frame, "test": frame}
    write_task(tmp_path / "task", "made", "two", splits, ["a", "b"], "mcc")
    line = ["embed", str(ours), str(tmp_path / "task/test.parquet")]
    assert main([*line, "--output", str(tmp_path / "e.npz")]) == 0
    assert np.load(tmp_path / "e.npz")["embeddings"].dtype == np.float32


def test_what_needs_an_import_says_so(hub: Path) -> None:
    with pytest.raises(InputError, match=rf"`dnastudents teacher import {hub} --output"):
        Checkpoint.load(hub)


# ---- what is refused


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named(
    value: float, tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    name = "esm.encoder.layer.1.attention.self.key.weight"
    broken = {**tensors, name: tensors[name].clone()}
    broken[name][3, 4] = value
    folder = as_the_hub(tmp_path / "hub", broken)
    said = rf"{name} holds 1 of 1,024 weights that are not finite"
    with pytest.raises(InputError, match=said):
        import_teacher([folder], tmp_path / "ours")
    assert not (tmp_path / "ours").exists()
    with pytest.raises(InputError, match=said):  # as a pretraining does
        as_in_had(folder)


def as_in_had(folder: Path) -> None:
    """Load a teacher as a pretraining with HAD does."""
    student = models.build(HYBRID, NUCLEOTIDES)
    build({"name": "had"}, None, student, NUCLEOTIDES, 0, 10, Resources(teacher=folder))


def test_a_pretraining_takes_no_other_teacher_than_an_import(
    hub: Path, tensors: dict[str, Tensor]
) -> None:
    tokens = [*VOCABULARY[:6], *sorted(VOCABULARY[6:])]
    (hub / "vocab.txt").write_text("\n".join(tokens))
    with pytest.raises(InputError, match=r"vocab\.txt: token \d+ is \w+, but \w+ in Nucleotide"):
        as_in_had(hub)
    (hub / "model.safetensors").rename(hub / "pytorch_model.bin")
    with pytest.raises(InputError, match="pickles are not read"):
        as_in_had(hub)
    save_file(tensors, hub / "model-00001-of-00001.safetensors")
    with pytest.raises(InputError, match=r"model-0.*: weights in 1 parts are not read; load the"):
        as_in_had(hub)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.txt"])
def test_a_file_that_is_missing_is_named(name: str, hub: Path, tmp_path: Path) -> None:
    (hub / name).unlink()
    with pytest.raises(InputError, match=rf"hub/{name}: no such file; put it there"):
        import_teacher([hub], tmp_path / "ours")


def test_other_forms_of_weights_are_named(
    hub: Path, tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="nowhere: no such file or folder"):
        import_teacher([tmp_path / "nowhere"], tmp_path / "ours")
    name = "esm.encoder.layer.0.output.dense.weight"
    save_file({**tensors, name: tensors[name].to(torch.int8)}, hub / "model.safetensors")
    with pytest.raises(InputError, match=rf"{name} is of type I8; take a checkpoint of F64, F32"):
        import_teacher([hub], tmp_path / "ours")
    (hub / "model.safetensors").rename(hub / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pickles are not read; take model\.safetensors .* pull"):
        import_teacher([hub], tmp_path / "ours")


def test_what_is_wrong_with_weights_is_one_line(
    hub: Path, tensors: dict[str, Tensor], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    name = "esm.encoder.layer.0.output.dense.weight"
    save_file({**tensors, name: torch.zeros(3, 3)}, hub / "model.safetensors")
    line = ["--quiet", "teacher", "import", str(hub), "--output", str(tmp_path / "ours")]
    assert main(line) == 1
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert f"mismatched: ('{name}', torch.Size([3, 3])" in said
    (hub / "model.safetensors").write_bytes((hub / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(InputError, match=r"hub/model\.safetensors: no safetensors file, or a part"):
        import_teacher([hub], tmp_path / "ours")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"architectures": ["BertForMaskedLM"]},
            r"architectures \['BertForMaskedLM'\] is not a model",
        ),
        ({}, r"architectures \[\] is not a model of this package; known: "),
        ([], "not the config of a model"),
    ],
)
def test_a_config_of_another_model(config: object, message: str, hub: Path) -> None:
    (hub / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=message):
        load_teacher(hub)
