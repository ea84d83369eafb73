"""The settings of probes and of the k-mer baseline."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dnastudents.finetune.options import HOW_POOLED, Pooling
from dnastudents.models import PARTS
from dnastudents.settings import Count, Distinct, Positive, Settings


class KNNBlock(Settings):
    """k nearest neighbours in frozen features, as a configuration says it."""

    k: Count = Field(5, description="Neighbours that vote; of equal votes the first class wins.")
    pooling: Pooling = Field("mean", description=HOW_POOLED)
    pooling_parts: Count = Field(PARTS, description="Of `parts`; they are equally long.")


class KNNOptions(KNNBlock):
    """One probe by neighbours."""

    max_train_sequences: Count | None = Field(
        None, description="Neighbours are among this many training sequences; null: all."
    )


class LinearBlock(Settings):
    """A linear head on frozen features: what it changes of fine-tuning."""

    epochs: Count | None = Field(None, description="Instead of fine-tuning's.")
    batch_size: Count | None = Field(None, description="Instead of fine-tuning's.")
    learning_rate: Positive | None = Field(None, description="Instead of fine-tuning's.")


class BaselineBlock(Settings):
    """k-mer logistic regression, as a configuration says it."""

    k: Distinct[Annotated[int, Field(ge=1, le=8)]] = Field(
        (1, 2, 3, 4, 5, 6), description="Lengths of the k-mers."
    )


class BaselineOptions(BaselineBlock):
    """One k-mer baseline; it learns from the sequences that fine-tuning learns from."""

    max_train_sequences: Count | None = Field(
        None, description="Fit on this many training sequences, drawn by the seed; null: all."
    )
    selection: Literal["best_dev", "last"] = Field(
        "best_dev", description="Whether dev selects, or nothing outside train."
    )
    dev: Literal["task", "by_seed"] = Field("task", description="Whose dev split selects.")
