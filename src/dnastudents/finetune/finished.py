"""What of a run on a task is finished, in a folder that outlives a killed job.

A piece belongs to what made it: the content of the task's splits and of the student's weights, the
settings, and `REVISION` of this package. A piece of which a file is broken or lost is made again.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dnastudents.benchmarks.task import Task
from dnastudents.errors import InputError
from dnastudents.files import (
    atomic_directory,
    check_folder,
    digest,
    read_json,
    sha256,
    write_json,
)
from dnastudents.finetune.classifiers import CLASSIFIER, keep_classifiers, lost_classifiers
from dnastudents.finetune.on_task import TRAINED, WEIGHTS, StudentOnTask
from dnastudents.finetune.options import Finetuning
from dnastudents.finetune.pretrainings import provenance
from dnastudents.models import model_digest, model_folder
from dnastudents.provenance import FILE, code_digest, write_provenance
from dnastudents.training.state import StateFolder

logger = logging.getLogger(__name__)

REVISION = 4  # raised with every change of the code that changes what a seed comes to
_RECORD = "identity.json"
_HOLDS = (  # a piece
    _RECORD,
    FILE,
    TRAINED,
    WEIGHTS,
    CLASSIFIER,
    "row.json",
    "history.csv",
    "predictions.parquet",
)


class Kept:
    """Finished pieces of work of a run on a task, each with the digest of all that decides it.

    Parameters
    ----------
    run : str
        Name of the pretrained run.
    task : Task
    options : Finetuning
    state : Path
        Folder of the pieces.
    sharers : int
        Processes that make pieces on one device, of whose time each counts its part. Default is 1.
    """

    def __init__(
        self,
        run: str,
        task: Task,
        options: Finetuning,
        state: Path,
        sharers: int = 1,
    ) -> None:
        self.run, self.task, self.options, self.state = run, task, options, state
        self._sharers = sharers
        self._starts: dict[Path, tuple[str, str]] = {}
        self._loaded: tuple[Path, StudentOnTask] | None = None
        self._seeds: dict[str, Path] = {}  # finished, by the name of their folder

    def student(self, start: Path) -> StudentOnTask:
        """Return the student of one pretraining, loaded when first needed, one at a time."""
        if self._loaded is None or self._loaded[0] != start:
            self._loaded = None  # the last one's sequences go before these come
            weights, _ = self._content(start)
            config_digest = self._digest(start, self.options)
            student = StudentOnTask(
                self.run, start, self.task, self.options, config_digest, weights, self._sharers
            )
            self._loaded = start, student
        return self._loaded[1]

    def identity(self, start: Path, options: Finetuning | None = None, *more: Any) -> str:
        """Compute the digest of what decides a piece: run, pretraining, task, settings (or all)."""
        config_digest = self._digest(start, self.options if options is None else options)
        _, content = self._content(start)
        return digest([REVISION, self.run, config_digest, content, self.task.digest, *more])

    def keep(
        self,
        name: str,
        identity: str,
        make: Callable[[Path, StateFolder], None],
        again: bool = False,
    ) -> Path:
        """Return the piece `name`; `make` makes it in a new folder unless it is there (or `again`).

        `make` also gets a place for its state, which goes when the piece is there.

        One that other code has made is taken, and said to be: most edits change no result.
        """
        folder, unfinished = self.state / name, self.state / f"{name}.unfinished"
        if again or not _is_kept(folder, identity):
            with atomic_directory(folder, *_HOLDS) as partial:
                make(partial, StateFolder(unfinished, identity))
                write_provenance(partial, code=code_digest())
                files = {
                    str(file.relative_to(partial)): sha256(file)
                    for file in partial.rglob("*")
                    if file.is_file()
                }
                write_json(partial / _RECORD, {"identity": identity, "files": files})
            shutil.rmtree(unfinished, ignore_errors=True)
        elif (made := read_json(folder / FILE))["code"] != code_digest():
            logger.warning(
                f"{folder}: kept, though the code has changed since (it was made by commit "
                f"{made['commit']}); remove it to make it again"
            )
        return folder

    def drop_classifiers(self, folder: Path) -> None:
        """Drop the classifiers that need not be kept now that this seed is finished too.

        Disks are small. What lies there of other settings is no rival: it is not finished.
        """
        self._seeds[folder.name] = folder
        keep_classifiers(self.options.keep, list(self._seeds.values()))

    def drop_lost(self) -> bool:
        """Remove the finished seeds whose classifier is gone but wanted; whether there are any."""
        lost = lost_classifiers(self.options.keep, list(self._seeds.values()))
        for folder in lost:
            logger.warning(f"{folder}: its classifier is gone; this seed is made again")
            shutil.rmtree(folder)
            del self._seeds[folder.name]
        return bool(lost)

    def _digest(self, start: Path, options: Finetuning) -> str:
        weights, _ = self._content(start)
        return digest({"finetuning": options.as_json(), "weights": weights})

    def _content(self, start: Path) -> tuple[str, str]:
        """Compute SHA-256 of a pretraining's weights, and a digest of all that is used of it."""
        if start not in self._starts:
            weights = sha256(model_folder(start) / "model.safetensors")
            content = digest([model_digest(start), provenance(start)])
            self._starts[start] = weights, content
        return self._starts[start]


def _is_kept(folder: Path, identity: str) -> bool:
    """Whether a whole piece of this identity is there; a broken one is taken away, and said to be.

    Only the weights may be gone: a grid removes them when its seeds are tested. And the classifier,
    as a whole: it is kept of few seeds, and `Kept.drop_lost` looks for theirs.
    """
    if not folder.exists():
        return False
    try:
        record = read_json(folder / _RECORD)
        if not isinstance(record, dict) or not isinstance(record.get("files"), dict):
            raise InputError(f"{folder / _RECORD}: does not say what was written")
        if record.get("identity") != identity:
            return False
        for name, content in record["files"].items():
            file, top = folder / name, name.partition("/")[0]
            may_be_gone = top in (WEIGHTS, CLASSIFIER) and not (folder / top).exists()
            if not may_be_gone and sha256(file) != content:
                raise InputError(f"{file}: is not as it was written")
    except (InputError, OSError) as error:
        # What never was a piece stays, and is said to be none.
        first = next((name for name in _HOLDS if (folder / name).exists()), _RECORD)
        broken = check_folder(folder, first, *_HOLDS)
        logger.warning(f"{folder}: broken ({error}); it is made again")
        shutil.rmtree(broken)
        return False
    return True
