"""Tasks with few labels about the words of a simulated genome, split by chromosome.

Each window is random bases with one copy of a word, at a random place.

===========  ====================================================================================
words        a copy, or one whose bases are shuffled
relics       the same of copies with another tenth of their bases substituted
strand       a copy on this strand, or one on the other
lexicon      which of the words it is
===========  ====================================================================================

Copies are as they stand in the genome, on either strand. So classes differ in what unlabelled
sequence teaches: which words there are, and what belongs to one. Who knows the words answers at
least 99 of 100 windows, and 95 of 100 relics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dnastudents.benchmarks.facts import DevRule
from dnastudents.benchmarks.simulator.world import WORD_LENGTH, WORDS, Codes, Index, substituted
from dnastudents.benchmarks.task import require_task, write_task
from dnastudents.files import read_json, reading, sha256
from dnastudents.genome.codes import decode, encode
from dnastudents.genome.fasta import read_fasta
from dnastudents.randomness import numpy_generator

WINDOW = 64
ROWS = {"train": 96, "dev": 64, "test": 640}  # fewer where the chromosomes are too short
WORN = 0.1  # of the bases of a relic


@dataclass(frozen=True)
class Copies:
    """The copies of words in the chromosomes of a split.

    Attributes
    ----------
    bases : (copies, bases of a word) uint8 array
        Codes on the forward strand.
    word : (copies,) int array
        Which word it is.
    reverse : (copies,) bool array
        Whether it is on the other strand.
    """

    bases: Codes
    word: Index
    reverse: NDArray[np.bool_]

    def draw(self, chosen: NDArray[np.bool_], rows: int, generator: np.random.Generator) -> Codes:
        """Draw `rows` of the chosen copies, or all where there are fewer."""
        return self.bases[generator.permutation(np.flatnonzero(chosen))[:rows]]


Draw = Callable[[Copies, int, np.random.Generator], list[Codes]]


def _words(copies: Copies, rows: int, generator: np.random.Generator) -> list[Codes]:
    every = np.ones(len(copies.word), dtype=bool)
    drawn = copies.draw(every, rows, generator)
    half = len(drawn) // 2
    return [generator.permuted(drawn[:half], axis=1), drawn[half : 2 * half]]


def _relics(copies: Copies, rows: int, generator: np.random.Generator) -> list[Codes]:
    shuffled, words = _words(copies, rows, generator)
    return [substituted(words, WORN, generator), shuffled]


def _strand(copies: Copies, rows: int, generator: np.random.Generator) -> list[Codes]:
    either = (~copies.reverse, copies.reverse)
    return [copies.draw(chosen, rows // 2, generator) for chosen in either]


def _lexicon(copies: Copies, rows: int, generator: np.random.Generator) -> list[Codes]:
    return [copies.draw(copies.word == word, rows // WORDS, generator) for word in range(WORDS)]


# Class names, sorted, and what draws the copies of each.
TASKS: dict[str, tuple[tuple[str, ...], Draw]] = {
    "words": (("shuffled", "words"), _words),
    "relics": (("relics", "shuffled"), _relics),
    "strand": (("forward", "reverse"), _strand),
    "lexicon": (tuple(f"word_{number}" for number in range(1, WORDS + 1)), _lexicon),
}


def simulate_tasks(
    folder: str | Path, task: str, output: str | Path, leakage: str = "report"
) -> None:
    """Write one task folder.

    Parameters
    ----------
    folder : path
        What `simulate` wrote: genome.fa, annotation.tsv, truth.json.
    task : str
        words, relics, strand or lexicon.
    output : path
        The task folder.
    leakage : {'report', 'remove'}
        See `benchmarks.protocol`. Default is "report".

    Raises
    ------
    InputError
        For an unknown task or a folder that is not a simulated genome.
    """
    require_task("simulated", task, TASKS)
    folder = Path(folder)
    truth = read_json(folder / "truth.json")
    classes, draw = TASKS[task]
    splits = {}
    for number, (split, chromosomes) in enumerate(truth["splits"].items()):
        generator = numpy_generator(truth["seed"], f"simulator task {task}", number)
        copies = draw(_read(folder, chromosomes), ROWS[split], generator)
        windows = [_planted(bases, generator) for bases in copies]
        splits[split] = pd.DataFrame(
            {
                "sequence": [decode(row) for rows in windows for row in rows],
                "label": np.repeat(np.arange(len(classes)), [len(rows) for rows in windows]),
            }
        )
    write_task(
        output,
        "simulated",
        task,
        splits,
        classes,
        "accuracy",
        source=f"simulated genome, seed {truth['seed']}",
        licence="MIT",
        sha256=sha256(folder / "genome.fa"),
        simulated=True,
        dev_rule=DevRule(origin="split", chromosomes=tuple(truth["splits"]["dev"])),
        leakage=leakage,
    )


def _planted(copies: Codes, generator: np.random.Generator) -> Codes:
    """Put each copy at a random place among random bases, (rows, WINDOW) codes."""
    windows = generator.integers(4, size=(len(copies), WINDOW), dtype=np.uint8)
    at = generator.integers(WINDOW - WORD_LENGTH + 1, size=len(copies))
    columns = at[:, None] + np.arange(WORD_LENGTH)
    windows[np.arange(len(copies))[:, None], columns] = copies
    return windows


def _read(folder: Path, chromosomes: list[str]) -> Copies:
    """Cut the annotated words out of some chromosomes."""
    with reading(folder / "annotation.tsv"):
        table = pd.read_csv(folder / "annotation.tsv", sep="\t")
    words = table[table["kind"].str.startswith("word_") & table["chrom"].isin(chromosomes)]
    genome = _genome(folder / "genome.fa")
    places = (words[column].tolist() for column in ("chrom", "start", "end"))
    bases = [genome[chrom][start:end] for chrom, start, end in zip(*places, strict=True)]
    return Copies(
        bases=encode(b"".join(bases)).reshape(-1, WORD_LENGTH),
        word=words["kind"].str.removeprefix("word_").to_numpy(np.int64) - 1,
        reverse=(words["strand"] == "-").to_numpy(),
    )


def _genome(path: Path) -> dict[str, bytes]:
    pieces: dict[str, list[bytes]] = {}
    for name, letters in read_fasta(path):
        pieces.setdefault(name, []).append(letters)
    return {name: b"".join(parts) for name, parts in pieces.items()}
