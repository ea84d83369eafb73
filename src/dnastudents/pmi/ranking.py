"""The table of scored and ranked k-mers: made, written, and read as ranks of tokens."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dnastudents.errors import InputError
from dnastudents.files import atomic_directory, read_json, read_parquet, write_json, write_parquet
from dnastudents.genome.codes import ALPHABET, encode, kmer_codes
from dnastudents.genome.reference import Reference
from dnastudents.genome.tokenizers import KmerTokenizer, Tokenizer
from dnastudents.pmi.counting import count_kmers
from dnastudents.pmi.scoring import Counts, Kind, PmiSettings, scores
from dnastudents.provenance import FILE, write_provenance
from dnastudents.settings import parse

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)


def table(counts: Counts, settings: PmiSettings | None = None) -> pd.DataFrame:
    """Score and rank all n-grams of the sizes that `settings` name.

    Parameters
    ----------
    counts : mapping of int to numpy.ndarray
        From `count_kmers`, for 1 up to the largest size.
    settings : PmiSettings or None
        Default is `PmiSettings()`: all 6-mers.

    Returns
    -------
    pandas.DataFrame
        One row per n-gram, by size, then by its number: ngram, size, count, naive_pmi, true_pmi,
        genemask_pmi, score (the one of `settings.kind`) and rank within its size (1 is the best
        score; of equal ones, as of the unscored, the most frequent comes first). All k-mers have a
        row; n-grams of other sizes that are absent or rarer than the threshold have none.
    """
    settings = settings or PmiSettings()
    frames = []
    for size in settings.sizes:
        frame = _table_of_size(counts, size, settings)
        if size != settings.k:
            least = max(1.0, settings.minimum_count(int(counts[1].sum())))
            frame = frame[frame["count"] >= least]
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def rank_table(ranking: pd.DataFrame, k: int = 6) -> np.ndarray:
    """Read the ranks of k-mers from a `table`, rows in any order.

    Parameters
    ----------
    ranking : pandas.DataFrame
        From `table`; rows of other sizes are passed over.
    k : int
        Default is 6.

    Returns
    -------
    numpy.ndarray
        int64 (4**k,), by the number of the k-mer.

    Raises
    ------
    InputError
        When a k-mer is absent or there twice.
    """
    ranking = ranking[ranking["ngram"].str.len() == k]
    numbers = kmer_codes(encode("".join(ranking["ngram"])).reshape(-1, k), k)[:, 0]
    if len(ranking) != 4**k or len(np.unique(numbers[numbers >= 0])) != 4**k:
        raise InputError(f"the PMI table does not hold every {k}-mer once; make it again")
    ranks = np.empty(4**k, dtype=np.int64)
    ranks[numbers] = ranking["rank"].to_numpy()
    return ranks


def write(
    reference: Reference,
    output: str | Path,
    spec: Iterable[str],
    settings: Mapping[str, Any],
    threads: int = 1,
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
    settings : PmiSettings or mapping
    threads : int
        Processes that count. Default is 1.

    Returns
    -------
    pandas.DataFrame
        The `table`.

    Raises
    ------
    InputError
        When a setting, `threads` or an entry of `spec` is wrong, or no k-mer has a score.
    """
    parsed: PmiSettings = parse(PmiSettings, settings, "pmi")
    spec = list(spec)
    spans = [reference.span(interval) for interval in reference.intervals(spec)]
    stretches = (reference.codes[start:end] for start, end in spans)
    counts = count_kmers(stretches, parsed.sizes[-1], threads)
    ranking = table(counts, parsed)
    description = _description(reference, spec, parsed, counts, ranking)
    _require_scores(description)
    with atomic_directory(output, "pmi.json", "pmi.*", FILE) as folder:
        write_parquet(ranking, folder / "pmi.parquet")
        ranking.to_csv(folder / "pmi.csv", index=False)
        write_json(folder / "pmi.json", description)
        write_provenance(folder)
    return ranking


def _description(
    reference: Reference,
    spec: list[str],
    settings: PmiSettings,
    counts: Counts,
    ranking: pd.DataFrame,
) -> dict[str, Any]:
    """Say what a table was made of, and how much of it has no score."""
    bases = int(counts[1].sum())
    scored = ranking["size"][np.isfinite(ranking["score"])]
    return {
        **settings.as_json(),
        "minimum_count": settings.minimum_count(bases),
        "sequences": spec,
        "reference_sha256": reference.sha256,
        "simulated": reference.simulated,
        "bases": bases,
        "total_counts": {size: int(counts[size].sum()) for size in sorted(counts)},
        # absent or rare: left without a score, or (sizes other than k) without a row
        "unscored": {size: 4**size - int((scored == size).sum()) for size in settings.sizes},
    }


def _require_scores(description: Mapping[str, Any]) -> None:
    """Refuse a table that ranks all k-mers by their number alone; warn of most."""
    k, least = description["k"], description["minimum_count"]
    share = description["unscored"][k] / 4**k
    what = f"{k}-mers occur less than {least:g} times in {description['bases']:,} bases"
    if share == 1:
        raise InputError(
            f"pmi.threshold: all {what}, so none has a score; set pmi.threshold: scaled, or count "
            "more sequences"
        )
    if share > 0.5:
        logger.warning(f"{share:.0%} of the {what}; they are ranked by their number alone")


def load_ranks(folder: str | Path, tokenizer: Tokenizer) -> torch.Tensor:
    """Load the PMI rank of each token.

    Parameters
    ----------
    folder : str or Path
        What `write` wrote.
    tokenizer : Tokenizer
        A vocabulary of k-mers, with the k of the table.

    Returns
    -------
    torch.Tensor
        int64 (vocab_size,); ids that are not k-mers have 4**k, the worst.
    """
    import torch  # which whoever makes the table need not wait for

    folder = Path(folder)
    k = read_json(folder / "pmi.json")["k"]
    if not isinstance(tokenizer, KmerTokenizer):
        raise InputError(f"PMI ranks k-mers; the tokens of '{tokenizer.name}' are not k-mers")
    if tokenizer.k != k:
        raise InputError(f"{folder}: ranks {k}-mers; the tokenizer's k is {tokenizer.k}")
    ranks = torch.full((tokenizer.vocab_size,), 4**k)
    ids = torch.from_numpy(tokenizer.kmer_ids)
    ranked = read_parquet(folder / "pmi.parquet")
    ranks[ids] = torch.from_numpy(rank_table(ranked, k))
    return ranks


def _table_of_size(counts: Counts, size: int, settings: PmiSettings) -> pd.DataFrame:
    """Score and rank all n-grams of one size, in the order of their numbers."""
    threshold = settings.minimum_count(int(counts[1].sum()))
    kinds: tuple[Kind, ...] = ("naive", "true", "genemask")
    values = {kind: scores(counts, size, kind, threshold, settings.total_scale) for kind in kinds}
    rank = np.empty(4**size, dtype=np.int64)
    rank[np.lexsort((-counts[size], -values[settings.kind]))] = np.arange(1, 4**size + 1)
    return pd.DataFrame(
        {
            "ngram": _ngrams(size),
            "size": size,
            "count": counts[size],
            **{f"{kind}_pmi": value for kind, value in values.items()},
            "score": values[settings.kind],
            "rank": rank,
        }
    )


def _ngrams(k: int) -> list[str]:
    """List all k-mers in the order of their numbers."""
    shifts = 2 * np.arange(k)[::-1]
    digits = (np.arange(4**k)[:, None] >> shifts) & 3
    letters = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)[digits]
    return letters.view(f"S{k}")[:, 0].astype(str).tolist()
