"""Fill a cache with a teacher's features of all windows of a run, and check that it fits one.

Finished shards wait in a hidden folder beside the output, which is named by a digest of all that
decides them. So a killed job resumes after its last shard, and shards of other settings never mix.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor

from dnastudents import models
from dnastudents.devices import as_many_as_fit, choose_device
from dnastudents.errors import InputError
from dnastudents.files import atomic_directory, check_folder, digest, read_json, sha256, write_json
from dnastudents.genome import tokenizers
from dnastudents.models import STUDENTS, model_folder
from dnastudents.objectives import Resources, build
from dnastudents.objectives.had.feature_cache import (
    DTYPE,
    MANIFEST,
    Sections,
    check_sections,
    digests,
    write_shard,
)
from dnastudents.objectives.had.frozen_teacher import FrozenTeacher
from dnastudents.objectives.had.objective import HAD
from dnastudents.objectives.had.options import HADOptions
from dnastudents.provenance import FILE, LEARNING, write_provenance
from dnastudents.settings import parse
from dnastudents.training.corpus import Corpus
from dnastudents.training.options import Pretraining, RunSettings
from dnastudents.training.progress import clock, thousands
from dnastudents.training.state import StateFolder

logger = logging.getLogger(__name__)

HOLDS = (MANIFEST, "*.safetensors", FILE)  # the output folder
SHARD_BYTES = 1 << 28  # of a full shard; also what a killed job loses


def made_from(settings: RunSettings, reference: Path, teacher: Path) -> Sections:
    """Return all that decides the features of a run: its teacher, windows and masks.

    Raises
    ------
    InputError
        The run is none of HAD, or a folder lacks a file.
    """
    plan, objective = _plan(settings), cast(HADOptions, settings.objective)
    weights = model_folder(teacher) / "model.safetensors"
    if not weights.is_file():
        raise InputError(f"{weights}: no such file; give the folder of a teacher")
    return {
        "teacher": {
            "weights": sha256(weights),
            **_network(weights.with_name("config.json")),
            "random_seed": settings.seed if objective.random_teacher else None,
        },
        "windows": {
            "reference": digest(read_json(reference / "reference.json")),
            "seed": settings.seed,
            "reverse_complement": plan.reverse_complement,
            "validation_sequences": plan.validation_sequences,
            "window": plan.window.as_json(),
            "splits": plan.splits.as_json(),
        },
        "masks": {
            "seed": settings.seed,
            "static_masks": objective.static_masks,
            **(settings.masking.as_json() if settings.masking is not None else {}),
        },
    }


def _network(file: Path) -> dict[str, Any]:
    """Return what a checkpoint's config says of the network: heads do not show in its weights."""
    known = {name for kind in STUDENTS.values() for name in kind.model_fields}
    return {key: value for key, value in sorted(read_json(file).items()) if key in known}


def check_cache(
    features: Path, settings: RunSettings, reference: Path, teacher: Path | None
) -> None:
    """Refuse a cache of another teacher, other windows or other masks than the run's.

    Raises
    ------
    InputError
        It names every key that differs, with both values.
    """
    if teacher is None:
        raise InputError(f"{features}: whose features are these? Give --teacher too")
    check_sections(features, made_from(settings, reference, teacher))


def write_cache(
    settings: RunSettings | Mapping[str, Any], *, reference: Path, teacher: Path, output: Path
) -> None:
    """Write the teacher's features of all windows that a run learns from or validates on.

    Parameters
    ----------
    settings : RunSettings or mapping
        Those of the run, as `pretrain` takes them.
    reference, teacher : Path
        Folders of the genome and the teacher.
    output : Path
        See `objectives.had.feature_cache`.

    Raises
    ------
    InputError
        Windows or masks are not fixed, or the disk is too small; nothing is computed then.
    """
    transformers.utils.logging.disable_progress_bar()
    output = check_folder(output, *HOLDS)  # before what takes long
    parsed = parse(RunSettings, settings, "settings")
    sections = made_from(parsed, reference, teacher)
    windows = FixedWindows(parsed, reference, teacher)
    print(windows.estimate())
    work = output.with_name(f".{output.name}.shards-{digest(sections)}")
    for other in output.parent.glob(f".{output.name}.shards-*"):
        if other != work:
            shutil.rmtree(other)
    with StateFolder(work, digest(sections)) as folder:
        folder.lock()
        if _is_complete(output, sections):
            logger.info(f"{output}: is complete already")
        else:
            _fill(work, windows)
            _publish(work, output, sections, windows.width)
        shutil.rmtree(work)


