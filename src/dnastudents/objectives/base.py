"""What an objective is: from the codes of a batch to its losses.

Three design decisions:

- **Views** are what the models get to see of a global batch: token ids, masks, augmentations. They
  are drawn for the whole batch on the CPU from generators named by (seed, purpose, step), then cut
  into slices. So a seed gives the same batches on every device, for any number of processes and
  any micro-batch, and the training step never has to ask a GPU for a count.
- `forward` returns **terms**: sums over the rows that it got, divided by counts over the global
  batch. The terms of all slices add up to the mean over the batch, however unevenly masked
  positions fall; and one validation set is simply one large batch of fixed views.
- Of what is to be predicted, some may be shown: left as it is, or replaced by something else, as in
  BERT. The loss is of all; perplexity and accuracy are of what is **hidden**, since a model that
  has learned nothing but to copy is right wherever a token was left as it is.
- An objective is an `nn.Module` that owns all that is trained, so it is what gets wrapped for
  data-parallel training, and its `state_dict` is all that a resumed run needs of it.

Shapes: B sequences, L bases, T tokens, D width of the student, V symbols of its vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dnastudents.devices import moved
from dnastudents.genome.tokenizers import NO_LABEL
from dnastudents.randomness import torch_generator

MEANS_OF_LABELS = ("loss", "masked", "reconstruction")  # terms, as are the next two
MEANS_OF_HIDDEN = ("hidden", "accuracy")
MEANS_OF_SHOWN = ("shown", "shown_accuracy")
VALIDATION_SEED = 0  # one validation masking for all runs, so that their perplexities compare


@dataclass(frozen=True)
class Views:
    """What the models see of one global batch.

    Attributes
    ----------
    tensors : dict of Tensor
        First axis B. `labels` (B, T), int64, is always there: `NO_LABEL` but where a base is to be
        predicted. `hidden`, bool (B, T), are the labels whose token is read as the mask token; it
        is left out where the masking shows none. Objectives with two views of each sequence have
        a second axis for them.
    counts : dict of float
        Denominators of the losses over the whole batch, at least 1; `count_labels` gives those of
        labels.
    prepare : callable or None
        Adds to a slice what is found on the CPU, before the slice moves. Default is nothing.
    lengths : Tensor or None
        Tokens of each row without padding, int64 (B,), where every tensor is (B, T) and nothing
        depends on padding: then it is cut off where it can be. Default is none.
    """

    tensors: dict[str, Tensor]
    counts: dict[str, float]
    prepare: Callable[[dict[str, Any]], None] | None = None
    lengths: Tensor | None = None

    def __len__(self) -> int:
        return len(self.tensors["labels"])

    @property
    def is_labelled(self) -> bool:
        """Whether anything is to be predicted; else means over labels are of nothing."""
        return bool((self.tensors["labels"] != NO_LABEL).any())

    @property
    def hidden(self) -> Tensor:
        """Which labels are hidden, bool like `labels`."""
        return self.tensors.get("hidden", self.tensors["labels"] != NO_LABEL)

    def void(self, terms: Iterable[str]) -> set[str]:
        """Find the terms that are means of labels, hidden or shown ones, where there are none."""
        is_label = self.tensors["labels"] != NO_LABEL
        kinds = {MEANS_OF_LABELS: is_label, MEANS_OF_HIDDEN: self.hidden}
        kinds[MEANS_OF_SHOWN] = is_label & ~self.hidden
        empty = {name for names, chosen in kinds.items() if not chosen.any() for name in names}
        return {term for term in terms if term.removeprefix("student_") in empty}

    def part(self, rows: slice) -> Views:
        """Take some rows; the longest first where lengths are known.

        Slices then have less padding, and what memory does not hold fails at once.
        """
        if self.lengths is None:
            return replace(self, tensors={k: v[rows] for k, v in self.tensors.items()})
        lengths, order = self.lengths[rows].sort(descending=True, stable=True)
        tensors = {k: v[rows][order] for k, v in self.tensors.items()}
        return replace(self, tensors=tensors, lengths=lengths)

    def rows(self, start: int, stop: int, device: torch.device) -> dict[str, Any]:
        """Move rows start..stop-1 to `device`, with `positions` (M,): flat indices of labels.

        The positions are found here, on the CPU, because their number would cost a GPU a stop.
        Columns that are padding in all rows are left out, and so is a mask that hides nothing.
        """
        sliced: dict[str, Any] = {k: tensor[start:stop] for k, tensor in self.tensors.items()}
        if self.lengths is not None:
            shortest, longest = (int(end) for end in self.lengths[start:stop].aminmax())
            sliced = {k: tensor[:, :longest] for k, tensor in sliced.items()}
            if shortest == longest:
                sliced.pop("attention_mask", None)
        if self.prepare is not None:
            self.prepare(sliced)
        sliced["positions"] = (sliced["labels"].flatten() != NO_LABEL).nonzero().squeeze(1)
        return {k: moved(v, device) if isinstance(v, Tensor) else v for k, v in sliced.items()}


class Objective(nn.Module):
    """Base of all objectives.

    Parameters
    ----------
    student : PreTrainedModel
        The model to train; a masked-LM class with `backbone` and `lm_head`.
    """

    student: Any
    prediction = "hidden"  # the term that is a mean cross-entropy, exp of it a perplexity
    reads = "input_ids"  # which tensor of the views the student predicts labels from
    compares_rows = False  # whether a loss depends on which rows are in one slice

    def __init__(self, student: Any) -> None:
        super().__init__()
        self.student = student

    def views(self, codes: np.ndarray, seed: int, step: int) -> Views:
        """Draw the views of a training step from the whole global batch, codes uint8 (B, L)."""
        raise NotImplementedError

    def own_views(self, codes: np.ndarray, seed: int, step: int, rows: slice) -> Views:
        """Draw the same, of which one process needs these rows; counts stay those of the batch.

        To be overridden where the whole need not be made for it.
        """
        return self.views(codes, seed, step).part(rows)

    def validation_views(self, codes: np.ndarray, step: int) -> Views:
        """Draw the same in one fixed way; `step` is the number of updates so far."""
        raise NotImplementedError

    def forward(self, views: dict[str, Tensor], counts: dict[str, float]) -> dict[str, Tensor]:
        """Compute the terms of the loss (key `loss`) and what goes with it, scalars."""
        raise NotImplementedError

    def forget_step(self) -> None:
        """Called before a step begins once more: drop what its slices have left."""

    def before_step(self, step: int) -> None:
        """Called with the gradients of step `step` (from 0), before the optimiser's step."""

    def after_step(self, step: int) -> None:
        """Called after the optimiser's step `step` (from 0)."""

    def observe(self, metrics: dict[str, float], step: int) -> None:
        """Called with the metrics of each evaluation, for curricula."""

    def stage(self, step: int) -> str:
        """Name of the curriculum's stage, empty where there is none."""
        return ""

    def seconds(self) -> dict[str, float]:
        """Return time of parts of the training steps since the last call, for the log."""
        return {}

    def result(self) -> Any:
        """Return the model that pretraining is for."""
        return self.student

    def extras(self) -> dict[str, Any]:
        """Return models that are saved beside the result, by folder name."""
        return {}


