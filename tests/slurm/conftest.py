"""A cluster, and a copy of the repository whose profile names that cluster's partitions."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import lab
import pytest
from runs import Copy

from harness import edit

PARTS = ("config.yaml", "workflow", "src", "demo", "slurm", "profiles", "envs")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slurm)


@pytest.fixture(scope="session", autouse=True)
def cluster(shared: Path) -> Iterator[None]:
    """A running Slurm, stopped at the end."""
    if os.geteuid():
        pytest.skip("the cluster of the tests needs root")
    scripts = shared / "slurm"
    lab.start(scripts)
    yield
    lab.stop(scripts)


@pytest.fixture(scope="session")
def checkout(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """Copy what a user has after `git clone`, with the profile edited for this cluster."""

    def copy(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        for part in PARTS:
            source = root / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / part)
        for file in ("tests/workflow/tiny.yaml", "tests/slurm/interrupted.yaml"):
            shutil.copy(root / file, folder)
        edit(folder / "slurm/config.yaml", _for_this_cluster)
        return folder

    return copy


def _for_this_cluster(profile: dict) -> None:
    """What the profile says to edit, and less of everything: all nodes are this one machine."""
    profile["default-resources"] = ["slurm_partition=cpu"]
    for resources in profile["set-resources"].values():
        resources |= {"slurm_partition": "gpu", "mem_mb": 1500}
    # One thread, as the local runs that results are compared with.
    profile["set-threads"] = dict.fromkeys(profile["set-threads"], 1)
    profile |= {"slurm-init-seconds-before-status-checks": 5, "latency-wait": 10}
