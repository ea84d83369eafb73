"""Pretrain one run: from settings to a checkpoint folder, through a state that survives a kill.

The output is complete or absent: `model/` (config.json, model.safetensors, dna_tokenizer.json),
the recipe's other models beside it, `history.csv` (one row per log line or evaluation),
`metrics.json` and `settings.json`. A run whose objective is `none` is only initialised: the
control that is never pretrained, with the same weights as its twins before their first step.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import transformers
from accelerate import Accelerator

from dnastudents import models
from dnastudents.benchmarks.simulator.oracle import oracle_of
from dnastudents.devices import choose_device
from dnastudents.environment import PROCESSES, clean, join_or_be_alone
from dnastudents.errors import InputError
from dnastudents.files import atomic_directory, check_folder, digest, read_json, sha256, write_json
from dnastudents.genome import tokenizers
from dnastudents.launch import STOPPED
from dnastudents.objectives import Resources, build
from dnastudents.objectives.had.feature_cache import MANIFEST
from dnastudents.provenance import LEARNING, code_digest, made_by, write_provenance
from dnastudents.randomness import derive_seed
from dnastudents.results.soundness import against_pretraining
from dnastudents.settings import parse
from dnastudents.sharing.card import pretraining_card
from dnastudents.teachers.cache import check_cache
from dnastudents.training.corpus import Corpus
from dnastudents.training.disk import require_room
from dnastudents.training.identity import compared_rows, split_settings
from dnastudents.training.loop import Trainer
from dnastudents.training.options import Pretraining, RunSettings
from dnastudents.training.processes import Processes
from dnastudents.training.state import StateFolder
from dnastudents.yardsticks import Yardsticks

logger = logging.getLogger(__name__)

HOLDS = ("metrics.json", "settings.json", "history.csv", "model")  # the output; and other models
HISTORY_COLUMNS = ("step", "split", "stage", "loss", "learning_rate", "tokens_per_second")


def pretrain(
    settings: RunSettings | Mapping[str, Any],
    *,
    output: Path,
    state: Path,
    reference: Path | None = None,
    pmi: Path | None = None,
    teacher: Path | None = None,
    intervals: Path | None = None,
    features: Path | None = None,
    run: str = "run",
) -> int:
    """Pretrain, or resume where a stopped job left off.

    Parameters
    ----------
    settings : RunSettings or mapping
    output : Path
        Result folder.
    state : Path
        Folder of the training state. The last one stays, so a lost output costs no training.
    reference, pmi, teacher : Path, optional
        Folders of the genome, the PMI table and the teacher, where the recipe needs them.
    intervals : Path, optional
        BED file, for windows of kind `intervals`, see `dnastudents.genome.intervals`.
    features : Path, optional
        Folder of `dnastudents teacher cache`: the teacher is not loaded.
    run : str
        Name for the log and `metrics.json`.

    Returns
    -------
    int
        0, or 75 when a signal stopped the training: call again to resume.

    Raises
    ------
    InputError
        Bad settings, a missing folder, another job on the same state, or a loss that is not finite.
    """
    transformers.utils.logging.disable_progress_bar()  # the log has its own lines
    parsed = parse(RunSettings, settings, run)
    options = parsed.pretraining
    accelerator = start_accelerator()
    folder = RunFolder(run, parsed, output)
    student = folder.new_student()
    if options is not None and parsed.is_pretrained:
        if reference is None:
            raise InputError(f"{run}: a run that learns needs a genome; give --reference")
        resources = Resources(pmi, teacher, intervals, features)
        return train(folder, options, student, state, reference, resources, accelerator)
    if accelerator.is_main_process:
        folder.write({"model": student}, [], {"steps": 0})
    return 0


def train(
    result: RunFolder,
    options: Pretraining,
    student: Any,
    state: Path,
    reference: Path,
    resources: Resources,
    accelerator: Accelerator,
) -> int:
    """Pretrain a run that learns."""
    run, settings, seed = result.run, result.settings, result.settings.seed
    if resources.features is not None:
        check_cache(resources.features, settings, reference, resources.teacher)
    objective = build(
        settings.objective,
        settings.masking,
        student,
        result.tokenizer,
        seed,
        options.steps,
        resources,
    )
    corpus = Corpus(reference, options, seed, resources.intervals)
    who = identity(settings, reference, resources, accelerator.num_processes)
    check_folder(result.output, *HOLDS, *objective.extras())  # not after days of training
    processes = Processes(accelerator.num_processes)
    with StateFolder(state, who) as folder:
        if accelerator.is_main_process:
            folder.lock()
        processes.wait()
        # The job that held the lock before this one may have finished.
        if (metrics := _complete(result.output, who)) is not None:
            other = _other_code(metrics)
            level = logging.WARNING if other else logging.INFO
            logger.log(level, f"{run}: {result.output} is complete already{other}")
            return 0
        if accelerator.is_main_process:
            require_room(objective, state, result.output)
        yardsticks = Yardsticks(
            corpus.training_sequences, result.tokenizer, objective.reads, oracle_of(reference)
        )
        trainer = Trainer(run, options, seed, objective, corpus, folder, accelerator, yardsticks)
        if not trainer.train():
            return STOPPED
        if accelerator.is_main_process:
            learnt = {"model": objective.result(), **objective.extras()}
            measured = {**trainer.summary(), "identity": who, "trained_at": folder.commits}
            measured |= _of_teacher(run, resources.teacher)
            result.write(learnt, trainer.history, measured)
            folder.keep_newest()
        processes.wait()
    return 0


class RunFolder:
    """The folder of a run's result: what is known from the start, and how it is written."""

    def __init__(self, run: str, settings: RunSettings, output: Path) -> None:
        self.run, self.settings, self.output = run, settings, output
        self.tokenizer = tokenizers.build(settings.student.tokenizer)

    def new_student(self) -> Any:
        """Make the student with the random weights of the run's seed."""
        torch.manual_seed(derive_seed(self.settings.seed, "weights"))
        student = models.build(self.settings.student, self.tokenizer)
        self.parameters = models.count_parameters(student)  # without a recipe's own head
        return student

    def write(
        self,
        learnt: Mapping[str, Any],
        history: list[dict[str, Any]],
        measured: Mapping[str, Any],
    ) -> None:
        """Write the models in `learnt` by the names of their folders, and what was measured."""
        metrics = {
            "run": self.run,
            "parameters": self.parameters,
            **measured,
            **made_by(*LEARNING),
            "code": code_digest(),
            "settings_digest": digest(self.settings.as_json()),
            "seed": self.settings.seed,
            "simulated": self.settings.simulated,
        }
        which_run = {name: metrics[name] for name in ("run", "seed", "settings_digest")}
        with atomic_directory(self.output, *HOLDS, *learnt) as partial:
            for name, model in learnt.items():
                model.save_pretrained(partial / name)
                models.DNATokenizer(name=self.tokenizer.name).save_pretrained(partial / name)
                write_provenance(partial / name, *LEARNING, **which_run)
                pretraining_card(partial / name, self.run, self.settings, metrics)
            frame = pd.DataFrame(history, columns=_columns(history))
            frame.to_csv(partial / "history.csv", index=False)
            write_json(partial / "settings.json", self.settings.as_json())
            write_json(partial / "metrics.json", metrics)