def masked_prediction(
    head: Callable[[Tensor], Tensor],
    features: Tensor,
    views: Mapping[str, Tensor],
    counts: Mapping[str, float],
) -> dict[str, Tensor]:
    """Compute the terms of `prediction_terms`, with logits only at labels.

    Parameters
    ----------
    head : callable
        Features (M, D) to logits (M, V).
    features : Tensor
        (B, T, D).
    views : mapping
        A slice, from `Views.rows`.
    counts : mapping
        Of the whole batch, see `count_labels`.
    """
    positions = views["positions"]
    hidden = views["hidden"].flatten()[positions] if "hidden" in views else None
    logits = head(features.flatten(0, 1)[positions]).float()
    return prediction_terms(logits, views["labels"].flatten()[positions], hidden, counts)


def prediction_terms(
    logits: Tensor, labels: Tensor, hidden: Tensor | None, counts: Mapping[str, float]
) -> dict[str, Tensor]:
    """Compute cross-entropies, in nats, and accuracies.

    Parameters
    ----------
    logits : Tensor
        float32 (M, V), or (B, V, M) for two axes of labels.
    labels : Tensor
        int64 (M,) or (B, M); `NO_LABEL` has no part in anything.
    hidden : Tensor or None
        bool like the labels, those that the model does not see; None: all.
    counts : mapping
        Of the whole batch, see `count_labels`.

    Returns
    -------
    dict of Tensor
        `masked`, the loss, over all labels; `hidden` and `accuracy`, over the hidden ones; with
        some that are shown, `shown` and `shown_accuracy` over those. Only `masked` has a gradient.
    """
    log_p = F.log_softmax(logits, 1)  # with nll_loss what F.cross_entropy does, to the bit
    loss = F.nll_loss(log_p, labels, ignore_index=NO_LABEL, reduction="sum") / counts["masked"]
    guess = logits.max(1).indices  # on a CPU in half the time of argmax
    correct = guess == labels  # never where the label is NO_LABEL
    if hidden is None:
        accuracy = correct.sum() / counts["masked"]
        return {"masked": loss, "hidden": loss.detach(), "accuracy": accuracy}
    nats = F.nll_loss(log_p.detach(), labels, ignore_index=NO_LABEL, reduction="none")
    return {
        "masked": loss,
        "hidden": (nats * hidden).sum() / counts["hidden"],
        "accuracy": (correct & hidden).sum() / counts["hidden"],
        "shown": (nats * ~hidden).sum() / counts["shown"],
        "shown_accuracy": (correct & ~hidden).sum() / counts["shown"],
    }


