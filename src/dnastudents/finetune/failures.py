"""Seeds that cannot be trained, so that one of them does not lose the others.

Two failures are a seed's own: a loss that is not finite, and memory too small for one sequence.
The finished seeds are then the result, and the failure lies beside them, for the tables to show.
Everything else, as a signal or a full disk, fails the job, and so does a task whose seeds all fail.

A failure is never kept in the state: whoever runs the job again tries the seed again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

from dnastudents.devices import choose_device, device_name, is_out_of_memory
from dnastudents.errors import InputError
from dnastudents.files import write_json
from dnastudents.finetune.fit import Diverged

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


def kind_of(error: Exception) -> str | None:
    """Tell the kind of a failure that is a seed's own: diverged, out_of_memory; None of others."""
    if isinstance(error, Diverged):
        return "diverged"
    full = isinstance(error, RuntimeError) and is_out_of_memory(error)
    return "out_of_memory" if full else None


class Failures:
    """The seeds of one run on one task that failed.

    Parameters
    ----------
    names : mapping
        Of run, suite and task, for the records.

    Attributes
    ----------
    records : dict of int to dict
        By seed: `names`, seed, kind (diverged, out_of_memory), reason, and the wall_seconds and
        device that it took in this job.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = dict(names)
        self.records: dict[int, dict[str, Any]] = {}

    def each(
        self, starts: Mapping[int, Path], work: Callable[[int, Path], Result]
    ) -> dict[int, Result]:
        """Return what `work` gives for every seed that does not fail.

        Seeds that found no memory are tried once more after the others: what else was on the
        device may be gone by then. A loss is the seed's own, and is not drawn twice.

        Parameters
        ----------
        starts : mapping of int to Path
            Seeds and what they start from, the arguments of `work`.
        work : callable

        Returns
        -------
        dict
            By seed, in the order of `starts`.

        Raises
        ------
        InputError
            Every seed failed; it names the reasons.
        """
        done: dict[int, Result] = {}
        for seed, start in starts.items():
            self._try(seed, start, work, done)
        for seed, record in list(self.records.items()):
            if record["kind"] == "out_of_memory" and seed in starts:
                torch.cuda.empty_cache()
                self._try(seed, starts[seed], work, done)
        if not done:
            reasons = "; ".join(f"seed {s}: {r['reason']}" for s, r in self.records.items())
            raise InputError(f"{self._job()}: no seed could be trained. {reasons}")
        return {seed: done[seed] for seed in starts if seed in done}

    def write(self, folder: Path) -> None:
        """Write one `failed_seed_<s>.json` per record."""
        for seed, record in self.records.items():
            write_json(folder / f"failed_seed_{seed}.json", record)

    def _try(
        self,
        seed: int,
        start: Path,
        work: Callable[[int, Path], Result],
        done: dict[int, Result],
    ) -> None:
        """Put the result into `done`, or the failure into `records`."""
        began = time.perf_counter()
        try:
            done[seed] = work(seed, start)
        except Exception as error:
            kind, reason = kind_of(error), str(error)
            if kind is None:
                raise
            if kind == "out_of_memory":
                # How much was wanted; not who holds what, which follows.
                reason = ". ".join(reason.split(". ")[:2]) + ", for one sequence at a time"
        else:
            self.records.pop(seed, None)
            return
        seconds = time.perf_counter() - began
        seconds += self.records.get(seed, {}).get("wall_seconds", 0.0)
        self.records[seed] = {
            **self.names,
            "seed": seed,
            "kind": kind,
            "reason": reason,
            "wall_seconds": seconds,
            "device": device_name(choose_device()),
        }
        logger.error(f"{self._job()} seed {seed} FAILED: {reason}")

    def _job(self) -> str:
        return "{run} {suite}/{task}".format(**self.names)
