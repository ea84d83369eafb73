import numpy as np
import pandas as pd
import pytest
from plain_kmers import kmers, number, random_text
from scipy.stats import spearmanr

from dnastudents import pmi
from dnastudents.errors import InputError
from dnastudents.files import read_json
from dnastudents.genome import tokenizers
from dnastudents.genome.codes import encode
from dnastudents.genome.reference import build
from dnastudents.pmi import PmiSettings, count_kmers, load_ranks, marginalise, rank_table


@pytest.fixture(scope="module")
def published_counts(golden) -> dict[int, np.ndarray]:
    table = pd.read_csv(golden / "pmi" / "kmer6_counts_grch38_chr1-3.tsv", sep="\t")
    counts = {6: np.zeros(4096, dtype=np.int64)}
    counts[6][[number(kmer) for kmer in table["kmer"]]] = table["count"]
    for k in range(5, 0, -1):
        counts[k] = marginalise(counts[k + 1])
    return counts


def test_absent_kmers_are_last_and_no_score_is_undefined():
    counts = count_kmers([encode("ACGT" * 50 + "AC")], 3)
    ranking = pmi.table(counts, PmiSettings(k=3, threshold=2))
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
    ranking = pmi.table(corpus)
    by_rank = ranking.sort_values("rank")
    assert by_rank["rank"].tolist() == list(range(1, 4097))
    score, count = by_rank["score"].to_numpy(), by_rank["count"].to_numpy()
    assert (score[:-1] >= score[1:]).all()
    assert (count[np.isneginf(score)][:-1] >= count[np.isneginf(score)][1:]).all()
    assert ranking["ngram"].tolist() == kmers(6)
    shuffled = ranking.sample(frac=1, random_state=0)
    assert (rank_table(shuffled) == ranking["rank"].to_numpy()).all()
    with pytest.raises(InputError, match="every 6-mer once"):
        rank_table(ranking.iloc[:-1])


def test_the_published_ranking_comes_back(golden, published_counts):
    published = golden / "pmi" / "genemask_published_pmi_ranking.csv"
    ours = pmi.table(published_counts).set_index("ngram")["rank"]
    theirs = pd.read_csv(published).set_index("ngram")["norm_pmi_rank_rel"].loc[ours.index]
    assert spearmanr(ours, theirs).statistic >= 0.9999
    assert (ours == theirs).mean() >= 0.74
    assert (ours - theirs).abs().max() <= 4
    assert ((ours <= 400) & (theirs <= 400)).sum() >= 0.99 * 400


def test_other_sizes_have_rows_of_their_own(corpus):
    settings = PmiSettings(k=4, threshold=100, max_n=6)
    ranking = pmi.table(corpus, settings)
    assert ranking["size"].drop_duplicates().tolist() == [2, 3, 4, 5, 6]
    assert (ranking["ngram"].str.len() == ranking["size"]).all()
    for size, rows in ranking.groupby("size"):
        frequent = np.array(kmers(size))[(corpus[size] >= 100) | (size == 4)]
        assert rows["ngram"].tolist() == frequent.tolist()
        alone = pmi.table(corpus, PmiSettings(k=size, threshold=100)).set_index("ngram")
        pd.testing.assert_frame_equal(rows.set_index("ngram"), alone.loc[frequent])
        assert sorted(rows["rank"]) == list(range(1, len(rows) + 1))
    assert (rank_table(ranking, 4) == ranking["rank"][ranking["size"] == 4]).all()


def test_a_table_without_a_score_is_refused(tmp_path, caplog):
    (tmp_path / "a.fa").write_text(f">a\n{random_text(9_000)}\n")
    reference = build(tmp_path / "a.fa", tmp_path / "reference")
    with pytest.raises(InputError, match=r"pmi\.threshold: all 6-mers occur less than 101 times"):
        pmi.write(reference, tmp_path / "pmi", ["a"], {"threshold": 101})
    assert not (tmp_path / "pmi").exists()
    pmi.write(reference, tmp_path / "pmi", ["a"], {"threshold": 4})
    assert "of the 6-mers occur less than 4 times in" in caplog.text


def test_written_and_loaded_as_ranks_of_tokens(tmp_path):
    (tmp_path / "a.fa").write_text(f">a\n{random_text(40_000)}\n>b\n{'AC' * 999}\n")
    reference = build(tmp_path / "a.fa", tmp_path / "reference")
    settings = {"threshold": "scaled", "max_n": 8}
    ranking = pmi.write(reference, tmp_path / "pmi", ["a"], settings, threads=2)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "pmi" / "pmi.parquet"), ranking)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "pmi" / "pmi.csv"), ranking)
    counts = count_kmers([reference.sequence("a")], 8)
    ranking = ranking[ranking["size"] == 6]
    assert (ranking["count"].to_numpy() == counts[6]).all()
    description = read_json(tmp_path / "pmi" / "pmi.json")
    assert description["bases"] == counts[1].sum()
    assert description["total_counts"] == {str(k): counts[k].sum() for k in range(1, 9)}
    unscored = {str(k): (counts[k] < 2).sum() for k in range(2, 9)}
    assert description["unscored"] == unscored

    ranks = dict(zip(ranking["ngram"], ranking["rank"], strict=True))
    tokenizer = tokenizers.build("kmer6")
    loaded = load_ranks(tmp_path / "pmi", tokenizer)
    assert loaded.shape == (tokenizer.vocab_size,)
    for kmer in ("AAAAAA", "ACGTAC", "TTTCGA"):
        assert loaded[tokenizer.encode(kmer)[1]] == ranks[kmer]
    assert (loaded[list(tokenizer.special_ids)] == 4096).all()
    with pytest.raises(InputError, match="ranks 6-mers"):
        load_ranks(tmp_path / "pmi", tokenizers.build("kmer5"))
    with pytest.raises(InputError, match="'nucleotide' are not k-mers"):
        load_ranks(tmp_path / "pmi", tokenizers.build("nucleotide"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": 1}, "pmi.k: must be at least 2, not 1"),
        ({"kind": "pmi"}, "pmi.kind: unknown value 'pmi'; known: genemask, naive, true"),
        ({"threshold": 1}, "pmi.threshold: must be above 1 or 'scaled', not 1"),
        ({"threshold": "scale"}, "pmi.threshold: must be a number or 'scaled', not 'scale'"),
        ({"max_n": 5}, "pmi.max_n: is 5; give 6 to 10"),
        ({"max_n": 11}, "pmi.max_n: must be at most 10, not 11"),
        ({"max_n": "ten"}, "pmi.max_n: must be an integer, not 'ten'"),
        ({"treshold": 5}, "unknown key 'treshold'"),
    ],
)
def test_bad_settings_are_clear_errors(tmp_path, settings, message):
    (tmp_path / "a.fa").write_text(">a\nACGT\n")
    reference = build(tmp_path / "a.fa", tmp_path / "reference")
    with pytest.raises(InputError, match=message):
        pmi.write(reference, tmp_path / "pmi", ["all"], settings)
