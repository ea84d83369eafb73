"""Pointwise mutual information of k-mers: how much more often one occurs than its pieces foretell.

Counting is dense: the number of a k-mer is the index of its count. Only the longest k-mers are
counted; a shorter one occurs as often as the k-mers that begin with it, plus the few times that it
stands at the end of a stretch of known bases. Scores are computed for all k-mers at once: the best
segmentation of every prefix grows by one piece at a time, and with base-4 numbers "prefix + piece"
is an outer sum.

Three scores, with f the count and lp(s) = ln(f(s) / T):
naive    lp(w) - sum of lp(base) over the bases of w.
true     lp(w) - the largest sum of lp(piece) over all segmentations of w (Levine et al. 2021).
genemask the same over segmentations into pieces of 1 and 2 bases, with T twice the number of bases,
         times the discount ln f / (ln f + ln threshold). It gives back the ranking published with
         GeneMask (ECAI 2023); why T is doubled there is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from dnastudents.errors import InputError
from dnastudents.files import atomic_directory, read_json, write_json
from dnastudents.reference import Reference
from dnastudents.sequence import ALPHABET, N, encode, kmer_codes
from dnastudents.tokenizers import KmerTokenizer, NucleotideTransformerTokenizer, Tokenizer

Kind = Literal["genemask", "true", "naive"]
Counts = Mapping[int, np.ndarray]

PUBLISHED_THRESHOLD = 101.0  # GeneMask's notebook: rarer n-grams are dropped
PUBLISHED_BASES = 669_129_375  # known bases of GRCh38 chr1-3, for which it was chosen
_BLOCK = 1 << 20  # bases counted at a time: small enough for the processor's cache


@dataclass(frozen=True)
class PmiSettings:
    """How k-mers are scored.

    Attributes
    ----------
    k : int
        Bases of the k-mers that are scored. Default is 6.
    kind : {"genemask", "true", "naive"}
        The score that ranks. Default is "genemask".
    threshold : float or "scaled"
        Of the genemask score: discounts, and drops k-mers that are rarer. "scaled" shrinks 101 with
        the corpus, down to 2. Default is 101, the published value.
    total_scale : float
        Of the genemask score: T over the number of bases. Default is 2.
    """

    k: int = 6
    kind: Kind = "genemask"
    threshold: float | Literal["scaled"] = PUBLISHED_THRESHOLD
    total_scale: float = 2.0

    def __post_init__(self) -> None:
        if not isinstance(self.k, int) or not 2 <= self.k <= 10:
            raise InputError(f"pmi.k is {self.k}; give 2 to 10")
        if self.kind not in ("genemask", "true", "naive"):
            raise InputError(f"pmi.kind: no score '{self.kind}'; give genemask, true or naive")
        is_number = isinstance(self.threshold, int | float) and self.threshold > 1
        if self.threshold != "scaled" and not is_number:
            raise InputError(f"pmi.threshold is {self.threshold}; give 'scaled' or more than 1")

    def minimum_count(self, bases: int) -> float:
        """The threshold for a corpus of so many known bases."""
        if self.threshold != "scaled":
            return float(self.threshold)
        return max(2.0, PUBLISHED_THRESHOLD * bases / PUBLISHED_BASES)


def count_kmers(corpus: Reference | Iterable[np.ndarray], max_k: int) -> dict[int, np.ndarray]:
    """Count all k-mers of 1 to `max_k` bases on the forward strand.

    Parameters
    ----------
    corpus : Reference or iterable of numpy.ndarray
        Each uint8 (L,); no k-mer spans two of them or holds an N.
    max_k : int
        1 to 12; the tables take 8 * 4**max_k bytes.

    Returns
    -------
    dict of int to numpy.ndarray
        k to int64 (4**k,), by the base-4 number of the k-mer (A 0, C 1, G 2, T 3, first base most
        significant).
    """
    if not 1 <= max_k <= 12:
        raise InputError(f"k-mers of up to {max_k} bases cannot be counted densely; give 1 to 12")
    stretches = map(corpus.sequence, corpus.names) if isinstance(corpus, Reference) else corpus
    longest = np.zeros(4**max_k, dtype=np.int64)
    ends = {k: np.zeros(4**k, dtype=np.int64) for k in range(1, max_k)}
    for codes, starts in _blocks(stretches, max_k):
        numbers = kmer_codes(codes, max_k)
        longest += np.bincount(numbers[numbers >= 0], minlength=4**max_k)
        _count_ends(codes, np.flatnonzero((numbers < 0) & (codes[:starts] < N)), ends)
    counts = {max_k: longest}
    for k in range(max_k - 1, 0, -1):
        counts[k] = ends[k] + marginalise(counts[k + 1])
    return counts


def marginalise(counts: np.ndarray) -> np.ndarray:
    """Counts of (k-1)-mers as the first bases of counted k-mers, (4**k,) to (4**(k-1),)."""
    return counts.reshape(-1, 4).sum(1)


def scores(
    counts: Counts,
    k: int = 6,
    kind: Kind = "genemask",
    threshold: float = PUBLISHED_THRESHOLD,
    total_scale: float = 2.0,
) -> np.ndarray:
    """Score all k-mers, see the module's text.

    Parameters
    ----------
    counts : mapping of int to numpy.ndarray
        From `count_kmers`; naive needs 1 and k, genemask also 2, true all up to k.
    k : int
        Default is 6.
    kind : {"genemask", "true", "naive"}
        Default is "genemask".
    threshold, total_scale : float
        Of the genemask score. Default is 101 and 2.

    Returns
    -------
    numpy.ndarray
        float64 (4**k,); -inf for k-mers that are absent or, for genemask, rarer than `threshold`.
    """
    longest = {"naive": 1, "genemask": min(2, k - 1), "true": k - 1}[kind]
    total = counts[1].sum() * (total_scale if kind == "genemask" else 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = {size: np.log(counts[size] / total) for size in {*range(1, longest + 1), k}}
        score = logs[k] - _best_segmentation(logs, k, longest)
        if kind == "genemask":
            log_count = np.log(counts[k])
            score *= log_count / (log_count + np.log(threshold))
    least = threshold if kind == "genemask" else 1
    return np.where(counts[k] >= least, score, -np.inf)


def table(counts: Counts, settings: PmiSettings | None = None) -> pd.DataFrame:
    """Score and rank all k-mers.

    Returns
    -------
    pandas.DataFrame
        One row a k-mer in the order of its number: ngram, count, naive_pmi, true_pmi, genemask_pmi,
        score (the one of `settings.kind`) and rank (1 is the best score; of equal
        ones, as of the unscored, the most frequent comes first).
    """
    settings = settings or PmiSettings()
    k, threshold = settings.k, settings.minimum_count(int(counts[1].sum()))
    kinds: tuple[Kind, ...] = ("naive", "true", "genemask")
    values = {kind: scores(counts, k, kind, threshold, settings.total_scale) for kind in kinds}
    rank = np.empty(4**k, dtype=np.int64)
    rank[np.lexsort((-counts[k], -values[settings.kind]))] = np.arange(1, 4**k + 1)
    columns = {f"{kind}_pmi": value for kind, value in values.items()}
    return pd.DataFrame(
        {
            "ngram": _ngrams(k),
            "count": counts[k],
            **columns,
            "score": values[settings.kind],
            "rank": rank,
        }
    )


def rank_table(ranking: pd.DataFrame) -> np.ndarray:
    """The ranks of a `table`, rows in any order, by the number of the k-mer: int64 (4**k,)."""
    codes = np.stack([encode(ngram) for ngram in ranking["ngram"]])
    numbers = kmer_codes(codes, codes.shape[1])[:, 0]
    if len(np.unique(numbers)) != 4 ** codes.shape[1] or numbers.min() < 0:
        raise InputError("the PMI table does not hold every k-mer once; make it again")
    ranks = np.empty(len(ranking), dtype=np.int64)
    ranks[numbers] = ranking["rank"].to_numpy()
    return ranks


def write(
    reference: Reference, output: str | Path, spec: Iterable[str], settings: Mapping[str, Any]
) -> pd.DataFrame:
    """Count the k-mers of `spec` and write their table.

    Parameters
    ----------
    reference : Reference
        The genome.
    output : str or Path
        Folder to write: pmi.parquet, pmi.csv, and pmi.json with the settings and totals.
    spec : iterable of str
        Sequences to count, as for `Reference.intervals`.
    settings : mapping
        Fields of `PmiSettings`.
    """
    known = PmiSettings.__dataclass_fields__
    if unknown := set(settings) - set(known):
        raise InputError(f"pmi: unknown key '{min(unknown)}'; known: {', '.join(known)}")
    parsed, spec = PmiSettings(**settings), list(spec)
    spans = [reference.span(interval) for interval in reference.intervals(spec)]
    counts = count_kmers((reference.codes[start:end] for start, end in spans), parsed.k)
    ranking = table(counts, parsed)
    bases = int(counts[1].sum())
    description = {
        **asdict(parsed),
        "minimum_count": parsed.minimum_count(bases),
        "sequences": spec,
        "reference_sha256": reference.sha256,
        "simulated": reference.simulated,
        "total_counts": {k: int(counts[k].sum()) for k in sorted(counts)},
        "unscored": int(np.isneginf(ranking["score"]).sum()),
    }
    with atomic_directory(output) as folder:
        ranking.to_parquet(folder / "pmi.parquet", index=False)
        ranking.to_csv(folder / "pmi.csv", index=False)
        write_json(folder / "pmi.json", description)
    return ranking


def load_ranks(
    folder: str | Path, tokenizer: Tokenizer, special_rank: int | None = None
) -> torch.Tensor:
    """The PMI rank of each token.

    Parameters
    ----------
    folder : str or Path
        What `write` wrote.
    tokenizer : Tokenizer
        A vocabulary of k-mers, with the k of the table.
    special_rank : int or None
        Rank of ids that are no k-mer. Default is 4**k, the worst.

    Returns
    -------
    torch.Tensor
        int64 (vocab_size,).
    """
    folder = Path(folder)
    k = read_json(folder / "pmi.json")["k"]
    if not isinstance(tokenizer, KmerTokenizer | NucleotideTransformerTokenizer):
        raise InputError(f"PMI ranks k-mers; the tokens of '{tokenizer.name}' are none")
    if tokenizer.k != k:
        raise InputError(f"{folder}: ranks {k}-mers; the tokenizer's k is {tokenizer.k}")
    ranks = torch.full((tokenizer.vocab_size,), 4**k if special_rank is None else special_rank)
    ids = torch.from_numpy(tokenizer.kmer_ids)
    ranks[ids] = torch.from_numpy(rank_table(pd.read_parquet(folder / "pmi.parquet")))
    return ranks


def _blocks(stretches: Iterable[np.ndarray], max_k: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yield (codes, starts): k-mers of each block begin at its first `starts` bases.

    The bases that follow belong to the next block, or are N behind the end, so that every start
    sees `max_k` bases.
    """
    for codes in stretches:
        for first in range(0, len(codes), _BLOCK):
            block = codes[first : first + _BLOCK + max_k - 1]
            starts = min(_BLOCK, len(codes) - first)
            behind = starts + max_k - 1 - len(block)
            yield np.pad(block, (0, behind), constant_values=N) if behind else block, starts


