"""The labels of a task: what counts as one class, how classes are ordered, and what is no class.

A label is text without the blanks around it. Numbers that are equal are one class ("0", "0.0",
"0e0"); text such as "001" or "nan" stays what it is. Fractions are values of a regression, lists
such as "0;3" and several columns of labels are multi-label, and more classes than half the
sequences are names or values: all are refused. So are classes that differ by case only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from dnastudents.benchmarks.rows import FILE, place, require_columns
from dnastudents.errors import InputError

_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_UNSEEN = "\u200b\u2060\ufeff"  # of no width
_BLANKS = "".join(sign for sign in map(chr, range(0x10000)) if sign.isspace()) + _UNSEEN
_LONGEST = 200  # letters of the name of a class
_LIST = re.compile(r"[\[({]?\s*\d+(?:\s*[;,|\s]\s*\d+)+\s*[\])}]?", re.ASCII)
_SEPARATOR = re.compile(r"\s*[;,|]\s*")
_COLUMNS = re.compile(r"label[._ -]?\d+", re.ASCII | re.IGNORECASE)
_REFUSED = (
    "regression/multi-label tasks are not supported; bin the values into classes, or make one task "
    "of each label"
)
_SHOWN = 20  # classes in a line of the log


def class_name(label: object) -> str:
    """Name the class of a label."""
    text = str(label).strip(_BLANKS)
    if not _NUMBER.fullmatch(text):
        return text
    number = Decimal(text)
    return str(int(number)) if number == number.to_integral_value() else text


def is_fraction(name: str) -> bool:
    """Whether the name of a class is a number that is not whole."""
    return bool(_NUMBER.fullmatch(name)) and not name.removeprefix("-").isdecimal()


def sort_classes(names: Sequence[object]) -> list[str]:
    """Unique class names in order: whole numbers by value, else letters."""
    unique = sorted({class_name(name) for name in names})
    return sorted(unique, key=int) if all(name.isdecimal() for name in unique) else unique


def number_labels(
    frames: Mapping[str, pd.DataFrame], where: str
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Replace labels of any kind by their index among the sorted classes of train.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        Splits with columns `sequence` and `label`, see `benchmarks.rows`.
    where : str
        Names the data in messages.

    Raises
    ------
    InputError
        A column or a label is missing; train has one class only, fractions, or too many classes;
        or dev or test has a label that train has not.
    """
    for split, frame in frames.items():
        _require_one_label(frame, f"{where} {split}")
        require_columns(frame, f"{where} {split}")
    names = {split: _names(frame, f"{where} {split}") for split, frame in frames.items()}
    classes = sort_classes(names["train"].unique().tolist())
    _require_classification(classes, names, where)
    index = {name: number for number, name in enumerate(classes)}
    numbered = {}
    for split, frame in frames.items():
        labels = names[split].map(index)
        if labels.isna().any():
            row = int(labels.isna().to_numpy().argmax())
            raise InputError(
                f"{place(frame, row, f'{where} {split}')}: label {names[split].iloc[row]!r} is not "
                f"in train; known: {_listed(classes)}"
            )
        numbered[split] = frame.assign(label=labels.astype(np.int64))
    return numbered, classes


def _require_one_label(frame: pd.DataFrame, where: str) -> None:
    """An `InputError` where labels stand in several columns: label_0, label_1 or label_a, label_b.

    What else begins so beside `label`, as label_name, only explains it.
    """
    columns = [str(name) for name in frame.columns if str(name).lower().startswith("label")]
    if "label" in columns:
        columns = ["label", *filter(_COLUMNS.fullmatch, columns)]
    if len(columns) > 1:
        file = frame[FILE].iloc[0] if FILE in frame.columns and len(frame) else where
        raise InputError(f"{file}: columns {columns[0]!r} and {columns[1]!r}: {_REFUSED}")


def _is_list(name: str, names: set[str]) -> bool:
    """Whether a label is a list of numbers, or of words that are labels of other sequences."""
    parts = _SEPARATOR.split(name)
    return bool(_LIST.fullmatch(name)) or (len(parts) > 1 and names.issuperset(parts))


