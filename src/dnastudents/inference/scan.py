"""Predictions of a classifier along a genome, as a bedGraph.

Windows slide over each sequence; the probability of a window stands at the bases around its middle,
as many as the windows' step, so that values do not overlap.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dnastudents.errors import InputError, nearest
from dnastudents.files import atomic_file, check_file
from dnastudents.genome.codes import N
from dnastudents.genome.intervals import is_passed_over
from dnastudents.inference.genome_file import GenomeFile
from dnastudents.inference.inputs import read_text
from dnastudents.inference.predict import Classifier

TRACK = b"track type=bedGraph"

logger = logging.getLogger(__name__)

Region = tuple[str, int, int]


def scan(
    model: Path,
    fasta: Path,
    output: Path | None = None,
    *,
    bed: Path | None = None,
    class_name: str | None = None,
    window: int | None = None,
    step: int | None = None,
    batch_size: int = 64,
) -> None:
    """Write the probability of a class along a genome.

    Parameters
    ----------
    model : Path
        Folder of a classifier.
    fasta : Path
        Plain, or compressed with bgzip.
    output : Path, optional
        Gets a bedGraph: sequence, start, end, probability. Default is standard output.
    bed : Path, optional
        Regions to scan. Default is all of the genome.
    class_name : str, optional
        Default is the last class.
    window : int, optional
        Bases that are classified together. Default is the longest sequence that the classifier was
        trained on.
    step : int, optional
        Bases from one window to the next. Default is a quarter of the window.
    batch_size : int
        Default is 64.

    Raises
    ------
    InputError
        Bad input, an unknown class, or a region outside of the genome.
    """
    if output is not None:
        check_file(output, TRACK)
    classifier = Classifier(model, batch_size)
    names = classifier.class_names
    class_name = class_name or names[-1]
    if class_name not in names:
        raise InputError(
            f"--class: {model} has no class {class_name!r}; {nearest(class_name, names)}"
        )
    window = classifier.window(window, classifier.network.config.trained_length)
    step = step or max(1, window // 4)
    with GenomeFile(fasta) as genome:
        regions = _regions(bed, genome) if bed else [(n, 0, m) for n, m in genome.lengths.items()]
        lines = _lines(classifier, genome, regions, names.index(class_name), window, step)
        if output is None:
            sys.stdout.writelines(lines)
            return
        with atomic_file(output, TRACK) as partial, partial.open("w", encoding="utf-8") as handle:
            handle.write(f'track type=bedGraph name="{class_name}"\n')
            handle.writelines(lines)


def _regions(bed: Path, genome: GenomeFile) -> list[Region]:
    regions = []
    for number, text in read_text(bed):
        if is_passed_over(text):
            continue
        fields = text.split()
        where = f"{bed}: line {number}"
        if len(fields) < 3 or not (fields[1].isdecimal() and fields[2].isdecimal()):
            raise InputError(f"{where}: not a region; give sequence, start and end")
        name, start, end = fields[0], int(fields[1]), int(fields[2])
        if not 0 <= start < end <= genome.length(name, where):
            raise InputError(
                f"{where}: {start}-{end} is not a region of {name}, which has "
                f"{genome.lengths[name]:,} bases"
            )
        regions.append((name, start, end))
    if not regions:
        raise InputError(f"{bed}: no region in it; give sequence, start and end, a line each")
    return regions


def _lines(
    classifier: Classifier,
    genome: GenomeFile,
    regions: list[Region],
    number: int,
    window: int,
    step: int,
) -> Iterator[str]:
    pieces = (
        (place, codes)
        for region in regions
        for place, codes in _windows(genome, region, window, step)
    )
    for (name, start, end), row in classifier.over(pieces, classifier.probabilities):
        yield f"{name}\t{start}\t{end}\t{row[number]:.6g}\n"


def _windows(
    genome: GenomeFile, region: Region, window: int, step: int
) -> Iterator[tuple[Region, np.ndarray]]:
    """Yield the bases a value stands for, and the codes of the window around them.

    Windows at the ends of a sequence are moved inside; those without any known base are left out.
    """
    name, first, last = region
    length = genome.lengths[name]
    for start in range(first, last, step):
        end = min(start + step, last)
        left = max(0, min((start + end - window) // 2, length - window))
        codes = genome.codes(name, left, min(left + window, length))
        if (codes < N).any():
            yield (name, start, end), codes
