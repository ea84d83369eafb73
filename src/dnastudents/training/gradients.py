"""Gradients of one global batch, for any number of processes and whatever fits in memory.

- Every process computes its own rows, one micro-batch after the other. Shares of the loss (see
  `objectives.base`) add up over slices, hence their gradients do.
- When memory runs out, the micro-batch is halved and the step begun again: same views, same
  dropout seed, clean gradients. The global batch stays what it is.
- No process may wait in a sum for one that has failed. So nothing is exchanged while gradients are
  computed; then all agree whether any failed, and halve together or add up. DDP, which sums during
  the last backward pass, hangs there. Its overlap saves little with models as small as these.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from dnastudents.devices import is_out_of_memory
from dnastudents.errors import InputError
from dnastudents.objectives import Objective, Views
from dnastudents.training.processes import Processes

logger = logging.getLogger(__name__)


class Gradients:
    """Computes gradients of an objective.

    Parameters
    ----------
    objective : Objective
        On the accelerator's device.
    accelerator : Accelerator
        Device, precision, place of this process among the others.
    processes : Processes
        These.
    micro_batch : int
        Sequences of a process that are in memory at once, to begin with.
    """

    def __init__(
        self,
        objective: Objective,
        accelerator: Accelerator,
        processes: Processes,
        micro_batch: int,
    ) -> None:
        self.objective, self.accelerator, self.processes = objective, accelerator, processes
        self.micro_batch = micro_batch
        # "Evaluation" means without DDP: mixed precision alone is wanted.
        self.model: Any = accelerator.prepare_model(objective, evaluation_mode=True)
        self.parameters = [p for p in objective.parameters() if p.requires_grad]

    def compute(self, views: Views, dropout_seed: int) -> tuple[dict[str, Tensor], Tensor]:
        """Give every parameter its gradient.

        Parameters
        ----------
        views : Views
            The whole global batch, the same in every process.
        dropout_seed : int
            Of this process at this step.

        Returns
        -------
        shares : dict of Tensor
            Sums over this process's rows, scalars.
        loss : Tensor
            Of the global batch, scalar, the same in every process.

        Raises
        ------
        InputError
            A single row is too much.
        """
        while True:
            torch.manual_seed(dropout_seed)
            shares = self._of_this_process(views)
            has_gradient = [parameter.grad is not None for parameter in self.parameters]
            failed, *used = self.processes.any([shares is None, *has_gradient])
            if shares is not None and not failed:
                break
            self._clear()
            self._halve(len(views))
        chosen = [p for p, is_used in zip(self.parameters, used, strict=True) if is_used]
        return shares, self.processes.sum_gradients(chosen, shares["loss"])

    def parts(self, rows: int) -> Iterator[tuple[int, int]]:
        """This process's rows of `rows`, cut into micro-batches [start, stop)."""
        processes, index = self.accelerator.num_processes, self.accelerator.process_index
        first, end = rows * index // processes, rows * (index + 1) // processes
        for start in range(first, end, self.micro_batch):
            yield start, min(start + self.micro_batch, end)

    def _of_this_process(self, views: Views) -> dict[str, Tensor] | None:
        """Sums of shares; None when memory ran out."""
        total: dict[str, Tensor] = {}
        try:
            for start, stop in self.parts(len(views)):
                shares = self.model(views.rows(start, stop, self.accelerator.device), views.counts)
                self.accelerator.backward(shares["loss"])
                accumulate(total, shares)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return None  # the error goes, and with it the frames that hold tensors
        return total

    def _clear(self) -> None:
        """Forget what the failed step has left."""
        for parameter in self.parameters:
            parameter.grad = None
        self.objective.forget_step()
        if self.accelerator.device.type == "cuda":
            torch.cuda.empty_cache()

    def _halve(self, rows: int) -> None:
        size = min(self.micro_batch, -(-rows // self.accelerator.num_processes))
        if size == 1:
            raise InputError(
                "out of memory with one sequence at a time; shorten pretraining.window.length, "
                "take a smaller student, or ask for more memory"
            )
        if self.objective.compares_rows:
            raise InputError(
                f"out of memory with micro-batches of {size}; this objective compares the rows of "
                "one, so their number is yours to lower: pretraining.micro_batch_size"
            )
        self.micro_batch = size // 2
        if self.accelerator.is_main_process:
            logger.warning(
                f"out of memory with micro-batches of {size}; from here on of {self.micro_batch}, "
                f"the batch stays {rows}"
            )


def accumulate(total: dict[str, Tensor], shares: dict[str, Tensor]) -> None:
    """Add the shares of one slice to `total`."""
    for name, value in shares.items():
        total[name] = total[name] + value.detach() if name in total else value.detach()
