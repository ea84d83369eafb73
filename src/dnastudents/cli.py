"""The command line: every stage of the workflow is one subcommand that also works on its own.

Thin by design: a handler parses nothing and computes nothing, it calls one function of the library.
Libraries are imported inside the handlers, so `--help` and wrong arguments answer at once.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dnastudents import __version__
from dnastudents.errors import InputError

Arguments = argparse.Namespace


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand.

    Returns
    -------
    int
        0 when all went well, 1 after bad input (its one-line message goes to stderr), 75 when a
        signal stopped a training that saved its state and can go on.
    """
    arguments = _parser().parse_args(argv)
    try:
        return arguments.handler(arguments) or 0
    except InputError as error:
        print(f"dnastudents {arguments.command}: error: {error}", file=sys.stderr)
        return 1


# ---- handlers, in the order of the workflow


def _named(a: Arguments, *names: str) -> dict[str, Any]:
    return {name: getattr(a, name) for name in names}


def _download(a: Arguments) -> None:
    from dnastudents.download import fetch

    fetch(a.dataset, manifest=a.manifest, output=a.output, mirror=a.mirror, lock=a.lock)


def _simulate(a: Arguments) -> None:
    from dnastudents.benchmarks.simulator import simulate

    simulate(a.output, **a.settings)


def _reference(a: Arguments) -> None:
    from dnastudents.reference import build

    simulated = a.fasta.is_dir()
    fasta = a.fasta / "genome.fa" if simulated else a.fasta
    reference = build(fasta, a.output, simulated)
    total = sum(reference.lengths)
    print(f"{fasta}: {len(reference.names)} sequences, {total:,} bases")


def _pmi(a: Arguments) -> None:
    from dnastudents import pmi
    from dnastudents.reference import Reference

    settings = dict(a.settings)
    spec = settings.pop("sequences", ["all"])
    pmi.write(Reference.open(a.reference), a.output, spec, settings, a.threads)


def _teacher_import(a: Arguments) -> None:
    from dnastudents.teacher import import_teacher

    import_teacher(a.files, a.output)


def _launch(a: Arguments) -> None:
    from dnastudents.launch import launch

    rest = a.arguments[1:] if a.arguments[:1] == ["--"] else a.arguments
    launch(a.processes, a.threads, rest)


def _pretrain(a: Arguments) -> int:
    from dnastudents.training import pretrain

    return pretrain(
        a.settings, **_named(a, "run", "output", "state", "reference", "pmi", "teacher")
    )


def _benchmark(a: Arguments) -> None:
    from dnastudents.benchmarks import write_task

    write_task(a.suite, a.task, a.sources, a.output)


def _finetune(a: Arguments) -> None:
    from dnastudents.finetune import finetune

    finetune(a.run, **_named(a, "pretrained", "task", "settings", "seeds", "state", "output"))


def _knn(a: Arguments) -> None:
    from dnastudents.evaluation.knn import knn

    knn(a.run, **_named(a, "pretrained", "task", "settings", "seeds", "output"))


def _baseline(a: Arguments) -> None:
    from dnastudents.evaluation.baseline import kmer_logistic

    kmer_logistic(a.task, seeds=a.seeds, output=a.output, **a.settings)


def _embed(a: Arguments) -> None:
    from dnastudents.finetune import embed

    embed(a.pretrained, a.task, a.split, a.max_sequences, a.output, a.pooling)


def _metrics(a: Arguments) -> None:
    from dnastudents.evaluation.rows import collect

    # Folders by name, not by path: the papers' run has more of them than a command line can hold.
    folders = [a.results / a.kind / run / task for run in a.runs for task in a.tasks]
    folders += [a.results / "baseline" / "kmer_logistic" / task for task in a.tasks]
    collect(folders, a.output)


def _table(a: Arguments) -> None:
    from dnastudents.evaluation.tables import write_table

    write_table(a.metrics, a.suite, a.published, a.output.with_suffix(""), a.runs, a.tasks)


def _comparisons(a: Arguments) -> None:
    from dnastudents.evaluation.comparisons import write_comparisons

    pairs = [(run, control) for run, _, control in (pair.partition(":") for pair in a.pairs)]
    write_comparisons(a.metrics, pairs, a.output.with_suffix(""))


def _benchmarks_table(a: Arguments) -> None:
    from dnastudents.evaluation.tables import write_benchmarks_table

    write_benchmarks_table(a.tasks, a.output.with_suffix(""))


def _pretraining_table(a: Arguments) -> None:
    from dnastudents.evaluation.tables import write_pretraining_table

    write_pretraining_table(a.folders, a.output.with_suffix(""))


