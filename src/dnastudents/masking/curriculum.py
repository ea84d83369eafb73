"""Which masking rule a step uses.

A curriculum names the rule of a step; `masking.Masking` does all the rest.
What it has learnt (the perplexities so far, the step of its switch) is its only state and travels
with the training state, so that a resumed run stays in the same stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch


class Curriculum:
    """Names the rule of a step: one rule throughout, or what a subclass makes of two."""

    def __init__(self, rule: str) -> None:
        self.rule = rule

    def stage(self, step: int) -> str:
        """Return the stage in words, for logs."""
        return self.rule

    def pick(self, step: int, generator: torch.Generator) -> str:
        """Choose the rule of the next batch."""
        return self.stage(step)

    def observe(self, perplexity: float, step: int) -> None:
        """Learn the validation perplexity measured at `step`."""

    def state(self) -> dict[str, Any]:
        """Return what has been learnt, fit for JSON."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned."""


class Switch(Curriculum):
    """CM-GEMS: from the first rule to the second, once and for all.

    The switch comes with the first evaluation whose perplexity differs from the one before by less
    than `threshold`; or at `switch_step`, when that is given.
    """

    def __init__(
        self, first: str, second: str, threshold: float, switch_step: int | None = None
    ) -> None:
        super().__init__(first)
        self.second = second
        self.threshold = threshold
        self.switched_at = switch_step
        self.is_fixed = switch_step is not None
        self.history: list[tuple[int, float]] = []

    def stage(self, step: int) -> str:
        if self.switched_at is None or (self.is_fixed and step < self.switched_at):
            return self.rule
        return self.second

    def observe(self, perplexity: float, step: int) -> None:
        self.history.append((step, perplexity))
        if self.switched_at is None and len(self.history) > 1:
            change = abs(perplexity - self.history[-2][1])
            if change < self.threshold:
                self.switched_at = step

    def state(self) -> dict[str, Any]:
        return {"history": [list(entry) for entry in self.history], "switched_at": self.switched_at}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.history = [(int(step), float(value)) for step, value in state["history"]]
        if not self.is_fixed:
            self.switched_at = state["switched_at"]


class Gradual(Curriculum):
    """CM-STEP: each batch by chance one of two rules; the second grows by 1 % each 1 % of steps."""

    def __init__(self, first: str, second: str, total_steps: int) -> None:
        super().__init__(first)
        self.second = second
        self.total_steps = max(total_steps, 1)

    def share(self, step: int) -> float:
        """Return probability of the second rule."""
        return min(100 * step // self.total_steps, 100) / 100

    def stage(self, step: int) -> str:
        return f"{self.second} {self.share(step):.0%}"

    def pick(self, step: int, generator: torch.Generator) -> str:
        draw = torch.rand((), generator=generator, device=generator.device)
        return self.second if float(draw) < self.share(step) else self.rule
