"""Write a simulated genome: FASTA, annotation and the truth about both.

A folder with `genome.fa` (repeats in lower case, N runs at the ends and in the middle of every
chromosome), `annotation.tsv` (0-based, half open; columns chrom, start, end, strand, kind, name,
where a motif instance has the name of the window it lies in) and `truth.json` (label, seed,
settings, splits).

The last chromosome is for testing, the one before it for validation, the others for training;
their lengths give the tasks about 1,800 + 300 + 600 windows at the default length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dnastudents.benchmarks.simulator import features as make
from dnastudents.benchmarks.simulator.background import Codes, backgrounds
from dnastudents.benchmarks.simulator.elements import Species
from dnastudents.benchmarks.simulator.options import SimulatorOptions
from dnastudents.files import atomic_directory, write_json
from dnastudents.provenance import FILE, write_provenance
from dnastudents.randomness import numpy_generator
from dnastudents.settings import parse

LETTERS = np.frombuffer(b"ACGTN", dtype=np.uint8)
LINE = 60
ANNOTATION_COLUMNS = ["chrom", "start", "end", "strand", "kind", "name"]


def simulate(output: str | Path, settings: SimulatorOptions | Mapping[str, Any]) -> dict[str, Any]:
    """Write a simulated genome.

    Parameters
    ----------
    output : path
        Folder to write; it is complete or absent.
    settings : SimulatorOptions or mapping
        Seed, length and number of chromosomes.

    Returns
    -------
    dict
        What `truth.json` holds.

    Raises
    ------
    InputError
        A setting is out of range.
    """
    options: SimulatorOptions = parse(SimulatorOptions, settings, "simulate")
    seed, lengths = options.seed, options.lengths
    world = numpy_generator(seed, "simulator world")
    species, families = backgrounds(world), make.repeat_families(world)
    rows: list[tuple[str, int, int, str, str, str]] = []
    with atomic_directory(output, "truth.json", "genome.fa*", "annotation.tsv", FILE) as folder:
        with (folder / "genome.fa").open("wb") as fasta:
            for index, (name, bases) in enumerate(lengths.items()):
                generator = numpy_generator(seed, "simulator chromosome", index)
                chromosome = _chromosome(species, families, bases, generator)
                _write_record(fasta, name, chromosome)
                rows += chromosome.annotation(name)
        annotation = pd.DataFrame(rows, columns=ANNOTATION_COLUMNS)
        annotation.to_csv(folder / "annotation.tsv", sep="\t", index=False)
        truth = _truth(seed, lengths, annotation)
        write_json(folder / "truth.json", truth)
        write_provenance(folder)
    return truth


def split_chromosomes(names: list[str]) -> dict[str, list[str]]:
    """Return which chromosomes serve which split."""
    return {"train": names[:-2], "dev": names[-2:-1], "test": names[-1:]}


@dataclass
class _Chromosome:
    codes: Codes
    soft_mask: NDArray[np.bool_]
    features: list[tuple[int, make.Feature]]

    def annotation(self, chrom: str) -> list[tuple[str, int, int, str, str, str]]:
        """Return one row a feature and one a motif instance, in the order of the chromosome."""
        rows = []
        for number, (start, feature) in enumerate(self.features, 1):
            end = start + len(feature.codes)
            name = f"{feature.kind}_{chrom}_{number}"
            rows.append((chrom, start, end, feature.strand, feature.kind, name))
            for kind, offset, width in sorted(feature.parts, key=lambda part: part[1]):
                at = end - offset - width if feature.strand == "-" else start + offset
                rows.append((chrom, at, at + width, feature.strand, kind, name))
        return rows


def _chromosome(
    species: Species, families: dict[str, Codes], length: int, generator: np.random.Generator
) -> _Chromosome:
    """Draw a background with all features at random positions; N runs at both ends and between."""
    inner = [
        *make.elements(species, length, generator),
        *make.repeats(families, length, generator),
        *make.tandem_repeats(length, generator),
        *make.cpg_islands(species, length, generator),
        make.gap(round(make.GAP_SHARE * length)),
    ]
    order = generator.permutation(len(inner))
    features = [make.gap(make.TELOMERE), *(inner[i] for i in order), make.gap(make.TELOMERE)]
    free = length - sum(len(feature.codes) for feature in features)
    spaces = generator.multinomial(free, np.full(len(features) - 1, 1 / (len(features) - 1)))
    streams = species["host"].sample(-(-length // 1000), 1000, generator)
    codes = streams.ravel()[:length]
    soft_mask = np.zeros(length, dtype=bool)
    placed, start = [], 0
    for feature, space in zip(features, [*spaces.tolist(), 0], strict=True):
        end = start + len(feature.codes)
        codes[start:end] = feature.forward()
        soft_mask[start:end] = feature.soft_masked
        placed.append((start, feature))
        start = end + space
    return _Chromosome(codes, soft_mask, placed)


def _write_record(fasta: BinaryIO, name: str, chromosome: _Chromosome) -> None:
    letters = LETTERS[chromosome.codes]
    letters[chromosome.soft_mask] |= 0x20  # lower case
    text = letters.tobytes()
    fasta.write(f">{name}\n".encode())
    fasta.writelines(text[start : start + LINE] + b"\n" for start in range(0, len(text), LINE))


def _truth(seed: int, lengths: dict[str, int], annotation: pd.DataFrame) -> dict[str, Any]:
    return {
        "label": "simulated",
        "note": "a random genome with planted elements; it says nothing about biology",
        "seed": seed,
        "settings": {"length": sum(lengths.values()), "chromosomes": len(lengths)},
        "chromosomes": lengths,
        "splits": split_chromosomes(list(lengths)),
        "kinds": annotation["kind"].value_counts().sort_index().to_dict(),
    }
