"""Log lines: their levels, and who writes them in a job of several processes."""

from __future__ import annotations

import logging

import pytest

from dnastudents.log import configure


@pytest.mark.parametrize(
    ("rank", "level", "lines"),
    [
        (None, logging.INFO, ["step 1", "WARNING: full"]),
        ("0", logging.INFO, ["step 1", "WARNING: full"]),
        ("0", logging.DEBUG, ["DEBUG: inside", "step 1", "WARNING: full"]),
        ("0", logging.WARNING, ["WARNING: full"]),
        ("3", logging.DEBUG, ["rank 3: WARNING: full"]),
    ],
)
def test_levels_and_ranks(
    rank: str | None,
    level: int,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("DNASTUDENTS_PROCESSES", "4")
    configure(logging.ERROR)
    configure(level)  # a second call changes the level, and adds no second line
    logger = logging.getLogger("dnastudents.training.loop")
    logger.debug("inside")
    logger.info("step 1")
    logger.warning("full")
    assert capsys.readouterr().err.splitlines() == lines
