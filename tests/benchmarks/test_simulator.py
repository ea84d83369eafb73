"""The simulated genome is what its annotation says; its tasks are neither easy nor hopeless."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from oracle import codes, kmer_accuracy, kmer_counts, oracle_accuracy
from torch import nn

from dnastudents.benchmarks.simulator import TASKS, simulate, simulate_tasks
from dnastudents.benchmarks.simulator.background import backgrounds
from dnastudents.benchmarks.task import Task, load_task
from dnastudents.errors import InputError
from dnastudents.files import read_json, sha256
from dnastudents.genome.codes import decode, encode, reverse_complement
from dnastudents.genome.fasta import read_fasta
from dnastudents.randomness import numpy_generator

SEED = 1
SMALL = {"length": 300_000, "chromosomes": 3}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small") / "genome"
    simulate(folder, {"seed": SEED, **SMALL})
    return folder


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Task]:
    folder = tmp_path_factory.mktemp("full")
    simulate(folder / "genome", {"seed": SEED})
    for name in TASKS:
        simulate_tasks(folder / "genome", name, folder / name)
    return {name: load_task(folder / name) for name in TASKS}


def genome_of(folder: Path) -> dict[str, str]:
    sequences: dict[str, str] = {}
    for name, letters in read_fasta(folder / "genome.fa"):
        sequences[name] = sequences.get(name, "") + letters.decode()
    return sequences


def annotation_of(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "annotation.tsv", sep="\t")


def test_the_seed_decides_every_byte(small: Path, tmp_path: Path) -> None:
    simulate(tmp_path / "again", {"seed": SEED, **SMALL})
    simulate(tmp_path / "other", {"seed": SEED + 1, **SMALL})
    for name in ("genome.fa", "annotation.tsv", "truth.json"):
        assert sha256(tmp_path / "again" / name) == sha256(small / name)
        assert sha256(tmp_path / "other" / name) != sha256(small / name)


def test_truth_labels_and_splits(small: Path) -> None:
    truth = read_json(small / "truth.json")
    assert truth["label"] == "simulated"
    assert truth["seed"] == SEED
    assert truth["splits"] == {"train": ["sim1"], "dev": ["sim2"], "test": ["sim3"]}
    genome = genome_of(small)
    assert {name: len(bases) for name, bases in genome.items()} == truth["chromosomes"]
    assert sum(map(len, genome.values())) == pytest.approx(300_000, abs=2)


def test_gaps_repeats_and_case(small: Path) -> None:
    genome, annotation = genome_of(small), annotation_of(small)
    unknown, lower = 0, 0
    for row in annotation.itertuples():
        bases = genome[row.chrom][row.start : row.end]
        if row.kind == "gap":
            assert set(bases) == {"N"}
            unknown += len(bases)
        if row.kind.startswith("repeat_") or row.kind == "tandem_repeat":
            assert bases.islower()
            lower += len(bases)
    text = "".join(genome.values())
    assert text.count("N") == unknown
    assert sum(text.count(base) for base in "acgt") == lower
    assert 0.05 < lower / len(text) < 0.15


def test_features_do_not_touch_and_hold_their_motifs(small: Path) -> None:
    annotation = annotation_of(small)
    features = annotation[~annotation.duplicated("name")]
    for _, rows in features.groupby("chrom"):
        assert (rows["start"].to_numpy()[1:] >= rows["end"].to_numpy()[:-1]).all()
    parts = annotation[annotation.duplicated("name")].merge(
        features, on="name", suffixes=("", "_w")
    )
    assert ((parts["start"] >= parts["start_w"]) & (parts["end"] <= parts["end_w"])).all()
    assert (parts["strand"] == parts["strand_w"]).all()


def test_promoters_have_their_motifs_at_the_right_distance(small: Path) -> None:
    genome, annotation = genome_of(small), annotation_of(small)
    tata = annotation[annotation["kind"] == "tata_box"].set_index("name")
    initiator = annotation[annotation["kind"] == "initiator"].set_index("name")
    both = tata.merge(initiator, on="name", suffixes=("", "_i"))
    forward = both["start_i"] - both["start"]
    distance = np.where(both["strand"] == "+", forward, both["end"] - both["end_i"])
    real = both.index.str.startswith("promoter_sim")
    assert set(distance[real]) == {28, 29, 30}
    assert not {28, 29, 30} & set(distance[~real])
    boxes = [
        bases if strand == "+" else decode(reverse_complement(encode(bases)))
        for bases, strand in (
            (genome[row.chrom][row.start : row.end], row.strand) for row in tata.itertuples()
        )
    ]
    assert np.mean([box.startswith("TATA") for box in boxes]) > 0.75


def test_cpg_is_rare_outside_of_islands_and_common_inside(small: Path) -> None:
    genome, annotation = genome_of(small), annotation_of(small)

    def observed_to_expected(kind: str) -> float:
        rows = annotation[annotation["kind"] == kind]
        text = "|".join(genome[r.chrom][r.start : r.end] for r in rows.itertuples())
        return text.count("CG") * len(text) / (text.count("C") * text.count("G"))

    assert observed_to_expected("cpg_island") > 2 * observed_to_expected("host")


def test_masked_prediction_is_learnable() -> None:
    """Three bases of context predict the next one far better than its frequency; five, better."""
    host = backgrounds(numpy_generator(SEED, "simulator world"))["host"]
    sample = host.sample(400, 1000, numpy_generator(SEED, "test"))

    def accuracy(order: int) -> float:
        counts = kmer_counts(sample, order + 1).sum(axis=0).reshape(-1, 4)
        return float(counts.max(axis=1).sum() / counts.sum())

    assert accuracy(0) < 0.4
    assert accuracy(3) > accuracy(0) + 0.15
    assert accuracy(5) > accuracy(3) + 0.005


@pytest.mark.parametrize("task", TASKS)
def test_task_folders(full: dict[str, Task], task: str) -> None:
    protocol = full[task].protocol
    assert protocol.simulated is True
    assert protocol.n_sequences == {"train": 1800, "dev": 300, "test": 600}
    assert protocol.duplicates.across == {"train/dev": 0, "train/test": 0, "dev/test": 0}
    assert len(set(protocol.class_counts["test"])) == 1


@pytest.mark.parametrize("task", TASKS)
def test_counting_words_stays_below_the_oracle(full: dict[str, Task], task: str) -> None:
    words, longer = kmer_accuracy(full[task], 3, 0.01), kmer_accuracy(full[task], 6, 1e-4)
    best, chance = oracle_accuracy(full[task], SEED), 1 / len(full[task].classes)
    print(
        f"{task}: 3-mers {words:.3f}, 6-mers {longer:.3f}, oracle {best:.3f}, chance {chance:.3f}"
    )
    assert best > 0.9
    assert chance + 0.03 < words < best - 0.12


class SmallNetwork(nn.Module):
    """Two convolutions and a mean: what a small student without pretraining could look like."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(4, 64, 11, padding="same")
        self.second = nn.Conv1d(64, 64, 9, padding="same", dilation=4)
        self.head = nn.Linear(128, classes)

    def forward(self, bases: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.first(bases))
        hidden = hidden + torch.relu(self.second(hidden))
        return self.head(torch.cat([hidden.mean(2), hidden.amax(2)], dim=1))


