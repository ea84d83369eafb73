"""The simulated genome is what its annotation and its truth say; its tasks are about its words."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dnastudents.benchmarks.simulator import TASKS, simulate, simulate_tasks
from dnastudents.benchmarks.simulator.tasks import WINDOW
from dnastudents.benchmarks.simulator.world import LIKELY_STEPS, SPACERS, SUBSTITUTIONS, WORDS
from dnastudents.benchmarks.task import Task, load_task
from dnastudents.errors import InputError
from dnastudents.files import read_json, sha256
from dnastudents.genome import reference
from dnastudents.genome.codes import decode, encode, reverse_complement
from dnastudents.genome.fasta import read_fasta

SEED = 1
SMALL = {"length": 900_000, "chromosomes": 3}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small") / "genome"
    simulate(folder, {"seed": SEED, **SMALL})
    return folder


@pytest.fixture(scope="module")
def genome(small: Path) -> dict[str, str]:
    sequences: dict[str, str] = {}
    for name, letters in read_fasta(small / "genome.fa"):
        sequences[name] = sequences.get(name, "") + letters.decode()
    return sequences


@pytest.fixture(scope="module")
def annotation(small: Path) -> pd.DataFrame:
    return pd.read_csv(small / "annotation.tsv", sep="\t")


@pytest.fixture(scope="module")
def tasks(small: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Task]:
    folder = tmp_path_factory.mktemp("tasks")
    for name in TASKS:
        simulate_tasks(small, name, folder / name)
    return {name: load_task(folder / name) for name in TASKS}


def other_strand(bases: str) -> str:
    return decode(reverse_complement(encode(bases)))


def test_the_seed_decides_every_byte(small: Path, tmp_path: Path) -> None:
    simulate(tmp_path / "again", {"seed": SEED, **SMALL})
    simulate(tmp_path / "other", {"seed": SEED + 1, **SMALL})
    for name in ("genome.fa", "annotation.tsv", "truth.json"):
        assert sha256(tmp_path / "again" / name) == sha256(small / name)
        assert sha256(tmp_path / "other" / name) != sha256(small / name)


def test_truth_labels_and_splits(small: Path, genome: dict[str, str]) -> None:
    truth = read_json(small / "truth.json")
    assert truth["label"] == "simulated"
    assert truth["seed"] == SEED
    assert truth["splits"] == {"train": ["sim1"], "dev": ["sim2"], "test": ["sim3"]}
    assert {name: len(bases) for name, bases in genome.items()} == truth["chromosomes"]
    assert sum(map(len, genome.values())) == pytest.approx(900_000, abs=2)
    assert np.allclose(np.sum(truth["grammar"], axis=0), 1)
    assert np.allclose(np.sum(truth["grammar"], axis=1), 1)


def test_a_reference_keeps_the_truth_for_the_oracle(small: Path, tmp_path: Path) -> None:
    reference.build(small / "genome.fa", tmp_path / "made", simulated=True)
    assert sha256(tmp_path / "made/truth.json") == sha256(small / "truth.json")
    reference.build(small / "genome.fa", tmp_path / "found")
    assert not (tmp_path / "found/truth.json").exists()


def test_gaps_are_n_and_only_what_is_outside_of_passages_is_lower_case(
    genome: dict[str, str], annotation: pd.DataFrame
) -> None:
    text = "".join(genome.values())
    gaps = annotation[annotation["kind"] == "gap"]
    assert text.count("N") == (gaps["end"] - gaps["start"]).sum()
    for row in gaps.itertuples():
        assert set(genome[row.chrom][row.start : row.end]) == {"N"}
    passages = annotation[annotation["kind"] == "passage"]
    for row in passages.itertuples():
        assert genome[row.chrom][row.start : row.end].isupper()
        around = genome[row.chrom][row.start - 1] + genome[row.chrom][row.end]
        assert around.replace("N", "").islower() or around == "NN"
    assert 0.04 < sum(text.count(base) for base in "acgt") / len(text) < 0.12


def test_words_are_those_of_the_lexicon_with_substitutions(
    small: Path, genome: dict[str, str], annotation: pd.DataFrame
) -> None:
    lexicon = read_json(small / "truth.json")["lexicon"]
    words = annotation[annotation["kind"].str.startswith("word_")]
    wrong = []
    for row in words.itertuples():
        bases = genome[row.chrom][row.start : row.end]
        bases = other_strand(bases) if row.strand == "-" else bases
        word = lexicon[int(row.kind.removeprefix("word_")) - 1]
        wrong.append(np.mean([a != b for a, b in zip(bases, word, strict=True)]))
    assert len(wrong) > 0.9 * sum(map(len, genome.values())) / 24
    assert np.mean(wrong) == pytest.approx(SUBSTITUTIONS, abs=0.002)
    assert 0.45 < (words["strand"] == "-").mean() < 0.55


def test_passages_keep_to_grammar_and_spacing_on_their_strand(
    small: Path, annotation: pd.DataFrame
) -> None:
    truth = read_json(small / "truth.json")
    words = annotation[annotation["kind"].str.startswith("word_")]
    number = words["kind"].str.removeprefix("word_").astype(int) - 1
    pairs: Counter[tuple[int, int]] = Counter()
    for _, rows in words.assign(word=number).groupby("name"):
        reverse = rows["strand"].iloc[0] == "-"
        if reverse:
            rows = rows[::-1]
        pairs.update(zip(rows["word"][:-1], rows["word"][1:], strict=True))
        starts, ends = rows["start"].to_numpy(), rows["end"].to_numpy()
        spacer = starts[:-1] - ends[1:] if reverse else starts[1:] - ends[:-1]
        longer = spacer - np.array(truth["spacing"])[rows["word"][:-1]]
        assert ((longer >= 0) & (longer < SPACERS)).all()
    counts = np.array([[pairs[a, b] for b in range(WORDS)] for a in range(WORDS)])
    assert np.allclose(counts / counts.sum(1, keepdims=True), truth["grammar"], atol=0.05)
    likely = np.sort(truth["grammar"], axis=1)[:, ::-1][:, : len(LIKELY_STEPS)]
    assert likely.sum(axis=1).min() > sum(LIKELY_STEPS.values())


@pytest.mark.parametrize("task", TASKS)
def test_task_folders(tasks: dict[str, Task], task: str) -> None:
    protocol = tasks[task].protocol
    assert protocol.simulated is True
    assert protocol.n_sequences == {"train": 96, "dev": 64, "test": 640}
    assert protocol.duplicates.across == {"train/dev": 0, "train/test": 0, "dev/test": 0}
    for counts in protocol.class_counts.values():
        assert len(set(counts)) == 1
    for frame in (tasks[task].train, tasks[task].test):
        assert set(frame["sequence"].str.len()) == {WINDOW}


def nearest(window: str, words: list[str]) -> tuple[int, int, int]:
    """Find the word that fits best anywhere: how many bases differ, which word, on which strand."""
    bases = np.lib.stride_tricks.sliding_window_view(encode(window), len(words[0]))
    fits = [
        (int((bases != encode(word)).sum(axis=1).min()), number, strand)
        for number, forward in enumerate(words)
        for strand, word in enumerate((forward, other_strand(forward)))
    ]
    return min(fits)


def test_windows_hold_a_copy_of_what_their_class_says(tasks: dict[str, Task], small: Path) -> None:
    lexicon = read_json(small / "truth.json")["lexicon"]
    for name, task in tasks.items():
        found = np.array([nearest(window, lexicon) for window in task.test["sequence"]])
        label = task.test["label"].to_numpy()
        if name in ("words", "relics"):
            real = label == task.classes.index(name)
            told = (found[:, 0] < (4 if name == "words" else 5)) == real
            assert told.mean() > (0.97 if name == "words" else 0.9)
        else:
            assert (found[:, 1 if name == "lexicon" else 2] == label).mean() > 0.98


def test_copies_are_of_the_chromosomes_of_their_split(
    tasks: dict[str, Task], genome: dict[str, str]
) -> None:
    for split, chromosome in (("train", "sim1"), ("dev", "sim2"), ("test", "sim3")):
        letters = genome[chromosome]
        cut = {letters[at : at + 16] for at in range(len(letters) - 15)}
        for window in tasks["strand"].split(split)["sequence"]:
            assert any(window[at : at + 16] in cut for at in range(len(window) - 15))


def test_unusable_settings_and_folders(tmp_path: Path, small: Path) -> None:
    with pytest.raises(InputError, match=r"simulate\.chromosomes: must be at least 3, not 2"):
        simulate(tmp_path / "a", {"seed": 0, "chromosomes": 2})
    with pytest.raises(InputError, match=r"simulate\.chromosomes: 100 of 100,000 bases leave one"):
        simulate(tmp_path / "a", {"seed": 0, "length": 100_000, "chromosomes": 100})
    with pytest.raises(InputError, match=r"simulate\.length: must be at least 100000, not 10"):
        simulate(tmp_path / "a", {"seed": 0, "length": 10})
    assert not (tmp_path / "a").exists()
    with pytest.raises(InputError, match="did you mean 'lexicon'"):
        simulate_tasks(small, "lexikon", tmp_path / "b")
    with pytest.raises(InputError, match=r"truth\.json"):
        simulate_tasks(tmp_path, "lexicon", tmp_path / "b")
