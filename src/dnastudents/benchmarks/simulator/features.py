"""What stands in a simulated chromosome: planted windows, repeats, CpG islands and gaps.

A feature is a short sequence with a kind and a strand. A chromosome is background with features
put in at random, none touching another, so every base of the annotation is what it says.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dnastudents.benchmarks.simulator.background import Codes
from dnastudents.benchmarks.simulator.elements import ELEMENTS, Species, Windows
from dnastudents.genome.codes import N, reverse_complement

# Windows of every kind in a million bases: 1,350 in the demo's 2.4 Mb for the tasks of two classes.
WINDOWS_PER_MB = {"promoter": 562, "splice_site": 375, "enhancer": 562, "species": 562}
REPEAT_FAMILIES = 6
REPEAT_SHARE = 0.08
TANDEM_REPEATS_PER_MB = 90
CPG_ISLANDS_PER_MB = 50
TELOMERE = 1000
GAP_SHARE = 0.01


@dataclass
class Feature:
    """A stretch of a chromosome.

    Attributes
    ----------
    kind : str
    codes : (length,) uint8 array
        Read on `strand`.
    strand : "+", "-" or "."
    soft_masked : bool
    parts : list of (kind, offset, width)
        Motif instances inside, counted on `strand`.
    """

    kind: str
    codes: Codes
    strand: str = "."
    soft_masked: bool = False
    parts: list[tuple[str, int, int]] = field(default_factory=list)

    def forward(self) -> Codes:
        """Return the bases as they stand on the forward strand."""
        return reverse_complement(self.codes) if self.strand == "-" else self.codes


def elements(species: Species, length: int, generator: np.random.Generator) -> list[Feature]:
    """Draw the windows of all tasks for a chromosome of `length` bases, on random strands."""
    features = []
    for task, plant in ELEMENTS.items():
        rows = max(2, round(WINDOWS_PER_MB[task] * length / 1e6))
        for kind, windows in plant(species, rows, generator).items():
            features += _as_features(kind, windows, generator)
    return features


def _as_features(kind: str, windows: Windows, generator: np.random.Generator) -> list[Feature]:
    strands = generator.choice(["+", "-"], size=len(windows.codes))
    features = [Feature(kind, c, str(s)) for c, s in zip(windows.codes, strands, strict=True)]
    for one in windows.instances:
        name = f"{one.motif.name}_shuffled" if one.shuffled else one.motif.name
        for row, offset in zip(one.rows.tolist(), one.offsets.tolist(), strict=True):
            features[row].parts.append((name, offset, one.motif.width))
    return features


def repeat_families(generator: np.random.Generator) -> dict[str, Codes]:
    """Draw the consensus of each interspersed repeat family, shared by all chromosomes."""
    widths = generator.integers(200, 700, size=REPEAT_FAMILIES)
    return {
        f"repeat_{index}": generator.integers(4, size=width, dtype=np.uint8)
        for index, width in enumerate(widths, 1)
    }


def repeats(
    families: dict[str, Codes], length: int, generator: np.random.Generator
) -> list[Feature]:
    """Draw copies of the families: cut at the 5' end, 2 to 20 % of the bases substituted."""
    features: list[Feature] = []
    missing = REPEAT_SHARE * length
    names = list(families)
    while missing > 0:
        name = names[generator.integers(len(names))]
        consensus = families[name]
        start = int(generator.integers(len(consensus) - 100)) if generator.random() < 0.5 else 0
        copy = _mutated(consensus[start:], generator.uniform(0.02, 0.2), generator)
        strand = "+" if generator.random() < 0.5 else "-"
        features.append(Feature(name, copy, strand, soft_masked=True))
        missing -= len(copy)
    return features


def tandem_repeats(length: int, generator: np.random.Generator) -> list[Feature]:
    """Draw a unit of 1 to 6 bases, 8 to 40 times over, 3 % of the bases substituted."""
    features = []
    for _ in range(round(TANDEM_REPEATS_PER_MB * length / 1e6)):
        unit = generator.integers(4, size=generator.integers(1, 7), dtype=np.uint8)
        tract = np.tile(unit, generator.integers(8, 41))
        mutated = _mutated(tract, 0.03, generator)
        features.append(Feature("tandem_repeat", mutated, soft_masked=True))
    return features


def cpg_islands(species: Species, length: int, generator: np.random.Generator) -> list[Feature]:
    """Draw islands of 300 to 1,000 bases, rich in G, C and CpG."""
    count = round(CPG_ISLANDS_PER_MB * length / 1e6)
    bases = species["cpg_island"].sample(count, 1000, generator)
    widths = generator.integers(300, 1001, size=count)
    return [Feature("cpg_island", row[:width]) for row, width in zip(bases, widths, strict=True)]


def gap(width: int) -> Feature:
    """Make a run of N."""
    return Feature("gap", np.full(width, N, dtype=np.uint8))


def _mutated(codes: Codes, rate: float, generator: np.random.Generator) -> Codes:
    """Substitute each base by another one with probability `rate`."""
    shift = generator.integers(1, 4, size=len(codes), dtype=np.uint8)
    hit = generator.random(len(codes)) < rate
    return np.where(hit, (codes + shift) % 4, codes).astype(np.uint8)
