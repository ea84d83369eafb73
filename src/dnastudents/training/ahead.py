"""The batch of the next step, built in a thread while this step computes.

Tokenising and masking take a CPU milliseconds that a GPU would wait. A training on the CPU has no
use for the thread, which would only take time from it. A batch is a function of the step and of
what evaluations have taught, so when it is built changes no bit.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Self, TypeVar

DEVICES = ("cuda",)  # device types that leave the CPU free while they compute

Batch = TypeVar("Batch")


class Ahead(Generic[Batch]):
    """Builds batches; within its context, the next one in a thread.

    Parameters
    ----------
    build : callable
        Makes the batch of a step.
    device : str
        Type of the device that learns from it. The thread is for `DEVICES` alone.
    """

    def __init__(self, build: Callable[[int], Batch], device: str) -> None:
        self._build, self._beside = build, device in DEVICES
        self._thread: ThreadPoolExecutor | None = None
        self._begun: dict[int, Future[Batch]] = {}

    def __enter__(self) -> Self:
        self._thread = ThreadPoolExecutor(1, "next batch") if self._beside else None
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the thread, and drop what it has built."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
        self._thread = None
        self._begun.clear()

    def begin(self, step: int) -> None:
        """Begin to build the batch of a step, where there is a thread."""
        if self._thread is not None:
            self._begun[step] = self._thread.submit(self._build, step)

    def take(self, step: int) -> Batch:
        """Return the batch of a step, or raise what its building has raised."""
        begun = self._begun.pop(step, None)
        return self._build(step) if begun is None else begun.result()
