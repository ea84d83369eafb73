"""What happens once when the jobs of a workflow begin, also where it is a module of another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Handler = Callable[[Any], object]  # what `onstart:` becomes: it gets the path of Snakemake's log


def when_jobs_begin(workflow: Any, begin: Callable[[], object]) -> None:
    """Do something before the first job, as `onstart:` would.

    Snakemake passes over the `onstart:` of a module, and keeps one handler only. So this one calls
    that of the main workflow, whether it stands above the module or below.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Whose jobs are meant; the lock on the working folder is taken by then.
    begin : callable
        What is done; never in a dry run, nor in the processes of single jobs.
    """
    register: Callable[[Handler], None] = workflow.onstart

    def join(handler: Handler) -> None:
        def both(log: Any) -> None:
            begin()
            handler(log)

        workflow._onstart = both

    def onstart(handler: Handler) -> None:
        register(handler)
        if workflow._onstart is handler:  # else of another module, and passed over
            join(handler)

    join(workflow._onstart)
    workflow.onstart = onstart