def _figure_tsne(a: Arguments) -> None:
    from dnastudents.figures.tsne import tsne_figure

    tsne_figure(a.embeddings, a.runs, a.task, a.output)


def _figure_losses(a: Arguments) -> None:
    from dnastudents.figures.losses import losses_figure

    losses_figure({folder.name: folder / "history.csv" for folder in a.folders}, a.output)


def _figure_overview(a: Arguments) -> None:
    from dnastudents.figures.results import overview_figure

    overview_figure(a.metrics, a.output, a.runs)


def _figure_pmi(a: Arguments) -> None:
    from dnastudents.figures.pmi import pmi_figure

    pmi_figure(a.folder, a.output)


# ---- the parser


def _json(text: str) -> dict[str, Any]:
    """A JSON object, given as text or as the path of a JSON file."""
    try:
        if not text.lstrip().startswith("{"):
            text = Path(text).read_text(encoding="utf-8")
        value = json.loads(text)
    except (OSError, ValueError) as error:
        message = f"neither a JSON object nor a JSON file: {error}"
        raise argparse.ArgumentTypeError(message) from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("must be a JSON object, as in '{\"epochs\": 4}'")
    return value


OPTIONS: dict[str, dict[str, Any]] = {
    "--output": {"type": Path, "required": True, "help": "the result; complete or absent"},
    "--settings": {"type": _json, "default": {}, "help": "JSON object, or the path of a JSON file"},
    "--state": {"type": Path, "required": True, "help": "folder from which a killed job goes on"},
    "--seeds": {"type": int, "nargs": "+", "default": [0]},
    "--task": {"type": Path, "required": True, "help": "task folder"},
    "--pretrained": {"type": Path, "required": True, "help": "folder of a pretrained run"},
    "--metrics": {"type": Path, "required": True, "help": "metrics.csv"},
    "--runs": {"nargs": "+", "default": None, "help": "runs in their order"},
    "--mirror": {"help": "folder or URL that holds the files"},
}
RUN = {"help": "name of the run, for logs and tables"}
REPLICAS = {
    **OPTIONS["--pretrained"],
    "nargs": "+",
    "help": "folders of a run, one a pretraining; seed s starts from number s mod their count",
}


def _add(commands: Any, name: str, handler: Any, summary: str, *arguments: Any) -> None:
    """One subcommand: `arguments` are names of OPTIONS or (name, keywords) pairs."""
    parser = commands.add_parser(name, help=summary, description=summary)
    parser.set_defaults(handler=handler, command=name)
    for argument in arguments:
        flag, keywords = argument if isinstance(argument, tuple) else (argument, OPTIONS[argument])
        parser.add_argument(flag, **keywords)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dnastudents",
        description="Small DNA language models by three recipes, on one set of benchmarks.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_data_commands(commands)
    _add_model_commands(commands)
    _add_result_commands(commands)
    return parser


def _add_data_commands(commands: Any) -> None:
    path = {"type": Path}
    _add(
        commands,
        *("download", _download, "fetch one file of the manifest and check it"),
        ("dataset", {"help": "id in the manifest"}),
        ("--manifest", {"type": Path, "required": True, "help": "datasets.csv"}),
        ("--lock", {"type": Path, "help": "JSON of hashes recorded at first download"}),
        *("--mirror", "--output"),
    )
    _add(
        commands,
        *("simulate", _simulate, "write a simulated genome with annotated elements"),
        *("--settings", "--output"),
    )
    _add(
        commands,
        *("reference", _reference, "turn FASTA into memory-mapped codes"),
        ("fasta", {**path, "help": "FASTA, FASTA.gz, or the folder of a simulated genome"}),
        "--output",
    )
    _add(
        commands,
        *("pmi", _pmi, "rank k-mers by pointwise mutual information"),
        ("reference", {**path, "help": "reference folder"}),
        ("--threads", {"type": int, "default": 1, "help": "processes that count"}),
        *("--settings", "--output"),
    )
    _add(
        commands,
        *("benchmark", _benchmark, "turn the files of a benchmark into one task folder"),
        ("suite", {"help": "gue, few_shot, genomic_benchmarks, ..."}),
        ("task", {"help": "the task's name"}),
        ("sources", {**path, "nargs": "+", "help": "the official files or folders"}),
        "--output",
    )


