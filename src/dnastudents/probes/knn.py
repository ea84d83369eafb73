"""k nearest neighbours in frozen features: what pretraining alone has learnt.

FinDNA's probe (its released contrastive_knn.py): every training and test sequence becomes the mean
of its features, a test sequence gets the vote of its k nearest training sequences by Euclidean
distance, and nothing is fitted or selected. The mean runs over real bases; theirs includes padding.
`pooling: parts` takes the means of parts of a sequence instead, side by side.
Where all features are equal, every neighbour is as near as any other: `equal_features` says so.

Neighbours are the task's train split without dev, or, of a few-shot task, all shots that the seed
draws; where fewer are asked for, the seed draws them. It starts from the same pretraining as
fine-tuning. The probe itself has no randomness, so a seed whose pretraining and sequences another
seed has had gets no row of its own. A student that was never pretrained is new with each seed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from dnastudents.benchmarks.draws import draw
from dnastudents.benchmarks.task import Task, load_task
from dnastudents.devices import release
from dnastudents.errors import InputError
from dnastudents.files import atomic_directory, digest, sha256, write_json, write_parquet
from dnastudents.finetune.data import FeatureSplit
from dnastudents.finetune.features import feature_split
from dnastudents.finetune.on_task import StudentOnTask
from dnastudents.finetune.options import Finetuning
from dnastudents.finetune.pretrainings import seeds_of_replicas
from dnastudents.models import model_folder
from dnastudents.probes.options import KNNOptions
from dnastudents.results.metrics import prediction_table
from dnastudents.results.row import MetricsRow, write_row
from dnastudents.settings import parse

logger = logging.getLogger(__name__)


def knn(
    run: str,
    *,
    pretrained: Sequence[Path],
    task: Path,
    settings: Mapping[str, Any],
    seeds: Sequence[int],
    output: Path,
) -> None:
    """Probe a run on a task.

    Parameters
    ----------
    run : str
        Name of the pretrained run, for tables.
    pretrained : sequence of Path
        Its folders, one per pretraining; seed s uses number s mod n.
    task : Path
        Task folder.
    settings : mapping
        See `KNNOptions`.
    seeds : sequence of int
        Of the draw of sequences, and of the weights of a student that was never pretrained.
    output : Path
        Folder with `seed_<s>.json` (see `results.row`), `settings.json` and
        `predictions.parquet`, as fine-tuning writes it; probabilities are shares of the votes.

    Raises
    ------
    InputError
        Bad settings, folders that are not pretrainings of one run, or fewer than k sequences.
    """
    options: KNNOptions = parse(KNNOptions, settings, "probes.knn")
    data, predictions = load_task(task), []
    with atomic_directory(output, "settings.json", "predictions.parquet", "seed_*.json") as folder:
        for start, its_seeds in seeds_of_replicas(pretrained, seeds):
            probe = Probe(run, start, data, options)
            for seed in probe.distinct(its_seeds):
                row, guesses = probe.test(seed)
                write_row(folder / f"seed_{seed}.json", row)
                predictions.append(guesses)
        table = pd.concat(predictions, ignore_index=True)
        write_parquet(table, folder / "predictions.parquet")
        write_json(folder / "settings.json", options.as_json())


class Probe(StudentOnTask):
    """The probe of one pretraining on one task: what fine-tuning reads, and neighbours."""

    def __init__(
        self,
        run: str,
        pretrained: Path,
        task: Task,
        options: KNNOptions,
    ) -> None:
        self.k = options.k
        weights = sha256(model_folder(pretrained) / "model.safetensors")
        config_digest = digest({"knn": options.as_json(), "weights": weights})
        # `last`: no dev split is used, and all shots of a few-shot task are neighbours.
        reading = Finetuning(
            pooling=options.pooling,
            pooling_parts=options.pooling_parts,
            max_train_sequences=options.max_train_sequences,
            selection="last",
        )
        super().__init__(run, pretrained, task, reading, config_digest, weights)
        self._pretrained_test: FeatureSplit | None = None

    def distinct(self, seeds: Sequence[int]) -> list[int]:
        """Return the seeds that do not repeat an earlier one."""
        if not self.provenance["pretrained"]:
            return list(seeds)
        first: dict[bytes, int] = {}
        for seed in seeds:
            first.setdefault(self._train_rows(seed).tobytes(), seed)
        return list(first.values())

    def test(self, seed: int) -> tuple[MetricsRow, pd.DataFrame]:
        """Make the metrics row of one seed, and its predictions."""
        began = time.perf_counter()
        splits = self._embedded(seed)
        release(self.device)  # neighbours are looked for on the CPU, which takes much longer
        scores = neighbour_votes(splits["train"], splits["test"], self.k, len(self.task.classes))
        nothing = (
            *("selection", "best_dev", "best_epoch", "learning_rate", "batch_size"),
            *("epochs", "grid_cells"),
        )
        values = {
            **dict.fromkeys(nothing),  # nothing is fitted or selected
            "frozen": True,
            "neighbours": self.k,
            "wall_seconds": time.perf_counter() - began,
            "peak_memory_mb": self._peak_memory(),
        }
        row = self._row(seed, splits, scores, values)
        name = f"{self.run} {self.task.suite}/{self.task.task} seed {seed}"
        logger.info(f"{name} {self.task.metric} {row.value:.4f}")
        return row, prediction_table(seed, splits["test"].labels, scores, self.task.classes)

    def _train_rows(self, seed: int) -> NDArray[np.int64]:
        return draw(self.task, seed, "last", self.options.max_train_sequences).train

    def _embedded(self, seed: int) -> dict[str, FeatureSplit]:
        """Embed the seed's training sequences, and test, which a fixed student embeds once."""
        classifier = self._classifier(seed)
        test = self._pretrained_test
        if test is None:
            test = feature_split(classifier, self.tokens["test"], self.device)
        if self.provenance["pretrained"]:
            self._pretrained_test = test
        drawn = self.tokens["train"].take(self._train_rows(seed))
        return {"train": feature_split(classifier, drawn, self.device), "test": test}


def neighbour_votes(
    train: FeatureSplit, test: FeatureSplit, k: int, classes: int
) -> NDArray[np.float32]:
    """Compute the share of the k votes that each class gets, float32 (n_test, classes)."""
    if len(train) < k:
        raise InputError(
            f"probes.knn: {len(train)} training sequences for k = {k} neighbours; lower k or raise "
            "max_train_sequences"
        )
    if not (np.isfinite(train.values).all() and np.isfinite(test.values).all()):
        raise InputError("probes.knn: features are not finite; the pretraining has diverged")
    model = KNeighborsClassifier(k).fit(train.values, train.labels)
    votes = np.zeros((len(test), classes), dtype=np.float32)
    votes[:, model.classes_] = model.predict_proba(test.values)
    return votes
