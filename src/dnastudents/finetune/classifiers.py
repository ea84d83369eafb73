"""The classifiers that fine-tuning keeps, as folders that transformers loads."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from dnastudents.finetune.fit import FrozenHead
from dnastudents.genome.tokenizers import Tokenizer
from dnastudents.models import DNATokenizer
from dnastudents.provenance import LEARNING, write_provenance
from dnastudents.results.row import MetricsRow, read_row
from dnastudents.sharing.card import classifier_card

CLASSIFIER = "classifier"


def save_classifier(
    folder: Path, model: Any, tokenizer: Tokenizer, row: MetricsRow, paper: str
) -> None:
    """Write a classifier, its tokenizer, and where it comes from.

    Parameters
    ----------
    folder : Path
        For AutoModelForSequenceClassification and AutoTokenizer.
    model : SequenceClassification or FrozenHead
    tokenizer : Tokenizer
    row : MetricsRow
        What it reached on the test split, and by which settings.
    paper : str
        arXiv identifier of the recipe, or "".
    """
    whole = model.whole() if isinstance(model, FrozenHead) else model
    whole.save_pretrained(folder)
    DNATokenizer(name=tokenizer.name).save_pretrained(folder)
    write_provenance(folder, *LEARNING, row=row.as_json())
    names = [whole.config.id2label[number] for number in range(whole.config.num_labels)]
    classifier_card(folder, row, names, paper)


Keep = Literal["best", "all", "none"]


def keep_classifiers(keep: Keep, seeds: Sequence[Path], output: Path | None = None) -> None:
    """Drop the classifiers that are not to be kept, and copy the others into the output.

    Parameters
    ----------
    keep : {"best", "all", "none"}
        The best has the highest metric on dev, of equals the lowest seed.
    seeds : sequence of Path
        Folders of finished seeds, with `row.json`; those dropped before have no classifier.
    output : Path, optional
        Gets `classifier`, or `classifier_seed_<s>` of each where all are kept.
    """
    chosen = _chosen(keep, seeds)
    for folder in seeds:
        there = folder / CLASSIFIER
        if folder not in chosen and there.is_dir():
            shutil.rmtree(there)
        elif output is not None and there.is_dir():
            seed = read_row(folder / "row.json").seed
            name = CLASSIFIER if keep == "best" else f"{CLASSIFIER}_seed_{seed}"
            shutil.copytree(there, output / name)


def lost_classifiers(keep: Keep, seeds: Sequence[Path]) -> list[Path]:
    """List the seeds whose classifier is to be kept and is gone: removed, or dropped before.

    A seed that was not the best may become so when the best is no longer asked for.
    """
    return [folder for folder in _chosen(keep, seeds) if not (folder / CLASSIFIER).is_dir()]


def _chosen(keep: Keep, seeds: Sequence[Path]) -> list[Path]:
    if keep != "best" or not seeds:
        return list(seeds) if keep == "all" else []
    rows = {folder: read_row(folder / "row.json") for folder in seeds}
    return [max(rows, key=lambda folder: (rows[folder].best_dev or 0.0, -rows[folder].seed))]
