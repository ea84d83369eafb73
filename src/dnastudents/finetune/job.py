"""Fine-tune a run on a task with all seeds in one process, one metrics row a seed.

A finished seed is kept in the state folder at once, so a killed job repeats only the seed it was
at. The test split is predicted once, with the epoch that was best on dev or with the last one.

A run that was pretrained n times has n folders: seed s starts from folder s mod n. A finished seed
depends on its own folder alone, so it stays when another pretraining is added in whose place it is
not.
"""

from __future__ import annotations

import copy
import resource
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from dnastudents.benchmarks.draws import draw
from dnastudents.benchmarks.task import SPLITS, Task, load_task
from dnastudents.errors import InputError
from dnastudents.evaluation.metrics import classification_metrics, primary
from dnastudents.files import atomic_directory, atomic_file, digest, read_json, sha256, write_json
from dnastudents.finetune.data import FeatureSplit, Split, TokenSplit
from dnastudents.finetune.features import Checkpoint, feature_split
from dnastudents.finetune.fit import Best, Fit, FrozenHead
from dnastudents.finetune.options import Finetuning
from dnastudents.models import (
    ChordMixerForMaskedLM,
    SequenceClassifier,
    backbone_tensors,
    resized,
)
from dnastudents.objectives import model_folder
from dnastudents.objectives.options import parse
from dnastudents.randomness import derive_seed
from dnastudents.training.pretrain import versions
from dnastudents.training.state import StateFolder


def finetune(
    run: str,
    *,
    pretrained: Sequence[Path],
    task: Path,
    settings: Mapping[str, Any],
    seeds: Sequence[int],
    state: Path,
    output: Path,
) -> None:
    """Fine-tune, or go on with the seeds that are not done.

    Parameters
    ----------
    run : str
        Name of the pretrained run, for tables.
    pretrained : sequence of Path
        Its folders, one a pretraining; seed s starts from number s mod n.
    task : Path
        Task folder.
    settings : mapping
        See `Finetuning`.
    seeds : sequence of int
        Of the head, the order of batches, dropout, and the draw of a few-shot task.
    state : Path
        Folder of finished seeds. It stays, so another seed costs only itself.
    output : Path
        Folder with `seed_<s>.json` (a metrics row), `predictions.parquet` (seed, index, label,
        prediction, p_<class>) and `history.csv` (seed, epoch, step, loss, and where a dev split
        selects dev_loss and dev_<metric>).

    Raises
    ------
    InputError
        Bad settings, a missing folder, folders that are not pretrainings of one run, or a loss that
        is no number.
    """
    options = parse(Finetuning, settings, "finetuning")
    shares = seeds_of_replicas(pretrained, seeds)
    data = load_task(task)
    with StateFolder(state, digest([run, dict(settings), data.protocol])) as folder:
        folder.lock()  # waits for the orphan of a workflow that was killed
        for start, mine in shares:
            _run_missing(run, start, data, options, settings, mine, state)
        _gather([state / f"seed_{seed}" for seed in seeds], seeds, output)


def _run_missing(
    run: str,
    pretrained: Path,
    task: Task,
    options: Finetuning,
    settings: Mapping[str, Any],
    seeds: Sequence[int],
    state: Path,
) -> None:
    """Do the seeds that start from one folder and are not done; only they load its student."""
    weights = sha256(model_folder(pretrained) / "model.safetensors")
    config_digest = digest({"finetuning": dict(settings), "weights": weights})
    identity = digest([run, config_digest, task.protocol])
    missing = [seed for seed in seeds if not _is_of(state / f"seed_{seed}", identity)]
    if not missing:
        return
    job = Job(run, pretrained, task, options, config_digest)
    for seed in missing:
        with atomic_directory(state / f"seed_{seed}") as partial:
            job.run_seed(seed, partial)
            write_json(partial / "identity.json", identity)


def seeds_of_replicas(
    pretrained: Sequence[Path], seeds: Sequence[int]
) -> list[tuple[Path, list[int]]]:
    """Each pretraining that has seeds, with them: seed s starts from number s mod n.

    Raises
    ------
    InputError
        The folders are not pretrainings of one run.
    """
    _require_replicas(pretrained)
    shares = [
        (folder, [seed for seed in seeds if seed % len(pretrained) == number])
        for number, folder in enumerate(pretrained)
    ]
    return [(folder, mine) for folder, mine in shares if mine]


