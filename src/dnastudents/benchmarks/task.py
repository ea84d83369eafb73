"""The canonical task folder: what every benchmark becomes, and all that training reads.

`train.parquet`, `dev.parquet` and `test.parquet` (columns `sequence`, upper case, and `label`,
int64) and `task.json` with the protocol and what a reader should know before believing a number:
sizes, lengths, duplicates, labels that contradict each other, N content.

`leaks.json` counts the test sequences that are in train, of which dev may be drawn, letter by
letter or nearly (see `benchmarks.leaks`); those that were removed are not.

Nothing is dropped silently: duplicates and leaks are counted, and leaks removed only if asked for
(see `benchmarks.protocol`). Letters are made canonical (`benchmarks.letters`), labels numbered
(`benchmarks.labels`). Where a suite has no dev split, a part of every class of train becomes one,
drawn by a seed; test never decides anything. A few-shot task is a pool of training sequences
without a dev split, from which each fine-tuning seed draws.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dnastudents.benchmarks.facts import FILE, METRICS, OFFICIAL, DevRule, Protocol, read_protocol
from dnastudents.benchmarks.labels import counted, label_numbers, require_classes
from dnastudents.benchmarks.leaks import FILE as LEAKS
from dnastudents.benchmarks.leaks import find_leaks
from dnastudents.benchmarks.letters import canonical_sequences
from dnastudents.benchmarks.protocol import describe, remove_leaks
from dnastudents.benchmarks.rows import require_columns
from dnastudents.errors import InputError, nearest
from dnastudents.files import (
    atomic_directory,
    digest,
    read_parquet,
    sha256,
    write_json,
    write_parquet,
)
from dnastudents.provenance import FILE as PROVENANCE
from dnastudents.provenance import write_provenance
from dnastudents.randomness import numpy_generator
from dnastudents.settings import parse

logger = logging.getLogger(__name__)

SPLITS = ("train", "dev", "test")
DEV_FRACTION = 0.1
DRAWN = DevRule(origin="drawn", fraction=DEV_FRACTION, seed=0)


@dataclass(frozen=True)
class Task:
    """A task folder that has been read.

    Attributes
    ----------
    folder : Path
    suite, task : str
    classes : list of str
        Names; a label is an index of this list.
    metric : str
        accuracy, mcc, f1 (of class 1) or f1_macro.
    max_length : int
        Bases of the longest sequence.
    simulated : bool
    protocol : Protocol
        All of task.json.
    """

    folder: Path
    suite: str
    task: str
    classes: list[str]
    metric: str
    max_length: int
    simulated: bool
    protocol: Protocol

    @property
    def shots(self) -> int | None:
        """Sequences a class that each seed draws from train; None where all of train is used."""
        return self.protocol.shots

    @property
    def has_dev(self) -> bool:
        """Whether there is a dev split; a few-shot task has none."""
        return self.shots is None

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that there are."""
        return SPLITS if self.has_dev else ("train", "test")

    def split(self, name: str) -> pd.DataFrame:
        """One split as a frame with `sequence` and `label`, checked as `write_task` does.

        Others may have written it.
        """
        if name not in self.splits:
            raise InputError(f"{self.folder}: no {name} split; the splits are train and test")
        path = self.folder / f"{name}.parquet"
        if not path.is_file():
            raise InputError(f"{path}: no such split; write the task folder again")
        frame = read_parquet(path).reset_index(drop=True)
        count = self.protocol.n_sequences.get(name)
        if len(frame) != count:
            raise InputError(
                f"{path}: has {len(frame):,} sequences, and {count} by {FILE}; write the task "
                "folder again"
            )
        require_columns(frame, str(path))
        sequences, _ = canonical_sequences(frame, str(path))
        labels = label_numbers(frame, self.classes, str(path))
        frame = pd.DataFrame({"sequence": sequences, "label": labels})
        if name == "train":
            require_classes(frame, self.classes, str(path), 0, self.shots)
        return frame

    @cached_property
    def digest(self) -> str:
        """Digest of the protocol and of the content of the splits."""
        files = [self.folder / f"{name}.parquet" for name in self.splits]
        content = {file.stem: sha256(file) for file in files if file.is_file()}
        return digest([self.protocol.as_json(), content])

    @cached_property
    def train(self) -> pd.DataFrame:
        """The training split."""
        return self.split("train")

    @cached_property
    def dev(self) -> pd.DataFrame:
        """The split that selects."""
        return self.split("dev")

    @cached_property
    def test(self) -> pd.DataFrame:
        """The split that is reported."""
        return self.split("test")


