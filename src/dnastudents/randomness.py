"""Explicit generators, each named by (seed, purpose, step).

Nothing draws from a stream that another draw has advanced, so a resumed run sees the numbers of an
uninterrupted one, and any number of processes sees the same global batch.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive_seed(seed: int, purpose: str, step: int = 0) -> int:
    """Derive a 63-bit seed for one purpose at one step: BLAKE2b of the three names."""
    name = f"{seed}/{purpose}/{step}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big") >> 1


def numpy_generator(seed: int, purpose: str, step: int = 0) -> np.random.Generator:
    """Make a NumPy generator for one purpose at one step."""
    return np.random.default_rng(derive_seed(seed, purpose, step))


def torch_generator(
    seed: int, purpose: str, step: int = 0, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Make a torch generator on `device` for one purpose at one step."""
    import torch  # seconds, which tables and task folders need not wait for

    return torch.Generator(device=device).manual_seed(derive_seed(seed, purpose, step))
