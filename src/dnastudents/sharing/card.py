"""The model card of a folder: README.md as the Hugging Face hub shows it.

It says what the model is, how it was made and measured, what that permits, and how it is loaded.
Everything in it comes from the settings, metrics or row beside the model; nothing is filled in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dnastudents.results.row import MetricsRow
from dnastudents.training.options import RunSettings

LOAD = """## How to load it

```python
import dnastudents  # enters the model in transformers' Auto classes
from transformers import {auto}, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{folder}")
model = {auto}.from_pretrained("{folder}")
```
"""
# The licence of InstaDeepAI/nucleotide-transformer-v2-* on the hub.
DISTILLED = (
    "distilled from a teacher, whose licence applies; that of the Nucleotide Transformer v2 is "
    "CC-BY-NC-SA-4.0"
)


def pretraining_card(
    folder: Path, run: str, settings: RunSettings, metrics: Mapping[str, Any]
) -> None:
    """Write the card of a pretrained student into its folder."""
    validation = metrics.get("validation", {})
    sections: dict[str, dict[str, Any]] = {
        "What it is": {
            "architecture": settings.student.architecture,
            "weights": f"{metrics['parameters']:,}",
            "recipe": settings.method if settings.is_pretrained else "none: random weights",
            "licence": DISTILLED if settings.objective.needs_teacher else None,
        },
        "Training": {
            "updates": metrics["steps"],
            "tokens": metrics.get("tokens"),
            "seed": settings.seed,
            "settings": "settings.json beside this folder",
            "commit": metrics["commit"],
        },
        "Results": {
            "perplexity of hidden tokens on the validation split": validation.get("perplexity"),
            "the same of token frequencies": validation.get("frequency_perplexity"),
            "the same of a Markov chain from both sides": validation.get("markov_perplexity"),
            "accuracy of hidden tokens on the validation split": validation.get("accuracy"),
        },
    }
    auto = "AutoModelForMaskedLM"
    _write(folder, run, sections, auto, settings.simulated, settings.objective.paper)


def classifier_card(folder: Path, row: MetricsRow, classes: list[str], paper: str) -> None:
    """Write the card of a fine-tuned classifier into its folder."""
    sections: dict[str, dict[str, Any]] = {
        "What it is": {
            "task": f"{row.suite}/{row.task}",
            "classes": ", ".join(classes),
            "pretrained by": row.method if row.pretrained else "nothing: from scratch",
        },
        "Training": {
            "sequences": row.n_train,
            "learning rate": row.learning_rate,
            "batch size": row.batch_size,
            "epochs": row.epochs,
            "pooling": row.pooling,
            "seed": row.seed,
            "chosen on": "dev" if row.best_dev is not None else "nothing: the last epoch",
            "commit": row.commit,
        },
        "Results": {
            f"{row.metric} on dev": row.best_dev,
            f"{row.metric} on test ({row.n_test} sequences)": row.value,
        },
        "How to use it": {"on files": "`dnastudents predict FOLDER sequences.fa`"},
    }
    title = f"{row.run}: {row.task}"
    _write(folder, title, sections, "AutoModelForSequenceClassification", row.simulated, paper)


def _write(
    folder: Path,
    title: str,
    sections: Mapping[str, Mapping[str, Any]],
    auto: str,
    simulated: bool,
    paper: str,
) -> None:
    front = {"library_name": "transformers", "tags": ["dna", "genomics", "dnastudents"]}
    lines = ["---", yaml.safe_dump(front, sort_keys=False).strip(), "---", "", f"# {title}", ""]
    if simulated:
        lines += ["**Trained on simulated sequences: for tests and demonstrations only.**", ""]
    for heading, facts in sections.items():
        told = [f"- {name}: {value}" for name, value in facts.items() if value is not None]
        lines += [f"## {heading}", "", *told, ""] if told else []
    lines += [LOAD.format(auto=auto, folder=folder.name.removeprefix("."))]
    if paper:
        lines += ["## Citation", "", f"- the recipe: arXiv:{paper}", ""]
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")
