"""The sequences that one seed learns from: students and baseline ask the same function.

- Of a few-shot task the seed draws `shots` sequences of each class, without replacement.
- With selection `best_dev`, the task's dev split selects; of a few-shot task, which has none, one
  tenth of each class of the draw, at least one sequence, is dev and the rest trains.
- With dev `by_seed`, a dev split that was drawn from train when the task folder was written goes
  back, and the seed draws its own, by the same rule and of the same size. A dev split that came
  with the task, or that holds chromosomes or genes apart, stays what it is.
- With selection `last`, nothing selects and everything drawn trains.
- `max_train_sequences` then leaves so many to train on, and of each class at least one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dnastudents.benchmarks.task import DEV_FRACTION, Task, dev_mask
from dnastudents.errors import InputError
from dnastudents.randomness import numpy_generator

POOL = "pool"  # the train split and, behind it, the dev split


class Draw(NamedTuple):
    """What one seed learns from.

    Attributes
    ----------
    train : numpy.ndarray
        Rows of the split `train_of`, int64, rising.
    dev : numpy.ndarray
        Rows of the split `dev_of`, int64, rising; empty where nothing selects.
    dev_of : {'dev', 'train', 'pool'}
    train_of : {'train', 'pool'}
        Default is 'train'.
    """

    train: NDArray[np.int64]
    dev: NDArray[np.int64]
    dev_of: str
    train_of: str = "train"


def dev_origin(task: Task, selection: str, dev: str = "task") -> str:
    """Whose dev split selects: 'task', 'by_seed' (each seed draws one), or 'none' does."""
    if selection == "last":
        return "none"
    own = task.has_dev and (dev == "task" or task.protocol.dev_rule.origin != "drawn")
    return "task" if own else "by_seed"


def draw(
    task: Task,
    seed: int,
    selection: str,
    max_train_sequences: int | None = None,
    dev: str = "task",
) -> Draw:
    """The sequences of a task that a seed learns from.

    Parameters
    ----------
    task : Task
    seed : int
        Of the shots, of a dev split that is drawn, and of the limited number.
    selection : {'best_dev', 'last'}
    max_train_sequences : int, optional
        Default is all.
    dev : {'task', 'by_seed'}
        Whose dev split selects, where the task's was drawn from train. Default is 'task'.

    Raises
    ------
    InputError
        An unknown selection or dev, or a class with too few sequences.
    """
    origin = dev_origin(task, selection, dev)
    if not task.has_dev:
        drawn = _of_shots(task, seed, origin)
    elif origin == "by_seed":
        drawn = _of_pool(task, seed)
    else:
        held = np.arange(len(task.dev) if origin == "task" else 0)
        drawn = Draw(np.arange(len(task.train)), held, "dev")
    if max_train_sequences is not None and max_train_sequences < len(drawn.train):
        labels = split_labels(task, drawn.train_of)[drawn.train]
        generator = numpy_generator(seed, "subset")
        where = f"{task.suite}/{task.task}: max_train_sequences"
        drawn = drawn._replace(
            train=drawn.train[draw_some(labels, max_train_sequences, generator, where)]
        )
    return drawn


def draw_some(
    labels: NDArray[np.int64], count: int, generator: np.random.Generator, where: str
) -> NDArray[np.int64]:
    """Rows of `count` sequences, rising, of each class at least one.

    They are the first of each class in a random order, and then the others in that order. Where all
    classes are among the first `count` of the order, they are just these.
    """
    classes = len(np.unique(labels))
    if count < classes:
        raise InputError(
            f"{where} is {count}, and there are {classes} classes; raise it: each needs a sequence"
        )
    order = generator.permutation(len(labels))
    firsts = np.unique(labels[order], return_index=True)[1]
    is_first = np.zeros(len(order), dtype=bool)
    is_first[firsts] = True
    return np.sort(np.concatenate([order[is_first], order[~is_first]])[:count])


def _of_shots(task: Task, seed: int, origin: str) -> Draw:
    labels = split_labels(task, "train")
    where = f"{task.folder} (write it again)"
    assert task.shots is not None, "a task without a dev split is a few-shot task"
    train = draw_shots(labels, task.shots, seed, where)
    if origin == "none":
        return Draw(train, np.arange(0), "dev")
    is_dev = dev_mask(labels[train], DEV_FRACTION, seed)
    return Draw(train[~is_dev], train[is_dev], "train")


def _of_pool(task: Task, seed: int) -> Draw:
    fraction = task.protocol.dev_rule.fraction
    assert fraction is not None, "only a dev split that was drawn is drawn again"
    is_dev = dev_mask(split_labels(task, POOL), fraction, seed)
    return Draw(np.flatnonzero(~is_dev), np.flatnonzero(is_dev), POOL, POOL)


def split_labels(task: Task, name: str) -> NDArray[np.int64]:
    """Labels int64 (n,) of the split `name`: train, dev, test or pool."""
    frames = [task.train, task.dev] if name == POOL else [getattr(task, name)]
    return np.concatenate([frame["label"].to_numpy() for frame in frames])


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
