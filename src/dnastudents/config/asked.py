"""What each job is asked, in a file beside the results, so that no other result is taken for it.

Snakemake makes a result again when an input is newer, or when its own records in `.snakemake` say
that settings have changed. Records get lost, a FASTA may be replaced by an older one, and a file
inside a folder changes without the folder. So each job has one more input: a file that holds its
settings, and size and time of the user's own files that it reads. It is written when, and only
when, its content changes; then it is newer than the result, which is made again.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dnastudents.config.config import Config
from dnastudents.files import ANYTHING, atomic_file

logger = logging.getLogger(__name__)

STATE_FOLDERS = {  # of each rule that keeps states, the folder of them
    "pretrain": "pretrain",
    "train_teacher": "teacher",
    "finetune": "finetune",
    "linear": "linear",
}


class Asked:
    """The files of all jobs.

    Parameters
    ----------
    folder : Path
        Below the results.
    dry_run : bool
        Write nothing, and warn of results that a real run would make again.
    """

    def __init__(self, folder: str | Path, dry_run: bool = False) -> None:
        self.folder, self.dry_run = Path(folder), dry_run

    def file(self, job: str, what: Any, own_files: Iterable[str | Path] = ()) -> list[str]:
        """Write what a job is asked, if that is news.

        Parameters
        ----------
        job : str
            Its name, as that of its log.
        what : Any
            Settings, and all else that decides the result and is not a file; fit for JSON.
        own_files : iterable of path
            The user's files and folders that it reads.

        Returns
        -------
        list of str
            The file; none in a dry run where there was none before.
        """
        path = self.folder / f"{job}.json"
        content = {"asked": what}
        if files := signature(own_files):
            content["files"] = files
        text = json.dumps(content, sort_keys=True, indent=1, default=_plain)
        known = path.read_text(encoding="utf-8") if path.is_file() else None
        if known == text:
            return [str(path)]
        if not self.dry_run:
            with atomic_file(path, ANYTHING) as partial:
                partial.write_text(text, encoding="utf-8")
            return [str(path)]
        if known is not None:
            logger.warning(f"{job}: was made from other settings or files; will be made again")
        return [str(path)] if known is not None else []


def _plain(value: Any) -> Any:
    return value.as_json() if hasattr(value, "as_json") else list(value)


def signature(paths: Iterable[str | Path]) -> dict[str, list[int]]:
    """Return size (bytes) and time of change (ns) of all files, also in folders, by path."""
    found: dict[str, list[int]] = {}
    for path in map(Path, paths):
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in inside:
            if file.is_file():
                state = file.stat()
                found[str(file)] = [state.st_size, state.st_mtime_ns]
    return found


def forget_states(config: Config, forced: Iterable[str], everything: bool = False) -> list[Path]:
    """Remove the kept states of jobs that are forced, so that they compute again.

    Parameters
    ----------
    config : Config
        Whose runs are meant.
    forced : iterable of str
        Rules, or result folders (`results/pretrain/had`), as of `snakemake -R`.
    everything : bool
        As of `snakemake -F`. Default is False.

    Returns
    -------
    list of Path
        What was removed.
    """
    results = Path(config.settings.results)
    runs = [name for run in config.runs for name in config.replicas(run)]
    names: Mapping[str, Iterable[str]] = {
        "pretrain": runs,
        "train_teacher": config.settings.teachers,
        "finetune": config.runs,
        "linear": config.runs,
    }
    rules = STATE_FOLDERS if everything else [rule for rule in forced if rule in STATE_FOLDERS]
    wanted = [
        results / "state" / STATE_FOLDERS[rule] / name for rule in rules for name in names[rule]
    ]
    for path in map(Path, forced):
        if path.is_relative_to(results) and path != results:
            wanted.append(results / "state" / path.relative_to(results))
    gone = [path for path in wanted if path.is_dir()]
    for path in gone:
        shutil.rmtree(path)
    return gone
