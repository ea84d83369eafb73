"""Stop a training between two steps, when the cluster or the user asks for it.

SIGTERM (scancel, preemption, time limit), SIGUSR1 (an earlier warning by `--signal=USR1@120`, for
trainings in your own scripts: it would kill Snakemake inside a job) and SIGINT (Ctrl-C) only set
a flag; the loop saves at the next step and the command exits with 75 (EX_TEMPFAIL of sysexits.h:
try again later). A second Ctrl-C stops at once; the same one may come twice, from the terminal and
from the launcher.
"""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any

from dnastudents.launch import SIGNALS

ECHO = 1.0  # seconds in which a signal is the one before


class Interruption:
    """Context in which the signals set `requested`; the handlers before it are put back after."""

    def __init__(self) -> None:
        self.requested = False
        self._first = 0.0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():  # Python's rule for handlers
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self.requested:
            self._first = time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self._first > ECHO:
            raise KeyboardInterrupt
        self.requested = True