def _require_replicas(pretrained: Sequence[Path]) -> None:
    """An `InputError` unless these are pretrainings of one run, each with a seed of its own."""
    if not pretrained:
        raise InputError("--pretrained: no folder is given; give the folders of one run")
    first, seen = provenance(pretrained[0]), dict[int, Path]()
    for folder in pretrained:
        if not (model_folder(folder) / "model.safetensors").is_file():
            raise InputError(f"{folder}: no model.safetensors in it; pretrain the run first")
        found = provenance(folder)
        for key in ("method", "mode", "pretrained"):
            if found[key] != first[key]:
                raise InputError(
                    f"{folder}: {key} is {found[key]!r}, but of {pretrained[0]} it is "
                    f"{first[key]!r}; give the pretrainings of one run"
                )
        seed = found["pretraining_seed"]
        if seed in seen:
            raise InputError(
                f"{folder}: pretrained with seed {seed}, as {seen[seed]}; give each one once"
            )
        if seed is not None:
            seen[seed] = folder


def _gather(folders: list[Path], seeds: Sequence[int], output: Path) -> None:
    """Put the finished seeds together."""
    with atomic_directory(output) as partial:
        for seed, folder in zip(seeds, folders, strict=True):
            shutil.copy(folder / "row.json", partial / f"seed_{seed}.json")
        history = pd.concat([pd.read_csv(folder / "history.csv") for folder in folders])
        history.to_csv(partial / "history.csv", index=False)
        frames = [pd.read_parquet(folder / "predictions.parquet") for folder in folders]
        pd.concat(frames).to_parquet(partial / "predictions.parquet", index=False)