def _complete(output: Path, identity: str) -> dict[str, Any] | None:
    """Read the metrics of this very result, if the job that held the lock has made it."""
    file = output / "metrics.json"
    metrics: dict[str, Any] = read_json(file) if file.is_file() else {}
    return metrics if metrics.get("identity") == identity else None


def _of_teacher(run: str, teacher: Path | None) -> dict[str, float]:
    """Read the last perplexities of a teacher that was trained here; warn if it learned nothing."""
    if teacher is None or not (teacher / "metrics.json").is_file():
        return {}
    validation = read_json(teacher / "metrics.json").get("validation", {})
    for reason in against_pretraining(validation):
        logger.warning(f"{run}: of its teacher the {reason}")
    names = ("perplexity", "frequency_perplexity", "markov_perplexity")
    known = [name for name in names if validation.get(name) is not None]
    return {f"teacher_{name}": validation[name] for name in known}


def _other_code(metrics: Mapping[str, Any]) -> str:
    """Say that other code has made a result, which is kept: most edits change no result."""
    if metrics.get("code") == code_digest():
        return ""
    commit = metrics.get("commit")
    return f", by other code (commit {commit}); remove it and its state to train again"


def start_accelerator() -> Accelerator:
    """Start with one process, or all that the launcher started; `Precision` does mixed precision.

    Raises
    ------
    InputError
        The processes do not form one training: each would train alone and write the same files.
    """
    clean()
    join_or_be_alone()
    accelerator = Accelerator(cpu=choose_device().type != "cuda", mixed_precision="no")
    for variable in ("WORLD_SIZE", PROCESSES):
        wanted = os.environ.get(variable)
        if wanted is not None and wanted != str(accelerator.num_processes):
            raise InputError(
                f"{variable} is {wanted}, but {accelerator.num_processes} process(es) train "
                "together; start with `python -m dnastudents launch --processes N -- pretrain ...`"
            )
    return accelerator


def identity(
    settings: RunSettings, reference: Path, resources: Resources, processes: int = 1
) -> str:
    """Compute the digest of all that decides the result: settings and content of the inputs.

    Settings of the execution are left out, so that a run resumes when they change.
    """
    deciding, _ = split_settings(settings)
    content = {"settings": deciding, "reference": read_json(reference / "reference.json")}
    if (rows := compared_rows(settings, processes)) is not None:
        content["compared rows"] = rows
    if resources.pmi is not None:
        content["pmi"] = sha256(resources.pmi / "pmi.parquet")
    if resources.teacher is not None:
        content["teacher"] = models.model_digest(resources.teacher)
    if resources.intervals is not None:
        content["intervals"] = sha256(resources.intervals)
    if resources.features is not None:
        content["features"] = sha256(resources.features / MANIFEST)
    return digest(content)


def _columns(history: list[dict[str, Any]]) -> list[str]:
    terms = {name for row in history for name in row} - set(HISTORY_COLUMNS)
    return [*HISTORY_COLUMNS, *sorted(terms)]
