"""Fit one classifier with one seed: train, and keep the weights of the epoch that is tested.

That is the best on dev where there is a dev split, else the last.

With `reverse_complement: augment` an epoch reads each training sequence on either strand with
probability 1/2. With `conjoin` it does so too, and what is predicted is the mean of the logits of
both strands, so that the answer does not depend on the strand (post-hoc conjoining, Caduceus-Ph).

A batch that memory does not hold is computed in micro-batches; its gradient stays what it is, and
so does the learning rate.

A long fit keeps its state after an epoch, from which a killed one goes on. Order, strands and
dropout follow from seed, epoch and step, so on a CPU it ends in the same bits.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.modeling_outputs import SequenceClassifierOutput

from dnastudents.devices import Precision, as_many_as_fit, moved
from dnastudents.errors import InputError
from dnastudents.finetune.data import Split, cut, evaluation_batches, training_batches
from dnastudents.finetune.options import EVALUATION_BATCH, Finetuning
from dnastudents.randomness import derive_seed, numpy_generator
from dnastudents.results.metrics import ROUNDING
from dnastudents.training.optimizer import adamw, learning_rate, set_learning_rate
from dnastudents.training.progress import clock
from dnastudents.training.state import StateFolder

logger = logging.getLogger(__name__)

EVERY = 120.0  # seconds after which the end of an epoch keeps its state


class Diverged(InputError):
    """The training loss is not finite."""


class FrozenHead(nn.Module):
    """The head of a classifier on features that are standardised by the training split.

    Parameters
    ----------
    classifier : SequenceClassification
        Its backbone is left as it is.
    features : Tensor, (n, D)
        Of the training split.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, classifier: Any, features: Tensor) -> None:
        super().__init__()
        self.head, self.dropout = classifier.classifier, classifier.dropout
        self._classifier = [classifier]  # in a list, so that its weights are not trained
        mean, scale = features.mean(0), features.std(0, correction=0)
        # What differs by no more than rounding is not blown up.
        scale = torch.where(scale > ROUNDING * mean.abs(), scale, 1.0)
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, features: Tensor) -> SequenceClassifierOutput:
        """Compute logits (B, classes) of features (B, D)."""
        standardised = (features - self.mean) / self.scale
        return SequenceClassifierOutput(logits=self.head(self.dropout(standardised)))

    def whole(self) -> Any:
        """Return the classifier whose head does the standardising too."""
        whole = copy.deepcopy(self._classifier[0])
        with torch.no_grad():
            whole.classifier.weight.copy_(self.head.weight / self.scale)
            whole.classifier.bias.copy_(self.head.bias - whole.classifier.weight @ self.mean)
        return whole


@dataclass
class Best:
    """The epoch with the best dev metric; of equals the one with the lowest dev loss.

    On the few dev sequences of a few-shot task many epochs are equal.
    """

    value: float = -math.inf
    loss: float = math.inf
    epoch: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    def offer(self, value: float, loss: float, epoch: int, model: nn.Module) -> None:
        """Keep these weights if no earlier ones were as good."""
        if (value, -loss) > (self.value, -self.loss):
            self.value, self.loss, self.epoch = value, loss, epoch
            self.weights = copy.deepcopy(model.state_dict())