def row_generators(codes: np.ndarray, seed: int, purpose: str) -> Iterator[torch.Generator]:
    """Yield a generator for each row of codes, uint8 (B, L), named by the seed and the row's bases.

    So a window's draws are the same whenever and beside whatever it comes, and no index of windows
    is needed. Its other strand is another window.
    """
    for row in codes:
        yield torch_generator(seed, f"{purpose} of {row.tobytes().hex()}")


def hidden_labels(ids: Tensor, labels: Tensor, mask_id: int) -> Tensor:
    """Mark the labels whose token is read as the mask token, bool like both."""
    return (ids == mask_id) & (labels != NO_LABEL)


def perplexity(nats: float) -> float:
    """Compute the perplexity of a mean cross-entropy; e**700 stands for all that is larger."""
    return math.exp(min(nats, 700.0))


def query_positions(masked: Tensor) -> Tensor:
    """List the positions of the masked tokens of each row of `masked` (B, T), int64 (B, M).

    M is the largest number of any row; other rows are filled with a visible position, whose label
    says that no loss is taken there.
    """
    flags = masked.numpy()
    counts = np.count_nonzero(flags, axis=1)
    most = max(1, int(counts.max()))  # at least one, so that no axis is empty
    queries = np.repeat(flags.argmin(1, keepdims=True), most, axis=1)  # the first visible one
    # Not by a sort, which takes more than twice as long.
    queries[np.arange(most) < counts[:, None]] = np.flatnonzero(flags) % flags.shape[1]
    return torch.from_numpy(queries)


def count_of(counts: Tensor) -> float:
    """Count how many are true, or add up counts; at least 1, because it divides."""
    return float(max(1, int(counts.sum())))


def count_labels(tensors: Mapping[str, Tensor]) -> dict[str, float]:
    """Count the labels of a batch: `masked`, and of them `hidden` and `shown` where some are."""
    is_label = tensors["labels"] != NO_LABEL
    counts = {"masked": count_of(is_label)}
    if "hidden" in tensors:
        hidden = tensors["hidden"]
        counts |= {"hidden": count_of(hidden), "shown": count_of(is_label & ~hidden)}
    return counts
