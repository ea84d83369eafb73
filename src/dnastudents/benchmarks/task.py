"""The canonical task folder: what every benchmark becomes, and all that training reads.

`train.parquet`, `dev.parquet` and `test.parquet` (columns `sequence`, upper case, and `label`,
int64) and `task.json` with the protocol and what a reader should know before believing a number:
sizes, lengths, duplicates, labels that contradict each other, N content.

Nothing is dropped silently: duplicates and leaks are counted, and leaks removed only if asked for
(see `benchmarks.protocol`). IUPAC letters other than A C G T become N and are counted; any other
letter is an error. Where a suite has no dev split, a
part of every class of train becomes one, drawn by a seed; test never decides anything. A few-shot
task is a pool of training sequences without a dev split, from which each fine-tuning seed draws.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dnastudents.benchmarks.facts import FILE, METRICS, OFFICIAL, DevRule, Protocol, read_protocol
from dnastudents.benchmarks.protocol import describe, remove_leaks
from dnastudents.errors import InputError, nearest
from dnastudents.files import atomic_directory, digest, reading, sha256, write_json
from dnastudents.provenance import FILE as PROVENANCE
from dnastudents.provenance import write_provenance
from dnastudents.randomness import numpy_generator
from dnastudents.settings import parse

SPLITS = ("train", "dev", "test")
DEV_FRACTION = 0.1
_NOT_DNA = re.compile("[^ACGTNRYSWKMBDHVU]")
_AMBIGUOUS = re.compile("[RYSWKMBDHV]")


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
        """One split as a frame with `sequence` and `label`."""
        if name not in self.splits:
            raise InputError(f"{self.folder}: no {name} split; the splits are train and test")
        path = self.folder / f"{name}.parquet"
        if not path.is_file():
            raise InputError(f"{path}: no such split; write the task folder again")
        with reading(path):
            return pd.read_parquet(path)

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


def sort_classes(names: Sequence[object]) -> list[str]:
    """Unique class names in order: numbers by value, else letters."""
    unique = sorted({str(name) for name in names})
    return sorted(unique, key=int) if all(name.isdecimal() for name in unique) else unique


def write_task(
    folder: str | Path,
    suite: str,
    task: str,
    splits: Mapping[str, pd.DataFrame],
    classes: Sequence[str],
    metric: str,
    *,
    source: str = "",
    licence: str = "",
    sha256: str | None = None,
    simulated: bool = False,
    dev_fraction: float = DEV_FRACTION,
    dev_rule: DevRule = OFFICIAL,
    seed: int = 0,
    shots: int | None = None,
    notes: Sequence[str] = (),
    leakage: str = "report",
) -> None:
    """Write a task folder, complete or not at all.

    Parameters
    ----------
    folder : path
        The task folder.
    suite, task : str
        Their names in tables.
    splits : mapping of str to DataFrame
        train, test and maybe dev, with columns `sequence` (str) and `label` (index of `classes`).
    classes : sequence of str
        Class names.
    metric : str
        accuracy, mcc, f1 or f1_macro.
    source, licence, sha256 : str
        Where the data came from, and the hash of the file they were read from.
    simulated : bool
        Default is False.
    dev_fraction : float
        Share of each class of train that becomes dev where `splits` has none. Default is 0.1.
    dev_rule : DevRule
        Where a given dev split comes from.
    seed : int
        Draws the dev split. Default is 0.
    shots : int, optional
        Of a few-shot task: the sequences a class that each fine-tuning seed draws from train (see
        `benchmarks.draws`). Such a task has no dev split. Default is none.
    notes : sequence of str
        Deviations and substitutes, shown beside the task.
    leakage : {'report', 'remove'}
        Whether rows of train and dev whose sequence is in test stay. They go before a dev split is
        drawn. Default is "report": they stay and are counted.

    Raises
    ------
    InputError
        For a missing column, a foreign letter, an unknown label, an empty sequence, split or class,
        a dev split of a few-shot task, or a class of it that leaks leave with too few sequences.
    """
    where = f"{suite}/{task}"
    if metric not in METRICS:
        raise InputError(f"{where}: no metric {metric!r}; known: {', '.join(METRICS)}")
    clean = {name: _checked(frame, f"{where} {name}", classes) for name, frame in splits.items()}
    if absent := {"train", "test"} - clean.keys():
        raise InputError(f"{where}: no split {sorted(absent)[0]!r}")
    removed = remove_leaks(clean, leakage, where)
    _require_classes(clean["train"], classes, where, removed["train"], shots)
    if shots is not None:
        dev_rule = DevRule(origin="none")
        if "dev" in clean:
            raise InputError(f"{where}: a few-shot task has no dev split; leave it out")
    elif "dev" not in clean:
        clean["train"], clean["dev"] = split_dev(clean["train"], dev_fraction, seed)
        dev_rule = DevRule(origin="drawn", fraction=dev_fraction, seed=seed)
    nothing = pd.DataFrame({"sequence": [], "label": np.arange(0)})
    frames = {name: clean.get(name, nothing) for name in SPLITS}  # a few-shot task has no dev
    facts = {
        "suite": suite,
        "task": task,
        "classes": list(classes),
        "metric": metric,
        "max_length": max(int(frame["sequence"].str.len().max()) for frame in clean.values()),
        "dev_rule": dev_rule.as_json(),
        "shots": shots,
        "source": source,
        "licence": licence,
        "sha256": sha256,
        "simulated": simulated,
        "notes": list(notes),
        "leakage": {"rule": leakage, "removed": removed},
        **describe(frames, splits, len(classes)),
    }
    protocol: Protocol = parse(Protocol, facts, where)
    with atomic_directory(folder, FILE, "*.parquet", PROVENANCE) as partial:
        for name, frame in clean.items():
            frame.to_parquet(partial / f"{name}.parquet", index=False)
        write_json(partial / FILE, protocol.as_json())
        write_provenance(partial)


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


def _checked(frame: pd.DataFrame, where: str, classes: Sequence[str]) -> pd.DataFrame:
    """The frame in canonical form, or an `InputError` that names the first bad row."""
    _require_columns(frame, where)
    if frame.empty:
        raise InputError(f"{where}: no sequences")
    sequences = frame["sequence"].fillna("").astype(str).str.strip().str.upper()
    bad = sequences.str.contains(_NOT_DNA) | (sequences == "")
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        shown = sequences.iloc[row][:20]
        raise InputError(f"{where}: sequence {row} is empty or not DNA: {shown!r}")
    labels = pd.to_numeric(frame["label"], errors="coerce")
    unknown = ~labels.isin(range(len(classes)))
    if unknown.any():
        row = int(np.flatnonzero(unknown)[0])
        shown = frame["label"].iloc[row]
        raise InputError(f"{where}: row {row} has label {shown!r}; known: 0 to {len(classes) - 1}")
    canonical = sequences.str.replace("U", "T").str.replace(_AMBIGUOUS, "N", regex=True)
    return pd.DataFrame(
        {"sequence": canonical.to_numpy(), "label": labels.to_numpy().astype(np.int64)}
    )


def _require_classes(
    train: pd.DataFrame, classes: Sequence[str], where: str, removed: int, shots: int | None
) -> None:
    """An `InputError` unless each class has a training sequence, and its shots after a removal."""
    needed = shots if shots and removed else 1
    after = f" without the {removed} that are in test (`leakage: remove`)" if removed else ""
    counts = np.bincount(train["label"], minlength=len(classes))
    for name, count in zip(classes, counts, strict=True):
        if not count:
            raise InputError(f"{where}: class {name!r} has no training sequence{after}")
        if count < needed:
            raise InputError(
                f"{where}: class {name!r} has {count} training sequences{after}; {needed} needed"
            )


def _require_columns(frame: pd.DataFrame, where: str) -> None:
    for column in ("sequence", "label"):
        if column not in frame.columns:
            have = ", ".join(map(str, frame.columns))
            raise InputError(f"{where}: no column {column!r}; the columns are {have}")


def number_labels(
    frames: Mapping[str, pd.DataFrame], where: str
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Replace labels of any kind by their index among the sorted classes of train.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        Splits with columns `sequence` and `label`.
    where : str
        Names the data in messages.

    Raises
    ------
    InputError
        A column or a label is missing, train has one class only, or dev or test has a label that
        train has not.
    """
    for split, frame in frames.items():
        _require_columns(frame, f"{where} {split}")
        empty = frame["label"].isna() | (frame["label"].astype(str).str.strip() == "")
        if empty.any():
            row = int(np.flatnonzero(empty)[0])
            raise InputError(f"{where} {split}: row {row} has no label; the file may be cut short")
    classes = sort_classes(frames["train"]["label"].tolist())
    if len(classes) == 1:
        raise InputError(f"{where} train: {classes[0]!r} is the only class; two are needed")
    index = {name: number for number, name in enumerate(classes)}
    numbered = {}
    for split, frame in frames.items():
        labels = frame["label"].astype(str).map(index)
        if labels.isna().any():
            unknown = str(frame["label"][labels.isna()].iloc[0])
            known = ", ".join(classes[:10])
            raise InputError(f"{where} {split}: label {unknown!r} is not in train; known: {known}")
        numbered[split] = frame.assign(label=labels.astype(np.int64))
    return numbered, classes


def require_task(suite: str, task: str, known: Iterable[str]) -> None:
    """An `InputError` with the nearest name unless `task` is known."""
    names = list(known)
    if task not in names:
        raise InputError(f"{suite}: no task {task!r}; {nearest(task, names)}")
