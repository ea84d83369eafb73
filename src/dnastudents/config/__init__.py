"""The configuration of the workflow: read, merged, parsed once, checked and asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dnastudents.config.checks import check
from dnastudents.config.config import Config
from dnastudents.config.merge import Source
from dnastudents.project import root as project_root
from dnastudents.yaml_files import read_yaml

__all__ = ["Config", "load_config", "read_config"]


def load_config(root: Path, changes: Mapping[str, Any] | Sequence[Source] = ()) -> Config:
    """Read a configuration, and check what its names and paths refer to.

    Parameters
    ----------
    root : Path
        The folder of `config.yaml` and `workflow/`.
    changes : mapping or sequence of Source
        What changes it, see `Config`. Default is nothing.

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
    return load_config(project_root(), [Source(read_yaml(file), file) for file in files])
