from collections import Counter
from itertools import product
from math import log

import numpy as np
import pandas as pd
import pytest

import dnastudents.pmi as module
from dnastudents import tokenizers
from dnastudents.errors import InputError
from dnastudents.pmi import PmiSettings, count_kmers, load_ranks, marginalise, rank_table, scores
from dnastudents.reference import build
from dnastudents.sequence import encode, kmer_codes


def number(kmer: str) -> int:
    return int(kmer_codes(encode(kmer), len(kmer))[0])


def kmers(k: int) -> list[str]:
    return ["".join(bases) for bases in product("ACGT", repeat=k)]


def random_text(length: int, seed: int = 0, n_share: float = 0.02) -> str:
    rng = np.random.default_rng(seed)
    weights = np.array([0.35, 0.15, 0.15, 0.35]) * (1 - n_share)
    return "".join(rng.choice(list("ACGTN"), length, p=[*weights, n_share]))


def plain_counts(texts: list[str], k: int) -> Counter[str]:
    windows = (text[i : i + k] for text in texts for i in range(len(text) - k + 1))
    return Counter(window for window in windows if "N" not in window)


@pytest.fixture(scope="module")
def corpus() -> dict[int, np.ndarray]:
    return count_kmers([encode(random_text(60_000, n_share=0.0))], 6)


@pytest.mark.parametrize("block", [1, 3, 50, 1 << 20])
@pytest.mark.parametrize("n_share", [0.0, 0.1, 0.6])
def test_counts_equal_the_plain_twin(monkeypatch, block, n_share):
    monkeypatch.setattr(module, "_BLOCK", block)
    texts = [random_text(length, length, n_share) for length in (0, 1, 4, 5, 200, 301)]
    counts = count_kmers([encode(text) for text in texts], 5)
    for k in range(1, 6):
        expected = plain_counts(texts, k)
        assert counts[k].tolist() == [expected[kmer] for kmer in kmers(k)]


def test_single_bases_alone_can_be_counted():
    assert count_kmers([encode("AACNT")], 1)[1].tolist() == [2, 1, 0, 1]


def plain_score(word: str, f: dict[str, int], total: float, longest: int) -> float:
    """ln p(w) less the best segmentation, by trying each."""

    def best(rest: str) -> float:
        sizes = range(1, min(longest, len(rest)) + 1)
        return max((log(f[rest[:n]] / total) + best(rest[n:]) for n in sizes), default=0.0)

    return log(f[word] / total) - best(word)


@pytest.mark.parametrize(("kind", "longest"), [("naive", 1), ("true", 4), ("genemask", 2)])
def test_scores_equal_the_plain_twin(corpus, kind, longest):
    f = {kmer: int(n) for k in range(1, 6) for kmer, n in zip(kmers(k), corpus[k], strict=True)}
    total = float(corpus[1].sum()) * (2 if kind == "genemask" else 1)
    values = scores(corpus, 5, kind, threshold=30)
    for kmer in kmers(5)[::7]:
        expected = plain_score(kmer, f, total, longest)
        if kind == "genemask":
            expected *= log(f[kmer]) / (log(f[kmer]) + log(30))
        if kind == "genemask" and f[kmer] < 30:
            assert values[number(kmer)] == -np.inf
        else:
            assert values[number(kmer)] == pytest.approx(expected, abs=1e-12)


def test_absent_kmers_are_last_and_no_score_is_undefined():
    counts = count_kmers([encode("ACGT" * 50 + "AC")], 3)
    ranking = module.table(counts, PmiSettings(k=3, threshold=2))
    assert not ranking.isna().any().any()
    absent = ranking[ranking["count"] == 0]
    assert len(absent) == 60
    assert absent["rank"].min() == 5


def test_rare_kmers_are_dropped_by_a_threshold_that_can_scale():
    assert PmiSettings().minimum_count(10**6) == 101
    assert PmiSettings(threshold="scaled").minimum_count(669_129_375) == pytest.approx(101)
    assert PmiSettings(threshold="scaled").minimum_count(66_912_938) == pytest.approx(10.1)
    assert PmiSettings(threshold="scaled").minimum_count(1000) == 2


