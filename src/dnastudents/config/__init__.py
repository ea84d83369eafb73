"""The configuration of the workflow: read, merged, parsed once, checked and asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dnastudents.config.checks import check
from dnastudents.config.config import Config
from dnastudents.config.merge import merge, read_yaml
from dnastudents.project import root as project_root

__all__ = ["Config", "load_config", "read_config"]


def load_config(root: Path, changes: Mapping[str, Any] | None = None) -> Config:
    """Read a configuration, and check what its names and paths refer to.

    Parameters
    ----------
    root : Path
        The folder of `config.yaml` and `workflow/`.
    changes : mapping, optional
        What Snakemake gathered from `--configfile` and `--config`. Default is nothing.

    Raises
    ------
    InputError
        The first mistake, with the key and the nearest known name.
    """
    config = Config(root, changes)
    check(config)
    return config


def read_config(files: Sequence[Path]) -> Config:
    """Read a configuration as Snakemake does of `--configfile`; without files the papers'."""
    changes: dict[str, Any] = {}
    for file in files:
        changes = merge(changes, read_yaml(file))
    return load_config(project_root(), changes)
