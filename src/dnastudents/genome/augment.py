"""Augmentations of DNA, batched on the device of the batch and drawn again at every call.

An augmentation moves bases and changes bases, and the two are kept apart. `Augmented.codes` is
what a model sees; `Augmented.targets` is the true base at each position, moved and complemented
like the codes but never mutated; `Augmented.source` says where each base came from and which ones
are random, so that masks and labels follow. Augmentations therefore chain. They keep the number of
bases of every row, and padding stays on the right.

The operations are those of EvoAug (Lee et al. 2023) as FinDNA uses them. Unlike there, random DNA
holds no N, and the reverse complement is correct on five symbols.
Shapes: B sequences, L bases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from dnastudents.genome.augmentations import AUGMENTATIONS, AugmentationOptions
from dnastudents.genome.codes import PAD, N, complement

NEW = -1  # source of a base that was not in the sequence


@dataclass(frozen=True)
class Augmented:
    """A batch on its way through augmentations.

    Attributes
    ----------
    codes : Tensor
        uint8 (B, L), padded with PAD.
    targets : Tensor
        uint8 (B, L), the bases without mutations.
    source : Tensor
        int64 (B, L), the column each base had at first; -1 for inserted bases.
    """

    codes: Tensor
    targets: Tensor
    source: Tensor

    @classmethod
    def of(cls, codes: Tensor) -> Augmented:
        """Wrap codes that have not been changed yet."""
        source = torch.arange(codes.shape[1], device=codes.device).expand(codes.shape)
        return cls(codes, codes, source)

    @property
    def lengths(self) -> Tensor:
        """Bases of each row, int64 (B, 1)."""
        return (self.codes != PAD).sum(1, keepdim=True)


Augmentation = Callable[[Augmented, torch.Generator], Augmented]


def translocation(batch: Augmented, generator: torch.Generator, most: int) -> Augmented:
    """Rotate each row by up to `most` bases to either side."""
    shift = _integers(batch, generator, -most, most)
    return _take(batch, generator, (_position(batch) - shift) % batch.lengths.clamp(min=1))


def deletion(batch: Augmented, generator: torch.Generator, most: int) -> Augmented:
    """Delete up to `most` bases anywhere; random bases, half at each end, keep the length."""
    size = _integers(batch, generator, 0, most).minimum(batch.lengths)
    begin = _below(batch.lengths - size + 1, generator)
    kept = _position(batch) - size // 2
    source = torch.where(kept < begin, kept, kept + size)
    is_new = (kept < 0) | (source >= batch.lengths)
    return _take(batch, generator, source.masked_fill(is_new, NEW))


def insertion(batch: Augmented, generator: torch.Generator, most: int) -> Augmented:
    """Insert up to `most` random bases anywhere; what passes the end of the row is lost."""
    size = _integers(batch, generator, 0, most)
    begin = _below(batch.lengths + 1, generator)
    position = _position(batch)
    source = torch.where(position < begin, position, position - size)
    is_new = (position >= begin) & (position < begin + size)
    return _take(batch, generator, source.masked_fill(is_new, NEW))


def inversion(batch: Augmented, generator: torch.Generator, most: int) -> Augmented:
    """Replace up to `most` bases anywhere by their reverse complement."""
    size = _integers(batch, generator, 0, most).minimum(batch.lengths)
    begin = _below(batch.lengths - size + 1, generator)
    position = _position(batch)
    inside = (position >= begin) & (position < begin + size)
    source = torch.where(inside, 2 * begin + size - 1 - position, position)
    return _take(batch, generator, source, inside)


def reverse_complement(
    batch: Augmented, generator: torch.Generator, probability: float
) -> Augmented:
    """Read each row from the other strand with `probability`."""
    draws = torch.rand(len(batch.codes), 1, generator=generator, device=batch.codes.device)
    position = _position(batch)
    flipped = (draws < probability).expand(batch.codes.shape)
    source = torch.where(flipped, batch.lengths - 1 - position, position)
    return _take(batch, generator, source, flipped)


def mutation(batch: Augmented, generator: torch.Generator, rate: float) -> Augmented:
    """Exchange each known base for another one with probability `rate`; targets keep the old."""
    shape, device = batch.codes.shape, batch.codes.device
    draws = torch.rand(shape, generator=generator, device=device)
    step = torch.randint(1, 4, shape, generator=generator, device=device, dtype=torch.uint8)
    changed = (draws < rate) & (batch.codes < N)
    codes = torch.where(changed, (batch.codes + step) % 4, batch.codes)
    return Augmented(codes, batch.targets, batch.source)


def noise(shape: tuple[int, ...], generator: torch.Generator, scale: float = 0.2) -> Tensor:
    """Draw Gaussian noise of standard deviation `scale`, to add to a model's input channels."""
    return scale * torch.randn(shape, generator=generator, device=generator.device)


FUNCTIONS: dict[str, Callable[..., Augmented]] = {
    function.__name__: function
    for function in (translocation, deletion, insertion, inversion, mutation, reverse_complement)
}


def build(settings: Iterable[Mapping[str, Any] | AugmentationOptions]) -> Augmentation:
    """Chain augmentations by name.

    Parameters
    ----------
    settings : iterable of mapping or AugmentationOptions
        Each `{name: translocation, most: 20}`, see `genome.augmentations`. None at all gives the
        batch as it is.

    Returns
    -------
    callable
        (Augmented, torch.Generator) to Augmented, called as
        `augment(Augmented.of(codes), generator)`.

    Raises
    ------
    InputError
        An unknown name or option.
    """
    chain = [
        partial(FUNCTIONS[options.name], **options.model_dump(exclude={"name"}))
        for options in map(AUGMENTATIONS.parse, settings)
    ]

    def augment(batch: Augmented, generator: torch.Generator) -> Augmented:
        for step in chain:
            batch = step(batch, generator)
        return batch

    return augment


def _position(batch: Augmented) -> Tensor:
    return torch.arange(batch.codes.shape[1], device=batch.codes.device).expand(batch.codes.shape)


def _integers(batch: Augmented, generator: torch.Generator, low: int, high: int) -> Tensor:
    """Draw one integer in low .. high for each row, int64 (B, 1)."""
    shape, device = (len(batch.codes), 1), batch.codes.device
    return torch.randint(low, high + 1, shape, generator=generator, device=device)


def _below(count: Tensor, generator: torch.Generator) -> Tensor:
    """Draw one integer in 0 .. count - 1 for each row, int64 (B, 1)."""
    draws = torch.rand(count.shape, generator=generator, device=count.device, dtype=torch.float64)
    return (draws * count).long()


def _take(
    batch: Augmented,
    generator: torch.Generator,
    source: Tensor,
    is_complement: Tensor | None = None,
) -> Augmented:
    """Build every row from the columns `source` of (B, L); -1 takes a random base.

    Padding stays where it is, whatever `source` says there.
    """
    is_pad = batch.codes == PAD
    source = torch.where(is_pad, _position(batch), source)
    shape, device = batch.codes.shape, batch.codes.device
    random = torch.randint(0, 4, shape, generator=generator, device=device, dtype=torch.uint8)
    is_new = source == NEW

    def taken(values: Tensor) -> Tensor:
        values = values.gather(1, source.clamp(min=0))
        if is_complement is not None:
            values = torch.where(is_complement, complement(values), values)
        return torch.where(is_new, random, values)

    origin = batch.source.gather(1, source.clamp(min=0)).masked_fill(is_new, NEW)
    return Augmented(taken(batch.codes), taken(batch.targets), origin)
