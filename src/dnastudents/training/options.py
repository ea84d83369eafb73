"""The settings of pretraining; defaults, bounds and units are here and nowhere else."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dnastudents.genome.windows import WINDOWS, WindowOptions
from dnastudents.masking.options import MASKINGS, MaskingOptions
from dnastudents.models import STUDENTS, StudentOptions
from dnastudents.objectives import OBJECTIVES, ObjectiveOptions
from dnastudents.objectives.options import require_masking
from dnastudents.settings import (
    Count,
    NotNegative,
    Positive,
    Precision,
    Seed,
    Settings,
    Share,
    Wrong,
)

Decay = Annotated[float, Field(ge=0, lt=1)]
NORM = "gradient_norm"  # the term, and column of the history, of the gradient's norm


class SplitOptions(Settings):
    """What to learn from and to validate on; both empty where a BED file's folds are the splits."""

    train: tuple[str, ...] = Field((), description="Sequences or regions to learn from.")
    validation: tuple[str, ...] = Field((), description="Held out for the validation loss.")


class OptimizerOptions(Settings):
    """AdamW. Matrices decay; biases, norms and other vectors do not."""

    learning_rate: Positive = Field(description="The highest, after the warm-up.")
    betas: tuple[Decay, Decay] = Field((0.9, 0.999), description="Decay of the two moments.")
    eps: Positive = Field(1e-8, description="Added to the root of the second moment.")
    weight_decay: NotNegative = Field(0.01, description="Of matrices, times the learning rate.")


class ScheduleOptions(Settings):
    """Linear warm-up, then down to the minimum, which the update after the last would have."""

    kind: Literal["linear", "cosine"] = Field("cosine", description="The form of the descent.")
    warmup_steps: int | None = Field(None, ge=0, description="Of warm-up; wins over the next.")
    warmup_fraction: Share = Field(0.0, description="Warm-up as a fraction of all steps.")
    minimum_learning_rate: NotNegative = Field(0.0, description="Where the descent ends.")

    def warmup(self, steps: int) -> int:
        """Count the steps of warm-up among `steps`."""
        if self.warmup_steps is not None:
            return self.warmup_steps
        return round(self.warmup_fraction * steps)


class PretrainingBlock(Settings):
    """How a run is trained, as a configuration says it."""

    steps: Count = Field(description="Updates of the weights.")
    batch_size: Count = Field(description="Sequences of an update, over all processes.")
    window: Annotated[WindowOptions, WINDOWS] = Field(description="What a sequence is.")
    optimizer: OptimizerOptions = Field(description="AdamW.")
    schedule: ScheduleOptions = Field(ScheduleOptions(), description="Of the learning rate.")
    micro_batch_size: Count | None = Field(
        None,
        description="Sequences of a process that are in memory at once; null: all of its share. "
        "Changes memory, not the result, unless the loss compares the rows of one.",
    )
    gradient_clip: Positive = Field(1.0, description="Largest norm of the gradient.")
    precision: Precision = Field(
        "no", description="Of matrix products on a GPU; a CPU always computes in float32."
    )
    reverse_complement: Share = Field(
        0.0, description="Probability that a sequence is read from the other strand."
    )
    log_every: Count = Field(50, description="Steps between two lines of the log.")
    evaluate_every: Count = Field(500, description="Steps between two validations.")
    checkpoint_every: Count = Field(500, description="Steps between two saved states.")
    validation_sequences: Count = Field(256, description="Size of the fixed validation subset.")
    stop_after_bad_steps: Count = Field(
        1,
        description="Steps whose loss or gradient is not finite do not change the weights; after "
        "this many the training stops.",
    )

    @model_validator(mode="after")
    def _check_schedule(self) -> PretrainingBlock:
        warmup, lowest = self.schedule.warmup(self.steps), self.schedule.minimum_learning_rate
        if warmup > self.steps:
            raise Wrong(
                "schedule.warmup_steps",
                f"{warmup:,} are more than all {self.steps:,} steps, so the learning rate would "
                "never be reached; lower it, or set warmup_steps: null and warmup_fraction",
            )
        if lowest > self.optimizer.learning_rate:
            raise Wrong(
                "schedule.minimum_learning_rate",
                f"{lowest:g} is more than optimizer.learning_rate; lower it",
            )
        return self


class Pretraining(PretrainingBlock):
    """One pretraining: its block, and the sequences of its splits."""

    splits: SplitOptions = Field(SplitOptions(), description="Of the genome.")

    @model_validator(mode="after")
    def _check_splits(self) -> Pretraining:
        named = bool(self.splits.train or self.splits.validation)
        if self.window.has_folds and named:
            raise Wrong("splits", "intervals have folds of their own; remove it")
        if not self.window.has_folds and not self.splits.train:
            raise Wrong("splits", "'train' names nothing; add what to learn from")
        return self


class RunSettings(Settings):
    """All that decides a run's weights, together with its inputs."""

    student: Annotated[StudentOptions, STUDENTS] = Field(description="The network.")
    objective: Annotated[ObjectiveOptions, OBJECTIVES] = Field(description="What it learns from.")
    masking: Annotated[MaskingOptions, MASKINGS] | None = Field(
        None, description="What is hidden; null: as in the paper."
    )
    pretraining: Pretraining | None = Field(None, description="null where nothing is learnt.")
    seed: Seed = Field(0, description="Of weights, batches and masks.")
    simulated: bool = Field(
        False, description="Whether the genome is made up; only noted in the results."
    )

    @model_validator(mode="after")
    def _complete(self) -> RunSettings:
        if not self.is_pretrained:
            return self
        if self.pretraining is None:
            raise ValueError("'pretraining' is missing; add it")
        object.__setattr__(self, "masking", require_masking(self.objective, self.masking))
        return self

    def require_possible(self) -> None:
        """Raise `Wrong` where student, objective, masking and window cannot work together.

        A job would find out when it makes them; a configuration asks before any job.
        """
        if self.pretraining is None or self.masking is None:
            return
        self.objective.check(self.student)
        if self.masking.needs_ranks and self.student.ranked_bases is None:
            raise Wrong(
                "masking",
                f"'{self.masking.name}' follows a ranking of k-mers, which "
                f"{self.student.architecture} does not read; choose bernoulli or random_span",
            )
        longest, length = self.student.longest, self.pretraining.window.length
        if longest is not None and length > longest:
            raise Wrong(
                "pretraining.window.length",
                f"must be at most {longest}, the bases that the student has positions for, not "
                f"{length}",
            )

    @property
    def is_pretrained(self) -> bool:
        """Whether the run learns at all."""
        return bool(self.objective.learns)

    @property
    def method(self) -> str:
        """The name of the method in tables."""
        return str(self.objective.method(self.masking))

    @property
    def is_released(self) -> bool:
        """Whether objective or masking is as its authors released it."""
        masked = self.masking is not None and self.masking.is_released
        return bool(self.objective.is_released or masked)
