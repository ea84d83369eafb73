"""The settings of pretraining, as dataclasses; defaults and units are here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dnastudents.errors import InputError
from dnastudents.settings import choose

_KINDS = ("windows", "pieces", "intervals")
_KINDS_WITH = {  # what only some kinds of windows have
    "max_n_fraction": ("windows", "intervals"),
    "sampling": ("windows",),
    "count": ("windows",),
    "unknown": ("pieces",),
    "duplicates": ("pieces",),
}


@dataclass(frozen=True)
class WindowOptions:
    """What a sequence of a batch is.

    Attributes
    ----------
    kind : {'windows', 'pieces', 'intervals'}
        Windows of one length anywhere in the splits; the variable pieces of DNABERT; or windows of
        one length end to end in the intervals of a BED file, whose folds are then the splits.
    length : int
        Bases of a window, or of the longest piece.
    max_n_fraction : float
        Of a window. Default is 0; pieces have no such option.
    sampling : {'by_length', 'by_name'}
        Windows are drawn uniformly over all starts; or, as FinDNA released, a sequence first, each
        as likely as any other. Default is 'by_length'.
    count : int or None
        So many windows are drawn once and gone through in a new order each epoch. Default is fresh
        windows at each step.
    unknown : {'split', 'delete'}
        Pieces end at N; or, as released, N are deleted and the sides joined. Default is 'split'.
    duplicates : {'drop', 'keep'}
        Whether of equal pieces only the first stays. Default is 'drop', as released.
    """

    kind: str
    length: int
    max_n_fraction: float = 0.0
    sampling: str = "by_length"
    count: int | None = None
    unknown: str = "split"
    duplicates: str = "drop"

    def __post_init__(self) -> None:
        where = "pretraining.window"
        choose(self.kind, _KINDS, f"{where}.kind")
        choose(self.sampling, ("by_length", "by_name"), f"{where}.sampling")
        choose(self.unknown, ("split", "delete"), f"{where}.unknown")
        choose(self.duplicates, ("drop", "keep"), f"{where}.duplicates")
        if self.count is not None and self.count < 1:
            raise InputError(f"{where}.count: must be at least 1 or null, not {self.count}")
        for name, kinds in _KINDS_WITH.items():
            if self.kind not in kinds and getattr(self, name) != getattr(type(self), name):
                raise InputError(f"{where}.{name}: {self.kind} have no such option; remove it")


@dataclass(frozen=True)
class SplitOptions:
    """Sequences or regions to learn from and to validate on; the latter may be none.

    Both are none where the folds of a BED file are the splits.
    """

    train: list[str] = field(default_factory=list)
    validation: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class OptimizerOptions:
    """AdamW. Matrices decay; biases, norms and other vectors do not."""

    learning_rate: float
    betas: list[float] = field(default_factory=lambda: [0.9, 0.999])
    eps: float = 1e-8
    weight_decay: float = 0.01


@dataclass(frozen=True)
class ScheduleOptions:
    """Linear warm-up, then `kind` down to the minimum at the last step.

    Warm-up is given in steps, or as a fraction of all steps; steps win. Default is none.
    """

    kind: str = "cosine"
    warmup_steps: int | None = None
    warmup_fraction: float = 0.0
    minimum_learning_rate: float = 0.0

    def __post_init__(self) -> None:
        choose(self.kind, ("linear", "cosine"), "pretraining.schedule.kind")

    def warmup(self, steps: int) -> int:
        """Steps of warm-up among `steps`."""
        if self.warmup_steps is not None:
            return self.warmup_steps
        return round(self.warmup_fraction * steps)


@dataclass(frozen=True)
class Pretraining:
    """One pretraining.

    Attributes
    ----------
    steps : int
        Updates of the weights.
    batch_size : int
        Sequences of an update, over all processes.
    micro_batch_size : int or None
        Sequences of a process that are in memory at once. Default is all of its share.
    gradient_clip : float
        Largest norm of the gradient. Default is 1.
    precision : {'no', 'bf16', 'fp16'}
        Of matrix products on a GPU; a CPU always computes in float32. Default is 'no'.
    reverse_complement : float
        Probability that a sequence is read from the other strand. Default is 0.
    log_every, evaluate_every, checkpoint_every : int
        In steps. Default is 50, 500, 500.
    validation_sequences : int
        Size of the fixed validation subset. Default is 256.
    stop_after_bad_steps : int
        Steps whose loss or gradient is not finite do not change the weights; at this many the
        training stops. Default is 1.
    """

    steps: int
    batch_size: int
    window: WindowOptions
    optimizer: OptimizerOptions
    splits: SplitOptions = field(default_factory=SplitOptions)
    schedule: ScheduleOptions = field(default_factory=ScheduleOptions)
    micro_batch_size: int | None = None
    gradient_clip: float = 1.0
    precision: str = "no"
    reverse_complement: float = 0.0
    log_every: int = 50
    evaluate_every: int = 500
    checkpoint_every: int = 500
    validation_sequences: int = 256
    stop_after_bad_steps: int = 1

    def __post_init__(self) -> None:
        choose(self.precision, ("no", "bf16", "fp16"), "pretraining.precision")
        by_fold = self.window.kind == "intervals"
        if by_fold and (self.splits.train or self.splits.validation):
            raise InputError("pretraining.splits: intervals have folds of their own; remove it")
        if not by_fold and not self.splits.train:
            raise InputError("pretraining.splits: 'train' names nothing; add what to learn from")
        counts = ("steps", "batch_size", "log_every", "evaluate_every", "checkpoint_every")
        for name in (*counts, "micro_batch_size", "stop_after_bad_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"pretraining.{name}: must be at least 1, not {value}")


@dataclass(frozen=True)
class RunSettings:
    """All that decides a run's weights, together with its inputs.

    Attributes
    ----------
    student, objective, masking, pretraining : dict
        Blocks of the configuration; the last two are not needed where the objective is `none`.
    seed : int
        Default is 0.
    simulated : bool
        Whether the genome is made up; only noted in the results. Default is False.
    """

    student: dict[str, Any]
    objective: dict[str, Any]
    masking: dict[str, Any] = field(default_factory=dict)
    pretraining: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    simulated: bool = False

    @property
    def is_pretrained(self) -> bool:
        """Whether the run learns at all."""
        return self.objective.get("name") != "none" and self.pretraining.get("steps") != 0
