"""What is done when jobs begin, in a workflow of its own and as a module of another."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from dnastudents.config.start import when_jobs_begin


def workflow_of(*, main: bool) -> Any:
    """As Snakemake's: a handler of the main Snakefile is kept, one of a module passed over."""
    workflow = SimpleNamespace(main=main, _onstart=lambda log: None)

    def onstart(handler: Callable[[str], None]) -> None:
        if workflow.main:
            workflow._onstart = handler

    workflow.onstart = onstart
    return workflow


@pytest.mark.parametrize("place", ["above", "below", "nowhere", "in another module"])
def test_a_handler_of_the_main_workflow_is_called_too(place: str) -> None:
    called: list[str] = []
    workflow = workflow_of(main=True)
    if place == "above":
        workflow.onstart(called.append)
    workflow.main = False
    when_jobs_begin(workflow, lambda: called.append("begin"))
    workflow.main = place == "below"
    if place in ("below", "in another module"):
        workflow.onstart(called.append)
    workflow._onstart("log")
    assert called == (["begin", "log"] if place in ("above", "below") else ["begin"])
