"""Features of a teacher on disk, for runs whose windows and masks are fixed.

A cache is a folder of shards (`*.safetensors`) and `manifest.json`. A shard holds the `features` of
its rows, float16 (tokens, D), one row behind the other without padding; `ends` (rows,), where each
row ends; and `keys` (rows,). A key is a digest of all that the teacher reads of a row, its masked
tokens, so other bases or another mask can never be given wrong features.

float16, because the features come out of a layer norm: they are far below its largest number,
65,504, and it rounds by at most 1 / 2,048 of a value where bfloat16 rounds by 1 / 256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dnastudents.errors import InputError
from dnastudents.files import atomic_file, digest, flat, read_json
from dnastudents.objectives.had.stopwatch import Stopwatch

MANIFEST = "manifest.json"
DTYPE = torch.float16
Sections = Mapping[str, Mapping[str, Any]]  # what decides the features: teacher, windows, masks


def row_keys(ids: Tensor, pad_id: int) -> Tensor:
    """Compute a number for the tokens of each row of ids (B, T) without padding, int64 (B,).

    64 bits of BLAKE2b: among ten million rows two are equal with a probability of 3e-6.
    """
    rows = ids.numpy().astype("<i4")
    digests = (hashlib.blake2b(row[row != pad_id].tobytes(), digest_size=8) for row in rows)
    return torch.tensor(
        [int.from_bytes(digest.digest(), "little", signed=True) for digest in digests]
    )


def write_shard(path: Path, ids: Tensor, features: Tensor, pad_id: int) -> None:
    """Write one shard, complete or not at all.

    Parameters
    ----------
    path : Path
        A `.safetensors` file.
    ids : Tensor
        What the teacher has read, int64 (B, T), padded on the right.
    features : Tensor
        float16 (B, T, D).
    pad_id : int
        Of the teacher's tokenizer.

    Raises
    ------
    InputError
        A feature is not finite in half precision.
    """
    real = ids != pad_id
    packed = features[real]
    if not packed.isfinite().all():
        raise InputError(
            f"{path.name}: the teacher gives features beyond {torch.finfo(DTYPE).max:,.0f} or none "
            "at all; check it, and train without a cache"
        )
    with atomic_file(path) as partial:
        ends = real.sum(1).cumsum(0)
        save_file({"keys": row_keys(ids, pad_id), "ends": ends, "features": packed}, partial)


def check_sections(folder: Path, wanted: Sections) -> None:
    """Refuse a cache that was not made from `wanted`.

    Raises
    ------
    InputError
        It names every key that differs, with both values; or there is no cache.
    """
    manifest = read_json(folder / MANIFEST)
    found = dict(flat({name: manifest.get(name, {}) for name in wanted}))
    needed = dict(flat(wanted))
    different = [
        f"{key} is {found.get(key)!r} in the cache, {needed.get(key)!r} in the run"
        for key in {**needed, **found}
        if found.get(key) != needed.get(key)
    ]
    if different:
        raise InputError(
            f"{folder}: features for another run: {'; '.join(different)}; make them for this run "
            "with `python -m dnastudents teacher cache`"
        )


def digests(sections: Sections) -> dict[str, str]:
    """Compute a digest of each section."""
    return {name: digest(content) for name, content in sections.items()}


class FeatureCache:
    """Gives HAD the features of a cache in place of a teacher.

    Shards are memory-mapped: only the rows that are asked for are read.

    Parameters
    ----------
    folder : Path
        Written by `dnastudents teacher cache`.
    pad_id : int
        Of the teacher's tokenizer.

    Raises
    ------
    InputError
        There is no cache, or a part of it is gone.
    """

    def __init__(self, folder: Path, pad_id: int) -> None:
        self.folder, self.pad_id = folder, pad_id
        self.watch = Stopwatch()
        manifest = read_json(folder / MANIFEST)
        self.feature_size = int(manifest["width"])
        try:
            shards = [load_file(path) for path in sorted(folder.glob("*.safetensors"))]
        except SafetensorError as error:
            raise InputError(f"{folder}: a file is damaged ({error}); make it again") from None
        rows = sum(len(shard["keys"]) for shard in shards)
        if rows != manifest["rows"]:
            raise InputError(
                f"{folder}: holds {rows:,} of {manifest['rows']:,} rows; make it again"
            )
        self._features = [shard["features"] for shard in shards]
        locations = []
        for number, shard in enumerate(shards):
            ends = shard["ends"]
            starts = torch.cat([ends.new_zeros(1), ends[:-1]])
            locations.append(torch.stack([torch.full_like(ends, number), starts, ends], dim=1))
        self._keys, order = torch.cat([shard["keys"] for shard in shards]).sort()
        self._locations = torch.cat(locations)[order]  # shard, first and last + 1 token of each row

    def prepare(self, views: dict[str, Any], timed: bool) -> None:
        """Add `teacher_features`, float16 (B, T, D), to a slice that is on the CPU."""
        with self.watch.running(torch.device("cpu")) if timed else nullcontext():
            views["teacher_features"] = self.lookup(views["teacher_ids"])

    def launch(self, views: dict[str, Any], timed: bool) -> Callable[[], Tensor]:
        """Return a function that gives a slice's features, as `FrozenTeacher.launch` does."""
        return lambda: views["teacher_features"].float()

    def lookup(self, ids: Tensor) -> Tensor:
        """Look up the features of rows of masked tokens, float16 (B, T, D), 0 at padding.

        Parameters
        ----------
        ids : Tensor
            int64 (B, T), padded on the right.

        Raises
        ------
        InputError
            A row is not in the cache.
        """
        wanted = row_keys(ids, self.pad_id)
        number = torch.searchsorted(self._keys, wanted).clamp(max=len(self._keys) - 1)
        if not torch.equal(self._keys[number], wanted):
            missing = int((self._keys[number] != wanted).sum())
            raise InputError(
                f"{self.folder}: {missing} of {len(ids)} rows of a batch are not in the cache; "
                "make it again"
            )
        features = torch.zeros(*ids.shape, self.feature_size, dtype=DTYPE)
        for row, (shard, start, end) in enumerate(self._locations[number].tolist()):
            features[row, : end - start] = self._features[shard][start:end]
        return features
