"""How fast a device is: FLOP/s that the networks of a configuration were seen to reach.

A rate is what the formula of `plan.work` gives for a training step, over the time that it took. So
what the formula leaves out is in the rate, as far as it grows with the student's own work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from dnastudents.errors import InputError
from dnastudents.files import read_json
from dnastudents.plan.networks import Network
from dnastudents.plan.work import TRAIN
from dnastudents.training.options import PretrainingBlock

SECONDS = 5.0  # for each student that is measured
ROWS = {"cpu": 8, "cuda": 64}
BASES = 500  # of a sequence, where a student never learns


@dataclass(frozen=True)
class Rate:
    """What one student reached.

    Attributes
    ----------
    student : str
    flops : float
        A second.
    settings : mapping
        The student's, by which it is recognised.
    kept_bytes : float or None
        Activations that are kept for the gradients, float32, a token. None: not measured.
    """

    student: str
    flops: float
    settings: Mapping[str, Any]
    kept_bytes: float | None = None


@dataclass(frozen=True)
class Rates:
    """The rates of a device; `origin` says where they are from.

    `default` is for students without a rate of their own. Where it is None, they and downloaded
    teachers take the slowest of the others.
    """

    origin: str
    measured: list[Rate]
    default: float | None = None

    def of(self, network: Network) -> float:
        """Return FLOP/s of a network."""
        own = self._find(network)
        if own is not None:
            return own.flops
        return self.default or min(rate.flops for rate in self.measured)

    def kept_bytes(self, network: Network) -> float | None:
        """Return bytes that a token keeps in memory while a student learns; None: not known."""
        own = self._find(network)
        return own.kept_bytes if own else None

    def is_own(self, network: Network) -> bool:
        """Return whether the rate is the network's own."""
        return self.default is not None or self._find(network) is not None

    def as_json(self) -> dict[str, Any]:
        """Return what `read_rates` reads."""
        return {"origin": self.origin, "rates": [asdict(rate) for rate in self.measured]}

    def _find(self, network: Network) -> Rate | None:
        settings = dict(network.settings)
        same = (rate for rate in self.measured if settings and dict(rate.settings) == settings)
        return next(same, None)


def read_rates(file: Path) -> Rates:
    """Read the rates that `plan --measure --json FILE` wrote.

    Raises
    ------
    InputError
        There is no rate in the file.
    """
    content = read_json(file)
    found = [Rate(**rate) for rate in content.get("rates", [])]
    if not found:
        raise InputError(f"{file}: no rates in it; give what `plan --measure --json FILE` wrote")
    return Rates(str(content["origin"]), found)


def measure(
    students: Mapping[str, Network], blocks: Mapping[str, PretrainingBlock | None], threads: int
) -> Rates:
    """Time some training steps of each student on this machine, on random bases.

    Of one CPU thread its own time is taken, which other jobs on the machine do not lengthen.

    Parameters
    ----------
    students : mapping
        By name.
    blocks : mapping
        How a run of each student is trained: window, micro-batch and precision; None: not at all.
    threads : int
        CPU threads.
    """
    import torch

    from dnastudents.devices import choose_device, device_name

    device = choose_device()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = [_measure_one(name, students[name], blocks[name], device) for name in students]
    finally:
        torch.set_num_threads(before)
    machine = (
        device_name(device)
        if device.type == "cuda"
        else f"{threads} thread(s) of {os.cpu_count()} CPU cores"
    )
    return Rates(f"measured here, {machine}, random bases, {SECONDS:g} s a student", found)


def _measure_one(name: str, network: Network, block: PretrainingBlock | None, device: Any) -> Rate:
    import numpy as np
    import torch
    from torch.nn import functional as F

    from dnastudents import models
    from dnastudents.devices import Precision
    from dnastudents.genome import tokenizers
    from dnastudents.randomness import numpy_generator
    from dnastudents.training.optimizer import adamw

    bases = round(block.window.mean_bases) if block else BASES
    batch = min(block.micro_batch_size or block.batch_size, ROWS[device.type]) if block else 8
    tokenizer = tokenizers.build(models.tokenizer_name(network.settings))
    letters = numpy_generator(0, "plan").choice(list("ACGT"), (batch, bases))
    ids = np.array([tokenizer.encode("".join(row)) for row in letters])
    inputs = torch.from_numpy(ids).to(device)
    model = models.build(network.settings, tokenizer).to(device).train()
    optimizer = adamw(model, 1e-4, 0.01)
    precision = Precision("no" if block is None else block.precision, device)
    targets = inputs[:, ::7]  # about the share that is masked

    def step() -> None:
        with precision.autocast():
            logits = model.lm_head(model.backbone(inputs)[:, : ids.shape[1]][:, ::7])
        F.cross_entropy(logits.float().transpose(1, 2), targets % logits.shape[-1]).backward()
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize()

    kept = _kept_bytes(model, inputs)
    step()  # the first is slow
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    seconds, began = list[float](), time.perf_counter()
    while len(seconds) < 3 or time.perf_counter() - began < SECONDS:
        start = clock()
        step()
        seconds.append(clock() - start)
    tokens = batch * network.tokens(bases)
    return Rate(
        name, network.flops(tokens, TRAIN) / median(seconds), network.settings, kept / tokens
    )


def _kept_bytes(model: Any, inputs: Any) -> float:
    """Count the bytes that a forward computation keeps for the gradients, each storage once."""
    import torch

    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        hidden = model.backbone(inputs)
    del hidden
    return float(sum(kept.values()))
