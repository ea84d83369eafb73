"""The yardsticks on strings, one base at a time; `?` is a base that is not seen."""

from __future__ import annotations

import math
from functools import cache
from itertools import groupby, product


class PlainChain:
    """The interpolated chain of some sequences of letters, any of which but ACGT ends a k-mer."""

    strengths = tuple(4.0**n for n in range(8))

    def __init__(self, sequences: list[str], order: int) -> None:
        self.sequences, self.order = sequences, order
        self.left, self.right = cache(self._left), cache(self._right)
        self.strength = cache(self._fit)

    @cache  # noqa: B019 a test's chain lives as long as the test
    def count(self, word: str) -> int:
        return sum(
            text[start : start + len(word)] == word
            for text in self.sequences
            for start in range(len(text))
        )

    def _left(self, base: str, context: str) -> float:
        shorter = self.left(base, context[1:]) if context else 0.25
        words = [context + other for other in "ACGT"]
        strength = self.strength(len(context), True)
        return self._mix(context + base, words, shorter, strength)

    def _right(self, base: str, context: str) -> float:
        shorter = self.right(base, context[:-1]) if context else 0.25
        words = [other + context for other in "ACGT"]
        strength = self.strength(len(context), False)
        return self._mix(base + context, words, shorter, strength)

    def _mix(
        self, word: str, words: list[str], shorter: float, s: float, left_out: int = 0
    ) -> float:
        total = sum(map(self.count, words)) - left_out
        return (self.count(word) - left_out + s * shorter) / (total + s)

    def _fit(self, n: int, from_left: bool) -> float:
        """The strength of contexts of n bases under which bases, each left out, are likeliest."""

        def likelihood(s: float) -> float:
            total = 0.0
            for context in map("".join, product("ACGT", repeat=n)):
                words = [context + x if from_left else x + context for x in "ACGT"]
                for base, word in zip("ACGT", words, strict=True):
                    if from_left:
                        shorter = self.left(base, context[1:]) if n else 0.25
                    else:
                        shorter = self.right(base, context[:-1]) if n else 0.25
                    if count := self.count(word):
                        total += count * math.log(self._mix(word, words, shorter, s, 1))
            return total

        return max(self.strengths, key=likelihood)

    def from_left(self, stretch: str, context: str) -> float:
        value = 1.0
        for base in stretch:
            value *= self.left(base, context[-self.order :] if context else "")
            context += base
        return value

    def from_right(self, stretch: str, context: str) -> float:
        value = 1.0
        for base in reversed(stretch):
            value *= self.right(base, context[: self.order])
            context = base + context
        return value

    def between(self, stretch: str, left: str, right: str) -> float:
        def score(each: str) -> float:
            ratio = self.from_right(each, right) / self.from_right(each, "")
            return self.from_left(each, left) * ratio

        return score(stretch) / sum(score("".join(x)) for x in product("ACGT", repeat=len(stretch)))

    def loss(self, seen: str, true: str, start: int, end: int) -> float:
        """Of the token [start, end) of `true`, of which a reader has what `seen` shows."""
        total, place = 0.0, start
        for unknown, run in groupby(seen[start:end], key=lambda letter: letter == "?"):
            stop = place + len(list(run))
            if unknown:
                left = seen[:place].split("?")[-1][-self.order :]
                right = seen[stop:].split("?")[0][: self.order]
                total -= math.log(self.between(true[place:stop], left, right))
            place = stop
        return total
