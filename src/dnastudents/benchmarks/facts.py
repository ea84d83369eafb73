"""What task.json holds: the protocol of a task, and what to know before believing its numbers.

These are fields; the sentences that tables show are made from them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from dnastudents.errors import InputError
from dnastudents.files import read_json
from dnastudents.settings import Count, Seed, Settings, Share, parse

FILE = "task.json"
Metric = Literal["accuracy", "f1", "f1_macro", "mcc"]
# The metrics that a task may be judged by, and their names in tables.
METRICS: dict[str, str] = {
    "accuracy": "accuracy",
    "f1": "F1",
    "f1_macro": "macro F1",
    "mcc": "MCC",
}


class DevRule(Settings):
    """Where the dev split of a task comes from."""

    origin: Literal["official", "drawn", "split", "none"] = Field(
        description="It came with the data; was drawn from train as the folder was written; was "
        "made together with the other splits; or there is none."
    )
    fraction: Share | None = Field(
        None, description="drawn: of each class of train, at least one sequence; split: of all."
    )
    seed: Seed | None = Field(None, description="Of the draw, or of `method`.")
    method: str | None = Field(None, description="split: what assigned the sequences.")
    chromosomes: tuple[str, ...] = Field((), description="split: those that are dev.")
    grouped_by: str | None = Field(None, description="split: what no two splits share.")

    @model_validator(mode="after")
    def _check_draw(self) -> DevRule:
        if self.origin == "drawn" and None in (self.fraction, self.seed):
            raise ValueError("a drawn split has a fraction and a seed; add them")
        return self

    def __str__(self) -> str:
        """Say it in words, for tables."""
        if self.origin == "none":
            return "none; each seed draws its shots from train"
        if self.origin == "drawn":
            drawn = f"at least 1, drawn with seed {self.seed}"
            return f"{self.fraction:g} of each class of train, {drawn}"
        parts = []
        if self.chromosomes:
            parts.append(f"chromosome {', '.join(self.chromosomes)}")
        if self.method is not None:
            parts.append(f"{self.fraction:g} of all by {self.method}, seed {self.seed}")
        if self.grouped_by is not None:
            parts.append(f"no {self.grouped_by} in two splits")
        return "; ".join(parts) or self.origin


OFFICIAL = DevRule(origin="official")


class Leakage(Settings):
    """What was done about sequences of train and dev that are in test."""

    rule: Literal["report", "remove"] = Field(description="Whether they were taken out.")
    removed: dict[str, int] = Field(description="Rows that were taken out, by split.")


class Lengths(Settings):
    """Bases of the sequences of all splits."""

    min: int = Field(description="Of the shortest.")
    median: float = Field(description="Of the one in the middle.")
    max: int = Field(description="Of the longest.")


class Duplicates(Settings):
    """Sequences that occur more than once."""

    within: dict[str, int] = Field(description="Rows that repeat an earlier one, by split.")
    across: dict[str, int] = Field(description="Different sequences in both of A/B.")


class Unknown(Settings):
    """Bases that are not A, C, G or T."""

    fraction: float = Field(description="Of all bases.")
    iupac_letters: int = Field(description="Letters other than N that became N.")


class Protocol(Settings):
    """Everything that task.json says."""

    suite: str = Field(description="Name of the suite.")
    task: str = Field(description="Name of the task in its suite.")
    classes: tuple[str, ...] = Field(description="Names; a label is an index of this list.")
    metric: Metric = Field(description="What the task is judged by.")
    max_length: Count = Field(description="Bases of the longest sequence.")
    dev_rule: DevRule = Field(description="Where the dev split comes from.")
    shots: Count | None = Field(
        None, description="Sequences per class that each seed draws from train; null: all train."
    )
    source: str = Field(description="Where the data came from.")
    licence: str = Field(description="Of the data.")
    sha256: str | None = Field(None, description="Of what the data were read from.")
    simulated: bool = Field(description="Whether the data are made up.")
    notes: tuple[str, ...] = Field((), description="Deviations and substitutes.")
    leakage: Leakage = Field(description="What was done about sequences that are in test too.")
    n_sequences: dict[str, int] = Field(description="By split.")
    class_counts: dict[str, tuple[int, ...]] = Field(description="By split, in order of classes.")
    length_distribution: Lengths = Field(description="Of the sequences of all splits.")
    duplicates: Duplicates = Field(description="Sequences that occur more than once.")
    conflicting_labels: int = Field(description="Different sequences that have several labels.")
    n_content: Unknown = Field(description="Bases that are not known.")

    @model_validator(mode="after")
    def _check_classes(self) -> Protocol:
        if len(set(self.classes)) < max(2, len(self.classes)):
            raise ValueError("classes are two or more, of different names")
        return self


def read_protocol(folder: str | Path) -> Protocol:
    """Read the task.json of a task folder.

    Raises
    ------
    InputError
        It is absent, or not as this version writes it.
    """
    file = Path(folder) / FILE
    values = read_json(file)
    try:
        protocol: Protocol = parse(Protocol, values, str(file))
    except InputError as error:
        raise InputError(f"{error}; write the task folder again") from None
    return protocol
