"""A pretrained student on a task: train with a seed, test, and write the metrics row.

The test split is predicted once, with the epoch that was best on dev or with the last one. Training
and testing are two steps, so that of a grid all cells are trained before one of them is tested.
"""

from __future__ import annotations

import copy
import logging
import resource
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_model, save_model

from dnastudents import models
from dnastudents.benchmarks.draws import POOL, dev_origin, draw
from dnastudents.benchmarks.task import SPLITS, Task
from dnastudents.devices import choose_device, device_name
from dnastudents.errors import InputError
from dnastudents.files import atomic_file, read_json, write_json, write_parquet
from dnastudents.finetune.classifiers import CLASSIFIER, save_classifier
from dnastudents.finetune.data import FeatureSplit, Split, TokenSplit
from dnastudents.finetune.features import Checkpoint, feature_split
from dnastudents.finetune.fit import Fit, FrozenHead
from dnastudents.finetune.options import Finetuning
from dnastudents.finetune.pretrainings import read_origin
from dnastudents.models import ChordMixerForMaskedLM, backbone_tensors, resized
from dnastudents.provenance import LEARNING, made_by
from dnastudents.randomness import derive_seed
from dnastudents.results.metrics import are_equal, classification_metrics, prediction_table
from dnastudents.results.row import MetricsRow, make_row, write_row
from dnastudents.training.state import StateFolder

logger = logging.getLogger(__name__)

TRAINED, WEIGHTS = "trained.json", "weights.safetensors"
Some = TypeVar("Some", TokenSplit, FeatureSplit)


@dataclass(frozen=True)
class Trained:
    """What training leaves beside the weights.

    Attributes
    ----------
    value, loss : float
        The task's metric and the mean loss (nats) on dev; of no meaning where nothing selects.
    epoch : int
        The one that is tested.
    history : list of dict
        One row per epoch, see `Fit.train`.
    wall_seconds, peak_memory_mb : float
        Where several processes share the device, an equal part of the time.
    """

    value: float
    loss: float
    epoch: int
    history: list[dict[str, Any]]
    wall_seconds: float
    peak_memory_mb: float