class Job:
    """Everything that the seeds of one pretraining and task share, read once."""

    def __init__(
        self,
        run: str,
        pretrained: Path,
        task: Task,
        options: Finetuning,
        config_digest: str,
    ) -> None:
        self.run, self.task, self.options = run, task, options
        self.provenance = provenance(pretrained)
        self.config_digest = config_digest
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.checkpoint = Checkpoint.load(pretrained)
        self._check_transfer()
        frames = {name: task.split(name) for name in task.splits}
        self.tokens: dict[str, TokenSplit] = {
            name: self.checkpoint.tokenize(frame["sequence"].tolist(), frame["label"].to_numpy())
            for name, frame in frames.items()
        }
        # Features that no seed changes.
        fixed = options.frozen and self.provenance["pretrained"] and options.transfer is None
        self.features = self._features(0) if fixed else {}

    def run_seed(self, seed: int, folder: Path) -> None:
        """Fine-tune with one seed and write row, history and predictions into `folder`."""
        began = time.perf_counter()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        splits = self._splits(seed)
        fit = Fit(self._model(seed, splits["train"]), self.options, seed, self.device)
        name = f"{self.run} {self.task.suite}/{self.task.task} seed {seed}"
        best, history = fit.train(
            splits["train"],
            splits.get("dev"),
            self.task.classes,
            self.task.metric,
            lambda line: print(f"{name} {line}", file=sys.stderr, flush=True),
        )
        scores = fit.predict(splits["test"])
        row = self._row(seed, splits, scores, best)
        row |= {"wall_seconds": time.perf_counter() - began, "peak_memory_mb": self._peak_memory()}
        write_json(folder / "row.json", row)
        pd.DataFrame(history).assign(seed=seed).to_csv(folder / "history.csv", index=False)
        with atomic_file(folder / "predictions.parquet") as partial:
            self._predictions(seed, splits["test"].labels, scores).to_parquet(partial, index=False)

    def _splits(self, seed: int) -> dict[str, Split]:
        """What the seed learns from and is tested on; no dev where nothing selects."""
        whole: Mapping[str, Split] = self.tokens
        if self.options.frozen:
            whole = self.features or self._features(seed)
        options = self.options
        train, dev, dev_of = draw(self.task, seed, options.selection, options.max_train_sequences)
        splits: dict[str, Split] = {"train": whole["train"].take(train), "test": whole["test"]}
        return splits | ({"dev": whole[dev_of].take(dev)} if len(dev) else {})

    def _classifier(self, seed: int) -> SequenceClassifier:
        """A new head on the student; one that was never pretrained is new with each seed too.

        So are the layers that a `released_transfer` adds.
        """
        if self.provenance["pretrained"]:
            student = copy.deepcopy(self.checkpoint.student)
        else:
            torch.manual_seed(derive_seed(seed, "scratch"))
            student = type(self.checkpoint.student)(self.checkpoint.student.config)
        if self.options.transfer is not None:
            torch.manual_seed(derive_seed(seed, "transfer"))
            student, _ = resized(student, **asdict(self.options.transfer))
        torch.manual_seed(derive_seed(seed, "head"))
        return SequenceClassifier(
            student,
            len(self.task.classes),
            self.options.pooling,
            self.options.dropout,
            self.checkpoint.tokenizer.special_ids,
        )

    def _check_transfer(self) -> None:
        """Refuse a `released_transfer` of another student; tell what one takes."""
        transfer, student = self.options.transfer, self.checkpoint.student
        if transfer is None:
            return
        if not isinstance(student, ChordMixerForMaskedLM):
            raise InputError(
                f"finetuning.released_transfer: is for chordmixer students, and {self.run} is a "
                f"{type(student).__name__}; drop it there"
            )
        with torch.random.fork_rng(devices=[]):
            new, taken = resized(student, **asdict(transfer))
        wanted, given = (len(backbone_tensors(model.state_dict())) for model in (new, student))
        print(
            f"{self.run} released transfer: {taken} of the {given} pretrained tensors are taken; "
            f"{wanted - taken} of the new network's {wanted} start at random",
            file=sys.stderr,
            flush=True,
        )

    def _model(self, seed: int, train: Split) -> torch.nn.Module:
        classifier = self._classifier(seed)
        if isinstance(train, FeatureSplit):
            return FrozenHead(classifier.head, self.options.dropout, train.features)
        return classifier

    def _features(self, seed: int) -> dict[str, FeatureSplit]:
        classifier = self._classifier(seed)
        return {
            name: feature_split(classifier, split, self.device)
            for name, split in self.tokens.items()
        }

    def _row(
        self, seed: int, splits: dict[str, Split], scores: np.ndarray, best: Best
    ) -> dict[str, Any]:
        labels, task = splits["test"].labels, self.task
        metrics = classification_metrics(labels, scores.argmax(1), scores, task.classes)
        on_gpu = self.device.type == "cuda"
        return {
            "run": self.run,
            "task": task.task,
            "suite": task.suite,
            "seed": seed,
            "metric": task.metric,
            "value": primary(metrics, task.metric),
            **metrics,
            **{f"n_{name}": len(splits.get(name, ())) for name in SPLITS},
            "n_truncated": sum(int(split.truncated.sum()) for split in splits.values()),
            "selection": self.options.selection,
            "best_epoch": best.epoch,
            "best_dev": best.value if "dev" in splits else None,
            "learning_rate": self.options.learning_rate,
            "batch_size": self.options.batch_size,
            "frozen": self.options.frozen,
            "released_transfer": self.options.transfer is not None,
            "device": torch.cuda.get_device_name() if on_gpu else "cpu",
            "versions": versions(),
            "config_digest": self.config_digest,
            **self.provenance,
            "simulated": task.simulated or self.provenance["simulated"],
        }

    def _predictions(self, seed: int, labels: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
        columns = {"seed": seed, "index": np.arange(len(labels)), "label": labels}
        columns["prediction"] = scores.argmax(1)
        columns |= {f"p_{name}": scores[:, k] for k, name in enumerate(self.task.classes)}
        return pd.DataFrame(columns)

    def _peak_memory(self) -> float:
        """MiB: of the GPU, or of this process so far."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated() / 2**20
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def provenance(pretrained: Path) -> dict[str, Any]:
    """What a metrics row says of the pretraining.

    `method`, `pretrained`, `mode`, `simulated` and `pretraining_seed`. The method is the objective,
    or for plain masked prediction its masking, which tells CM-GEMS from its controls. The seed is
    None for a checkpoint of others, and for a student that is new with each fine-tuning seed.
    """
    file = pretrained / "settings.json"
    if not file.is_file():
        plain = {"method": "checkpoint", "pretrained": True, "mode": "", "simulated": False}
        return {**plain, "pretraining_seed": None}
    settings = read_json(file)
    objective = settings["objective"]["name"]
    learnt = objective != "none" and settings["pretraining"].get("steps") != 0
    masking = settings.get("masking", {}).get("name", objective)
    method = masking if objective == "masked_lm" else objective
    mode = settings.get("masking", {}).get("mode", "as_described")
    released = settings["objective"].get("as_released", False) or mode == "as_released"
    return {
        "method": method if learnt else "scratch",
        "pretrained": learnt,
        "mode": "as_released" if released else "as_described",
        "simulated": settings.get("simulated", False),
        "pretraining_seed": settings.get("seed", 0) if learnt else None,
    }


def _is_of(folder: Path, identity: str) -> bool:
    """Whether a finished seed was made by the same settings, weights and task."""
    return folder.is_dir() and read_json(folder / "identity.json") == identity