def network_accuracy(task: Task, epochs: int = 5) -> float:
    torch.manual_seed(0)
    inputs, labels = {}, {}
    for name in ("train", "test"):
        frame = task.split(name)
        bases = torch.from_numpy(codes(frame)).long()
        inputs[name] = nn.functional.one_hot(bases, 4).float().transpose(1, 2)
        labels[name] = torch.tensor(frame["label"].tolist())
    network = SmallNetwork(len(task.classes))
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=0.05)
    for _ in range(epochs):
        for batch in torch.randperm(len(labels["train"])).split(32):
            optimizer.zero_grad()
            output = network(inputs["train"][batch])
            nn.functional.cross_entropy(output, labels["train"][batch]).backward()
            optimizer.step()
    with torch.no_grad():
        return float((network(inputs["test"]).argmax(1) == labels["test"]).float().mean())


@pytest.mark.parametrize("task", ["promoter", "splice_site", "enhancer"])
def test_a_small_network_learns_more_than_words(full: dict[str, Task], task: str) -> None:
    """Motifs are learnable from 1,800 sequences; the two backgrounds are left to pretraining."""
    network, words = network_accuracy(full[task]), kmer_accuracy(full[task], 3, 0.01)
    print(f"{task}: network {network:.3f}, 3-mers {words:.3f}")
    assert network > words + 0.02


def test_unusable_settings_and_folders(tmp_path: Path, small: Path) -> None:
    with pytest.raises(InputError, match=r"simulate\.chromosomes: must be at least 3, not 2"):
        simulate(tmp_path / "a", {"seed": 0, "chromosomes": 2})
    with pytest.raises(InputError, match=r"simulate\.length: must be at least 100000, not 10"):
        simulate(tmp_path / "a", {"seed": 0, "length": 10})
    assert not (tmp_path / "a").exists()
    with pytest.raises(InputError, match="did you mean 'enhancer'"):
        simulate_tasks(small, "enhancers", tmp_path / "b")
    with pytest.raises(InputError, match=r"truth\.json"):
        simulate_tasks(tmp_path, "enhancer", tmp_path / "b")