def load_task(folder: str | Path) -> Task:
    """Read a task folder.

    Raises
    ------
    InputError
        The folder or a key of its task.json is missing.
    """
    protocol = read_protocol(folder)
    keys = ("suite", "task", "metric", "max_length", "simulated")
    facts = {key: getattr(protocol, key) for key in keys}
    return Task(Path(folder), protocol=protocol, classes=list(protocol.classes), **facts)


class Options(TypedDict, total=False):
    """What `write_task` may be told besides the sequences.

    Attributes
    ----------
    source, licence, sha256 : str
        Where the data came from, and the hash of the file they were read from.
    simulated : bool
        Default is False.
    notes : sequence of str
        Deviations and substitutes, shown beside the task.
    dev_rule : DevRule
        Where a given dev split comes from; default is that it is official. One whose origin is
        drawn tells how it is drawn where there is none; default is `DRAWN`.
    shots : int or None
        Of a few-shot task, which has no dev split: the sequences a class that each fine-tuning seed
        draws from train (see `benchmarks.draws`). Default is None.
    leakage : {'report', 'remove'}
        Whether rows of train and dev whose sequence is in test stay. They go before a dev split is
        drawn. Default is "report": they stay and are counted.
    """

    source: str
    licence: str
    sha256: str | None
    simulated: bool
    notes: Sequence[str]
    dev_rule: DevRule
    shots: int | None
    leakage: str


def write_task(
    folder: str | Path,
    suite: str,
    task: str,
    splits: Mapping[str, pd.DataFrame],
    classes: Sequence[str],
    metric: str,
    **options: Unpack[Options],
) -> None:
    """Write a task folder, complete or not at all, and log its classes with their counts.

    Parameters
    ----------
    folder : path
    suite, task : str
        Their names in tables.
    splits : mapping of str to DataFrame
        train, test and maybe dev, with `sequence` (str) and `label` (index of `classes`).
    classes : sequence of str
        Class names.
    metric : str
        accuracy, mcc, f1 or f1_macro.
    options : see `Options`

    Raises
    ------
    InputError
        For a missing column, a foreign letter, an unknown label, an empty sequence, split or class,
        a dev split of a few-shot task, or a class of it that leaks leave with too few sequences.
    """
    where, leakage = f"{suite}/{task}", options.get("leakage", "report")
    if metric not in METRICS:
        raise InputError(f"{where}: no metric {metric!r}; known: {', '.join(METRICS)}")
    clean, ambiguous = _canonical(splits, classes, where)
    removed = remove_leaks(clean, leakage, where)
    require_classes(clean["train"], classes, where, removed["train"], options.get("shots"))
    of_train = clean["train"]["sequence"].tolist()  # with those of which dev is drawn
    facts = {
        **{"source": "", "licence": "", "simulated": False, **options},
        **{"suite": suite, "task": task, "classes": list(classes), "metric": metric},
        "dev_rule": _complete_dev(clean, classes, where, options).as_json(),
        "leakage": {"rule": leakage, "removed": removed},
        **_described(clean, ambiguous, len(classes)),
    }
    protocol: Protocol = parse(Protocol, facts, where)
    for pair in ("train/test", "dev/test"):
        if shared := protocol.duplicates.across[pair]:
            logger.warning(
                f"{where}: {shared:,} sequences are in {pair.replace('/', ' and in ')}; "
                "`leakage: remove` takes them out of the former"
            )
    if protocol.conflicting_labels:
        logger.warning(f"{where}: {protocol.conflicting_labels:,} sequences have several labels")
    leaks = find_leaks(of_train, clean["test"]["sequence"].tolist())
    with atomic_directory(folder, FILE, "*.parquet", LEAKS, PROVENANCE) as partial:
        for name, frame in clean.items():
            write_parquet(frame, partial / f"{name}.parquet")
        write_json(partial / FILE, protocol.as_json())
        write_json(partial / LEAKS, leaks.as_json())
        write_provenance(partial)


