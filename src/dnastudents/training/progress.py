"""How a training goes: means since the last log line, and the line itself.

Values stay on the device, as tensors, until a line is due; only then does the CPU wait for them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from dnastudents.errors import InputError
from dnastudents.training.options import NORM

FORMATS = {"loss": ".4f", "perplexity": ",.4g", "accuracy": ".1%", NORM: ".2g"}


class Meter:
    """Collects the terms of the loss, step by step, and the time they took.

    Parameters
    ----------
    run : str
        Name of the run, for messages.
    reduce : callable
        Sums a tensor over all processes.
    seconds : callable
        Gives the time of sections of the steps since it was last asked, see `Objective.seconds`.
    stop_after : int
        The training ends at this many steps whose loss or gradient is not finite.
    regions : callable
        Names where the sequences of a step, counted from 0, came from.
    """

    def __init__(
        self,
        run: str,
        reduce: Callable[[Tensor], Tensor],
        seconds: Callable[[], dict[str, float]] = dict,
        stop_after: int = 1,
        regions: Callable[[int], str] = lambda step: "unknown",
    ) -> None:
        self.run, self.reduce, self.read_sections = run, reduce, seconds
        self.stop_after, self.regions = stop_after, regions
        self.bad: list[int] = []  # such steps until the last flush, counted from 1
        self.names: list[str] = []
        self.rows: list[Tensor] = []
        self.tokens = self.total_tokens = 0
        self.seconds = self.total_seconds = 0.0
        self.section_seconds: dict[str, float] = {}  # seconds of this process, as are the totals
        self.total_section_seconds: dict[str, float] = {}
        self.started = time.perf_counter()

    def add(self, terms: dict[str, Tensor], tokens: int) -> None:
        """Take this process's loss terms of one step and the tokens of the global batch."""
        if self.names != list(terms):  # the state of an earlier version, which had other terms
            self.names, self.rows = list(terms), []
        self.rows.append(torch.stack([value.detach().float() for value in terms.values()]))
        self.tokens += tokens

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out the time that is not training."""
        begin = time.perf_counter()
        yield
        self.started += time.perf_counter() - begin

    def settle(self, step: int) -> Tensor:
        """Read the steps since the last flush, float32 (n, terms), summed over all processes.

        Raises
        ------
        InputError
            Enough losses are not finite; it names these steps, counted from 1, and where the
            sequences of the last one came from.
        """
        rows = self.reduce(torch.stack(self.rows)).cpu()
        new = self._bad_steps(rows, step)
        limit = max(self.stop_after, len(self.bad) + 1)  # it may have been lowered since
        bad = [*self.bad, *new][:limit]
        if len(bad) == limit:
            *before, last = bad
            earlier = f", after {', '.join(map(str, before))}" if before else ""
            raise InputError(
                f"{self.run}: the loss or its gradient is {new[last]} at step {last}{earlier}; "
                "lower pretraining.optimizer.learning_rate or lengthen its warm-up, then start "
                "again; pretraining.stop_after_bad_steps leaves such steps out. "
                f"Step {last} read {self.regions(last - 1)}"
            )
        return rows

    def _bad_steps(self, rows: Tensor, step: int) -> dict[int, float]:
        """Find the steps, counted from 1, whose loss in `rows` is not finite, with that loss."""
        losses = rows[:, self.names.index("loss")].tolist()
        first = step - len(rows) + 1
        return {n: loss for n, loss in enumerate(losses, first) if not math.isfinite(loss)}

    def flush(self, step: int) -> dict[str, float]:
        """Average since the last flush, with `tokens_per_second` and `seconds_per_step`.

        Of the norms of the gradient it is the median. A section of the steps that is timed has a
        share of the time, as `teacher_share`.
        """
        rows = self.settle(step)
        now = time.perf_counter()
        seconds = self.seconds + now - self.started
        good = rows[rows[:, self.names.index("loss")].isfinite()]
        means = dict(zip(self.names, good.double().mean(0).tolist(), strict=True))
        if NORM in means:
            # One jump should not hide the rest.
            means[NORM] = good[:, self.names.index(NORM)].median().item()
        self.bad += self._bad_steps(rows, step)
        means["tokens_per_second"] = self.tokens / seconds
        means["seconds_per_step"] = seconds / len(rows)
        _add(self.section_seconds, self.read_sections())
        means |= time_shares(self.section_seconds, seconds)
        _add(self.total_section_seconds, self.section_seconds)
        self.section_seconds = {}
        self.total_tokens += self.tokens
        self.total_seconds += seconds
        self.rows, self.tokens, self.seconds, self.started = [], 0, 0.0, now
        return means

    def state(self, step: int) -> dict[str, Any]:
        """Return what a resumed run needs to log what an uninterrupted one would."""
        _add(self.section_seconds, self.read_sections())
        return {
            "names": self.names,
            "rows": self.settle(step) if self.rows else None,
            "tokens": self.tokens,
            "seconds": self.seconds + time.perf_counter() - self.started,
            "total_tokens": self.total_tokens,
            "total_seconds": self.total_seconds,
            "parts": dict(self.section_seconds),
            "total_parts": dict(self.total_section_seconds),
            "bad": self.bad,
        }

    def load_state(self, state: dict[str, Any], keep_rows: bool, device: torch.device) -> None:
        """Take back what `state` gave; rows are sums, so one process alone keeps them."""
        self.names = state["names"]
        if state["rows"] is not None:
            rows = state["rows"] if keep_rows else torch.zeros_like(state["rows"])
            self.rows = list(rows.to(device))
        for name in ("tokens", "seconds", "total_tokens", "total_seconds", "bad"):
            setattr(self, name, state[name])
        # A state that was saved before sections were timed has none.
        self.section_seconds, self.total_section_seconds = (
            state.get("parts", {}),
            state.get("total_parts", {}),
        )
        self.started = time.perf_counter()


def time_shares(section_seconds: dict[str, float], seconds: float) -> dict[str, float]:
    """Return the seconds of timed sections as `<section>_share` of all seconds."""
    return {f"{name}_share": part / seconds for name, part in section_seconds.items()}


def _add(total: dict[str, float], seconds: dict[str, float]) -> None:
    for name, value in seconds.items():
        total[name] = total.get(name, 0.0) + value


def log_line(run: str, step: int, steps: int, row: dict[str, Any], seconds_per_step: float) -> str:
    """Format a line of the log.

    `had step 9/99 loss 1.2 perplexity 3.9 accuracy 31% gradient 0.5 lr 3e-04 0.1 s/step 81k
    tokens/s teacher 43% eta 0:03:12`; perplexity and accuracy are of hidden tokens, left out where
    nothing is predicted, as is the share of a section that is not timed.
    """
    time_share = {name.removesuffix("_share"): row[name] for name in row if name.endswith("_share")}
    values = {name: format(row[name], form) for name, form in FORMATS.items() if name in row}
    means = "".join(f"{name.removesuffix('_norm')} {text} " for name, text in values.items())
    return (
        f"{run} step {step}/{steps} {means}"
        f"lr {row['learning_rate']:.1e} "
        f"{seconds_per_step:.2g} s/step {thousands(row['tokens_per_second'])} tokens/s "
        f"{''.join(f'{name} {share:.0%} ' for name, share in time_share.items())}"
        f"eta {clock(seconds_per_step * (steps - step))}"
    )


def validation_line(run: str, step: int, steps: int, row: dict[str, Any]) -> str:
    """Format a validation: first what `log_line` has, then yardsticks, then all other terms."""
    first = [*FORMATS, "frequency_perplexity", "markov_perplexity"]
    names = [name for name in first if name in row]
    names += sorted(row.keys() - {*first, "step", "split", "stage"})
    values = (
        "-" if row[name] is None else format(row[name], FORMATS.get(name, ",.4g")) for name in names
    )
    terms = " ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
    return f"{run} step {step}/{steps} validation {terms}"


def thousands(number: float) -> str:
    """Format 81234 as `81k`."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}"


def clock(seconds: float) -> str:
    """Format 191.4 as `0:03:12`."""
    minutes, second = divmod(math.ceil(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}"
