"""Shards of features: what is written is found again, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from small import TEACHER, random_codes
from torch import Tensor
from torch.testing import assert_close

from dnastudents.errors import InputError
from dnastudents.files import write_json
from dnastudents.genome.codes import PAD
from dnastudents.objectives.had.feature_cache import (
    DTYPE,
    MANIFEST,
    FeatureCache,
    check_sections,
    row_keys,
    write_shard,
)

WIDTH = 6


def unequal_ids(seed: int) -> Tensor:
    codes = random_codes(5, 60, seed=seed, unknown=0.02)
    codes[2, 30:] = PAD
    return torch.from_numpy(TEACHER.encode_batch(codes))


def write(folder: Path, parts: list[Tensor]) -> list[Tensor]:
    """A cache of random features, which it returns as well."""
    folder.mkdir()
    torch.manual_seed(0)
    features = [torch.randn(*ids.shape, WIDTH).to(DTYPE) for ids in parts]
    for number, (ids, values) in enumerate(zip(parts, features, strict=True)):
        write_shard(folder / f"{number}.safetensors", ids, values, TEACHER.pad_id)
    write_json(folder / MANIFEST, {"rows": sum(map(len, parts)), "width": WIDTH})
    return features


def test_rows_are_found_in_any_order_and_company(tmp_path: Path) -> None:
    parts = [unequal_ids(seed) for seed in (1, 2)]
    written = write(tmp_path / "c", parts)
    cache = FeatureCache(tmp_path / "c", TEACHER.pad_id)
    asked = [(1, 4), (0, 2), (1, 0), (0, 0), (0, 2)]
    width = max(part.shape[1] for part in parts) + 3  # more padding than when it was written
    ids = torch.full((len(asked), width), TEACHER.pad_id)
    for row, (part, number) in enumerate(asked):
        ids[row, : parts[part].shape[1]] = parts[part][number]
    views: dict[str, Any] = {"teacher_ids": ids}
    cache.prepare(views, timed=True)
    found = cache.launch(views, timed=True)()
    assert found.dtype == torch.float32
    for row, (part, number) in enumerate(asked):
        length = int((ids[row] != TEACHER.pad_id).sum())
        assert torch.equal(found[row, :length], written[part][number, :length].float())
        assert not found[row, length:].any()
    assert cache.watch.take() > 0


def test_another_mask_of_the_same_bases_is_not_in_the_cache(tmp_path: Path) -> None:
    ids = unequal_ids(1)
    write(tmp_path / "c", [ids])
    ids[3, 2] = TEACHER.mask_id
    with pytest.raises(InputError, match="1 of 5 rows of a batch are not in the cache"):
        FeatureCache(tmp_path / "c", TEACHER.pad_id).lookup(ids)


def test_only_tokens_are_stored(tmp_path: Path) -> None:
    ids = unequal_ids(1)
    write(tmp_path / "c", [ids])
    tokens = int((ids != TEACHER.pad_id).sum())
    assert tokens < ids.numel()
    header = 1024
    size = (tmp_path / "c" / "0.safetensors").stat().st_size
    assert size < tokens * WIDTH * 2 + len(ids) * 16 + header


def test_keys_are_of_the_tokens_alone() -> None:
    ids = unequal_ids(1)
    wider = torch.nn.functional.pad(ids, (0, 4), value=TEACHER.pad_id)
    keys = row_keys(ids, TEACHER.pad_id)
    assert torch.equal(keys, row_keys(wider, TEACHER.pad_id))
    assert len(keys.unique()) == len(ids)


def test_half_precision_rounds_by_at_most_1_in_2048() -> None:
    features = torch.randn(1000) * 10
    assert_close(features.to(DTYPE).float(), features, rtol=1 / 2048, atol=1e-7)


def test_features_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    ids = unequal_ids(1)
    features = torch.full((*ids.shape, WIDTH), 1e5).to(DTYPE)
    with pytest.raises(InputError, match=r"beyond 65,504"):
        write_shard(tmp_path / "a.safetensors", ids, features, TEACHER.pad_id)
    assert not list(tmp_path.iterdir())


def test_a_lost_shard_is_noticed(tmp_path: Path) -> None:
    write(tmp_path / "c", [unequal_ids(1), unequal_ids(2)])
    (tmp_path / "c" / "1.safetensors").unlink()
    with pytest.raises(InputError, match="holds 5 of 10 rows"):
        FeatureCache(tmp_path / "c", TEACHER.pad_id)


def test_every_difference_is_named_with_both_values(tmp_path: Path) -> None:
    made = {"teacher": {"weights": "ab"}, "masks": {"seed": 1, "window": {"length": 6, "old": 2}}}
    wanted = {"teacher": {"weights": "cd"}, "masks": {"seed": 1, "window": {"length": 9}}}
    (tmp_path / MANIFEST).write_text(json.dumps(made))
    check_sections(tmp_path, made)
    with pytest.raises(InputError) as error:
        check_sections(tmp_path, wanted)
    message = str(error.value)
    assert "teacher.weights is 'ab' in the cache, 'cd' in the run" in message
    assert "masks.window.length is 6 in the cache, 9 in the run" in message
    assert "masks.window.old is 2 in the cache, None in the run" in message
    assert "seed" not in message
    with pytest.raises(InputError, match="no such file"):
        check_sections(tmp_path / "nothing", wanted)
