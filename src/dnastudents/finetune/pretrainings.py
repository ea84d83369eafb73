"""The pretrainings that fine-tuning starts from, and what a metrics row says of them.

A run that was pretrained n times has n folders: seed s starts from folder s mod n.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dnastudents.errors import InputError
from dnastudents.files import read_json
from dnastudents.models import Initialisation, model_folder, settings_file
from dnastudents.settings import parse
from dnastudents.training.options import RunSettings


def seeds_of_replicas(
    pretrained: Sequence[Path], seeds: Sequence[int]
) -> list[tuple[Path, list[int]]]:
    """List each pretraining that has seeds, with them: seed s starts from number s mod n.

    Raises
    ------
    InputError
        The folders are not pretrainings of one run, or a seed is given twice.
    """
    _require_replicas(pretrained)
    if twice := [seed for seed in seeds if seeds.count(seed) > 1]:
        raise InputError(f"--seeds: {twice[0]} is given twice; give each seed once")
    by_folder = [
        (folder, [seed for seed in seeds if seed % len(pretrained) == number])
        for number, folder in enumerate(pretrained)
    ]
    return [(folder, its_seeds) for folder, its_seeds in by_folder if its_seeds]


def _require_replicas(pretrained: Sequence[Path]) -> None:
    """Raise `InputError` unless these are pretrainings of one run, each with its own seed."""
    if not pretrained:
        raise InputError("--pretrained: no folder is given; give the folders of one run")
    first, seen = provenance(pretrained[0]), dict[int, Path]()
    for folder in pretrained:
        if not (model_folder(folder) / "model.safetensors").is_file():
            raise InputError(f"{folder}: no model.safetensors in it; pretrain the run first")
        found = provenance(folder)
        for key in ("method", "mode", "pretrained"):
            if found[key] != first[key]:
                raise InputError(
                    f"{folder}: {key} is {found[key]!r}, but of {pretrained[0]} it is "
                    f"{first[key]!r}; give the pretrainings of one run"
                )
        seed = found["pretraining_seed"]
        if seed in seen:
            raise InputError(
                f"{folder}: pretrained with seed {seed}, as {seen[seed]}; give each one once"
            )
        if seed is not None:
            seen[seed] = folder


class Origin(NamedTuple):
    """What fine-tuning takes from the settings of a pretraining.

    Attributes
    ----------
    provenance : dict
        See `provenance`.
    paper : str
        The arXiv identifier of the recipe; "" where there is none.
    initialisation : Initialisation
        How its student starts; the usual way for a checkpoint of others.
    """

    provenance: dict[str, Any]
    paper: str
    initialisation: Initialisation


def provenance(pretrained: Path) -> dict[str, Any]:
    """Return what a metrics row says of the pretraining.

    `method`, `pretrained`, `mode`, `simulated`, `pretraining_seed` and `initialisation`. The seed
    is None for a checkpoint of others, and for a student that is new with each fine-tuning seed.
    """
    return read_origin(pretrained).provenance


def read_origin(pretrained: Path) -> Origin:
    """Read the settings of a pretraining; a checkpoint of others has none."""
    file = settings_file(pretrained)
    if file is None:
        plain = {"method": "checkpoint", "pretrained": True, "mode": "", "simulated": False}
        nothing = {"pretraining_seed": None, "initialisation": None}
        return Origin(plain | nothing, "", Initialisation())
    settings: RunSettings = parse(RunSettings, read_json(file), str(file))
    learnt = settings.is_pretrained
    provenance = {
        "method": settings.method,
        "pretrained": learnt,
        "mode": "as_released" if settings.is_released else "as_described",
        "simulated": settings.simulated,
        "pretraining_seed": settings.seed if learnt else None,
        "initialisation": settings.student.initialisation.words,
    }
    return Origin(provenance, settings.objective.paper, settings.student.initialisation)
