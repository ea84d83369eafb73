"""What happens once when the jobs of a workflow begin, also where it is a module of another one."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dnastudents.errors import InputError

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


def require_submittable(workflow: Any, root: Path) -> None:
    """Refuse what would fail in every submitted job, for which Snakemake starts itself again.

    Paths that reach the scheduler unquoted, and modules in the working folder, which `python -m`
    imports first. Not set for it is PYTHONSAFEPATH: rules of others may rely on what it forbids.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        One that submits nothing passes.
    root : Path
        Where the workflow lies.

    Raises
    ------
    InputError
        Naming the file or path.
    """
    if workflow.local_exec:
        return
    known = {*sys.stdlib_module_names, "numpy", "pandas", "snakemake", "yaml"}
    files = sorted(file.name for file in Path.cwd().glob("*.py") if file.stem in known)
    if files and not os.environ.get("PYTHONSAFEPATH"):
        raise InputError(
            f"{files[0]}: Snakemake would import it in every job, in place of the module of this"
            " name; rename it, or set PYTHONSAFEPATH=1"
        )
    unquoted = {"Python": (sys.executable, r"[^\w@%+=:,./-]")}
    inside = {"this folder": str(Path.cwd()), "the workflow": str(root)}
    unquoted |= {name: (path, r"[$`\"\\]") for name, path in inside.items()}
    for name, (path, unfit) in unquoted.items():
        if found := re.search(unfit, path):
            raise InputError(
                f"{path}: jobs cannot be submitted where the path of {name} has"
                f" {found[0]!r} in it; move it to another"
            )
