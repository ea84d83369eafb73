"""The sequences that one seed learns from: students and baseline ask the same function.

- Of a few-shot task the seed draws `shots` sequences of each class, without replacement.
- With selection `best_dev`, the task's dev split selects; of a few-shot task, which has none, one
  tenth of each class of the draw, at least one sequence, is dev and the rest trains.
- With selection `last`, nothing selects and everything drawn trains.
- `max_train_sequences` then leaves so many to train on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dnastudents.benchmarks.task import DEV_FRACTION, Task, dev_mask
from dnastudents.errors import InputError, nearest
from dnastudents.randomness import numpy_generator

SELECTIONS = ("best_dev", "last")


class Draw(NamedTuple):
    """What one seed learns from.

    Attributes
    ----------
    train : numpy.ndarray
        Rows of the train split, int64, rising.
    dev : numpy.ndarray
        Rows of the split `dev_of`, int64, rising; empty where nothing selects.
    dev_of : {'dev', 'train'}
    """

    train: NDArray[np.int64]
    dev: NDArray[np.int64]
    dev_of: str


def require_selection(selection: str) -> None:
    """An `InputError` with the nearest name unless `selection` is known."""
    if selection not in SELECTIONS:
        hint = nearest(str(selection), SELECTIONS)
        raise InputError(f"finetuning.selection: unknown value '{selection}'; {hint}")


def draw(task: Task, seed: int, selection: str, max_train_sequences: int | None = None) -> Draw:
    """The sequences of a task that a seed learns from.

    Parameters
    ----------
    task : Task
    seed : int
        Of the shots, of the dev part of the shots, and of the limited number.
    selection : {'best_dev', 'last'}
    max_train_sequences : int, optional
        Default is all.

    Raises
    ------
    InputError
        An unknown selection, or a class with too few sequences.
    """
    require_selection(selection)
    labels = task.train["label"].to_numpy()
    train, dev, dev_of = np.arange(len(labels)), np.arange(0), "dev"
    if task.shots is not None:
        train = draw_shots(labels, task.shots, seed, f"{task.folder} (write it again)")
    if selection == "best_dev" and task.has_dev:
        dev = np.arange(len(task.dev))
    elif selection == "best_dev":
        is_dev = dev_mask(labels[train], DEV_FRACTION, seed)
        train, dev, dev_of = train[~is_dev], train[is_dev], "train"
    if max_train_sequences is not None and max_train_sequences < len(train):
        order = numpy_generator(seed, "subset").permutation(len(train))
        train = train[np.sort(order[:max_train_sequences])]
    return Draw(train, dev, dev_of)


def draw_shots(labels: NDArray[np.int64], shots: int, seed: int, where: str) -> NDArray[np.int64]:
    """Rows of `shots` sequences of each label, without replacement, rising."""
    generator = numpy_generator(seed, "few-shot draw")
    chosen = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) < shots:
            raise InputError(
                f"{where}: class {label} has {len(rows)} sequences; {shots} are needed"
            )
        chosen.append(generator.choice(rows, size=shots, replace=False))
    return np.sort(np.concatenate(chosen))
