"""The whole configuration as one tree of settings; what a key means is said here or in its recipe.

Students, objectives, maskings and windows are unions of all that is registered, so a new recipe is
known here without an edit. What names refer to is checked in `config.checks`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, create_model, model_validator

from dnastudents.benchmarks.facts import Metric
from dnastudents.benchmarks.simulator.options import SimulatorOptions
from dnastudents.finetune.options import Finetuning
from dnastudents.masking.options import MASKINGS, MaskingOptions
from dnastudents.models import PARTS, STUDENTS
from dnastudents.objectives import OBJECTIVES, ObjectiveOptions
from dnastudents.pmi import PmiSettings
from dnastudents.probes.options import BaselineBlock, KNNBlock, LinearBlock
from dnastudents.settings import Count, Distinct, Name, Positive, Seed, Settings, Wrong, one_of
from dnastudents.training.options import PretrainingBlock

Names = Distinct[str]


def _usable(path: str) -> str:
    """Put in the home folder for `~`; refuse what is not a path, or not one for Snakemake."""
    if not path.strip("/") or not {"\n", "\0"}.isdisjoint(path):
        raise ValueError(f"is {path!r}, which is not a path; correct it, or drop the key")
    if "{" in path or "}" in path:
        raise ValueError(f"has braces, '{path}', and Snakemake takes them for names; rename it")
    if path.startswith("$"):
        raise ValueError(f"is '{path}', and nobody fills in variables here; write the whole path")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise ValueError(
            f"is {path!a}, and the locale has no such letters; set LC_ALL=C.UTF-8"
        ) from None
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError:
        raise ValueError(f"is '{path}', and nobody has such a home; write the whole path") from None


Location = Annotated[str, AfterValidator(_usable)]  # a path, or a URL


class Intervals(Settings):
    """Intervals of a reference: BED of chrom, start, end and fold (train, valid, test)."""

    dataset: str | None = Field(None, description="An id of workflow/resources/datasets.csv.")
    bed: Location | None = Field(None, description="Path of your own file; wins over `dataset`.")

    @model_validator(mode="after")
    def _check(self) -> Intervals:
        if self.bed is None and self.dataset is None:
            raise ValueError("has no file; give `bed:` or `dataset:`")
        return self


class Splits(Settings):
    """The sequences or regions of each split; by chromosome, never by window."""

    train: Names = Field(description="Learnt from.")
    validation: Names = Field(description="Held out for the validation loss.")
    test: Names | None = Field(None, description="Kept out of pretraining.")


class Reference(Settings):
    """A genome. A simulated one wins over a FASTA of your own, that over a download."""

    dataset: str | Names | None = Field(
        None, description="An id of workflow/resources/datasets.csv, or a list of ids."
    )
    fasta: Location | None = Field(None, description="Path of a FASTA or FASTA.gz file.")
    simulate: SimulatorOptions | None = Field(None, description="Make it up.")
    intervals: Intervals | None = Field(None, description="For windows of kind `intervals`.")
    splits: Splits | None = Field(
        None, description="What pretraining reads; needed by the reference that is `genome`."
    )

    @model_validator(mode="after")
    def _check(self) -> Reference:
        if self.simulate is None and self.fasta is None and self.dataset is None:
            raise ValueError("has no sequence; give `fasta:`, `dataset:` or `simulate:`")
        return self

    @property
    def datasets(self) -> list[str]:
        """The ids of `dataset`."""
        return [self.dataset] if isinstance(self.dataset, str) else list(self.dataset or ())


class Pmi(PmiSettings):
    """The PMI ranking of k-mers, and what it is counted on."""

    sequences: Names = Field(("all",), description="Sequences that are counted.")


class Run(Settings):
    """A pretraining: student, objective, masking, settings and seed."""

    student: str = Field(description="A name of `students`.")
    teacher: str | None = Field(None, description="A name of `teachers`.")
    objective: Annotated[ObjectiveOptions, OBJECTIVES] = Field(description="What it learns from.")
    masking: Annotated[MaskingOptions, MASKINGS] | None = Field(
        None, description="What is hidden; null: as in the paper."
    )
    seed: Seed = Field(0, description="Of weights, batches and masks.")
    replicas: Count = Field(1, description="Pretrainings, with seeds from `seed` on.")
    compare_with: Names | None = Field(None, description="Runs beside the one without pretraining.")
    teacher_cache: bool = Field(False, description="The teacher's features are computed once.")
    pretraining: PretrainingBlock | None = Field(None, description="How it is trained.")

    @property
    def learns(self) -> bool:
        """Whether there is any pretraining."""
        return bool(self.objective.learns)


class Teacher(Settings):
    """A teacher that is downloaded, or trained here."""

    dataset: str | None = Field(None, description="A folder of workflow/resources/datasets.csv.")
    train: Run | None = Field(None, description="A run, whose student is the teacher.")

    @model_validator(mode="after")
    def _check(self) -> Teacher:
        if (self.dataset is None) == (self.train is None):
            raise ValueError("give one of `dataset:` and `train:`")
        return self


class FinetuningOfStudent(Finetuning):
    """What a suite changes for one student."""

    by_task: dict[str, Finetuning] | None = Field(None, description="And for one task of it.")


class Suite(Settings):
    """A suite of benchmark tasks."""

    tasks: Distinct[Name] = Field(description="Those that are run.")
    seeds: Distinct[Seed] = Field(description="Of fine-tuning; a row of the metrics each.")
    source: Location | Distinct[Location] | None = Field(
        None, description="Your own file or folder, or a list, in place of the download."
    )
    csv: Location | None = Field(
        None, description="Your folder with TASK/train.csv, test.csv and maybe dev.csv."
    )
    metric: Metric | None = Field(None, description="Of a suite with `csv`; null: accuracy.")
    route: str | None = Field(
        None,
        description="A route of workflow/resources/tasks.csv, for the tasks that have it; null: "
        "the first. `substitutes` of few_shot replaces two official tests.",
    )
    leakage: Literal["report", "remove"] = Field(
        "report", description="What becomes of train and dev sequences that are in test."
    )
    finetuning: Finetuning = Field(Finetuning(), description="What the suite changes.")
    by_student: dict[str, FinetuningOfStudent] | None = Field(
        None, description="What it changes for one student."
    )
    by_task: dict[str, Finetuning] | None = Field(None, description="What it changes for one task.")

    @model_validator(mode="after")
    def _check_csv(self) -> Suite:
        if self.csv is not None and self.source is not None:
            raise ValueError("has `csv` and `source`; drop one of them")
        if self.metric is not None and self.csv is None:
            raise Wrong(
                "metric", "is for suites with `csv`; drop it, or give `--metric` in your own rule"
            )
        return self


class KNNProbe(KNNBlock):
    """Nearest neighbours in frozen features, and where."""

    suites: Names = Field(description="Suites that it is run on.")


class LinearProbe(LinearBlock):
    """A linear head on frozen features, and where."""

    suites: Names = Field(description="Suites that it is run on.")


class Probes(Settings):
    """Probes of frozen features, in tables of their own."""

    knn: KNNProbe | None = Field(None, description="null: none.")
    linear: LinearProbe | None = Field(None, description="null: none.")


class TSNE(Settings):
    """A t-SNE figure for each of some tasks."""

    tasks: tuple[str, ...] = Field((), description="As suite/task.")
    runs: Names | None = Field(None, description="null: every run that it can be drawn of.")
    max_sequences: int = Field(1000, ge=50, description="Points of a panel.")


class TSNEWithTeachers(TSNE):
    """A t-SNE figure that may show teachers."""

    teachers: bool | Names = Field(
        True, description="A panel for each teacher of these runs; false: none; or names."
    )
    pooling: Literal["mean", "parts"] = Field("mean", description="As in `finetuning`.")
    pooling_parts: Count = Field(PARTS, description="Of `parts`; they are equally long.")


class Figures(Settings):
    """The figures that are not of all results."""

    tsne: TSNEWithTeachers = Field(TSNEWithTeachers(), description="Of pooled features.")
    tsne_cls: TSNE = Field(TSNE(), description="Of CLS positions, where students have some.")


class Cost(Settings):
    """The table of the cost."""

    watts: dict[str, Positive] = Field(
        {}, description="Power of devices, by a part of their name; adds energy."
    )
    price: dict[str, Positive] = Field(
        {}, description="Of an hour of a device, in your currency, named as in `watts`; for `plan`."
    )


def _with_finetuning(kind: type[Settings]) -> type[Settings]:
    """Make a student's settings with what it changes of fine-tuning."""
    about = Field(Finetuning(), description="What the student changes of fine-tuning.")
    return create_model(
        kind.__name__, __base__=kind, __doc__=kind.__doc__, finetuning=(Finetuning, about)
    )