class StudentOnTask:
    """A pretrained student on a task: what its seeds share is read once."""

    def __init__(
        self,
        run: str,
        pretrained: Path,
        task: Task,
        options: Finetuning,
        config_digest: str,
        weights: str | None = None,
        sharers: int = 1,
    ) -> None:
        self.run, self.task, self.options, self.sharers = run, task, options, sharers
        self.grid_cells, self.varied = len(options.cells), options.varied
        origin = read_origin(pretrained)
        self.provenance, self.paper = origin.provenance, origin.paper
        self.initialisation = origin.initialisation
        self.config_digest, self.weights = config_digest, weights
        self.device = choose_device()
        self.checkpoint = Checkpoint.load(pretrained)
        self._check_transfer()
        frames = {name: task.split(name) for name in task.splits}
        both = options.reverse_complement != "none"
        tokenize = self.checkpoint.tokenize
        self.tokens: dict[str, TokenSplit] = self._with_pool(
            {
                name: tokenize(frame["sequence"].tolist(), frame["label"].to_numpy(), both)
                for name, frame in frames.items()
            }
        )
        self._student_of_seed = (
            not self.provenance["pretrained"] or options.released_transfer is not None
        )
        self._features: dict[tuple[int | None, str], dict[str, FeatureSplit]] = {}  # of all cells
        if options.frozen and not self._student_of_seed:
            for cell in options.cells:
                self.at(cell)._features_of(0)

    def at(self, cell: Finetuning) -> StudentOnTask:
        """Copy the student with the settings of one cell of its grid; what was read is shared."""
        other = copy.copy(self)
        other.options = cell
        return other

    def run_seed(self, seed: int, folder: Path, unfinished: StateFolder) -> None:
        """Train and test with one seed; write row, history and predictions into `folder`.

        A killed training goes on from `unfinished`.
        """
        splits, fit, trained = self._train(seed, unfinished)
        self._test(seed, splits, fit, trained, folder)

    def train_seed(self, seed: int, folder: Path, unfinished: StateFolder) -> None:
        """Train with one seed as `run_seed` does; write what `test_seed` needs into `folder`."""
        _, fit, trained = self._train(seed, unfinished)
        save_model(fit.model, str(folder / WEIGHTS))
        write_json(folder / TRAINED, asdict(trained))

    def test_seed(self, seed: int, trained: Path, folder: Path) -> None:
        """Test what `train_seed` left in `trained`; write as `run_seed` does."""
        splits = self._splits(seed)
        fit = self._fit(seed, splits)
        load_model(fit.model, str(trained / WEIGHTS))
        self._test(seed, splits, fit, Trained(**read_json(trained / TRAINED)), folder)

    def _fit(self, seed: int, splits: dict[str, Split]) -> Fit:
        return Fit(self._model(seed, splits["train"]), self.options, seed, self.device)

    def _train(self, seed: int, unfinished: StateFolder) -> tuple[dict[str, Split], Fit, Trained]:
        began = time.perf_counter()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        splits, name = self._splits(seed), self._name(seed)
        fit = self._fit(seed, splits)
        best, history = fit.train(
            splits["train"],
            splits.get("dev"),
            self.task.classes,
            self.task.metric,
            lambda line: logger.info(f"{name} {line}"),
            unfinished,
        )
        seconds = (fit.earlier + time.perf_counter() - began) / self.sharers
        memory = self._peak_memory()
        return splits, fit, Trained(best.value, best.loss, best.epoch, history, seconds, memory)

    def _test(
        self, seed: int, splits: dict[str, Split], fit: Fit, trained: Trained, folder: Path
    ) -> None:
        began = time.perf_counter()
        scores = fit.predict(splits["test"])
        of_training = {
            "best_epoch": trained.epoch,
            "best_dev": trained.value if "dev" in splits else None,
            "wall_seconds": trained.wall_seconds + (time.perf_counter() - began) / self.sharers,
            "peak_memory_mb": max(trained.peak_memory_mb, self._peak_memory()),
        }
        row = self._row(seed, splits, scores, of_training)
        write_row(folder / "row.json", row)
        pd.DataFrame(trained.history).assign(seed=seed).to_csv(folder / "history.csv", index=False)
        with atomic_file(folder / "predictions.parquet") as partial:
            labels, classes = splits["test"].labels, self.task.classes
            write_parquet(prediction_table(seed, labels, scores, classes), partial)
        if self.options.keep != "none":
            tokenizer = self.checkpoint.tokenizer
            save_classifier(folder / CLASSIFIER, fit.model, tokenizer, row, self.paper)

    def _name(self, seed: int) -> str:
        name = f"{self.run} {self.task.suite}/{self.task.task} seed {seed}"
        return " ".join(filter(None, [name, self.options.in_words(self.varied)]))

    def _splits(self, seed: int) -> dict[str, Split]:
        """Choose what the seed learns from and is tested on; no dev where nothing selects."""
        whole: Mapping[str, Split] = self.tokens
        if self.options.frozen:
            whole = self._features_of(seed)
        options = self.options
        drawn = draw(self.task, seed, options.selection, options.max_train_sequences, options.dev)
        train = whole[drawn.train_of].take(drawn.train)
        splits: dict[str, Split] = {"train": train, "test": whole["test"]}
        return splits | ({"dev": whole[drawn.dev_of].take(drawn.dev)} if len(drawn.dev) else {})

    def _dev_origin(self) -> str:
        return dev_origin(self.task, self.options.selection, self.options.dev)

    def _with_pool(self, splits: dict[str, Some]) -> dict[str, Some]:
        """Add train and dev as one split, where each seed draws dev from them."""
        if self._dev_origin() == "by_seed" and "dev" in splits:
            return splits | {POOL: splits["train"].joined(splits["dev"])}
        return splits

    def _classifier(self, seed: int) -> Any:
        """Put a new head on the student; one that was never pretrained is new with each seed too.

        So are the layers that a `released_transfer` adds.
        """
        student, options = self.checkpoint.student, self.options
        if not self.provenance["pretrained"]:
            torch.manual_seed(derive_seed(seed, "scratch"))
            student = models.new_like(student, self.initialisation, self.checkpoint.tokenizer)
        if options.released_transfer is not None:
            torch.manual_seed(derive_seed(seed, "transfer"))
            student, _ = resized(student, **options.released_transfer.model_dump())
        model = models.classifier(
            student,
            self.task.classes,
            pooling=options.pooling,
            pooling_parts=options.pooling_parts,
            classifier_dropout=options.dropout,
            reverse_complement=options.reverse_complement,
            trained_length=self.task.max_length,
        )
        torch.manual_seed(derive_seed(seed, "head"))
        model.new_head()
        return model

    def _check_transfer(self) -> None:
        """Refuse a `released_transfer` of another student; tell what one takes."""
        transfer, student = self.options.released_transfer, self.checkpoint.student
        if transfer is None:
            return
        if not isinstance(student, ChordMixerForMaskedLM):
            raise InputError(
                f"finetuning.released_transfer: is for chordmixer students, and {self.run} is a "
                f"{type(student).__name__}; drop it there"
            )
        with torch.random.fork_rng(devices=[]):
            new, taken = resized(student, **transfer.model_dump())
        wanted, given = (len(backbone_tensors(model.state_dict())) for model in (new, student))
        logger.info(
            f"{self.run} released transfer: {taken} of the {given} pretrained tensors are taken; "
            f"{wanted - taken} of the new network's {wanted} start at random"
        )

    def _model(self, seed: int, train: Split) -> torch.nn.Module:
        model = self._classifier(seed)
        if isinstance(train, FeatureSplit):
            return FrozenHead(model, torch.from_numpy(train.values))
        return model

    def _features_of(self, seed: int) -> dict[str, FeatureSplit]:
        """Compute features of the frozen student once, or once per seed where each has its own.

        And once for each pooling of a grid.
        """
        key = (seed if self._student_of_seed else None, self.options.pooling)
        if key not in self._features:
            for other in [other for other in self._features if other[0] != key[0]]:
                del self._features[other]  # another seed's go before these come
            model = self._classifier(seed)
            made = {
                name: feature_split(model, self.tokens[name], self.device)
                for name in self.task.splits
            }
            self._features[key] = self._with_pool(made)
        return self._features[key]

    def _row(
        self,
        seed: int,
        splits: Mapping[str, Split],
        scores: np.ndarray,
        more: Mapping[str, Any],
    ) -> MetricsRow:
        """Make the row of one seed; `more` wins over what is known here."""
        labels, task, train = splits["test"].labels, self.task, splits["train"]
        equal = are_equal(train.values) if isinstance(train, FeatureSplit) else None
        metrics = classification_metrics(labels, scores.argmax(1), scores, task.classes)
        values = {
            "run": self.run,
            "seed": seed,
            **{f"n_{name}": len(splits.get(name, ())) for name in SPLITS},
            "n_truncated": sum(int(split.truncated.sum()) for split in splits.values()),
            "selection": self.options.selection,
            "dev": self._dev_origin(),
            "learning_rate": self.options.learning_rate,
            "batch_size": self.options.batch_size,
            "epochs": self.options.epochs,
            "grid_cells": self.grid_cells,
            "grid": ", ".join(self.varied) or None,
            "reverse_complement": self.options.reverse_complement,
            "frozen": self.options.frozen,
            "pooling": self.options.pooling,
            "pooling_parts": self.options.pooled_parts,
            "equal_features": equal,
            "released_transfer": self.options.released_transfer is not None,
            "device": device_name(self.device),
            "config_digest": self.config_digest,
            "weights": self.weights,
            **made_by(*LEARNING),
            **self.provenance,
            "simulated": task.simulated or self.provenance["simulated"],
        }
        return make_row(task, metrics, {**values, **more})

    def _peak_memory(self) -> float:
        """Return MiB of the GPU, or of this process so far."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated() / 2**20
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
