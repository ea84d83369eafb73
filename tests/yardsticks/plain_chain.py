"""The yardsticks on strings, one base at a time; `?` is a base that is not seen."""

from __future__ import annotations

import math
from functools import cache
from itertools import groupby, product


class PlainChain:
    """The interpolated chain of some sequences of letters, any of which but ACGT ends a k-mer."""

    def __init__(self, sequences: list[str], order: int) -> None:
        self.sequences, self.order = sequences, order
        self.left, self.right = cache(self._left), cache(self._right)

    @cache  # noqa: B019 a test's chain lives as long as the test
    def count(self, word: str) -> int:
        return sum(
            text[start : start + len(word)] == word
            for text in self.sequences
            for start in range(len(text))
        )

    def _left(self, base: str, context: str) -> float:
        shorter = self.left(base, context[1:]) if context else 0.25
        return self._mix(base, [context + other for other in "ACGT"], context + base, shorter)

    def _right(self, base: str, context: str) -> float:
        shorter = self.right(base, context[:-1]) if context else 0.25
        return self._mix(base, [other + context for other in "ACGT"], base + context, shorter)

    def _mix(self, base: str, words: list[str], word: str, shorter: float) -> float:
        counts = [self.count(each) for each in words]
        different = sum(count > 0 for count in counts)
        if not different:
            return shorter
        return (self.count(word) + different * shorter) / (sum(counts) + different)

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
