"""Seeds of one job, or cells of its grid, side by side: in several processes on one device.

A small student leaves most of a GPU idle, which waits for the CPU to launch the next kernel.
Workers only fill the folder of finished pieces, with what one process alone would put there. A seed
that fails in one is left out, and then done with the device to itself, as if there were none.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Any

from dnastudents.benchmarks.task import load_task
from dnastudents.devices import choose_device, release
from dnastudents.errors import InputError
from dnastudents.finetune.failures import kind_of
from dnastudents.finetune.finished import Kept
from dnastudents.finetune.options import Finetuning
from dnastudents.log import configure

logger = logging.getLogger(__name__)

_kept: Kept  # of a worker


def side_by_side(workers: int, kept: Kept, task: Path, pieces: Sequence[tuple[Any, ...]]) -> None:
    """Make pieces in so many processes; those that are there cost nothing.

    Parameters
    ----------
    workers : int
        Processes at a time. Each reads the task and loads the student for itself.
    kept : Kept
        Whose pieces they are.
    task : Path
        Its task folder.
    pieces : sequence of tuple
        A function of a module, and what it gets behind the worker's own `Kept`.

    Raises
    ------
    InputError
        A worker was killed; or what the function has raised, but for the failures of a seed.
    """
    level = logging.getLogger("dnastudents").level
    workers = min(workers, len(pieces))
    begin = kept.run, task, kept.options, kept.state, workers, level
    # Not forked: a process that has used CUDA cannot be.
    processes = get_context("spawn")
    with ProcessPoolExecutor(workers, processes, _begin, begin) as pool:
        try:
            for piece in [pool.submit(_make, *piece) for piece in pieces]:
                piece.result()
        except BrokenProcessPool:
            raise InputError(
                "a worker was killed, as the kernel does where memory ends; ask for more `mem_mb`, "
                "or fewer `workers`"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(
    run: str, task: Path, options: Finetuning, state: Path, workers: int, level: int
) -> None:
    """Prepare a worker."""
    global _kept
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # of Ctrl-C the parent tells
    threading.Thread(target=_end_with_parent, daemon=True).start()
    configure(level)
    _kept = Kept(run, load_task(task), options, state, workers)


def _end_with_parent() -> None:
    """End at once when the parent is gone; the next job may be writing the same pieces."""
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _make(function: Any, *arguments: Any) -> None:
    """Make one piece; leave out a seed's own failures, see `failures`."""
    try:
        function(_kept, *arguments)
        return
    except Exception as error:
        kind = kind_of(error)
        if kind is None:
            raise
        reason = "out of memory" if kind == "out_of_memory" else str(error)
    release(choose_device())
    logger.warning(f"a worker failed, and its seed is done alone: {reason}")
