"""Shared fixtures: where the golden vectors are, and the real data, when they are there."""

from __future__ import annotations

import gc
import logging
import os
from pathlib import Path

import pytest

pytest_plugins = ["metrics_rows", "small_task", "training_inputs"]
ROOT = Path(__file__).resolve().parents[1]
LONGEST = ("tests/workflow/", "tests/training/test_processes", "tests/test_environment")  # first

gc.disable()  # while torch and all tests are imported: a second of each process


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name no test by bytes: those of gzip hold the second, and all processes must agree."""
    return "bytes" if isinstance(val, bytes) else None


def pytest_collection_finish() -> None:
    """Collect garbage again, but never what was imported."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes minutes, so that no process is left alone with it at the end."""
    items.sort(key=lambda item: not any(name in item.path.as_posix() for name in LONGEST))


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> None:
    """Let `caplog` see progress too, as the command line shows it."""
    caplog.set_level(logging.INFO, logger="dnastudents")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def golden() -> Path:
    """What the published code gives, or code that stands for it: tests/golden/README.md."""
    return ROOT / "tests/golden"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data beside the repository; tests that need them skip without."""
    folder = Path(os.environ.get("DNASTUDENTS_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no {folder}: real data are not part of the repository")
    return folder
