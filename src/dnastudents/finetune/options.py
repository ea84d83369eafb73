"""The settings of fine-tuning; one protocol for every run and task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from dnastudents.benchmarks.draws import require_selection
from dnastudents.errors import InputError
from dnastudents.settings import choose, parse


@dataclass(frozen=True)
class ReleasedTransfer:
    """Settings of the network that FinDNA's released code fine-tunes, see `models.resized`.

    Attributes
    ----------
    max_length, track_size, blocks : int
        In place of the pretrained ChordMixer's; its width stays.
    """

    max_length: int
    track_size: int
    blocks: int

    def __post_init__(self) -> None:
        for name, least in (("max_length", 2), ("track_size", 1), ("blocks", 1)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise InputError(
                    f"finetuning.released_transfer.{name}: must be an integer from {least} on, "
                    f"not {value!r}"
                )


@dataclass(frozen=True)
class Grid:
    """Settings of which the best on dev is tested, see `finetune.grid`.

    Attributes
    ----------
    learning_rate, batch_size : sequence of float, sequence of int
        All pairs are tried, the learning rate changing slowest.
    """

    learning_rate: Sequence[float]
    batch_size: Sequence[int]

    def __post_init__(self) -> None:
        for name, kinds in (("learning_rate", (int, float)), ("batch_size", (int,))):
            values = getattr(self, name)
            good = isinstance(values, list | tuple) and all(type(v) in kinds for v in values)
            if not good or not values or min(values) <= 0 or len(set(values)) < len(values):
                raise InputError(
                    f"finetuning.grid.{name}: must be a list of different positive numbers, "
                    f"not {values!r}"
                )


@dataclass(frozen=True)
class Finetuning:
    """One fine-tuning.

    Attributes
    ----------
    epochs, batch_size : int
        Default is 5 and 32.
    learning_rate, weight_decay : float
        Of AdamW; the rate warms up linearly, then falls to 0 as a cosine. Default is 3e-5, 0.01.
    warmup_fraction : float
        Of all steps. Default is 0.1.
    gradient_clip : float
        Largest norm of the gradient. Default is 1.
    pooling : {'mean', 'cls'}
        Default is 'mean', over a sequence's own bases.
    dropout : float
        Before the head. Default is 0.1.
    frozen : bool
        Train a linear head on fixed features (standardised on train) only. Default is False.
    max_train_sequences, max_steps : int or None
        Train on so many sequences, drawn by the seed; stop after so many updates. Default is all.
    selection : {'best_dev', 'last'}
        The epoch that is tested: the best on dev, or the last, for which no dev split is used.
        Default is 'best_dev'.
    dev : {'task', 'by_seed'}
        Whose dev split selects: the task folder's, or one that each seed draws anew from train and
        dev together; see `benchmarks.draws`. Default is 'task'.
    grid : mapping or None
        Learning rates and batch sizes of which the pair that is best on dev is tested, see `Grid`;
        `learning_rate` and `batch_size` themselves are not used then. Default is None.
    reverse_complement : {'none', 'augment', 'conjoin'}
        Read training sequences on either strand; with 'conjoin' also predict by the mean of the
        logits of both strands. Default is 'none'.
    precision : {'no', 'bf16', 'fp16'}
        Of matrix products on a GPU; weights stay in float32. Default is 'no'.
    released_transfer : mapping or None
        Fine-tune a ChordMixer of other settings, see `ReleasedTransfer`, with the weights that fit.
        Default is None: the pretrained network itself, every channel with the stride it has learnt.
    """

    epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 3e-5
    weight_decay: float = 0.01
    warmup_fraction: float = 0.1
    gradient_clip: float = 1.0
    pooling: str = "mean"
    dropout: float = 0.1
    frozen: bool = False
    max_train_sequences: int | None = None
    max_steps: int | None = None
    selection: str = "best_dev"
    dev: str = "task"
    grid: Mapping[str, Sequence[float]] | None = None
    reverse_complement: str = "none"
    precision: str = "no"
    released_transfer: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        choose(self.precision, ("no", "bf16", "fp16"), "finetuning.precision")
        require_selection(self.selection, self.dev)
        strands = ("none", "augment", "conjoin")
        choose(self.reverse_complement, strands, "finetuning.reverse_complement")
        choose(self.pooling, ("mean", "cls"), "finetuning.pooling")
        for name in ("epochs", "batch_size", "max_train_sequences", "max_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"finetuning.{name}: must be at least 1, not {value}")
        self.transfer, self.cells  # noqa: B018  (a bad one is refused here)
        if self.grid is not None and self.selection == "last":
            raise InputError(
                "finetuning.grid: a cell is chosen on dev, and with `selection: last` there is "
                "none; use `selection: best_dev`, or drop the grid"
            )

    @property
    def transfer(self) -> ReleasedTransfer | None:
        """`released_transfer`, typed."""
        if self.released_transfer is None:
            return None
        return parse(ReleasedTransfer, self.released_transfer, "finetuning.released_transfer")

    @property
    def cells(self) -> list[Finetuning]:
        """The settings of each cell of the grid, in order; these settings where there is none."""
        if self.grid is None:
            return [self]
        grid = parse(Grid, self.grid, "finetuning.grid")
        return [
            replace(self, grid=None, learning_rate=rate, batch_size=size)
            for rate, size in product(grid.learning_rate, grid.batch_size)
        ]
