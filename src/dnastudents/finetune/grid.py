"""A grid of some settings of a fine-tuning, of which dev chooses one cell for all seeds.

Every cell is trained with every seed. The cell with the best mean of the task's metric on dev is
chosen, of equals the one with the lowest mean loss on dev, then the first. Only its models predict
the test split: no other cell ever has a test score. So a task has one cell, as in Caduceus.

A finished (cell, seed) keeps its weights until all seeds are tested. A seed that is added later may
change the choice; then the newly chosen cell is trained once more for the seeds that had another.
"""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dnastudents.errors import InputError
from dnastudents.files import read_json, write_json
from dnastudents.finetune.failures import Failures
from dnastudents.finetune.finished import Kept
from dnastudents.finetune.fit import Diverged
from dnastudents.finetune.on_task import TRAINED, WEIGHTS
from dnastudents.finetune.options import Finetuning, Grid
from dnastudents.training.state import StateFolder

logger = logging.getLogger(__name__)


def sweep_grid(kept: Kept, starts: Mapping[int, Path], failures: Failures) -> pd.DataFrame:
    """Train all cells, choose one on dev, and test it.

    Parameters
    ----------
    kept : Kept
        Finished work; gets a folder for each (cell, seed), and `seed_<s>` of the chosen cell.
    starts : mapping of int to Path
        Each seed and the pretraining it starts from; the seeds of one stand together.
    failures : Failures
        Gets the seeds that diverge in every cell, or find no memory; the others choose the cell.

    Returns
    -------
    DataFrame
        One row per cell and seed: learning_rate, batch_size, pooling, epochs (varied or not), seed,
        metric, dev (its value; missing where the loss was not finite), dev_loss, best_epoch,
        wall_seconds, chosen.

    Raises
    ------
    InputError
        No cell has a loss with every seed that did not fail, or all seeds failed.
    """
    cells = kept.options.cells
    # Seed by seed, so that the student of each pretraining is loaded once.
    by_seed = failures.each(starts, lambda seed, start: _trained_cells(kept, cells, seed, start))
    starts = {seed: starts[seed] for seed in by_seed}
    by_cell = list(zip(*by_seed.values(), strict=True))
    chosen = cells[chosen_cell(by_cell)]
    logger.info(
        f"{kept.run} {kept.task.suite}/{kept.task.task} grid: best on dev of {len(cells)} cells: "
        f"{chosen.in_words(kept.options.varied)}"
    )
    failures.each(starts, lambda seed, start: _test(kept, chosen, seed, start))
    for weights in kept.state.glob(f"lr_*/{WEIGHTS}"):
        weights.unlink()
    return pd.DataFrame(
        [
            _record(kept, cell, seed, trained) | {"chosen": cell is chosen}
            for cell, of_cell in zip(cells, by_cell, strict=True)
            for seed, trained in zip(starts, of_cell, strict=True)
        ]
    )


def chosen_cell(by_cell: Sequence[Sequence[Mapping[str, Any]]]) -> int:
    """Return the index of the cell that is best on dev.

    Parameters
    ----------
    by_cell : sequence of sequence of mapping
        Of each cell and seed `value`, the metric on dev, and `loss`; None where training diverged,
        which keeps the cell from being chosen.

    Raises
    ------
    InputError
        Every cell diverged with some seed.
    """

    def total(index: int, key: str) -> float:
        # fsum: equal cells must not differ by the order in which their seeds are added
        return math.fsum(trained[key] for trained in by_cell[index])

    usable = [
        index
        for index, of_cell in enumerate(by_cell)
        if all(trained["value"] is not None for trained in of_cell)
    ]
    if not usable:
        raise InputError("finetuning.grid: in no cell is the loss finite; add lower learning rates")
    return min(usable, key=lambda index: (-total(index, "value"), total(index, "loss"), index))


def _trained_cells(
    kept: Kept, cells: Sequence[Finetuning], seed: int, start: Path
) -> list[dict[str, Any]]:
    """Read what training left of one seed in every cell; `Diverged` where none has a loss."""
    folders = [train_cell(kept, cell, seed, start) for cell in cells]
    found = [read_json(folder / TRAINED) for folder in folders]
    if all(trained["value"] is None for trained in found):
        for folder in folders:  # a seed that failed is tried again by the next job
            shutil.rmtree(folder)
        raise Diverged("finetuning.grid: in no cell is the loss finite; add lower learning rates")
    return found


def train_cell(kept: Kept, cell: Finetuning, seed: int, start: Path, again: bool = False) -> Path:
    """Return the folder of one (cell, seed), trained if it is not yet."""

    def make(folder: Path, unfinished: StateFolder) -> None:
        try:
            kept.student(start).at(cell).train_seed(seed, folder, unfinished)
        except Diverged as error:
            logger.warning(f"{kept.run} seed {seed}: {error}; not chosen")
            keys = ("value", "loss", "epoch", "wall_seconds")
            write_json(folder / TRAINED, dict.fromkeys(keys))

    # A cell depends on its own settings alone: another grid keeps the cells that both have. Pooling
    # and epochs are named where they are not those beside the grid, which may leave them out.
    more = [
        f"{key}_{getattr(cell, key)}_"
        for key in ("pooling", "epochs")
        if getattr(cell, key) != getattr(kept.options, key)
    ]
    name = f"lr_{cell.learning_rate}_batch_{cell.batch_size}_{''.join(more)}seed_{seed}"
    return kept.keep(name, kept.identity(start, cell), make, again)


def _test(kept: Kept, cell: Finetuning, seed: int, start: Path) -> Path:
    """Test the chosen cell with one seed, unless that is done."""

    def make(folder: Path, _: StateFolder) -> None:
        trained = train_cell(kept, cell, seed, start)
        if not (trained / WEIGHTS).is_file():  # another cell was chosen before
            trained = train_cell(kept, cell, seed, start, again=True)
        kept.student(start).at(cell).test_seed(seed, trained, folder)

    choice = [getattr(cell, name) for name in kept.options.varied]
    identity = kept.identity(start, None, *choice)
    folder = kept.keep(f"seed_{seed}", identity, make)
    kept.drop_classifiers(folder)
    return folder


def _record(kept: Kept, cell: Finetuning, seed: int, trained: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: getattr(cell, name) for name in Grid.model_fields},
        "seed": seed,
        "metric": kept.task.metric,
        "dev": trained["value"],
        "dev_loss": trained["loss"],
        "best_epoch": trained["epoch"],
        "wall_seconds": trained["wall_seconds"],
    }
