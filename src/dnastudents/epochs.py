"""A new order of the same items each epoch, addressed by (seed, step)."""

from __future__ import annotations

import numpy as np

from dnastudents.randomness import numpy_generator


class Epochs:
    """Goes through items 0 .. total - 1, in a new order each epoch.

    A batch may hold the end of one epoch and the begin of the next.

    Parameters
    ----------
    total : int
        Number of items.
    purpose : str
        Names the generator of the orders.
    """

    def __init__(self, total: int, purpose: str) -> None:
        self._total, self._purpose = total, purpose
        self._orders: dict[tuple[int, int], np.ndarray] = {}

    def numbers(self, seed: int, step: int, batch_size: int) -> np.ndarray:
        """Items of one step, int64 (batch_size,)."""
        place = np.arange(step * batch_size, (step + 1) * batch_size)
        epoch, item = np.divmod(place, self._total)
        numbers = np.empty(batch_size, dtype=np.int64)
        for each in np.unique(epoch).tolist():
            here = epoch == each
            numbers[here] = self._order(seed, each)[item[here]]
        return numbers

    def _order(self, seed: int, epoch: int) -> np.ndarray:
        key = (seed, epoch)
        if key not in self._orders:
            if len(self._orders) > 1:  # a batch needs two epochs, unless it holds several
                self._orders.pop(next(iter(self._orders)))
            order = numpy_generator(seed, self._purpose, epoch).permutation(self._total)
            self._orders[key] = order
        return self._orders[key]
