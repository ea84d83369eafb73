"""Your own data: `train.csv`, `test.csv` and, if you have one, `dev.csv`, with sequence and label.

Labels may be numbers or words. Tables may also be tab-separated (.tsv) and gzipped.
"""

from __future__ import annotations

from pathlib import Path

from dnastudents.benchmarks.sources import Paths, Sources
from dnastudents.benchmarks.task import SPLITS, number_labels, write_task
from dnastudents.errors import InputError

SEPARATORS = {".csv": ",", ".tsv": "\t"}


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
        A folder or archive that holds `<task>/train.csv` or `train.csv`, and so on.
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
    folders = (f"{task}/", "")
    train = files.require([f"{folder}train{end}" for folder in folders for end in SEPARATORS])
    # The other splits lie beside it: a dev.csv in another folder is another task's.
    beside = train[: train.rindex("train")]
    frames = {}
    for split in SPLITS:
        endings = [f"{beside}{split}{end}" for end in SEPARATORS]
        name = files.member(endings)
        if name is not None:
            suffix = Path(name.removesuffix(".gz")).suffix
            frames[split] = files.table(name, SEPARATORS[suffix])
        elif split != "dev":
            raise InputError(f"no {' or '.join(endings)}; put it beside {train}")
    splits, classes = number_labels(frames, f"{suite}/{task}")
    write_task(
        output,
        suite=suite,
        task=task,
        splits=splits,
        classes=classes,
        metric=metric,
        source=files.origin,
        licence="the user's",
        sha256=files.sha256,
        leakage=leakage,
    )