Student: Any = one_of(*map(_with_finetuning, STUDENTS.values()), tag="architecture")


class Configuration(Settings):
    """Every key of config.yaml."""

    results: Location = Field(description="Folder of all that is written.")
    mirror: Location | None = Field(None, description="Folder or URL that holds the downloads.")
    download_lock: Location | None = Field(
        None, description="JSON of hashes at first download, may be absent; null: in the results."
    )
    genome: str = Field(description="The reference that every run is pretrained on.")
    references: dict[Name, Reference] = Field(description="Genomes by name.")
    pmi: Pmi = Field(Pmi(), description="The PMI ranking.")
    students: dict[Name, Student] = Field(description="Networks by name.")  # type: ignore[valid-type]
    teachers: dict[Name, Teacher] = Field({}, description="Teachers by name.")
    runs: dict[Name, Run] = Field(description="Pretrainings by name.")
    finetuning: Finetuning = Field(Finetuning(), description="One protocol for runs and tasks.")
    baseline: BaselineBlock = Field(BaselineBlock(), description="The k-mer baseline.")
    probes: Probes = Field(Probes(), description="Probes of frozen features.")
    suites: dict[Name, Suite] = Field(description="Benchmarks by name.")
    figures: Figures = Field(Figures(), description="What is drawn.")
    cost: Cost = Field(Cost(), description="The table of the cost.")