def _names(frame: pd.DataFrame, where: str) -> pd.Series:
    """Name the class of each row; a row without a label, or with several, is an error."""
    several = ~frame["label"].map(pd.api.types.is_scalar).to_numpy(bool)
    if several.any():
        row = int(several.argmax())
        raise InputError(
            f"{place(frame, row, where)}: label {frame['label'].iloc[row]} is a list: {_REFUSED}"
        )
    known: dict[Any, str] = {label: class_name(label) for label in frame["label"].dropna().unique()}
    if frame.empty:
        raise InputError(f"{where}: no sequence; the file may be cut short")
    names = frame["label"].map(known).astype(object)
    broken = names.str.contains(r"[\r\n]", na=False).to_numpy(bool)
    if broken.any():
        row = int(broken.argmax())
        raise InputError(
            f"{place(frame, row, where)}: the label holds a line break; close the quotes before it"
        )
    missing = (names.isna() | (names == "")).to_numpy()
    if missing.any():
        row = int(missing.argmax())
        raise InputError(f"{place(frame, row, where)}: no label; the file may be cut short")
    return names


def _require_classification(
    classes: Sequence[str], names: Mapping[str, pd.Series], where: str
) -> None:
    """An `InputError` unless the labels of train can be classes."""
    known = {name for split in names.values() for name in split.unique()}
    for name in sorted(known):
        if is_fraction(name):
            raise InputError(f"{where}: label {name!r} is a fraction: {_REFUSED}")
        if _is_list(name, known):
            raise InputError(f"{where}: label {name!r} is a list: {_REFUSED}")
    if longest := [name for name in classes if len(name) > _LONGEST]:
        raise InputError(
            f"{where}: label {longest[0][:20]!r}... has {len(longest[0]):,} letters; give its "
            "class a short name"
        )
    by_case: dict[str, str] = {}
    for name in classes:
        if (other := by_case.setdefault(name.casefold(), name)) != name:
            raise InputError(
                f"{where}: labels {other!r} and {name!r} differ by case only; write one class alike"
            )
    if len(classes) == 1:
        raise InputError(f"{where} train: {classes[0]!r} is the only class; two are needed")
    rows = len(names["train"])
    if len(classes) > 2 and len(classes) > rows / 2:
        raise InputError(
            f"{where} train: {len(classes)} classes in {rows} sequences ({_listed(classes)}); "
            "these are values or names, not classes: give each class several sequences "
            "(regression/multi-label tasks are not supported: bin the values)"
        )


def require_classes(
    train: pd.DataFrame, classes: Sequence[str], where: str, removed: int, shots: int | None
) -> None:
    """Raise an `InputError` unless train has each class, and its shots after a removal."""
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


def label_numbers(frame: pd.DataFrame, classes: Sequence[str], where: str) -> pd.Series:
    """Labels of a split as int64, an `InputError` where one is no index of `classes`."""
    labels = pd.to_numeric(frame["label"], errors="coerce")
    unknown = ~labels.isin(range(len(classes)))
    if unknown.any():
        row = int(unknown.to_numpy().argmax())
        shown = frame["label"].tolist()[row]
        raise InputError(
            f"{place(frame, row, where)} has label {shown!r}; known: 0 to {len(classes) - 1}"
        )
    return labels.astype(np.int64)


def counted(splits: Mapping[str, pd.DataFrame], classes: Sequence[str]) -> str:
    """Say how many sequences each class has in each split that has some."""
    counts = {
        split: np.bincount(frame["label"], minlength=len(classes))
        for split, frame in splits.items()
        if len(frame)
    }
    of_class = (
        f"{name!r} " + ", ".join(f"{split} {count[i]:,}" for split, count in counts.items())
        for i, name in enumerate(classes[:_SHOWN])
    )
    more = f"; and {len(classes) - _SHOWN} more" if classes[_SHOWN:] else ""
    return f"{len(classes)} classes: {'; '.join(of_class)}{more}"


def _listed(classes: Sequence[str]) -> str:
    """The first classes, with dots for the others."""
    return ", ".join(classes[:10]) + (", ..." if classes[10:] else "")
