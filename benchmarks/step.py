"""A training step of LOGO: ours, and that of transformers' own BERT with the same weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import inputs
import torch
from timing import Row, interleaved
from torch import Tensor
from transformers import BertConfig, BertForMaskedLM

from dnastudents.objectives import Views
from dnastudents.objectives.base import count_labels
from dnastudents.training.optimizer import adamw


class Step:
    """A training step of LOGO, ours and that of plain transformers, on one micro-batch.

    Parameters
    ----------
    run : inputs.Run
        LOGO's.
    rows : int
        Sequences of the micro-batch.
    device : torch.device
        On a GPU products are computed in bf16, as in training; equality is checked in float32.
    """

    def __init__(self, run: inputs.Run, rows: int, device: torch.device) -> None:
        self.run, self.device = run, device
        self.objective = run.objective.to(device).train()
        self.plain: Any = plain_twin(run.objective.student).train()
        self.plain.to(device)
        self.optimizers = [adamw(m, 1e-6, 0.01) for m in (self.objective, self.plain)]
        whole = self.data(0)
        part = Views({name: x[:rows] for name, x in whole.tensors.items()}, {}, whole.prepare)
        self.labels = part.tensors["labels"].to(device)
        self.rows = len(part)
        self.views = part.rows(0, self.rows, device)
        self.counts = count_labels(self.views)
        mask = self.views.get("attention_mask")
        self.tokens = self.views["input_ids"].numel() if mask is None else int(mask.sum())

    def data(self, turn: int) -> Views:
        """Cut, tokenise and mask the whole batch of a step."""
        return self.run.objective.views(self.run.corpus.batch(turn), self.run.seed, turn)

    def ours(self, autocast: bool = True) -> Tensor:
        """Loss and gradients of the objective."""
        return self._backward(0, lambda: self.objective(self.views, self.counts)["loss"], autocast)

    def theirs(self, autocast: bool = True) -> Tensor:
        """Loss and gradients of `BertForMaskedLM`, which computes all of all tokens."""
        names = ("input_ids", "attention_mask")
        batch = {name: self.views[name] for name in names if name in self.views}
        return self._backward(1, lambda: self.plain(**batch, labels=self.labels).loss, autocast)

    def _backward(self, side: int, loss: Callable[[], Tensor], autocast: bool) -> Tensor:
        self.optimizers[side].zero_grad()
        lower = autocast and self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=lower):
            value = loss()
        value.backward()
        return value.detach()

    def update(self, side: int) -> None:
        """Clip and apply the gradients of ours (0) or theirs (1)."""
        module = (self.objective, self.plain)[side]
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        self.optimizers[side].step()

    def differences(self) -> tuple[float, float, float]:
        """Largest difference of loss and of any gradient in float32, and the largest gradient."""
        loss = float((self.ours(False) - self.theirs(False)).abs())
        mine = dict(self.objective.student.named_parameters())
        pairs = [(mine[name].grad, p.grad) for name, p in self.plain.named_parameters()]
        apart = max(float((a - b).abs().max()) for a, b in pairs)
        return loss, apart, max(float(b.abs().max()) for _, b in pairs)


def plain_twin(student: Any) -> BertForMaskedLM:
    """transformers' own model with the weights of `student`, SDPA attention too."""
    fields = student.config.to_dict()
    fields = {k: v for k, v in fields.items() if k not in ("model_type", "architectures")}
    plain = BertForMaskedLM._from_config(BertConfig(**fields), attn_implementation="sdpa")
    left = plain.load_state_dict(student.state_dict(), strict=False)
    assert not left.missing_keys and all("pooler" in key for key in left.unexpected_keys)
    return plain


def step_rows(step: Step, batch: int, turns: int) -> list[Row]:
    """Equality, the share of the data in a step, and the step against plain transformers."""
    loss, gradient, largest = step.differences()
    time = interleaved(
        {
            "data": step.data,
            "ours": lambda _: step.ours(),
            "our update": lambda _: step.update(0),
            "theirs": lambda _: step.theirs(),
            "their update": lambda _: step.update(1),
        },
        turns,
        step.device,
    )
    parts = batch / step.rows
    data, whole = time["data"], time["data"] + parts * time["ours"] + time["our update"]
    ours, theirs = step.tokens / time["ours"], step.tokens / time["theirs"]
    # The update comes once a batch, however many micro-batches that has.
    full = {
        side: parts * step.tokens / (parts * time[side] + time[update])
        for side, update in (("ours", "our update"), ("theirs", "their update"))
    }
    width = step.views["input_ids"].shape[1]
    size = f"{step.rows} x {width}"
    scaled = f"LOGO step of {batch} scaled from {step.rows}" if parts > 1 else "LOGO step"
    name = "against BertForMaskedLM"
    both = f"gradients {name}: largest difference, largest value"
    share = f"batch and masks of {batch} in one {scaled}"
    return [
        Row(f"loss {name}: difference, float32", loss, None, loss, "< 1e-05", "nats"),
        Row(both, gradient, largest, gradient, "< 1e-05", ""),
        Row(share, data, whole, data / whole, "< 0.05", "s"),
        _speed(f"LOGO forward + backward, {size}, {name}", ours, theirs),
        _speed(f"{scaled}, with clipping and AdamW, {name}", full["ours"], full["theirs"]),
    ]


def _speed(name: str, ours: float, theirs: float) -> Row:
    return Row(name, ours, theirs, ours / theirs, ">= 1.2", "tokens/s")
