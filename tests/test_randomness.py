"""Streams are named, not advanced."""

from __future__ import annotations

import torch

from dnastudents.randomness import derive_seed, numpy_generator, torch_generator


def test_streams_depend_on_all_three_names() -> None:
    names = [(s, p, t) for s in (0, 1) for p in ("mask", "windows") for t in (0, 1, 10)]
    seeds = {derive_seed(*name) for name in names}
    assert len(seeds) == len(names)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_stream_can_be_taken_up_anywhere() -> None:
    whole = [numpy_generator(3, "windows", step).integers(1 << 30) for step in range(5)]
    assert numpy_generator(3, "windows", 4).integers(1 << 30) == whole[4]
    a, b = (torch.rand(3, generator=torch_generator(3, "mask", 7)) for _ in range(2))
    assert torch.equal(a, b)
