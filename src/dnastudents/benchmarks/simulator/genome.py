"""Write a simulated genome: FASTA, annotation and the truth about both.

A folder with `genome.fa` (bases outside of passages in lower case, N runs at the ends and in the
middle of every chromosome), `annotation.tsv` (0-based, half open; columns chrom, start, end,
strand, kind, name, where a word has the name of the passage that it lies in) and `truth.json`
(label, seed, settings, splits, lexicon, grammar and spacing).

The last chromosome is for testing, the one before it for validation, the others for training.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from dnastudents.benchmarks.simulator.options import SimulatorOptions
from dnastudents.benchmarks.simulator.world import (
    WORD_LENGTH,
    WORDS,
    Text,
    World,
    make_world,
    write_text,
)
from dnastudents.files import atomic_directory, write_json
from dnastudents.genome.codes import ALPHABET, N, decode
from dnastudents.provenance import FILE, write_provenance
from dnastudents.randomness import numpy_generator
from dnastudents.settings import parse

LETTERS = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)
LINE = 60
ANNOTATION_COLUMNS = ["chrom", "start", "end", "strand", "kind", "name"]
TELOMERE = 1000  # N at either end
GAP_SHARE = 0.01  # of a chromosome, N in its middle


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
    world = make_world(options.seed)
    tables = []
    with atomic_directory(output, "truth.json", "genome.fa*", "annotation.tsv", FILE) as folder:
        with (folder / "genome.fa").open("wb") as fasta:
            for index, (name, length) in enumerate(options.lengths.items()):
                generator = numpy_generator(options.seed, "simulator chromosome", index)
                text = write_text(world, length, generator)
                gaps = _gaps(length)
                _write_record(fasta, name, text, gaps)
                tables.append(_annotation(name, text, gaps))
        annotation = pd.concat(tables)
        annotation.to_csv(folder / "annotation.tsv", sep="\t", index=False)
        truth = _truth(options, world, annotation)
        write_json(folder / "truth.json", truth)
        write_provenance(folder)
    return truth


def split_chromosomes(names: list[str]) -> dict[str, list[str]]:
    """Return which chromosomes serve which split."""
    return {"train": names[:-2], "dev": names[-2:-1], "test": names[-1:]}


def _gaps(length: int) -> list[tuple[int, int]]:
    """Place the N runs of a chromosome, in order and half open."""
    middle, half = length // 2, round(GAP_SHARE * length / 2)
    return [(0, TELOMERE), (middle - half, middle + half), (length - TELOMERE, length)]


def _write_record(fasta: BinaryIO, name: str, text: Text, gaps: list[tuple[int, int]]) -> None:
    letters = LETTERS[text.codes]
    letters[text.between] |= 0x20  # lower case
    for start, end in gaps:
        letters[start:end] = LETTERS[N]
    written = letters.tobytes()
    fasta.write(f">{name}\n".encode())
    fasta.writelines(written[at : at + LINE] + b"\n" for at in range(0, len(written), LINE))


def _annotation(chrom: str, text: Text, gaps: list[tuple[int, int]]) -> pd.DataFrame:
    """List gaps, and the passages and words that no gap touches, in the order of the chromosome."""
    begin, end, turned = text.passage.T
    whole = ~np.any([(begin < stop) & (end > start) for start, stop in gaps], axis=0)
    names = np.array([f"passage_{chrom}_{number}" for number in range(1, len(begin) + 1)])
    passage = np.searchsorted(begin, text.start, side="right") - 1
    of_passage = whole[passage]
    strand = np.array(["+", "-"])
    passages = {
        "start": begin[whole],
        "end": end[whole],
        "strand": strand[turned[whole]],
        "kind": "passage",
        "name": names[whole],
    }
    words = {
        "start": text.start[of_passage],
        "end": text.start[of_passage] + WORD_LENGTH,
        "strand": strand[text.reverse[of_passage].astype(int)],
        "kind": np.array([f"word_{i}" for i in range(1, WORDS + 1)])[text.word[of_passage]],
        "name": names[passage[of_passage]],
    }
    numbered = [f"gap_{chrom}_{number}" for number in range(1, len(gaps) + 1)]
    runs = {
        "start": [start for start, _ in gaps],
        "end": [stop for _, stop in gaps],
        "strand": ".",
        "kind": "gap",
        "name": numbered,
    }
    table = pd.concat([pd.DataFrame(part) for part in (runs, passages, words)])
    table.insert(0, "chrom", chrom)
    return table.sort_values(["start", "end"], ascending=[True, False], kind="stable")


def _truth(options: SimulatorOptions, world: World, annotation: pd.DataFrame) -> dict[str, Any]:
    return {
        "label": "simulated",
        "note": "random words with a grammar; it says nothing about biology",
        "seed": options.seed,
        "settings": {"length": options.length, "chromosomes": options.chromosomes},
        "chromosomes": options.lengths,
        "splits": split_chromosomes(list(options.lengths)),
        "lexicon": [decode(word) for word in world.lexicon],
        "grammar": world.grammar.tolist(),
        "spacing": world.spacing.tolist(),
        "kinds": annotation["kind"].value_counts().sort_index().to_dict(),
    }
