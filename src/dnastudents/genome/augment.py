"""Augmentations of DNA, batched on the device of the batch and drawn anew at every call.

An augmentation moves bases and changes bases, and the two are kept apart. `View.codes` is what a
model sees; `View.targets` is the true base at each place, moved and complemented like the codes but
never mutated; `View.source` says where each base came from and which ones are random, so that
masks and labels follow. Augmentations therefore chain. They keep the number of bases of every row,
and padding stays on the right.

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
class View:
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
    def of(cls, codes: Tensor) -> View:
        """The batch as it is."""
        source = torch.arange(codes.shape[1], device=codes.device).expand(codes.shape)
        return cls(codes, codes, source)

    @property
    def lengths(self) -> Tensor:
        """Bases of each row, int64 (B, 1)."""
        return (self.codes != PAD).sum(1, keepdim=True)


Augmentation = Callable[[View, torch.Generator], View]


def translocation(view: View, generator: torch.Generator, most: int) -> View:
    """Rotate each row by up to `most` bases to either side."""
    shift = _integers(view, generator, -most, most)
    return _take(view, generator, (_position(view) - shift) % view.lengths.clamp(min=1))


def deletion(view: View, generator: torch.Generator, most: int) -> View:
    """Delete up to `most` bases anywhere; random bases, half at each end, keep the length."""
    size = _integers(view, generator, 0, most).minimum(view.lengths)
    begin = _below(view.lengths - size + 1, generator)
    kept = _position(view) - size // 2
    source = torch.where(kept < begin, kept, kept + size)
    is_new = (kept < 0) | (source >= view.lengths)
    return _take(view, generator, source.masked_fill(is_new, NEW))


def insertion(view: View, generator: torch.Generator, most: int) -> View:
    """Insert up to `most` random bases anywhere; what passes the end of the row is lost."""
    size = _integers(view, generator, 0, most)
    begin = _below(view.lengths + 1, generator)
    position = _position(view)
    source = torch.where(position < begin, position, position - size)
    is_new = (position >= begin) & (position < begin + size)
    return _take(view, generator, source.masked_fill(is_new, NEW))


def inversion(view: View, generator: torch.Generator, most: int) -> View:
    """Replace up to `most` bases anywhere by their reverse complement."""
    size = _integers(view, generator, 0, most).minimum(view.lengths)
    begin = _below(view.lengths - size + 1, generator)
    position = _position(view)
    inside = (position >= begin) & (position < begin + size)
    source = torch.where(inside, 2 * begin + size - 1 - position, position)
    return _take(view, generator, source, inside)


def reverse_complement(view: View, generator: torch.Generator, probability: float) -> View:
    """Read each row from the other strand with `probability`."""
    draws = torch.rand(len(view.codes), 1, generator=generator, device=view.codes.device)
    position = _position(view)
    flipped = (draws < probability).expand(view.codes.shape)
    source = torch.where(flipped, view.lengths - 1 - position, position)
    return _take(view, generator, source, flipped)


def mutation(view: View, generator: torch.Generator, rate: float) -> View:
    """Exchange each known base for another one with probability `rate`; targets keep the old."""
    shape, device = view.codes.shape, view.codes.device
    draws = torch.rand(shape, generator=generator, device=device)
    step = torch.randint(1, 4, shape, generator=generator, device=device, dtype=torch.uint8)
    changed = (draws < rate) & (view.codes < N)
    codes = torch.where(changed, (view.codes + step) % 4, view.codes)
    return View(codes, view.targets, view.source)


def noise(shape: tuple[int, ...], generator: torch.Generator, scale: float = 0.2) -> Tensor:
    """Gaussian noise of standard deviation `scale`, to be added to a model's input channels."""
    return scale * torch.randn(shape, generator=generator, device=generator.device)


FUNCTIONS: dict[str, Callable[..., View]] = {
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
        (View, torch.Generator) to View, to be called as `augment(View.of(codes), generator)`.

    Raises
    ------
    InputError
        An unknown name or option.
    """
    chain = [
        partial(FUNCTIONS[options.name], **options.model_dump(exclude={"name"}))
        for options in map(AUGMENTATIONS.parse, settings)
    ]

    def augment(view: View, generator: torch.Generator) -> View:
        for step in chain:
            view = step(view, generator)
        return view

    return augment


def _position(view: View) -> Tensor:
    return torch.arange(view.codes.shape[1], device=view.codes.device).expand(view.codes.shape)


def _integers(view: View, generator: torch.Generator, low: int, high: int) -> Tensor:
    """One integer in low .. high for each row, int64 (B, 1)."""
    shape, device = (len(view.codes), 1), view.codes.device
    return torch.randint(low, high + 1, shape, generator=generator, device=device)


def _below(count: Tensor, generator: torch.Generator) -> Tensor:
    """One integer in 0 .. count - 1 for each row, int64 (B, 1)."""
    draws = torch.rand(count.shape, generator=generator, device=count.device, dtype=torch.float64)
    return (draws * count).long()


def _take(
    view: View,
    generator: torch.Generator,
    source: Tensor,
    is_complement: Tensor | None = None,
) -> View:
    """Build every row from the columns `source` of (B, L); -1 takes a random base.

    Padding stays where it is, whatever `source` says there.
    """
    is_pad = view.codes == PAD
    source = torch.where(is_pad, _position(view), source)
    shape, device = view.codes.shape, view.codes.device
    random = torch.randint(0, 4, shape, generator=generator, device=device, dtype=torch.uint8)
    is_new = source == NEW

    def taken(values: Tensor) -> Tensor:
        values = values.gather(1, source.clamp(min=0))
        if is_complement is not None:
            values = torch.where(is_complement, complement(values), values)
        return torch.where(is_new, random, values)

    origin = view.source.gather(1, source.clamp(min=0)).masked_fill(is_new, NEW)
    return View(taken(view.codes), taken(view.targets), origin)