class Fit:
    """Training of one classifier.

    Parameters
    ----------
    model : nn.Module
        Takes what a split's `inputs` gives; its output has `logits` (B, C).
    options : Finetuning
        Settings.
    seed : int
        Of order and dropout.
    device : torch.device
        Where to train.

    Attributes
    ----------
    earlier : float
        Seconds that killed jobs have trained, of which the state was kept.
    """

    def __init__(
        self, model: nn.Module, options: Finetuning, seed: int, device: torch.device
    ) -> None:
        self.model, self.options, self.seed, self.device = model.to(device), options, seed, device
        self.parameters = list(model.parameters())
        self.optimizer = adamw(model, options.learning_rate, options.weight_decay)
        self.step, self.earlier = 0, 0.0
        # Sequences that fit in memory at once, with gradients and without.
        self.micro_batch, self.read_batch = options.batch_size, EVALUATION_BATCH
        self.precision = Precision(options.precision, device)

    def train(
        self,
        train: Split,
        dev: Split | None,
        classes: list[str],
        metric: str,
        log: Callable[[str], None],
        unfinished: StateFolder | None = None,
    ) -> tuple[Best, list[dict[str, Any]]]:
        """Train all epochs and put the best one's weights back; without dev, keep the last.

        With `unfinished` go on from the state that lies there, and leave one every `EVERY` seconds.

        Returns
        -------
        best, history
            The chosen epoch; one row per epoch: epoch, step, loss and, where there is a dev split,
            dev_loss and dev_<metric>.
        """
        options, began = self.options, time.perf_counter()
        best, history = self._resumed(unfinished)
        first, kept = self.step, began
        per_epoch = math.ceil(len(train) / options.batch_size)
        total = min(options.epochs * per_epoch, options.max_steps or options.epochs * per_epoch)
        last = math.ceil(total / per_epoch)
        for epoch in range(len(history) + 1, last + 1):
            loss = self._epoch(train, epoch, total)
            row: dict[str, Any] = {"epoch": epoch, "step": self.step, "loss": loss}
            if dev is None:
                best.epoch = epoch
            else:
                row |= self._offer(best, epoch, dev, classes, metric)
            history.append(row)
            now = time.perf_counter()
            left = (now - began) / (self.step - first) * (total - self.step)
            scores = " ".join(f"{key} {row[key]:.4f}" for key in list(row)[2:])
            log(f"epoch {epoch} {scores} eta {clock(left)}")
            if unfinished is not None and epoch < last and now - kept > EVERY:
                self._save(unfinished, best, history, self.earlier + now - began)
                kept = now
        if dev is not None:
            self.model.load_state_dict(best.weights)
        return best, history

    def _save(
        self,
        unfinished: StateFolder,
        best: Best,
        history: list[dict[str, Any]],
        seconds: float,
    ) -> None:
        state = {
            "step": self.step,
            "seconds": seconds,
            "history": history,
            "best": asdict(best),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.precision.scaler.state_dict(),
        }
        unfinished.save(state, self.step)

    def _resumed(self, unfinished: StateFolder | None) -> tuple[Best, list[dict[str, Any]]]:
        """Take the newest state that is there; return the best epoch and the history so far."""
        state, messages = (None, []) if unfinished is None else unfinished.load()
        for message in messages:
            logger.warning(message)
        if state is None:
            return Best(), []
        self.step, self.earlier = state["step"], state["seconds"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.precision.scaler.load_state_dict(state["scaler"])
        return Best(**state["best"]), state["history"]

    def _offer(
        self, best: Best, epoch: int, dev: Split, classes: list[str], metric: str
    ) -> dict[str, float]:
        """Score the epoch on dev by the one metric that selects."""
        from dnastudents.results.metrics import metric_value  # and scikit-learn: a second

        scores = self.predict(dev)
        value = metric_value(metric, dev.labels, scores.argmax(1), scores, classes)
        loss = cross_entropy(scores, dev.labels)
        best.offer(value, loss, epoch, self.model)
        return {"dev_loss": loss, f"dev_{metric}": value}

    def _epoch(self, train: Split, epoch: int, total: int) -> float:
        """Go over the split once, and return its mean loss."""
        generator = numpy_generator(self.seed, "batches", epoch)
        if self.options.reverse_complement != "none":
            strands = numpy_generator(self.seed, "strands", epoch)
            train = train.flip(strands.random(len(train)) < 0.5)
        losses = []
        self.model.train()
        for rows in training_batches(train.lengths, self.options.batch_size, generator):
            if self.step == total:
                break
            losses.append(self._update(train, rows, total))
        mean = torch.stack(losses).mean().item()
        if not math.isfinite(mean):
            raise Diverged(
                f"finetuning: the loss or its gradient is {mean} in epoch {epoch}, before step "
                f"{self.step}; lower finetuning.learning_rate"
            )
        return mean

    def _update(self, train: Split, rows: np.ndarray, total: int) -> Tensor:
        options = self.options
        warmup = round(options.warmup_fraction * total)
        rate = learning_rate(self.step, total, options.learning_rate, warmup)
        set_learning_rate(self.optimizer, rate)
        gradients = partial(self._gradients, train, rows)
        loss, self.micro_batch = as_many_as_fit(gradients, self.micro_batch, self.device)
        bad = self.precision.clip(self.optimizer, self.parameters, options.gradient_clip)
        loss = loss.masked_fill(bad, math.nan)
        self.precision.step(self.optimizer)
        self.step += 1
        return loss

    def _gradients(self, train: Split, rows: np.ndarray, at_once: int) -> Tensor:
        """Give every parameter the gradient of the batch's mean loss, and return that."""
        _seed(derive_seed(self.seed, "dropout", self.step), self.device)
        self.optimizer.zero_grad()
        total = torch.zeros((), device=self.device)
        for some in cut(rows, at_once):
            labels = moved(torch.from_numpy(train.labels[some]), self.device)
            # Weighted by its size, so that the sum is the mean over the batch.
            loss = F.cross_entropy(self._logits(train, some), labels) * (len(some) / len(rows))
            self.precision.backward(loss)
            total += loss.detach()
        return total

    def _logits(self, split: Split, rows: np.ndarray) -> Tensor:
        inputs = {name: moved(value, self.device) for name, value in split.inputs(rows).items()}
        with self.precision.autocast():
            logits = self.model(**inputs).logits
        return logits.float()

    @torch.inference_mode()
    def predict(self, split: Split) -> np.ndarray:
        """Compute class probabilities, float32 (n, C), in the order of the split."""
        self.model.eval()
        predict = partial(self._predict, split)
        scores, self.read_batch = as_many_as_fit(predict, self.read_batch, self.device)
        return scores

    def _predict(self, split: Split, at_once: int) -> np.ndarray:
        batches = evaluation_batches(split.lengths, at_once)
        logits = [self._logits(split, rows) for rows in batches]
        if self.options.reverse_complement == "conjoin":
            other = split.flip(np.ones(len(split), dtype=bool))
            both = zip(logits, batches, strict=True)
            logits = [(one + self._logits(other, rows)) / 2 for one, rows in both]
        return in_order(batches, torch.cat([values.softmax(-1) for values in logits]))


def _seed(seed: int, device: torch.device) -> None:
    """Do what `torch.manual_seed` does, without its stack trace for each absent device."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def cross_entropy(scores: np.ndarray, labels: np.ndarray) -> float:
    """Mean negative log-probability (nats) of the true classes, from probabilities (n, C)."""
    true = scores[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(true.clip(min=1e-12)).mean())


def in_order(batches: list[np.ndarray], values: Tensor) -> np.ndarray:
    """Put values (n, ...) that were computed batch by batch into the order of the split."""
    result = np.empty(values.shape, dtype=np.float32)
    result[np.concatenate(batches)] = values.float().cpu().numpy()
    return result
