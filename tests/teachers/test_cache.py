"""A run with cached features is the run with its teacher, and a cache of another run is refused."""

from __future__ import annotations

import copy
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from recipes import settings_of

from dnastudents import models
from dnastudents.cli import main
from dnastudents.errors import InputError
from dnastudents.objectives.had import feature_cache
from dnastudents.teachers import cache as teacher_cache
from dnastudents.training.pretrain import pretrain

COUNT = 20


def settings(**options: Any) -> dict[str, Any]:
    """HAD with fixed windows, many of them with N, and fixed masks."""
    window = {"kind": "windows", "length": 54, "max_n_fraction": 0.4, "count": COUNT}
    places = {"train": ["chrA:3900-4120"], "validation": ["chrB:3900-4120"]}
    found = settings_of("had", window=window, splits=places, reverse_complement=0.0)
    return {**found, "objective": {"name": "had", "static_masks": True, **options}}


@pytest.fixture
def folders(inputs: dict[str, Path]) -> dict[str, Path]:
    return {name: inputs[name] for name in ("reference", "teacher")}


@pytest.fixture
def cached(folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of several shards."""
    monkeypatch.setattr(teacher_cache, "SHARD_BYTES", 7 * 10 * 16 * 2)
    teacher_cache.write_cache(settings(), **folders, output=tmp_path / "cache")
    return tmp_path / "cache"


def test_a_run_with_cached_features_is_the_run_with_its_teacher(
    cached: Path, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(align_on="all")
    pretrain(chosen, output=tmp_path / "a", state=tmp_path / "sa", **folders)

    def load(folder: Path) -> None:
        raise AssertionError("the teacher was loaded")

    monkeypatch.setattr(models, "load", load)
    pretrain(chosen, output=tmp_path / "b", state=tmp_path / "sb", **folders, features=cached)
    one, other = (pd.read_csv(tmp_path / name / "history.csv") for name in "ab")
    for part in ("loss", "alignment", "reconstruction"):
        np.testing.assert_allclose(one[part], other[part], rtol=1e-4)
    assert not one["alignment"].equals(other["alignment"])  # half precision was read
    assert other["teacher_share"].dropna().between(0, 1, inclusive="neither").all()
    identities = [
        json.loads((tmp_path / name / "metrics.json").read_text())["identity"] for name in "ab"
    ]
    assert identities[0] != identities[1]


def test_what_is_in_the_folder(cached: Path, folders: dict[str, Path]) -> None:
    manifest = json.loads((cached / "manifest.json").read_text())
    assert manifest["rows"] == COUNT + 8
    assert (manifest["width"], manifest["dtype"]) == (16, "float16")
    assert set(manifest["digests"]) == {"teacher", "windows", "masks"}
    assert len(list(cached.glob("windows_*.safetensors"))) >= 3
    stored = sum(path.stat().st_size for path in cached.glob("*.safetensors"))
    assert manifest["tokens"] * 16 * 2 < stored
    assert [path.name for path in cached.parent.glob(".cache*")] == []


def test_a_killed_job_goes_on_after_its_last_shard(
    cached: Path, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, written = tmp_path / "again", []
    write_shard = feature_cache.write_shard

    def write(path: Path, *arguments: Any) -> None:
        written.append(path.name)
        if len(written) == 3:
            raise KeyboardInterrupt
        write_shard(path, *arguments)

    monkeypatch.setattr(teacher_cache, "write_shard", write)
    with pytest.raises(KeyboardInterrupt):
        teacher_cache.write_cache(settings(), **folders, output=output)
    assert not output.exists()
    teacher_cache.write_cache(settings(), **folders, output=output)
    shards = sorted(path.name for path in cached.glob("*.safetensors"))
    assert sorted(written) == sorted([*shards, written[2]])  # only the third was begun twice
    for path in cached.iterdir():
        assert path.read_bytes() == (output / path.name).read_bytes()
    teacher_cache.write_cache(settings(), **folders, output=output)
    assert len(written) == len(shards) + 1


def test_shards_of_other_settings_do_not_mix(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(path: Path, *arguments: Any) -> None:
        feature_cache.write_shard(path, *arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
        context.setattr(teacher_cache, "write_shard", stop)
        teacher_cache.write_cache(settings(), **folders, output=tmp_path / "c")
    other = {**settings(), "seed": 4}
    teacher_cache.write_cache(other, **folders, output=tmp_path / "c")
    pretrain(other, output=tmp_path / "o", state=tmp_path / "s", features=tmp_path / "c", **folders)
    assert [path.name for path in tmp_path.glob(".c*")] == []


def test_another_cache_is_refused_with_all_that_differs(
    cached: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    places = {"output": tmp_path / "o", "state": tmp_path / "s", "reference": folders["reference"]}
    other = copy.deepcopy(settings())
    other["pretraining"]["window"] |= {"length": 60, "count": 30}
    other["masking"] = {**other["masking"], "probability": 0.2}
    model = models.load(folders["teacher"])
    model.lm_head.bias.data += 1
    model.save_pretrained(tmp_path / "t")
    with pytest.raises(InputError) as error:
        pretrain(other, **places, teacher=tmp_path / "t", features=cached)
    message = str(error.value)
    assert "windows.window.length is 54 in the cache, 60 in the run" in message
    assert "windows.window.count is 20 in the cache, 30 in the run" in message
    assert "masks.probability is 0.15 in the cache, 0.2 in the run" in message
    assert re.search(r"teacher\.weights is '\w{64}' in the cache, '\w{64}' in the run", message)
    assert message.count(" in the run") == 4
    # what does not decide the features may differ
    longer = settings_of("had", **{**settings()["pretraining"], "steps": 3, "batch_size": 5})
    longer["objective"] = settings(pooled=True, normalize_teacher=True)["objective"]
    assert pretrain(longer, **places, teacher=folders["teacher"], features=cached) == 0
    with pytest.raises(InputError, match="Give --teacher too"):
        pretrain(settings(), **places, features=cached)


def test_a_teacher_with_other_heads_is_another_one(
    cached: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    """Its weights are the same to the last bit."""
    other = tmp_path / "other"
    shutil.copytree(models.model_folder(folders["teacher"]), other)
    config = json.loads((other / "config.json").read_text())
    assert config["num_attention_heads"] == 2
    changed = {"num_attention_heads": 1, "transformers_version": "0"}
    (other / "config.json").write_text(json.dumps(config | changed))
    places = {"output": tmp_path / "o", "state": tmp_path / "s", "reference": folders["reference"]}
    with pytest.raises(InputError) as error:
        pretrain(settings(), **places, teacher=other, features=cached)
    assert "teacher.num_attention_heads is 2 in the cache, 1 in the run;" in str(error.value)
    assert str(error.value).count(" in the run") == 1


def test_features_of_a_random_teacher_are_its_own(folders: dict[str, Path], tmp_path: Path) -> None:
    chosen = settings(random_teacher=True)
    teacher_cache.write_cache(chosen, **folders, output=tmp_path / "c")
    losses = []
    for name, features in (("a", None), ("b", tmp_path / "c")):
        places = {"output": tmp_path / name, "state": tmp_path / f"s{name}"}
        pretrain(chosen, **places, **folders, features=features)
        losses.append(pd.read_csv(tmp_path / name / "history.csv")["alignment"])
    np.testing.assert_allclose(*losses, rtol=1e-4)
    with pytest.raises(InputError, match=r"teacher\.random_seed is 3 in the cache, None in"):
        pretrain(settings(), **places, **folders, features=tmp_path / "c")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": {"name": "had"}}, "set objective.static_masks: true"),
        (
            {"objective": {"name": "findna"}, "masking": {"name": "bernoulli"}},
            "set objective.name: had",
        ),
        ({"reverse_complement": 0.5}, "set pretraining.reverse_complement: 0"),
        ({"window": {"kind": "windows", "length": 54}}, "set pretraining.window.count: N"),
        (
            {"objective": {"name": "had", "static_masks": True, "alignment_weight": 0.0}},
            "set objective.alignment_weight",
        ),
    ],
)
def test_windows_and_masks_must_be_fixed(
    change: dict[str, Any], message: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    chosen = settings()
    place = chosen if "objective" in change else chosen["pretraining"]
    place |= change
    with pytest.raises(InputError, match=message):
        teacher_cache.write_cache(chosen, **folders, output=tmp_path / "c")
    assert not list(tmp_path.iterdir())


def test_size_is_told_and_a_full_disk_refused_before_anything_is_computed(
    folders: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chosen = settings()
    chosen["pretraining"]["window"].pop("max_n_fraction")
    usage = shutil.disk_usage(tmp_path)._replace(free=5000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(InputError, match=r"8.96kB of features .* 5kB are free"):
        teacher_cache.write_cache(chosen, **folders, output=tmp_path / "c")
    assert capsys.readouterr().out == "28 rows x 10 tokens x 16 features x 2 bytes: 8.96kB\n"
    assert not list(tmp_path.rglob("*.safetensors"))


def test_command(folders: dict[str, Path], tmp_path: Path) -> None:
    arguments = ["--settings", json.dumps(settings()), "--output", str(tmp_path / "c")]
    for name, path in folders.items():
        arguments += [f"--{name}", str(path)]
    assert main(["teacher", "cache", *arguments]) == 0
    arguments += ["--state", str(tmp_path / "s"), "--features", str(tmp_path / "c")]
    arguments[arguments.index("--output") + 1] = str(tmp_path / "out")
    assert main(["pretrain", "had", *arguments]) == 0
    assert (tmp_path / "out" / "metrics.json").is_file()