def _canonical(
    splits: Mapping[str, pd.DataFrame], classes: Sequence[str], where: str
) -> tuple[dict[str, pd.DataFrame], int]:
    """Make the splits canonical, and count their letters that became N; log what is in them."""
    clean, ambiguous = {}, 0
    for name, frame in splits.items():
        require_columns(frame, f"{where} {name}")
        if frame.empty:
            raise InputError(f"{where} {name}: no sequences")
        sequences, count = canonical_sequences(frame, f"{where} {name}")
        labels = label_numbers(frame, classes, f"{where} {name}")
        clean[name] = pd.DataFrame({"sequence": sequences.to_numpy(), "label": labels.to_numpy()})
        ambiguous += count
    if absent := {"train", "test"} - clean.keys():
        raise InputError(f"{where}: no split {sorted(absent)[0]!r}")
    bases = pd.concat([frame["sequence"] for frame in clean.values()])
    share = bases.str.count("N").sum() / bases.str.len().sum()
    if share == 1:
        raise InputError(f"{where}: every base is N; give sequences with A, C, G and T")
    logger.info(f"{where}: {counted(clean, classes)}; {share:.2%} of the bases are N")
    return clean, ambiguous


def _complete_dev(
    clean: dict[str, pd.DataFrame], classes: Sequence[str], where: str, options: Options
) -> DevRule:
    """Draw a dev split, in place, where one is needed; the rule that it follows."""
    rule = options.get("dev_rule", OFFICIAL)
    if options.get("shots") is not None:
        if "dev" in clean:
            raise InputError(f"{where}: a few-shot task has no dev split; leave it out")
        return DevRule(origin="none")
    if "dev" in clean:
        return rule
    rule = rule if rule.origin == "drawn" else DRAWN
    assert rule.fraction is not None and rule.seed is not None, "a drawn rule has both"
    counts = np.bincount(clean["train"]["label"])
    if counts.min() < 2:
        raise InputError(
            f"{where} train: class {classes[int(counts.argmin())]!r} has 1 sequence, and dev needs "
            "one too; add sequences, or a dev split"
        )
    clean["train"], clean["dev"] = split_dev(clean["train"], rule.fraction, rule.seed)
    return rule


def _described(clean: Mapping[str, pd.DataFrame], ambiguous: int, classes: int) -> dict[str, Any]:
    """Count what task.json tells of the splits; of a few-shot task, dev is empty."""
    nothing = pd.DataFrame({"sequence": [], "label": np.arange(0)})
    frames = {name: clean.get(name, nothing) for name in SPLITS}
    facts = describe(frames, ambiguous, classes)
    return {"max_length": facts["length_distribution"]["max"], **facts}


def split_dev(train: pd.DataFrame, fraction: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Move a fraction of each class, at least one sequence, from train to dev.

    Raises
    ------
    InputError
        A class has fewer than two sequences.
    """
    is_dev = dev_mask(train["label"].to_numpy(), fraction, seed)
    return train[~is_dev].reset_index(drop=True), train[is_dev].reset_index(drop=True)


def dev_mask(labels: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.bool_]:
    """True (n,) at a fraction of each class, at least one sequence; drawn by the seed.

    Raises
    ------
    InputError
        A class has fewer than two sequences.
    """
    generator = numpy_generator(seed, "dev split")
    is_dev = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) < 2:
            raise InputError(f"train: class {label} has {len(rows)} sequence; dev needs one too")
        count = max(1, round(fraction * len(rows)))
        is_dev[generator.choice(rows, size=count, replace=False)] = True
    return is_dev


def require_task(suite: str, task: str, known: Iterable[str]) -> None:
    """An `InputError` with the nearest name unless `task` is known."""
    names = list(known)
    if task not in names:
        raise InputError(f"{suite}: no task {task!r}; {nearest(task, names)}")
