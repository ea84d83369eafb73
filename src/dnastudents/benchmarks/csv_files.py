"""Your own data: `train.csv`, `test.csv` and, if you have one, `dev.csv`, with sequence and label.

`val`, `valid` and `validation` are names of dev too. Labels may be numbers or words (see
`benchmarks.labels`). Tables may also be tab-separated (.tsv) and gzipped.
"""

from __future__ import annotations

import logging
from pathlib import Path, PurePosixPath

import pandas as pd

from dnastudents.benchmarks.labels import number_labels
from dnastudents.benchmarks.own_tables import SEPARATORS, SPLIT_NAMES, table_names
from dnastudents.benchmarks.sources import Paths, Sources, bare
from dnastudents.benchmarks.task import write_task
from dnastudents.errors import InputError, nearest

logger = logging.getLogger(__name__)


def write(
    sources: Paths,
    task: str,
    output: Path,
    suite: str = "csv",
    metric: str = "accuracy",
    leakage: str = "report",
) -> None:
    """Write the task folder of a user's tables.

    Parameters
    ----------
    sources : path or paths
        A folder or archive that holds `<task>/train.csv` or, alone, `train.csv`, and so on; or the
        tables themselves.
    task : str
        The task's name.
    output : Path
        The task folder.
    suite : str
        Default is "csv".
    metric : str
        accuracy, mcc, f1 or f1_macro. Default is "accuracy".
    leakage : {'report', 'remove'}
        See `benchmarks.protocol`. Default is "report".
    """
    files = Sources(sources)
    splits, classes = number_labels(_tables(files, _folder(files, task)), f"{suite}/{task}")
    write_task(
        output,
        suite,
        task,
        splits,
        classes,
        metric,
        source=files.origin,
        licence="the user's",
        sha256=files.sha256,
        leakage=leakage,
    )


def _folder(files: Sources, task: str) -> str:
    """Find the folder of the task: it has the task's name, or is all that was given."""
    tables = [name for split in SPLIT_NAMES for name in table_names(split)]
    if files.folders([task], tables):
        return files.task_folder([task], tables)
    found = files.folders([""], tables)
    if len(found) == 1 and found[0] in files.tops:
        return found[0]
    if not found:
        raise InputError(f"no {task}/train.csv in {files.searched}; name the folder that has it")
    names = [PurePosixPath(folder).name for folder in found]
    listed = ", ".join(files.describe(folder) for folder in found)
    raise InputError(
        f"no folder '{task}' with train.csv in {files.searched}; there are {listed}: "
        f"{nearest(task, names)}"
    )


def _tables(files: Sources, folder: str) -> dict[str, pd.DataFrame]:
    """Read the splits of a folder; without dev where it has none."""
    frames, read = {}, set()
    for split in ("train", "dev", "test"):
        name = files.pick(folder, table_names(split))
        if name is not None:
            read.add(name)
            frames[split] = files.table(name, _separator(name) or ",")
        elif split != "dev":
            raise InputError(
                f"{folder or '.'}/{split}.csv: no such file (nor .tsv) in {files.searched}; add it"
            )
    others = [name for name in files.inside(folder) if name not in read and _separator(name)]
    if others:
        logger.warning(f"{', '.join(others)}: of no split by name, so not read")
    return frames


def _separator(name: str) -> str | None:
    """What separates the fields of a table, by its name; None for other files."""
    return SEPARATORS.get(PurePosixPath(bare(name)).suffix.lower())
