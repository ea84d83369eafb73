"""What the processes of one training tell each other at each step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, distributed, nn


class Processes:
    """All processes of a training, which call the same methods in the same order.

    Parameters
    ----------
    count : int
        Their number; `torch.distributed` is set up if it is more than one.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        # A gloo group for flags and barriers: with NCCL the CPU would have to wait for the GPU.
        self._group = distributed.new_group(backend="gloo") if count > 1 else None

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """Return which of the flags are set in at least one process."""
        if self._group is None:
            return list(flags)
        found = torch.tensor(flags, dtype=torch.uint8)
        distributed.all_reduce(found, distributed.ReduceOp.MAX, group=self._group)
        return [bool(flag) for flag in found.tolist()]

    def wait(self) -> None:
        """Wait until all are here."""
        if self._group is not None:
            distributed.barrier(group=self._group)

    def agree(self, number: int) -> bool:
        """Return whether all have the same number."""
        if self._group is None:
            return True
        # One exchange for both ends: the maximum of -number is the minimum of number.
        ends = torch.tensor([number, -number])
        distributed.all_reduce(ends, distributed.ReduceOp.MAX, group=self._group)
        most, least = ends.tolist()
        return bool(most == -least)

    def sum_gradients(self, parameters: Sequence[nn.Parameter], loss: Tensor) -> Tensor:
        """Replace the gradients by their sums over processes.

        Parameters
        ----------
        parameters : sequence of nn.Parameter
            The same ones everywhere; a process may have no gradient of some.
        loss : Tensor
            Scalar, summed with them.

        Returns
        -------
        Tensor
            The sum of `loss`, scalar.
        """
        if self.count == 1:
            return loss
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        # One message of all gradients and the loss: many small ones would each take a round trip.
        packed = torch.cat([*(gradient.flatten() for gradient in gradients), loss.reshape(1)])
        distributed.all_reduce(packed)
        *sums, total = packed.split([*(gradient.numel() for gradient in gradients), 1])
        for parameter, gradient in zip(parameters, sums, strict=True):
            parameter.grad = gradient.view_as(parameter)
        return total.squeeze(0)
