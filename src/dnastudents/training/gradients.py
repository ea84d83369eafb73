"""Gradients of one global batch, for any number of processes and whatever fits in memory.

- Every process computes its own rows, one micro-batch after the other. Terms of the loss (see
  `objectives.base`) add up over slices, so their gradients do too, in whatever order rows come:
  by length, where that saves padding. Dropout then falls on other rows.
- When memory runs out, the micro-batch is halved and the step begun again: same views, same
  dropout seed, clean gradients. The global batch stays what it is.
- No process may wait in a sum for one that has failed. So nothing is exchanged while gradients are
  computed; then all agree whether any failed, and halve together or add up. DDP, which sums during
  the last backward pass, hangs there. Its overlap would win little: less than 6 % of a step is
  estimated for the largest sum here, DNABert's 90 million gradients over eight GPUs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from dnastudents.devices import Precision, Result, as_many_as_fit, is_out_of_memory
from dnastudents.errors import InputError
from dnastudents.objectives import Objective, Views
from dnastudents.training.processes import Processes


class Gradients:
    """Computes gradients of an objective.

    Parameters
    ----------
    objective : Objective
        On the accelerator's device.
    accelerator : Accelerator
        Device, place of this process among the others.
    precision : Precision
        Of the products.
    processes : Processes
        These.
    micro_batch : int
        Sequences of a process that are in memory at once, to begin with.
    batch : int
        Sequences of a step, over all processes.
    """

    def __init__(
        self,
        objective: Objective,
        accelerator: Accelerator,
        precision: Precision,
        processes: Processes,
        micro_batch: int,
        batch: int,
    ) -> None:
        self.objective, self.accelerator, self.processes = objective, accelerator, processes
        self.precision, self.micro_batch = precision, micro_batch
        # Rounded up, so that it is the same in every process.
        self._most = -(-batch // accelerator.num_processes)
        # Frozen weights have no gradient, so processes need not tell each other about them.
        self.parameters = [p for p in objective.parameters() if p.requires_grad]

    def compute(self, views: Views, dropout_seed: int) -> tuple[dict[str, Tensor], Tensor]:
        """Give every parameter its gradient.

        Parameters
        ----------
        views : Views
            This process's, see `own_rows`, with the counts of the global batch.
        dropout_seed : int
            Of this process at this step.

        Returns
        -------
        terms : dict of Tensor
            Sums over this process's rows, scalars.
        loss : Tensor
            Of the global batch, scalar, the same in every process.

        Raises
        ------
        InputError
            A single row is too much.
        """
        (terms, used), fits = self._fitting(partial(self._attempt, views, dropout_seed))
        if fits < self._at_once:  # the next steps begin with what fitted, instead of failing again
            self.micro_batch = fits
        return terms, self.processes.sum_gradients(used, terms["loss"])

    @torch.no_grad()
    def evaluate(self, views: Views, counts: dict[str, float]) -> dict[str, Tensor]:
        """Sum the terms over this process's rows of what is evaluated; `counts` are of all.

        Raises
        ------
        InputError
            A single row is too much.
        """

        def attempt(size: int) -> dict[str, Tensor]:
            total: dict[str, Tensor] = {}
            for rows in self.slices(views, size):
                accumulate(total, self.terms(rows, counts))
            return total

        return self._fitting(attempt)[0]

    def _fitting(self, work: Callable[[int], Result]) -> tuple[Result, int]:
        """Do as `as_many_as_fit`, from a micro-batch on."""
        try:
            return as_many_as_fit(work, self._at_once, self.accelerator.device)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise InputError(
                "out of memory with one sequence at a time; shorten pretraining.window.length, "
                "take a smaller student, or ask for more memory"
            ) from None

    @property
    def _at_once(self) -> int:
        # Never more than a process's rows, so that halving soon has an effect.
        return min(self.micro_batch, self._most)

    def own_rows(self, count: int) -> slice:
        """Return which of so many rows are this process's."""
        processes, index = self.accelerator.num_processes, self.accelerator.process_index
        # Integer division gives every row to exactly one process, also where it does not divide.
        return slice(count * index // processes, count * (index + 1) // processes)

    def slices(self, views: Views, size: int) -> Iterator[dict[str, Any]]:
        """Yield rows on this process's device, `size` at a time."""
        for start in range(0, len(views), size):
            yield views.rows(start, start + size, self.accelerator.device)

    def terms(self, rows: dict[str, Any], counts: dict[str, float]) -> dict[str, Tensor]:
        """Compute the terms of a slice.

        `counts` are those of the whole batch, so that the sum over all slices is the mean, however
        unevenly masked tokens fall.
        """
        with self.precision.autocast():
            terms: dict[str, Tensor] = self.objective(rows, counts)
        return terms

    def _attempt(
        self, views: Views, dropout_seed: int, size: int
    ) -> tuple[dict[str, Tensor], list[nn.Parameter]]:
        """Compute all gradients with micro-batches of `size`.

        Returns
        -------
        terms, used
            Sums over this process's rows; the parameters that have a gradient in any process.

        Raises
        ------
        torch.OutOfMemoryError
            In every process, when memory ran out in any.
        """
        # Seeded at each attempt: one that failed has used up random numbers.
        torch.manual_seed(dropout_seed)
        terms = self._of_this_process(views, size)
        has_gradient = [parameter.grad is not None for parameter in self.parameters]
        # One exchange for two questions: did any process run out of memory, and which parameters
        # have a gradient in any process? The sum over processes must be of the same ones in all.
        failed, *used = self.processes.any([terms is None, *has_gradient])
        if terms is None or failed:
            self._clear()
            # Smaller slices would change such a loss, so only the user may choose them.
            if size > 1 and self.objective.compares_rows:
                raise InputError(
                    f"out of memory with micro-batches of {size}; this objective compares the rows "
                    "of one, so only you may lower their number: pretraining.micro_batch_size"
                )
            raise torch.OutOfMemoryError("out of memory in one of the processes")
        return terms, [p for p, is_used in zip(self.parameters, used, strict=True) if is_used]

    def _of_this_process(self, views: Views, size: int) -> dict[str, Tensor] | None:
        """Sum the terms over this process's rows; None when memory ran out."""
        total: dict[str, Tensor] = {}
        try:
            for rows in self.slices(views, size):
                terms = self.terms(rows, views.counts)
                # Slice by slice, which frees the activations of each before the next.
                self.precision.backward(terms["loss"])
                accumulate(total, terms)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return None  # the error goes, and with it the frames that hold tensors
        return total

    def _clear(self) -> None:
        """Undo what a failed attempt has left."""
        # None, not zeros: which parameters have a gradient is what processes agree on.
        for parameter in self.parameters:
            parameter.grad = None
        # What an objective has summed in the step would count twice.
        self.objective.forget_step()


def accumulate(total: dict[str, Tensor], terms: dict[str, Tensor]) -> None:
    """Add the terms of one slice to `total`."""
    for name, value in terms.items():
        # Detached, or the graph of every slice would stay in memory.
        total[name] = total[name] + value.detach() if name in total else value.detach()
