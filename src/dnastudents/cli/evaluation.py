"""Subcommands that judge a run on a task."""

from __future__ import annotations

from typing import Annotated

import typer

from dnastudents.cli.parsing import (
    Output,
    Replicas,
    RunName,
    Seeds,
    SettingsOption,
    StateFolder,
    TaskFolder,
    command,
)
from dnastudents.garbage import quick_imports

app = typer.Typer()
OF_HAD = "had --pretrained results/pretrain/had --task results/tasks/gue/mouse_0 --seeds 0 1 2 "


@command(app, "finetune", OF_HAD + "--state state --output results/finetune/had/gue/mouse_0")
def finetune(
    run: RunName,
    *,
    pretrained: Replicas,
    task: TaskFolder,
    settings: SettingsOption,
    seeds: Seeds,
    workers: Annotated[int, typer.Option(min=1, help="seeds trained side by side")] = 1,
    state: StateFolder,
    output: Output,
) -> None:
    """Fine-tune a run on a task, or resume it."""
    with quick_imports():
        from dnastudents.finetune.sweep import finetune

    finetune(
        run,
        pretrained=pretrained,
        task=task,
        settings=settings,
        seeds=seeds,
        state=state,
        output=output,
        workers=workers,
    )


@command(app, "knn", OF_HAD + "--output results/knn/had/gue/mouse_0")
def knn(
    run: RunName,
    *,
    pretrained: Replicas,
    task: TaskFolder,
    settings: SettingsOption,
    seeds: Seeds,
    output: Output,
) -> None:
    """Vote of nearest neighbours in frozen features.

    One metrics row per pretraining.
    """
    with quick_imports():
        from dnastudents.probes.knn import knn

    knn(run, pretrained=pretrained, task=task, settings=settings, seeds=seeds, output=output)


@command(app, "baseline", "--task results/tasks/gue/mouse_0 --output results/baseline/mouse_0")
def baseline(
    *,
    task: TaskFolder,
    settings: SettingsOption,
    seeds: Seeds,
    output: Output,
) -> None:
    """Fit k-mer logistic regression on a task."""
    from dnastudents.probes.kmer_logistic import kmer_logistic

    kmer_logistic(task, output, seeds, settings)
