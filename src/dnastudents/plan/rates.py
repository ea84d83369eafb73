"""How long a device takes for a batch of a network: estimated, measured, or read from a file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from dnastudents.errors import InputError
from dnastudents.files import read_json
from dnastudents.plan.networks import Network

if TYPE_CHECKING:
    from dnastudents.plan.counting import Operation

OPTIMIZER = 28  # bytes a parameter: AdamW reads four numbers of float32 and writes three
LAUNCH = 5e-6  # seconds that Python and torch need to start a kernel
FLOPS_SHARE, BYTES_SHARE = 0.4, 0.7  # of the peaks that ordinary kernels reach
SECONDS = 2.0  # for each batch that is measured
ROWS = {"cpu": 8, "cuda": 64}


@dataclass(frozen=True)
class Device:
    """Peaks of a GPU by its data sheet: FLOP/s dense in bf16 and in float32, bytes/s, watts."""

    name: str
    half: float
    single: float
    bandwidth: float
    watts: float

    def seconds(self, operations: Iterable[Operation]) -> float:
        """Return how long some operators take, one after the other."""
        products = {True: FLOPS_SHARE * self.half, False: FLOPS_SHARE * self.single}
        memory = BYTES_SHARE * self.bandwidth
        return sum(max(x.flops / products[x.half], x.bytes / memory) for x in operations)


DEVICES = {  # NVIDIA's data sheets of the SXM modules with 80 GB
    "H100": Device("NVIDIA H100", 989e12, 67e12, 3.35e12, 700),
    "A100": Device("NVIDIA A100", 312e12, 19.5e12, 2.039e12, 400),
}


@dataclass(frozen=True)
class Speed:
    """Seconds of a token, and of a batch beside those of its tokens."""

    token: float
    batch: float


@dataclass(frozen=True)
class Rate:
    """What one network reaches.

    Attributes
    ----------
    network : dict
        Its `identity`.
    learn, read : Speed
        Of a training step, and of a forward pass alone.
    kept : float
        Bytes that a token keeps in memory while the network learns.
    """

    network: dict[str, Any]
    learn: Speed
    read: Speed
    kept: float


@dataclass(frozen=True)
class Rates:
    """The rates of a device: its name, its watts where known, and where the rates are from."""

    hardware: str
    origin: str
    watts: float | None
    rates: list[Rate]

    def of(self, network: Network) -> Rate:
        """Return the rate of a network; raise `InputError` where there is none."""
        for rate in self.rates:
            if rate.network == network.identity:
                return rate
        raise InputError(f"no rate of {network.name}, {self.origin}; measure this configuration")


def read_rates(file: Path) -> Rates:
    """Read the rates of a plan that `plan --json FILE` wrote; raise `InputError` without any."""
    content = read_json(file)
    try:
        values = content["rates"]
        rates = [
            Rate(rate["network"], Speed(**rate["learn"]), Speed(**rate["read"]), rate["kept"])
            for rate in values["rates"]
        ]
        return Rates(**values | {"rates": rates})
    except (KeyError, TypeError):
        wanted = "give what `plan --measure --json FILE` wrote"
        raise InputError(f"{file}: no rates in it; {wanted}") from None


def estimate(networks: Iterable[Network], device: Device) -> Rates:
    """Estimate the rates of a GPU that is not there."""
    from dnastudents.plan.counting import count

    def rate(network: Network) -> Rate:
        counted = count(network)
        reading, learning = counted.forward, [*counted.forward, *counted.backward]
        update = OPTIMIZER * network.parameters / (BYTES_SHARE * device.bandwidth)
        return Rate(
            network.identity,
            Speed(device.seconds(learning) / counted.tokens, LAUNCH * len(learning) + update),
            Speed(device.seconds(reading) / counted.tokens, LAUNCH * len(reading)),
            counted.kept,
        )

    origin = (
        f"estimated from {FLOPS_SHARE:.0%} of peak FLOP/s, {BYTES_SHARE:.0%} of peak bandwidth and "
        f"{LAUNCH * 1e6:g} µs a kernel"
    )
    return Rates(device.name, origin, device.watts, [rate(one) for one in _distinct(networks)])


def measure(networks: Iterable[Network], threads: int) -> Rates:
    """Time batches of each network on this machine, with `threads` CPU threads.

    Of one CPU thread its own time is taken, which other jobs on the machine do not lengthen.
    """
    import torch

    from dnastudents.devices import choose_device, device_name

    device = choose_device()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        rates = [_measure_one(network, device) for network in _distinct(networks)]
    finally:
        torch.set_num_threads(before)
    cpu = f"{threads} thread(s) of {os.cpu_count()} CPU cores"
    hardware = device_name(device) if device.type == "cuda" else cpu
    return Rates(hardware, f"measured on {hardware}, {SECONDS:g} s a batch", None, rates)


def _measure_one(network: Network, device: Any) -> Rate:
    """Time batches of many rows and of one; the difference is that of their tokens."""
    import torch

    from dnastudents.devices import Precision
    from dnastudents.plan.counting import count, loss_of, new_model
    from dnastudents.training.optimizer import adamw

    wanted, tokens = network.batch
    rows = max(2, min(wanted, ROWS[device.type]))
    model = new_model(network).to(device).train()
    optimizer = adamw(model, 1e-4, 0.01)
    precision = Precision(network.block.precision if network.block else "no", device)

    def batch(rows: int, learns: bool) -> None:
        with torch.set_grad_enabled(learns), precision.autocast():
            loss = loss_of(model, torch.zeros(rows, tokens, dtype=torch.int64, device=device))
        if learns:
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize()

    def speed(learns: bool) -> Speed:
        many, one = (_time(lambda n=n: batch(n, learns), device) for n in (rows, 1))  # type: ignore[misc]
        token = max(many - one, many / rows) / (rows * tokens)
        return Speed(token, max(0.0, one - token * tokens))

    read = speed(learns=False)
    learn = speed(learns=True) if network.learns else read
    return Rate(network.identity, learn, read, count(network).kept)


def _time(step: Callable[[], None], device: Any) -> float:
    """Return the median seconds of a call, after a first one, which is slow."""
    import torch

    step()
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    seconds, began = list[float](), time.perf_counter()
    while len(seconds) < 3 or time.perf_counter() - began < SECONDS:
        start = clock()
        step()
        seconds.append(clock() - start)
    return median(seconds)


def _distinct(networks: Iterable[Network]) -> list[Network]:
    """List networks that differ in more than how they start."""
    found: list[Network] = []
    for network in networks:
        if all(network.identity != other.identity for other in found):
            found.append(network)
    return found
