"""The configuration of the workflow: read, merged, parsed once, checked and asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dnastudents.config.checks import check
from dnastudents.config.config import Config

__all__ = ["Config", "load_config"]


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
