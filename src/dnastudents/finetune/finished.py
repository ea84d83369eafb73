"""What of a run on a task is finished, in a folder that outlives a killed job."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dnastudents.benchmarks.task import Task
from dnastudents.files import atomic_directory, digest, read_json, sha256, write_json
from dnastudents.finetune.job import Job
from dnastudents.finetune.options import Finetuning
from dnastudents.finetune.pretrainings import provenance
from dnastudents.models import model_digest, model_folder
from dnastudents.provenance import FILE, code_digest, write_provenance

logger = logging.getLogger(__name__)


class Kept:
    """Finished pieces of work, each with the digest of all that decides it, and the job behind.

    Parameters
    ----------
    run : str
        Name of the pretrained run.
    task : Task
    options : Finetuning
    state : Path
        Folder of the pieces.
    """

    def __init__(
        self,
        run: str,
        task: Task,
        options: Finetuning,
        state: Path,
    ) -> None:
        self.run, self.task, self.options, self.state = run, task, options, state
        self._starts: dict[Path, tuple[str, str]] = {}
        self._job: tuple[Path, Job] | None = None

    def job(self, start: Path) -> Job:
        """The job of one pretraining; its student is loaded when first asked for, one at a time."""
        if self._job is None or self._job[0] != start:
            self._job = None  # the last one's sequences go before these come
            weights, _ = self._content(start)
            config_digest = self._digest(start, self.options)
            self._job = start, Job(self.run, start, self.task, self.options, config_digest, weights)
        return self._job[1]

    def identity(self, start: Path, options: Finetuning | None = None, *more: Any) -> str:
        """Digest of what decides a piece: run, pretraining, task and settings (default: all)."""
        config_digest = self._digest(start, self.options if options is None else options)
        _, content = self._content(start)
        return digest([self.run, config_digest, content, self.task.digest, *more])

    def keep(
        self, name: str, identity: str, make: Callable[[Path], None], again: bool = False
    ) -> Path:
        """The piece `name`, made by `make` in a new folder unless it is there (or `again`).

        One that other code has made is taken, and said to be: most edits change no result.
        """
        folder = self.state / name
        if again or not (folder.is_dir() and read_json(folder / "identity.json") == identity):
            with atomic_directory(folder, "identity.json", "*") as partial:
                make(partial)
                write_json(partial / "identity.json", identity)
                write_provenance(partial, code=code_digest())
        elif (made := read_json(folder / FILE))["code"] != code_digest():
            logger.warning(
                f"{folder}: kept, though the code has changed since (it was made by commit "
                f"{made['commit']}); remove it to make it again"
            )
        return folder

    def _digest(self, start: Path, options: Finetuning) -> str:
        weights, _ = self._content(start)
        return digest({"finetuning": options.as_json(), "weights": weights})

    def _content(self, start: Path) -> tuple[str, str]:
        """SHA-256 of a pretraining's weights, and digest of all that is used of it."""
        if start not in self._starts:
            weights = sha256(model_folder(start) / "model.safetensors")
            content = digest([model_digest(start), provenance(start)])
            self._starts[start] = weights, content
        return self._starts[start]
