"""The augmentations by name, and what each may be set to; `genome.augment` has the functions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dnastudents.registry import Registry
from dnastudents.settings import Settings, Share


class AugmentationOptions(Settings):
    """What every augmentation has; `name` is that of its function."""

    name: str


AUGMENTATIONS: Registry[AugmentationOptions] = Registry("augmentation", "name")


class _UpTo(AugmentationOptions):
    most: int = Field(20, ge=0, description="Bases, at most.")


@AUGMENTATIONS.add
class Translocation(_UpTo):
    """Rotate each row to either side."""

    name: Literal["translocation"]


@AUGMENTATIONS.add
class Deletion(_UpTo):
    """Delete bases anywhere; random ones at the ends keep the length."""

    name: Literal["deletion"]


@AUGMENTATIONS.add
class Insertion(_UpTo):
    """Insert random bases anywhere."""

    name: Literal["insertion"]


@AUGMENTATIONS.add
class Inversion(_UpTo):
    """Replace bases anywhere by their reverse complement."""

    name: Literal["inversion"]


@AUGMENTATIONS.add
class ReverseComplement(AugmentationOptions):
    """Read rows from the other strand."""

    name: Literal["reverse_complement"]
    probability: Share = Field(0.5, description="Of each row.")


@AUGMENTATIONS.add
class Mutation(AugmentationOptions):
    """Exchange known bases for others; targets keep the old."""

    name: Literal["mutation"]
    rate: Share = Field(0.05, description="Of each base.")