def _count_ends(codes: np.ndarray, starts: np.ndarray, ends: dict[int, np.ndarray]) -> None:
    """Add what stands between each start and the N behind it, of any length in `ends`."""
    if not len(starts):
        return
    window = np.lib.stride_tricks.sliding_window_view(codes, max(ends) + 1)[starts]
    known = np.argmax(window >= N, axis=1)
    for k, count in ends.items():
        numbers = kmer_codes(window[known == k, :k], k)[:, 0]
        count += np.bincount(numbers, minlength=4**k)


def _best_segmentation(logs: Mapping[int, np.ndarray], k: int, longest: int) -> np.ndarray:
    """The largest sum of logs over the segmentations of each k-mer, float64 (4**k,).

    Pieces have at most `longest` bases, fewer than k.
    """
    best = {0: np.zeros(1)}
    for size in range(1, k + 1):
        candidates = [
            (best[size - piece][:, None] + logs[piece]).ravel()
            for piece in range(1, min(longest, size) + 1)
        ]
        best[size] = np.maximum.reduce(candidates)
    return best[k]


def _ngrams(k: int) -> list[str]:
    """All k-mers in the order of their numbers."""
    shifts = 2 * np.arange(k)[::-1]
    digits = (np.arange(4**k)[:, None] >> shifts) & 3
    letters = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)[digits]
    return letters.view(f"S{k}")[:, 0].astype(str).tolist()
