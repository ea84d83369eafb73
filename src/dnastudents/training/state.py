"""What a resumed run needs, in a folder that outlives a failed job.

`step_<n>.pt` holds tensors and plain values, is written beside its place and moved, and is read
without unpickling code. The newest file that can be read and belongs to the same run counts; a run
whose settings or inputs have changed starts afresh and says so. A lock keeps a second job out; that
one waits a while, since the first may be the orphan of a workflow that was killed.
"""

from __future__ import annotations

import fcntl
import logging
import pickle
import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dnastudents.errors import InputError
from dnastudents.files import ANYTHING, atomic_file
from dnastudents.provenance import code
from dnastudents.training.progress import thousands

logger = logging.getLogger(__name__)

PATIENCE = 300.0  # seconds that a second job waits for the first; NCCL gives up after 600
# What the content of a damaged file may raise, while torch reads it or plain values are made of it.
_DAMAGE = (
    *(OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError),
    pickle.UnpicklingError,
)
KEPT = 2  # the newest, and one in case that it cannot be read


class StateFolder:
    """Training states of one run.

    Parameters
    ----------
    folder : Path
        Made if absent.
    identity : str
        Digest of everything that decides the run's result.

    Attributes
    ----------
    commits : list of str
        Of the code that has trained, see `provenance.Code`: several where a run was resumed after
        a change.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder, self.identity = folder, identity
        self.commits: list[str] = []
        self._lock: Any = None

    def lock(self) -> None:
        """Hold the folder until the context ends, or this process.

        Raises
        ------
        InputError
            Another process held it for all of `PATIENCE`.
        """
        end = time.monotonic() + PATIENCE
        waited = False
        while not self._try_lock():
            if time.monotonic() >= end:
                raise InputError(
                    f"{self.folder}: another job trains this run; wait for it, or cancel it: it "
                    "saves its state, and this one resumes from there"
                )
            if not waited:
                logger.warning(f"{self.folder}: another job trains this run; waiting")
            waited = True
            time.sleep(1.0)

    def _try_lock(self) -> bool:
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = (self.folder / "lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        except OSError as error:  # as of Lustre without -o flock
            logger.warning(
                f"{self.folder}: no file locks here ({error.strerror}); nothing keeps a second job "
                "out of this run"
            )
        self._lock = lock
        return True

    def __enter__(self) -> StateFolder:
        return self

    def __exit__(self, *_: object) -> None:
        """Let another process have the folder."""
        if self._lock is not None:
            self._lock.close()

    def save(self, state: dict[str, Any], step: int) -> None:
        """Write the state after `step` updates; all but the last `KEPT` are removed.

        Raises
        ------
        InputError
            The disk is full, or fails; the states before are whole.
        """
        self.commits = list(dict.fromkeys([*self.commits, str(code())]))
        state = {"identity": self.identity, "commits": self.commits, **state}
        try:
            with (
                atomic_file(self.folder / f"step_{step:08d}.pt", ANYTHING) as partial,
                partial.open("wb") as handle,  # a file that torch opens hides its errors
            ):
                torch.save(state, handle)
        except (OSError, RuntimeError) as error:
            cause = error.__context__ if isinstance(error, RuntimeError) else error
            if not isinstance(cause, OSError):  # torch raises its own while it handles one
                raise
            raise InputError(
                f"{self.folder}: the state of step {step} was not written ({cause.strerror}); it "
                f"takes {thousands(tensor_bytes(state))}B, and "
                f"{thousands(shutil.disk_usage(self.folder).free)}B are free; make room and start "
                "again, the run resumes from the state before"
            ) from error
        files = self._files()
        # States beyond this step are of an older run with other settings.
        later = [file for file in files if _step(file) > step]
        for file in [*later, *[f for f in files if f not in later][:-KEPT]]:
            file.unlink()

    def load(self) -> tuple[dict[str, Any] | None, list[str]]:
        """Load the newest usable state, if any; with a message for every file passed over."""
        messages = []
        for file in reversed(self._files()):
            try:
                state = torch.load(file, map_location="cpu", weights_only=True)
            except _DAMAGE as error:
                messages.append(f"{file}: cannot be read ({type(error).__name__}); passed over")
                continue
            if state.get("identity") == self.identity:
                self.commits = state.get("commits", [])
                return state, messages
            messages.append(f"{file}: of other settings or inputs; passed over")
        return None, messages

    def keep_newest(self) -> None:
        """Remove all but the last state, which alone can make the result once more."""
        for file in self._files()[:-1]:
            file.unlink()

    def _files(self) -> list[Path]:
        files = self.folder.glob("step_*.pt")
        return sorted((file for file in files if _number(file).isdecimal()), key=_step)


def tensor_bytes(value: Any) -> int:
    """Count the bytes of all tensors in nested mappings and sequences."""
    if isinstance(value, Tensor):
        return value.nbytes
    if isinstance(value, Mapping):
        return sum(map(tensor_bytes, value.values()))
    if isinstance(value, Iterable) and not isinstance(value, str):
        return sum(map(tensor_bytes, value))
    return 0


def _number(file: Path) -> str:
    return file.stem.removeprefix("step_")


def _step(file: Path) -> int:
    return int(_number(file))
