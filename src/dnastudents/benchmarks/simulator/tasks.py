"""Tasks with few labels about the words of a simulated genome, split by chromosome.

===========  ====================================================================================
words        a window of a passage, or one in which the bases of each word are shuffled
grammar      a window of a passage, or one in which the words have changed places
strand       a window of a passage of this strand, or of the other
lexicon      three copies of one word among random bases: which of the words
===========  ====================================================================================

Windows are as they stand in the genome, of passages of either strand. So a class differs from the
others by what the words, their order or their direction are, which pretraining can teach.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dnastudents.benchmarks.facts import DevRule
from dnastudents.benchmarks.simulator.world import WORD_LENGTH, WORDS, Codes, Index
from dnastudents.benchmarks.task import require_task, write_task
from dnastudents.files import read_json, reading, sha256
from dnastudents.genome.codes import decode, encode
from dnastudents.genome.fasta import read_fasta
from dnastudents.randomness import numpy_generator

WINDOW = 126
ROWS = {"train": 200, "dev": 200, "test": 800}  # fewer where the chromosomes are too short
COPIES = 3  # of the word in a window of `lexicon`


@dataclass(frozen=True)
class Chromosomes:
    """The chromosomes of a split, one behind the other.

    Attributes
    ----------
    codes : (bases,) uint8 array
    words : (copies, bases of a word) int array
        Where the bases of each copy are.
    word : (copies,) int array
        Which word it is.
    reverse : (copies,) bool array
        Whether it is on the other strand.
    tiles : (tiles, 2) int array
        First base and strand (1: the other one) of windows inside passages that do not overlap.
    """

    codes: Codes
    words: Index
    word: Index
    reverse: np.ndarray
    tiles: Index


Draw = Callable[[Chromosomes, int, np.random.Generator], list[Codes]]


def _words(text: Chromosomes, rows: int, generator: np.random.Generator) -> list[Codes]:
    shuffled = text.codes.copy()
    shuffled[text.words] = generator.permuted(text.codes[text.words], axis=1)
    tiles = _deal(text.tiles[:, 0], 2, rows, generator)
    return [_cut(shuffled, tiles[0]), _cut(text.codes, tiles[1])]


def _grammar(text: Chromosomes, rows: int, generator: np.random.Generator) -> list[Codes]:
    scrambled = text.codes.copy()
    for strand in (False, True):
        words = text.words[text.reverse == strand]
        scrambled[words] = text.codes[generator.permutation(words)]
    tiles = _deal(text.tiles[:, 0], 2, rows, generator)
    return [_cut(text.codes, tiles[0]), _cut(scrambled, tiles[1])]


def _strand(text: Chromosomes, rows: int, generator: np.random.Generator) -> list[Codes]:
    each = [text.tiles[text.tiles[:, 1] == strand, 0] for strand in (0, 1)]
    return [_cut(text.codes, _deal(tiles, 1, rows // 2, generator)[0]) for tiles in each]


def _lexicon(text: Chromosomes, rows: int, generator: np.random.Generator) -> list[Codes]:
    classes = []
    pitch = WINDOW // COPIES
    for word in range(WORDS):
        copies = np.flatnonzero(text.word == word)
        (dealt,) = _deal(copies, 1, rows * COPIES // WORDS, generator)
        dealt = dealt[: len(dealt) // COPIES * COPIES]
        windows = generator.integers(4, size=(len(dealt), pitch), dtype=np.uint8)
        at = generator.integers(pitch - WORD_LENGTH + 1, size=len(dealt))
        columns = at[:, None] + np.arange(WORD_LENGTH)
        windows[np.arange(len(dealt))[:, None], columns] = text.codes[text.words[dealt]]
        classes.append(windows.reshape(-1, WINDOW))
    return classes


# Class names, sorted, and what draws the windows of each.
TASKS: dict[str, tuple[tuple[str, ...], Draw]] = {
    "words": (("shuffled", "words"), _words),
    "grammar": (("grammar", "scrambled"), _grammar),
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
        words, grammar, strand or lexicon.
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
        windows = draw(_read(folder, chromosomes), ROWS[split], generator)
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


def _read(folder: Path, chromosomes: list[str]) -> Chromosomes:
    """Read some chromosomes, with words and passages of the annotation."""
    with reading(folder / "annotation.tsv"):
        table = pd.read_csv(folder / "annotation.tsv", sep="\t")
    genome = {name: encode(letters) for name, letters in _records(folder / "genome.fa").items()}
    first = np.cumsum([0, *(len(genome[name]) for name in chromosomes)])
    offset = dict(zip(chromosomes, first.tolist(), strict=False))
    table = table[table["chrom"].isin(chromosomes)]
    table = table.assign(
        start=table["start"] + table["chrom"].map(offset),
        end=table["end"] + table["chrom"].map(offset),
        reverse=table["strand"] == "-",
    )
    words = table[table["kind"].str.startswith("word_")]
    passages = table[table["kind"] == "passage"]
    tiles = [
        (start, int(reverse))
        for begin, end, reverse in passages[["start", "end", "reverse"]].itertuples(index=False)
        for start in range(begin, end - WINDOW + 1, WINDOW)
    ]
    return Chromosomes(
        codes=np.concatenate([genome[name] for name in chromosomes]),
        words=words["start"].to_numpy()[:, None] + np.arange(WORD_LENGTH),
        word=words["kind"].str.removeprefix("word_").astype(int).to_numpy() - 1,
        reverse=words["reverse"].to_numpy(),
        tiles=np.array(tiles),
    )


def _records(path: Path) -> dict[str, bytes]:
    pieces: dict[str, list[bytes]] = {}
    for name, letters in read_fasta(path):
        pieces.setdefault(name, []).append(letters)
    return {name: b"".join(parts) for name, parts in pieces.items()}


def _deal(items: Index, classes: int, rows: int, generator: np.random.Generator) -> list[Index]:
    """Draw `rows` of the items, fewer where there are fewer, and share them among the classes."""
    each = min(rows, len(items)) // classes
    return list(generator.permutation(items)[: each * classes].reshape(classes, each))


def _cut(codes: Codes, starts: Index) -> Codes:
    return codes[starts[:, None] + np.arange(WINDOW)]