def _add_model_commands(commands: Any) -> None:
    path, optional = {"type": Path}, {"type": Path, "default": None}
    _add(
        commands,
        *("launch", _launch, "run a subcommand in processes of `accelerate launch`"),
        ("--processes", {"type": int, "default": 1}),
        ("--threads", {"type": int, "default": 1, "help": "CPU threads of all processes"}),
        ("arguments", {"nargs": argparse.REMAINDER, "help": "-- SUBCOMMAND ..."}),
    )
    _add(
        commands,
        *("teacher-import", _teacher_import, "check downloaded teacher files and join them"),
        *(("files", {**path, "nargs": "+"}), "--output"),
    )
    _add(
        commands,
        *("pretrain", _pretrain, "pretrain one run, or go on with it"),
        ("run", RUN),
        ("--reference", {**optional, "help": "reference folder"}),
        ("--pmi", {**optional, "help": "PMI folder, for masks that follow it"}),
        ("--teacher", {**optional, "help": "teacher folder, for distillation"}),
        *("--settings", "--state", "--output"),
    )
    _add(
        commands,
        *("finetune", _finetune, "fine-tune a run on a task, one metrics row a seed"),
        *(("run", RUN), ("--pretrained", REPLICAS)),
        *("--task", "--settings", "--seeds", "--state", "--output"),
    )
    _add(
        commands,
        *("knn", _knn, "k nearest neighbours in frozen features, one metrics row a pretraining"),
        *(("run", RUN), ("--pretrained", REPLICAS)),
        *("--task", "--settings", "--seeds", "--output"),
    )
    _add(
        commands,
        *("baseline", _baseline, "k-mer logistic regression on a task"),
        *("--task", "--settings", "--seeds", "--output"),
    )
    _add(
        commands,
        *("embed", _embed, "frozen features of a task's sequences"),
        *("--pretrained", "--task"),
        ("--split", {"default": "test", "choices": ["train", "dev", "test"]}),
        ("--max-sequences", {"type": int, "default": 1000}),
        ("--pooling", {"default": "mean", "choices": ["mean", "cls_tokens"]}),
        "--output",
    )


def _add_result_commands(commands: Any) -> None:
    _add(
        commands,
        *("metrics", _metrics, "gather all metrics rows into one CSV file"),
        ("results", {"type": Path, "help": "the workflow's results folder"}),
        ("--tasks", {"nargs": "+", "required": True, "help": "suite/task"}),
        ("--kind", {"default": "finetune", "choices": ["finetune", "knn"]}),
        *("--runs", "--output"),
    )
    _add(
        commands,
        *("table", _table, "one suite's table beside the published numbers (csv, md, tex)"),
        ("suite", {}),
        ("--published", {"type": Path, "default": None, "help": "published_results.csv"}),
        ("--tasks", {"nargs": "+", "required": True}),
        *("--runs", "--metrics", "--output"),
    )
    _add(
        commands,
        *("comparisons", _comparisons, "each run against its controls"),
        ("--pairs", {"nargs": "+", "required": True, "help": "run:control"}),
        *("--metrics", "--output"),
    )
    _add(
        commands,
        *("benchmarks-table", _benchmarks_table, "what is in each task folder, as one table"),
        ("tasks", {"type": Path, "nargs": "+"}),
        "--output",
    )
    _add(
        commands,
        *("pretraining-table", _pretraining_table, "what each pretraining took and reached"),
        ("folders", {"type": Path, "nargs": "+", "help": "folders of `dnastudents pretrain`"}),
        "--output",
    )
    _add_figure_commands(commands)


def _add_figure_commands(commands: Any) -> None:
    summary = "draw a figure as SVG and PNG"
    figure = commands.add_parser("figure", help=summary, description=summary)
    figures = figure.add_subparsers(dest="figure", required=True, metavar="FIGURE")
    _add(
        figures,
        *("tsne", _figure_tsne, "t-SNE of frozen features, one panel a run"),
        ("embeddings", {"type": Path, "nargs": "+", "help": "files of `dnastudents embed`"}),
        *("--runs", "--task", "--output"),
    )
    _add(
        figures,
        *("losses", _figure_losses, "pretraining losses of runs"),
        ("folders", {"type": Path, "nargs": "+", "help": "folders of `dnastudents pretrain`"}),
        "--output",
    )
    _add(
        figures,
        *("overview", _figure_overview, "every run on every task, with confidence intervals"),
        ("metrics", {"type": Path, "help": "metrics.csv"}),
        *("--runs", "--output"),
    )
    _add(
        figures,
        *("pmi", _figure_pmi, "the PMI ranking, its extremes named"),
        ("folder", {"type": Path, "help": "folder of `dnastudents pmi`"}),
        "--output",
    )
