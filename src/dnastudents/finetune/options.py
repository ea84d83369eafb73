"""The settings of fine-tuning; one protocol for every run and task."""

from __future__ import annotations

from itertools import product
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from dnastudents.models import PARTS
from dnastudents.settings import (
    Count,
    Distinct,
    NotNegative,
    Positive,
    Precision,
    Settings,
    Share,
    Wrong,
)

Pooling = Literal["mean", "cls", "parts"]
EVALUATION_BATCH = 64  # sequences at a time where no gradient is kept
HOW_POOLED = "Mean over a sequence's own bases, CLS, or the means of parts of it, side by side."


class ReleasedTransfer(Settings):
    """The network that FinDNA's released code fine-tunes: a ChordMixer of other settings."""

    max_length: int = Field(ge=2, description="In place of the pretrained student's.")
    track_size: Count = Field(description="In place of the pretrained student's.")
    blocks: Count = Field(description="In place of the pretrained student's; its width stays.")


class Grid(Settings):
    """Values of which the combination that is best on dev is tested, see `finetune.grid`."""

    learning_rate: Distinct[Positive] | None = Field(
        None, description="Values to try; null: the one set beside the grid."
    )
    batch_size: Distinct[Count] | None = Field(None, description="The same.")
    pooling: Distinct[Pooling] | None = Field(None, description="The same.")
    epochs: Distinct[Count] | None = Field(None, description="The same.")

    @model_validator(mode="after")
    def _check_that_there_is_a_choice(self) -> Grid:
        if not self.varied:
            names = ", ".join(type(self).model_fields)
            raise ValueError(
                f"leaves dev nothing to choose; give several values of any of {names}, or drop it"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_nulls(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: values for name, values in serialize(self).items() if values is not None}

    @property
    def given(self) -> dict[str, tuple[Any, ...]]:
        """The values of each setting that the grid is over; those of the first change slowest."""
        return {name: values for name, values in self if values is not None}

    @property
    def varied(self) -> list[str]:
        """The settings in which its cells differ."""
        return [name for name, values in self.given.items() if len(values) > 1]


class Finetuning(Settings):
    """One fine-tuning."""

    epochs: Count = Field(5, description="Times that the training sequences are gone through.")
    batch_size: Count = Field(32, description="Sequences of an update.")
    learning_rate: Positive = Field(
        3e-5, description="Of AdamW; warms up linearly, then falls to 0 as a cosine."
    )
    weight_decay: NotNegative = Field(0.01, description="Of AdamW.")
    warmup_fraction: Share = Field(0.1, description="Of all steps.")
    gradient_clip: Positive = Field(1.0, description="Largest norm of the gradient.")
    pooling: Pooling = Field("mean", description=HOW_POOLED)
    pooling_parts: Count = Field(PARTS, description="Of `parts`; they are equally long.")
    dropout: Share = Field(0.1, description="Before the head.")
    frozen: bool = Field(
        False, description="Train a linear head on fixed features, standardised on train, only."
    )
    max_train_sequences: Count | None = Field(
        None, description="Train on this many sequences, drawn by the seed; null: all."
    )
    max_steps: Count | None = Field(None, description="Stop after this many updates.")
    selection: Literal["best_dev", "last"] = Field(
        "best_dev",
        description="The epoch that is tested: the best on dev, or the last, without dev.",
    )
    dev: Literal["task", "by_seed"] = Field(
        "task",
        description="Whose dev split selects: the task folder's, or one that each seed draws anew "
        "from train and dev together, see `benchmarks.draws`.",
    )
    grid: Grid | None = Field(
        None,
        description="Of all combinations of its values the best on dev is tested, in place of the "
        "settings of the same names.",
    )
    reverse_complement: Literal["none", "augment", "conjoin"] = Field(
        "none",
        description="Read training sequences on either strand; with conjoin also predict by the "
        "mean of the logits of both.",
    )
    keep: Literal["best", "all", "none"] = Field(
        "best",
        description="Which seeds' classifiers are kept: the one that is best on dev (the first, "
        "where nothing selects), all, or none.",
    )
    precision: Precision = Field(
        "no", description="Of matrix products on a GPU; weights stay in float32."
    )
    released_transfer: ReleasedTransfer | None = Field(
        None,
        description="Fine-tune a ChordMixer of other settings with the weights that fit; null: the "
        "pretrained network, every channel with the stride it has learnt.",
    )

    @model_validator(mode="after")
    def _check_selection(self) -> Finetuning:
        if self.selection == "last" and self.dev == "by_seed":
            raise Wrong(
                "dev",
                "by_seed draws what selects, and with `selection: last` nothing does; drop one",
            )
        if self.selection == "last" and self.grid is not None:
            raise Wrong(
                "grid",
                "a cell is chosen on dev, and with `selection: last` there is none; use "
                "`selection: best_dev`, or drop the grid",
            )
        return self

    @property
    def pooled_parts(self) -> int | None:
        """How many parts are pooled; None where the whole is."""
        return self.pooling_parts if self.pooling == "parts" else None

    @property
    def cells(self) -> list[Finetuning]:
        """The settings of each cell of the grid, in order; these settings where there is none."""
        if self.grid is None:
            return [self]
        given = self.grid.given
        return [
            self.changed(grid=None, **dict(zip(given, values, strict=True)))
            for values in product(*given.values())
        ]

    @property
    def varied(self) -> list[str]:
        """The settings in which the cells of the grid differ."""
        return [] if self.grid is None else self.grid.varied


def layered(*layers: Finetuning) -> Finetuning:
    """Change the first by what each of the others sets, the last one winning."""
    values: dict[str, Any] = {}
    for layer in layers:
        values |= {name: getattr(layer, name) for name in layer.model_fields_set}
    known = Finetuning.model_fields
    return Finetuning(**{name: value for name, value in values.items() if name in known})
