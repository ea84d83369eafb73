"""The command line: every stage of the workflow is one subcommand that also works on its own.

Here is the parser; `handlers` has what the subcommands call.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dnastudents import __version__, handlers
from dnastudents.errors import InputError


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
    "--execution": {"type": _json, "default": {}, "help": "`pretraining` settings that may change"},
    "--state": {"type": Path, "required": True, "help": "folder from which a killed job goes on"},
    "--seeds": {"type": int, "nargs": "+", "default": [0]},
    "--task": {"type": Path, "required": True, "help": "task folder"},
    "--pretrained": {"type": Path, "required": True, "help": "folder of a pretrained run"},
    "--metrics": {"type": Path, "required": True, "help": "metrics.csv"},
    "--runs": {"nargs": "+", "default": None, "help": "runs in their order"},
    "--mirror": {"help": "folder or URL that holds the files"},
}
HELP_OF_DATA = 'JSON: {"SUITE/TASK": {"datasets": [IDS]}, NAME: {"files": [PATHS]}, ...}'
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


def _group(commands: Any, name: str, summary: str) -> Any:
    """A subcommand that has subcommands."""
    parser = commands.add_parser(name, help=summary, description=summary)
    return parser.add_subparsers(dest=name, required=True, metavar=name.upper())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dnastudents",
        description="Small DNA language models by three recipes, on one set of benchmarks.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_plan_command(commands)
    _add_data_commands(commands)
    _add_teacher_commands(commands)
    _add_model_commands(commands)
    _add_result_commands(commands)
    return parser


def _add_plan_command(commands: Any) -> None:
    optional = {"type": Path, "default": None}
    _add(
        commands,
        *("plan", handlers.plan, "estimate hours, memory and disk of a configuration"),
        ("--configfile", {"type": Path, "nargs": "+", "default": [], "help": "as for Snakemake"}),
        ("--hardware", {"default": "this machine", "help": "name of the device, for the table"}),
        ("--devices", {"type": int, "default": 1, "help": "that work side by side"}),
        ("--flops", {"type": float, "default": None, "help": "FLOP/s that a device achieves"}),
        ("--rates", {**optional, "help": "JSON of benchmarks/gpu.sh, or of a plan that measured"}),
        ("--measure", {"action": "store_true", "help": "time training steps on this machine"}),
        ("--threads", {"type": int, "default": 1, "help": "CPU threads for --measure"}),
        ("--tasks", {**optional, "help": "folder of task folders; default: RESULTS/tasks"}),
        ("--json", {**optional, "help": "file for all numbers"}),
    )


def _add_data_commands(commands: Any) -> None:
    path = {"type": Path}
    _add(
        commands,
        *("download", handlers.download, "fetch one file of the manifest and check it"),
        ("dataset", {"help": "id in the manifest"}),
        ("--manifest", {"type": Path, "required": True, "help": "datasets.csv"}),
        ("--lock", {"type": Path, "help": "JSON of hashes recorded at first download"}),
        *("--mirror", "--output"),
    )
    _add(
        commands,
        *("data-check", handlers.data_check, "tell which data are present, missing or wrong"),
        ("--downloads", {**path, "required": True, "help": "folder of the downloaded files"}),
        ("--manifest", {"type": Path, "required": True, "help": "datasets.csv"}),
        ("--lock", {"type": Path, "help": "JSON of hashes recorded at first download"}),
        ("--settings", {**OPTIONS["--settings"], "required": True, "help": HELP_OF_DATA}),
        "--mirror",
    )
    _add(
        commands,
        *("simulate", handlers.simulate, "write a simulated genome with annotated elements"),
        *("--settings", "--output"),
    )
    _add(
        commands,
        *("reference", handlers.reference, "turn FASTA into memory-mapped codes"),
        ("fasta", {**path, "help": "FASTA, FASTA.gz, or the folder of a simulated genome"}),
        "--output",
    )
    _add(
        commands,
        *("pmi", handlers.pmi, "rank k-mers by pointwise mutual information"),
        ("reference", {**path, "help": "reference folder"}),
        ("--threads", {"type": int, "default": 1, "help": "processes that count"}),
        *("--settings", "--output"),
    )
    _add(
        commands,
        *("benchmark", handlers.benchmark, "turn the files of a benchmark into one task folder"),
        ("suite", {"help": "gue, few_shot, genomic_benchmarks, ..."}),
        ("task", {"help": "the task's name"}),
        ("sources", {**path, "nargs": "+", "help": "the official files or folders"}),
        ("--leakage", {"default": "report", "help": "report or remove what is in test too"}),
        "--output",
    )


def _add_model_commands(commands: Any) -> None:
    optional = {"type": Path, "default": None}
    _add(
        commands,
        *("launch", handlers.launch, "run a training in several processes, one on each GPU"),
        ("--nodes", {"type": int, "default": 1, "help": "of a job of Slurm"}),
        ("--processes", {"type": int, "default": 1, "help": "on each node"}),
        ("--threads", {"type": int, "default": 1, "help": "CPU threads on each node"}),
        ("arguments", {"nargs": argparse.REMAINDER, "help": "-- SUBCOMMAND ..."}),
    )
    _add(
        commands,
        *("pretrain", handlers.pretrain, "pretrain one run, or go on with it"),
        ("run", RUN),
        ("--reference", {**optional, "help": "reference folder"}),
        ("--pmi", {**optional, "help": "PMI folder, for masks that follow it"}),
        ("--teacher", {**optional, "help": "teacher folder, for distillation"}),
        ("--intervals", {**optional, "help": "BED file, for windows in intervals"}),
        ("--features", {**optional, "help": "folder of `teacher cache`, for distillation"}),
        *("--settings", "--execution", "--state", "--output"),
    )
    _add(
        commands,
        *("finetune", handlers.finetune, "fine-tune a run on a task, one metrics row a seed"),
        *(("run", RUN), ("--pretrained", REPLICAS)),
        *("--task", "--settings", "--seeds", "--state", "--output"),
    )
    _add(
        commands,
        *(
            "knn",
            handlers.knn,
            "k nearest neighbours in frozen features, one metrics row a pretraining",
        ),
        *(("run", RUN), ("--pretrained", REPLICAS)),
        *("--task", "--settings", "--seeds", "--output"),
    )
    _add(
        commands,
        *("baseline", handlers.baseline, "k-mer logistic regression on a task"),
        *("--task", "--settings", "--seeds", "--output"),
    )
    _add(
        commands,
        *("embed", handlers.embed, "frozen features of a task's sequences"),
        *("--pretrained", "--task"),
        ("--split", {"default": "test", "choices": ["train", "dev", "test"]}),
        ("--max-sequences", {"type": int, "default": 1000}),
        ("--pooling", {"default": "mean", "choices": ["mean", "cls_tokens"]}),
        "--output",
    )


def _add_teacher_commands(commands: Any) -> None:
    path, optional = {"type": Path}, {"type": Path, "default": None}
    teacher = _group(commands, "teacher", "what concerns a teacher")
    _add(
        teacher,
        *("import", handlers.teacher_import, "check downloaded teacher files and join them"),
        *(("files", {**path, "nargs": "+"}), "--output"),
    )
    _add(
        teacher,
        *("check", handlers.teacher_check, "score masked 6-mers; exit status 1: not usable"),
        ("folder", {**path, "help": "a teacher of ours, or as downloaded from the hub"}),
        ("--fasta", {**path, "required": True, "help": "FASTA, FASTA.gz, or reference folder"}),
        ("--sequences", {"type": int, "default": 64, "help": "windows that are scored"}),
        ("--length", {"type": int, "default": 1020, "help": "bases of a window"}),
        ("--seed", {"type": int, "default": 0}),
        ("--json", {**optional, "help": "the same as JSON"}),
    )
    _add(
        teacher,
        *("cache", handlers.teacher_cache, "write its features of a run's fixed windows and masks"),
        ("--reference", {**path, "required": True, "help": "reference folder"}),
        ("--teacher", {**path, "required": True, "help": "teacher folder"}),
        *("--settings", "--execution", "--output"),
    )


def _add_result_commands(commands: Any) -> None:
    _add(
        commands,
        *("metrics", handlers.metrics, "gather all metrics rows into one CSV file"),
        ("results", {"type": Path, "help": "the workflow's results folder"}),
        ("--tasks", {"nargs": "+", "required": True, "help": "suite/task"}),
        ("--kind", {"default": "finetune", "choices": ["finetune", "knn", "linear"]}),
        *("--runs", "--output"),
    )
    _add(
        commands,
        *(
            "explain",
            handlers.explain,
            "tell what made a cell of a table and how to repeat it",
        ),
        ("results", {"type": Path, "help": "the workflow's results folder"}),
        ("task", {"help": "suite/task"}),
        ("run", {"help": "a run, or kmer_logistic"}),
        ("--kind", {"default": "finetune", "choices": ["finetune", "knn", "linear"]}),
    )
    _add(
        commands,
        *("table", handlers.table, "one suite's table beside the published numbers (csv, md, tex)"),
        ("suite", {}),
        ("--published", {"type": Path, "default": None, "help": "published_results.csv"}),
        ("--tasks", {"nargs": "+", "required": True}),
        *("--runs", "--metrics", "--output"),
    )
    _add(
        commands,
        *("comparisons", handlers.comparisons, "each run against its controls"),
        ("--pairs", {"nargs": "+", "required": True, "help": "run:control"}),
        *("--metrics", "--output"),
    )
    _add(
        commands,
        *(
            "benchmarks-table",
            handlers.benchmarks_table,
            "what is in each task folder, as one table",
        ),
        ("tasks", {"type": Path, "nargs": "+"}),
        "--output",
    )
    _add(
        commands,
        *(
            "pretraining-table",
            handlers.pretraining_table,
            "what each pretraining took and reached",
        ),
        ("folders", {"type": Path, "nargs": "+", "help": "folders of `dnastudents pretrain`"}),
        "--output",
    )
    _add(
        commands,
        *("cost", handlers.cost, "hours, memory and energy of all jobs, as one table"),
        ("results", {"type": Path, "help": "the workflow's results folder"}),
        *("--settings", "--output"),
    )
    _add_figure_commands(commands)


def _add_figure_commands(commands: Any) -> None:
    figures = _group(commands, "figure", "draw a figure as SVG and PNG")
    _add(
        figures,
        *("tsne", handlers.figure_tsne, "t-SNE of frozen features, one panel a run or teacher"),
        ("embeddings", {"type": Path, "nargs": "+", "help": "files of `dnastudents embed`"}),
        *("--runs", "--task", "--output"),
    )
    _add(
        figures,
        *("losses", handlers.figure_losses, "pretraining losses of runs"),
        ("folders", {"type": Path, "nargs": "+", "help": "folders of `dnastudents pretrain`"}),
        "--output",
    )
    _add(
        figures,
        *(
            "overview",
            handlers.figure_overview,
            "every run on every task, with confidence intervals",
        ),
        ("metrics", {"type": Path, "help": "metrics.csv"}),
        *("--runs", "--output"),
    )
    _add(
        figures,
        *("pmi", handlers.figure_pmi, "the PMI ranking, its extremes named"),
        ("folder", {"type": Path, "help": "folder of `dnastudents pmi`"}),
        "--output",
    )
