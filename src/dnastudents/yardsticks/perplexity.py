"""Perplexities of plain models on the masks of a validation.

Two know the training split alone: how often each token occurs in it, and a Markov chain over its
bases (`chain`). Where the genome is simulated, a third one knows how it was made: no student will
be better. A hidden token that holds an N is left out, as no chain of bases predicts it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from dnastudents.genome.codes import N, kmer_codes
from dnastudents.genome.tokenizers import NO_LABEL, Tokenizer
from dnastudents.objectives.base import Views
from dnastudents.pmi import count_kmers
from dnastudents.yardsticks.chain import Chain, Integers
from dnastudents.yardsticks.reading import Hidden, read

ORDER = 10  # bases of the longest context: tables of 17 MB; 45 million bases show each 43 times
Floats = NDArray[np.float64]


class Yardsticks:
    """Measures plain models where a student is validated.

    Parameters
    ----------
    sequences : callable
        Returns the sequences of the training split, uint8 (L,) each; called when it is time.
    tokenizer : Tokenizer
        The student's.
    reads : str
        Name of the views' tensor of ids that the student reads.
    oracle : callable, optional
        Computes the losses of hidden tokens, (M,), see `benchmarks.simulator.oracle`.
    """

    def __init__(
        self,
        sequences: Callable[[], Sequence[np.ndarray]],
        tokenizer: Tokenizer,
        reads: str,
        oracle: Callable[[Hidden], Floats] | None = None,
    ) -> None:
        self.sequences, self.tokenizer, self.reads = sequences, tokenizer, reads
        self.oracle = oracle

    def __call__(self, views: Views) -> dict[str, float | None]:
        """Compute `frequency_`, `markov_` and maybe `oracle_perplexity` of the hidden tokens.

        They are None where no hidden token has known bases.
        """
        ids, labels, hidden = (
            tensor.reshape(-1, tensor.shape[-1]).numpy()
            for tensor in (views.tensors[self.reads], views.tensors["labels"], views.hidden)
        )
        found = read(self.tokenizer, ids, np.where(labels == NO_LABEL, ids, labels), hidden)
        sequences = self.sequences()
        order = suitable_order(sum(map(len, sequences)))
        counts = count_kmers(sequences, max(order + 1, self.tokenizer.k))
        losses = {
            "frequency": frequency_losses(found, counts),
            "markov": chain_losses(found, Chain(counts, order)),
        }
        if self.oracle is not None:
            losses["oracle"] = self.oracle(found)
        known = found.known
        return {
            f"{name}_perplexity": math.exp(loss[known].mean()) if known.any() else None
            for name, loss in losses.items()
        }


def suitable_order(bases: int) -> int:
    """Choose the longest context, at most `ORDER`, that random bases would still show often.

    Each context with its base is seen once, on average, or more: 4**(order + 1) <= bases.
    """
    return next((n for n in range(ORDER, 1, -1) if 4 ** (n + 1) <= bases), 1)


def frequency_losses(found: Hidden, counts: dict[int, np.ndarray]) -> Floats:
    """Compute -log of the frequency of each hidden token among those of as many bases, (M,).

    One is added to each count. Tokens with an N have any value.
    """
    losses = np.zeros(len(found.row))
    for size in np.unique(found.size).tolist():
        chosen = found.size == size
        number = kmer_codes(found.bases[chosen, :size], size)[:, 0]
        share = (counts[size] + 1.0) / (counts[size].sum() + 4.0**size)
        losses[chosen] = -np.log(share[number])
    return losses


def chain_losses(found: Hidden, chain: Chain) -> Floats:
    """Compute -log of a chain's probability of each hidden token, (M,).

    That is of those of its bases that no other token shows; a token of which all are shown loses
    nothing. Contexts end at the next base that is not seen. Tokens with an N have any value.
    """
    width = found.bases.shape[1]
    seen = np.pad(found.seen, ((0, 0), (chain.order, chain.order + width)), constant_values=N)
    place = np.arange(width)
    at = found.start[:, None] + place + chain.order
    unknown = (seen[found.row[:, None], at] == N) & (place < found.size[:, None])  # (M, k)
    edge = np.zeros((len(unknown), 1), dtype=np.int64)
    change = np.diff(unknown, axis=1, prepend=edge, append=edge)  # 1 where a stretch begins
    token, first = np.nonzero(change == 1)
    size = np.nonzero(change == -1)[1] - first  # begins and ends alternate in each row
    losses = np.zeros(len(unknown))
    for bases in np.unique(size).tolist():
        of, begin = token[size == bases], first[size == bases]
        row, base = found.row[of], found.start[of] + begin + chain.order
        true = found.bases[of[:, None], begin[:, None] + np.arange(bases)]
        stretch = kmer_codes(true, bases)[:, 0].astype(np.int64)
        left = _context(seen, row, base - 1, -1, chain.order)
        right = _context(seen, row, base + bases, 1, chain.order)
        np.subtract.at(losses, of, chain.log_probability(stretch, bases, left, right))
    return losses


def _context(
    seen: NDArray[np.uint8], row: Integers, base: Integers, step: int, order: int
) -> tuple[Integers, Integers]:
    """Number the seen bases from `base` on to the left (step -1) or right (1), and count them."""
    number, length = np.zeros_like(row), np.zeros_like(row)
    goes_on = np.ones(len(row), dtype=bool)
    for _ in range(order):
        code = seen[row, base].astype(np.int64)
        goes_on &= code < N
        if step < 0:  # the farther base comes before
            number += np.where(goes_on, code << 2 * length, 0)
        else:
            number = np.where(goes_on, 4 * number + code, number)
        length += goes_on
        base = base + step * goes_on
    return number, length
