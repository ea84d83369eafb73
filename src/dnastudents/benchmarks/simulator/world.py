"""The world of a simulated genome: a lexicon of words, a grammar, and the text written with them.

A chromosome is passages between stretches of random bases. A passage is a chain of words of the
lexicon: each word has likely successors, is copied with substitutions, and is followed by a spacer
of random bases whose length is its own within two bases. Half of the passages are on the other
strand. So what a window hides can be told from what it shows, by a reader who knows the words, the
order and the spacing; `oracle` is that reader.

Every length of passage and stretch is geometric and the grammar is doubly stochastic, so a passage
read from the other strand is of the same kind, and the text is a hidden Markov chain; but for the
first word of a passage, which follows the last of the passage before, and `oracle` does not know.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dnastudents.genome.codes import reverse_complement
from dnastudents.randomness import numpy_generator

Codes = NDArray[np.uint8]
Index = NDArray[np.int64]
WORDS = 4
WORD_LENGTH = 16
SUBSTITUTIONS = 0.03  # of a word's bases, in every copy
# Steps around a circle of all words to the next one; what is left goes to any word.
LIKELY_STEPS = {1: 0.6, 3: 0.3}
SPACERS = 3  # spacers of a word have its shortest length, one base more, or two
SHORTEST_SPACERS = (1, 2, 3, 4)
WORDS_OF_PASSAGE = 40  # mean
BASES_BETWEEN = 60  # mean


@dataclass(frozen=True)
class World:
    """What all chromosomes of a simulated genome share.

    Parameters
    ----------
    lexicon : (words, length) uint8 array
        Codes of each word.
    grammar : (words, words) array
        Probability of the next word (column) after a word (row); rows and columns add up to 1.
    spacing : (words,) int array
        Shortest spacer after each word, in bases.
    """

    lexicon: Codes
    grammar: NDArray[np.float64]
    spacing: Index


@dataclass(frozen=True)
class Text:
    """A chromosome without gaps, and where its words are.

    Attributes
    ----------
    codes : (length,) uint8 array
    between : (length,) bool array
        Bases outside of passages.
    start, word : (copies,) int arrays
        First base of each copy of a word, and which word; in the order of the passages.
    reverse : (copies,) bool array
        Whether the copy is on the other strand.
    passage : (passages, 3) int array
        Start, end (half open) and strand (1: the other one).
    """

    codes: Codes
    between: NDArray[np.bool_]
    start: Index
    word: Index
    reverse: NDArray[np.bool_]
    passage: Index


def make_world(seed: int) -> World:
    """Draw lexicon, grammar and spacing of a seed."""
    generator = numpy_generator(seed, "simulator world")
    lexicon = generator.integers(4, size=(WORDS, WORD_LENGTH), dtype=np.uint8)
    circle = generator.permutation(WORDS)
    grammar = np.full((WORDS, WORDS), (1 - sum(LIKELY_STEPS.values())) / WORDS)
    for step, probability in LIKELY_STEPS.items():
        grammar[circle, np.roll(circle, -step)] += probability
    return World(lexicon, grammar, generator.choice(SHORTEST_SPACERS, size=WORDS))


def write_text(world: World, length: int, generator: np.random.Generator) -> Text:
    """Write `length` bases."""
    width = world.lexicon.shape[1]
    most = length // width + 1  # more than fit: spacers are longer than nothing
    word = _chain(world.grammar, most, generator)
    last = generator.random(most) < 1 / WORDS_OF_PASSAGE
    spacer = world.spacing[word] + generator.integers(SPACERS, size=most)
    between = generator.geometric(1 / BASES_BETWEEN, size=most)
    ends = np.cumsum(width + np.where(last, between, spacer))
    start = np.concatenate([[0], ends[:-1]])
    kept = int(np.searchsorted(start, length - width, side="right"))
    start, word, last = start[:kept], word[:kept], last[:kept]
    last[-1] = True  # the chromosome ends

    number = np.cumsum(last) - last  # of the passage that a word is in
    end = start[last] + width
    begin = start[np.concatenate([[0], np.flatnonzero(last)[:-1] + 1])]
    turned = generator.random(len(end)) < 0.5
    reverse = turned[number]
    start = np.where(reverse, begin[number] + end[number] - start - width, start)

    codes = generator.integers(4, size=length, dtype=np.uint8)
    copies = substituted(world.lexicon[word], SUBSTITUTIONS, generator)
    copies = np.where(reverse[:, None], reverse_complement(copies), copies)
    codes[start[:, None] + np.arange(width)] = copies
    inside = np.zeros(length + 1, dtype=np.int64)
    inside[begin] += 1
    inside[end] -= 1
    outside = np.cumsum(inside[:-1]) == 0
    passage = np.stack([begin, end, turned.astype(np.int64)], axis=1)
    return Text(codes, outside, start, word, reverse, passage)


def substituted(bases: Codes, rate: float, generator: np.random.Generator) -> Codes:
    """Replace each base by another one with probability `rate`."""
    shift = generator.integers(1, 4, size=bases.shape, dtype=np.uint8)
    hit = generator.random(bases.shape) < rate
    return np.where(hit, (bases + shift) % 4, bases).astype(np.uint8)


def _chain(grammar: NDArray[np.float64], length: int, generator: np.random.Generator) -> Index:
    """Draw a chain of words from its stationary regime, in which all words are as frequent."""
    cumulative = np.cumsum(grammar, axis=1)
    cumulative[:, -1] = 1.0
    # Where each word would go at each place, found at once; then one is followed.
    draws = generator.random(length)
    after = np.stack([np.searchsorted(row, draws, side="right") for row in cumulative], axis=1)
    follow, word, chain = after.tolist(), int(generator.integers(len(grammar))), []
    for options in follow:
        chain.append(word)
        word = options[word]
    return np.array(chain)
