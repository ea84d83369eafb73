"""A signal is noted once; a Ctrl-C that the launcher hands on is not a second one."""

from __future__ import annotations

import os
import signal
import time

import pytest

from dnastudents.training.signals import Interruption


def test_the_same_ctrl_c_twice_and_a_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter((100.0, 100.5, 105.0))
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    with Interruption() as interruption:
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            os.kill(os.getpid(), number)
        assert interruption.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
