"""What each subcommand does: call one function of the library, in the order of the workflow.

Libraries are imported inside the handlers, so `--help` and wrong arguments answer at once. A
handler returns None, or the exit status.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

Arguments = argparse.Namespace


def _named(a: Arguments, *names: str) -> dict[str, Any]:
    return {name: getattr(a, name) for name in names}


def plan(a: Arguments) -> None:
    from dnastudents.plan import plan

    given = _named(a, "hardware", "devices", "flops", "rates", "threads", "tasks")
    plan(a.configfile, root=Path.cwd(), measured=a.measure, output=a.json, **given)


def download(a: Arguments) -> None:
    from dnastudents.downloads.fetch import fetch

    fetch(a.dataset, manifest=a.manifest, output=a.output, mirror=a.mirror, lock=a.lock)


def data_check(a: Arguments) -> int:
    from dnastudents.downloads.check import check_data, show

    check = check_data(a.settings, **_named(a, "manifest", "downloads", "mirror", "lock"))
    show(check)
    return check.status


def simulate(a: Arguments) -> None:
    from dnastudents.benchmarks.simulator import simulate

    simulate(a.output, a.settings)


def reference(a: Arguments) -> None:
    from dnastudents.genome.reference import build

    simulated = a.fasta.is_dir()
    fasta = a.fasta / "genome.fa" if simulated else a.fasta
    reference = build(fasta, a.output, simulated)
    total = sum(reference.lengths)
    print(f"{fasta}: {len(reference.names)} sequences, {total:,} bases")


def pmi(a: Arguments) -> None:
    from dnastudents import pmi
    from dnastudents.genome.reference import Reference

    settings = dict(a.settings)
    spec = settings.pop("sequences", ["all"])
    pmi.write(Reference.open(a.reference), a.output, spec, settings, a.threads)


def teacher_import(a: Arguments) -> None:
    from dnastudents.teachers.checkpoint import import_teacher

    import_teacher(a.files, a.output)


def teacher_check(a: Arguments) -> int:
    from dnastudents.files import write_json
    from dnastudents.teachers.check import check_teacher

    check = check_teacher(a.folder, a.fasta, **_named(a, "sequences", "length", "seed"))
    print(check)
    if a.json is not None:
        write_json(a.json, check.as_json())
    return 0 if check.usable else 1


def teacher_cache(a: Arguments) -> None:
    from dnastudents.teachers.cache import write_cache
    from dnastudents.training.identity import merge_settings

    write_cache(
        merge_settings(a.settings, a.execution), **_named(a, "reference", "teacher", "output")
    )


def launch(a: Arguments) -> int:
    from dnastudents.launch import launch

    rest = a.arguments[1:] if a.arguments[:1] == ["--"] else a.arguments
    return launch(a.nodes, a.processes, a.threads, rest)


def pretrain(a: Arguments) -> int:
    from dnastudents.training.identity import merge_settings
    from dnastudents.training.pretrain import pretrain

    return pretrain(
        merge_settings(a.settings, a.execution),
        **_named(a, "run", "output", "state"),
        **_named(a, "reference", "pmi", "teacher", "intervals", "features"),
    )


def benchmark(a: Arguments) -> None:
    from dnastudents.benchmarks import write_task

    write_task(a.suite, a.task, a.sources, a.output, a.leakage)


def finetune(a: Arguments) -> None:
    from dnastudents.finetune.sweep import finetune

    finetune(a.run, **_named(a, "pretrained", "task", "settings", "seeds", "state", "output"))


def knn(a: Arguments) -> None:
    from dnastudents.probes.knn import knn

    knn(a.run, **_named(a, "pretrained", "task", "settings", "seeds", "output"))


def baseline(a: Arguments) -> None:
    from dnastudents.probes.kmer_logistic import kmer_logistic

    kmer_logistic(a.task, a.output, a.seeds, a.settings)


def embed(a: Arguments) -> None:
    from dnastudents.finetune.features import embed

    embed(a.pretrained, a.task, a.split, a.max_sequences, a.output, a.pooling)


def metrics(a: Arguments) -> None:
    from dnastudents.results.rows import collect

    # Folders by name, not by path: the papers' run has more of them than a command line can hold.
    folders = [a.results / a.kind / run / task for run in a.runs for task in a.tasks]
    folders += [a.results / "baseline" / "kmer_logistic" / task for task in a.tasks]
    collect(folders, a.output)


def explain(a: Arguments) -> None:
    from dnastudents.results.explain import explain

    print(explain(a.results, a.task, a.run, a.kind))


def table(a: Arguments) -> None:
    from dnastudents.tables.results import write_table

    write_table(a.metrics, a.suite, a.published, a.output.with_suffix(""), a.runs, a.tasks)


def comparisons(a: Arguments) -> None:
    from dnastudents.tables.comparisons import write_comparisons

    pairs = [(run, control) for run, _, control in (pair.partition(":") for pair in a.pairs)]
    write_comparisons(a.metrics, pairs, a.output.with_suffix(""))


def benchmarks_table(a: Arguments) -> None:
    from dnastudents.tables.benchmarks import write_benchmarks_table

    write_benchmarks_table(a.tasks, a.output.with_suffix(""))


def pretraining_table(a: Arguments) -> None:
    from dnastudents.tables.pretraining import write_pretraining_table

    write_pretraining_table(a.folders, a.output.with_suffix(""))


def cost(a: Arguments) -> None:
    from dnastudents.tables.cost import write_cost_table

    write_cost_table(a.results, a.settings, a.output.with_suffix(""))


def figure_tsne(a: Arguments) -> None:
    from dnastudents.figures.tsne import tsne_figure

    tsne_figure(a.embeddings, a.runs, a.task, a.output)


def figure_losses(a: Arguments) -> None:
    from dnastudents.figures.losses import losses_figure

    losses_figure({folder.name: folder / "history.csv" for folder in a.folders}, a.output)


def figure_overview(a: Arguments) -> None:
    from dnastudents.figures.results import overview_figure

    overview_figure(a.metrics, a.output, a.runs)


def figure_pmi(a: Arguments) -> None:
    from dnastudents.figures.pmi import pmi_figure

    pmi_figure(a.folder, a.output)