def test_ranks_are_a_permutation_that_follows_the_score(corpus):
    ranking = module.table(corpus)
    by_rank = ranking.sort_values("rank")
    assert by_rank["rank"].tolist() == list(range(1, 4097))
    score, count = by_rank["score"].to_numpy(), by_rank["count"].to_numpy()
    assert (score[:-1] >= score[1:]).all()
    assert (count[np.isneginf(score)][:-1] >= count[np.isneginf(score)][1:]).all()
    assert ranking["ngram"].tolist() == kmers(6)
    shuffled = ranking.sample(frac=1, random_state=0)
    assert (rank_table(shuffled) == ranking["rank"].to_numpy()).all()
    with pytest.raises(InputError, match="every k-mer once"):
        rank_table(ranking.iloc[:-1])


def test_the_published_ranking_comes_back(shared):
    folder = shared / "golden" / "pmi"
    golden = pd.read_csv(folder / "kmer6_counts_grch38_chr1-3.tsv", sep="\t")
    published = pd.read_csv(folder / "genemask_published_pmi_ranking.csv").set_index("ngram")
    counts = {6: np.zeros(4096, dtype=np.int64)}
    counts[6][[number(kmer) for kmer in golden["kmer"]]] = golden["count"]
    for k in range(5, 0, -1):
        counts[k] = marginalise(counts[k + 1])
    ranks = module.table(counts).set_index("ngram")["rank"]
    difference = (ranks - published["norm_pmi_rank_rel"]).abs()
    assert len(difference) == 4096
    assert ranks.corr(published["norm_pmi_rank_rel"]) >= 0.9999  # of ranks: Spearman's
    assert (difference == 0).mean() >= 0.74
    assert difference.max() <= 4


def test_written_and_loaded_as_ranks_of_tokens(tmp_path):
    (tmp_path / "a.fa").write_text(f">a\n{random_text(40_000)}\n>b\n{'AC' * 999}\n")
    reference = build(tmp_path / "a.fa", tmp_path / "reference")
    ranking = module.write(reference, tmp_path / "pmi", ["a"], {"threshold": "scaled"})
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "pmi" / "pmi.parquet"), ranking)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "pmi" / "pmi.csv"), ranking)
    assert (ranking["count"].to_numpy() == count_kmers([reference.sequence("a")], 6)[6]).all()

    ranks = dict(zip(ranking["ngram"], ranking["rank"], strict=True))
    for name, special in (("kmer6", 0), ("nucleotide_transformer", 4096)):
        tokenizer = tokenizers.build(name)
        loaded = load_ranks(tmp_path / "pmi", tokenizer, special_rank=special)
        assert loaded.shape == (tokenizer.vocab_size,)
        for kmer in ("AAAAAA", "ACGTAC", "TTTCGA"):
            assert loaded[tokenizer.encode(kmer)[1]] == ranks[kmer]
        assert (loaded[list(tokenizer.special_ids)] == special).all()
    assert load_ranks(tmp_path / "pmi", tokenizers.build("kmer6"))[0] == 4096
    with pytest.raises(InputError, match="ranks 6-mers"):
        load_ranks(tmp_path / "pmi", tokenizers.build("kmer5"))
    with pytest.raises(InputError, match="'nucleotide' are none"):
        load_ranks(tmp_path / "pmi", tokenizers.build("nucleotide"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": 1}, "pmi.k is 1"),
        ({"kind": "pmi"}, "no score 'pmi'"),
        ({"threshold": 1}, "pmi.threshold is 1"),
        ({"threshold": "scale"}, "pmi.threshold is scale"),
        ({"treshold": 5}, "unknown key 'treshold'"),
    ],
)
def test_bad_settings_are_clear_errors(tmp_path, settings, message):
    (tmp_path / "a.fa").write_text(">a\nACGT\n")
    reference = build(tmp_path / "a.fa", tmp_path / "reference")
    with pytest.raises(InputError, match=message):
        module.write(reference, tmp_path / "pmi", ["all"], settings)
