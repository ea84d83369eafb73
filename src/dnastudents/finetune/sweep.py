"""Fine-tune a run on a task with all seeds in one process, one metrics row per seed.

A finished seed is kept in the state folder at once, and a long one its state after an epoch, so a
killed job repeats minutes only.

A run that was pretrained n times has n folders: seed s starts from folder s mod n. A finished seed
depends on its own folder alone, so it stays when another pretraining is added in whose place it is
not. Only a grid ties the seeds together: the cell is chosen for all of them.

A seed that cannot be trained does not lose the others, see `finetune.failures`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dnastudents.benchmarks.task import load_task
from dnastudents.files import (
    atomic_directory,
    check_folder,
    digest,
    read_parquet,
    write_json,
    write_parquet,
)
from dnastudents.finetune.classifiers import keep_classifiers
from dnastudents.finetune.failures import Failures
from dnastudents.finetune.finished import Kept
from dnastudents.finetune.grid import sweep_grid, train_cell
from dnastudents.finetune.options import Finetuning
from dnastudents.finetune.pretrainings import seeds_of_replicas
from dnastudents.finetune.workers import side_by_side
from dnastudents.settings import parse
from dnastudents.training.state import StateFolder

HOLDS = (  # the output folder
    *("history.csv", "settings.json", "predictions.parquet", "grid.csv"),
    *("seed_*.json", "failed_seed_*.json", "classifier*"),
)
_LIKE = b"(seed|epoch|step|loss),"  # how its history begins, unlike that of the baseline


def finetune(
    run: str,
    *,
    pretrained: Sequence[Path],
    task: Path,
    settings: Mapping[str, Any],
    seeds: Sequence[int],
    state: Path,
    output: Path,
    workers: int = 1,
) -> None:
    """Fine-tune, or resume with the seeds that are not done.

    Parameters
    ----------
    run : str
        Name of the pretrained run, for tables.
    pretrained : sequence of Path
        Its folders, one per pretraining; seed s starts from number s mod n.
    task : Path
        Task folder.
    settings : mapping
        See `Finetuning`.
    seeds : sequence of int
        Of the head, the order of batches, dropout, strands, and the draw of a few-shot task or of
        a dev split.
    state : Path
        Folder of finished seeds. It stays, so another seed costs only itself.
    output : Path
        Folder with `seed_<s>.json` (see `results.row`), `settings.json`, `predictions.parquet`
        (seed, index, label, prediction, p_<class>) and `history.csv` (seed, epoch, step, loss, and
        where a dev split selects dev_loss and dev_<metric>); by default `classifier`, a model of
        transformers with its tokenizer, see `Finetuning.keep`; with a grid also `grid.csv`, see
        `grid.sweep_grid`. A seed that failed has `failed_seed_<s>.json` (see `Failures`) and
        nothing else.
    workers : int
        Seeds, or cells of a grid, that are trained side by side, see `workers`. Default is 1.

    Raises
    ------
    InputError
        Bad settings, a missing folder, folders that are not pretrainings of one run, or no seed
        that could be trained: its loss is not finite (with a grid: in every cell), or the device
        has too little memory.
    """
    check_folder(output, *HOLDS, like=_LIKE)  # before what takes long
    options: Finetuning = parse(Finetuning, settings, "finetuning")
    starts = {
        seed: start for start, of_it in seeds_of_replicas(pretrained, seeds) for seed in of_it
    }
    data = load_task(task)
    kept = Kept(run, data, options, state)
    with StateFolder(state, digest([run, options.as_json(), data.digest])) as folder:
        folder.lock()  # waits for the orphan of a workflow that was killed
        if workers > 1:
            side_by_side(workers, kept, task, _pieces(options, starts))
        failures, cells = _sweep(kept, starts)
        if kept.drop_lost():
            failures, cells = _sweep(kept, starts)
        finished = [seed for seed in seeds if seed not in failures.records]
        _gather(kept, finished, failures, output, cells)


def _pieces(options: Finetuning, starts: Mapping[int, Path]) -> list[tuple[Any, ...]]:
    """List what workers may make: each seed, or each cell of a grid with each."""
    if options.grid is None:
        return [(_keep_seed, *seed) for seed in starts.items()]
    return [(train_cell, cell, *seed) for seed in starts.items() for cell in options.cells]


def _sweep(kept: Kept, starts: Mapping[int, Path]) -> tuple[Failures, pd.DataFrame | None]:
    """Finish all seeds; a grid tells of its cells."""
    failures = Failures({"run": kept.run, "suite": kept.task.suite, "task": kept.task.task})
    if kept.options.grid is not None:
        return failures, sweep_grid(kept, starts, failures)
    failures.each(starts, lambda seed, start: _keep_seed(kept, seed, start))
    return failures, None


def _keep_seed(kept: Kept, seed: int, start: Path) -> Path:
    folder = kept.keep(
        f"seed_{seed}",
        kept.identity(start),
        lambda folder, unfinished: kept.student(start).run_seed(seed, folder, unfinished),
    )
    kept.drop_classifiers(folder)
    return folder


def _gather(
    kept: Kept,
    finished: Sequence[int],
    failures: Failures,
    output: Path,
    cells: pd.DataFrame | None,
) -> None:
    """Put the finished seeds together, and say which failed."""
    folders = [kept.state / f"seed_{seed}" for seed in finished]
    with atomic_directory(output, *HOLDS, like=_LIKE) as partial:
        for seed, folder in zip(finished, folders, strict=True):
            shutil.copy(folder / "row.json", partial / f"seed_{seed}.json")
        history = pd.concat([pd.read_csv(folder / "history.csv") for folder in folders])
        history.to_csv(partial / "history.csv", index=False)
        frames = [read_parquet(folder / "predictions.parquet") for folder in folders]
        write_parquet(pd.concat(frames), partial / "predictions.parquet")
        if cells is not None:
            cells.to_csv(partial / "grid.csv", index=False)
        keep_classifiers(kept.options.keep, folders, partial)
        failures.write(partial)
        write_json(partial / "settings.json", kept.options.as_json())