class FixedWindows:
    """What the teacher reads in a run whose windows and masks are fixed, cut into shards.

    Parameters
    ----------
    settings : RunSettings
        Of the run.
    reference, teacher : Path
        Folders of the genome and the teacher.

    Raises
    ------
    InputError
        They are not fixed.
    """

    def __init__(self, settings: RunSettings, reference: Path, teacher: Path) -> None:
        plan, seed = _plan(settings), settings.seed
        self.count = plan.window.fixed_count or 0
        self.seed, self.batch_size = seed, plan.micro_batch_size or plan.batch_size
        tokenizer = tokenizers.build(settings.student.tokenizer)
        student = models.build(settings.student, tokenizer)
        self.objective = build(
            settings.objective,
            settings.masking,
            student,
            tokenizer,
            seed,
            plan.steps,
            Resources(teacher=teacher),
        )
        self.teacher = cast(FrozenTeacher, cast(HAD, self.objective).teacher)
        self.width = self.teacher.feature_size
        self.corpus = Corpus(reference, plan, seed)
        lengths = self.teacher.lengths(self._train(min(self.count, 256), 0))
        self.tokens = sum(lengths) / len(lengths)
        row = self.tokens * self.width * DTYPE.itemsize
        self.rows_per_shard = min(self.count, max(1, int(SHARD_BYTES / row)))
        validation = self.corpus.validation()
        self.rows = self.count + (0 if validation is None else len(validation))
        self.bytes = int(self.rows * row)

    def estimate(self) -> str:
        """Describe what the cache will take; rows with N have more tokens than others."""
        return (
            f"{self.rows:,} rows x {self.tokens:.5g} tokens x {self.width:,} features x "
            f"{DTYPE.itemsize} bytes: {thousands(self.bytes)}B"
        )

    def shards(self) -> Iterator[tuple[str, Callable[[], Tensor]]]:
        """Return each shard's name and what makes its ids, int64 (rows, T)."""
        if self.rows > self.count:
            yield "validation.safetensors", self._validation
        for number in range(-(-self.count // self.rows_per_shard)):
            make = partial(self._train, self.rows_per_shard, number)
            yield f"windows_{number:06d}.safetensors", make

    def features(self, ids: Tensor) -> Tensor:
        """Compute the teacher's features of ids (rows, T), float16 (rows, T, D)."""
        device = choose_device()

        def computed(rows: int) -> Tensor:
            parts = []
            for part in ids.split(rows):
                lengths = self.teacher.lengths(part)
                features = self.teacher.features(part.to(device), lengths)
                parts.append(features.to(DTYPE).cpu())
            return torch.cat(parts)

        features, self.batch_size = as_many_as_fit(computed, self.batch_size, device)
        return features

    def _train(self, rows: int, number: int) -> Tensor:
        """Tokenise rows number * rows, ... of the first epoch, which ends with row `count` - 1."""
        codes = self.corpus.train.batch(self.seed, number, rows)[: self.count - number * rows]
        return self.objective.views(codes, self.seed, 0).tensors["teacher_ids"]

    def _validation(self) -> Tensor:
        codes = cast(np.ndarray, self.corpus.validation())
        return self.objective.validation_views(codes, 0).tensors["teacher_ids"]


def _fill(work: Path, windows: FixedWindows) -> None:
    """Compute the shards that are not there yet."""
    shards = dict(windows.shards())
    todo = [name for name in shards if not (work / name).is_file()]
    done = sum(path.stat().st_size for path in work.glob("*.safetensors"))
    free = shutil.disk_usage(work).free
    if windows.bytes - done > free:
        raise InputError(
            f"{work.parent}: {thousands(windows.bytes - done)}B of features do not fit on the "
            f"disk, {thousands(free)}B are free; lower pretraining.window.count or make room"
        )
    began = time.perf_counter()
    for number, name in enumerate(todo, 1):
        ids = shards[name]()
        write_shard(work / name, ids, windows.features(ids), windows.teacher.pad_id)
        left = (time.perf_counter() - began) / number * (len(todo) - number)
        written = len(shards) - len(todo) + number
        logger.info(f"{written} of {len(shards)} shards, eta {clock(left)}")


def _publish(work: Path, output: Path, sections: Sections, width: int) -> None:
    """Move the shards to where they are read, with their manifest."""
    ends = [load_file(path)["ends"] for path in work.glob("*.safetensors")]
    manifest = {
        **sections,
        "digests": digests(sections),
        "rows": sum(map(len, ends)),
        "tokens": sum(int(each[-1]) for each in ends),
        "width": width,
        "dtype": str(DTYPE).removeprefix("torch."),
    }
    with atomic_directory(output, *HOLDS) as folder:
        for path in work.glob("*.safetensors"):
            path.replace(folder / path.name)
        write_json(folder / MANIFEST, manifest)
        write_provenance(folder, *LEARNING)


def _is_complete(output: Path, sections: Sections) -> bool:
    """Return whether the job that held the lock has made this very cache."""
    file = output / MANIFEST
    return file.is_file() and read_json(file).get("digests") == digests(sections)


def _plan(settings: RunSettings) -> Pretraining:
    """Return the pretraining, if its windows and masks are fixed and there is a teacher."""
    if settings.pretraining is None:
        raise InputError("pretraining: is missing; only a run that learns has a teacher")
    plan = settings.pretraining
    if unfixed := settings.objective.unfixed(plan.window, plan.reverse_complement):
        raise InputError(
            "features are cached of fixed windows and masks, where there is a teacher; "
            f"set {', '.join(unfixed)}"
        )
    return plan
