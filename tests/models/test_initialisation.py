"""How new networks start: off changes nothing, and each setting does exactly what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dnastudents import models
from dnastudents.errors import InputError
from dnastudents.genome import tokenizers
from dnastudents.genome.tokenizers import KmerTokenizer, KmerVocabulary
from dnastudents.models import STUDENTS, Initialisation
from dnastudents.models.initialisation import composed, sinusoids

SMALL: dict[str, dict[str, Any]] = {
    "hybrid": {"hidden_size": 16, "num_hidden_layers": 1, "intermediate_size": 8},
    "chordmixer": {"max_length": 20, "track_size": 8, "hidden_size": 16, "blocks": 1},
    "bert": {"hidden_size": 48, "num_hidden_layers": 1, "intermediate_size": 8},
    "nucleotide_transformer": {"hidden_size": 64, "num_hidden_layers": 1, "intermediate_size": 8},
}
WITH_KMERS = [
    name
    for name, kind in STUDENTS.items()
    if isinstance(tokenizers.build(kind.tokenizer), KmerVocabulary)
]
WITH_POSITIONS = [name for name, kind in STUDENTS.items() if kind.has_position_table]


def new(name: str, seed: int = 0, **initialisation: Any) -> Any:
    torch.manual_seed(seed)
    fields = {"architecture": name, **SMALL[name], "initialisation": initialisation}
    return models.build(fields, tokenizers.build(STUDENTS[name].tokenizer))


def all_of(name: str) -> dict[str, Any]:
    """Every setting that the student can have."""
    start: dict[str, Any] = {"range": 0.1}
    start |= {"kmers": "composed"} if name in WITH_KMERS else {}
    return start | ({"positions": "sinusoidal"} if name in WITH_POSITIONS else {})


def kmer_tables(model: Any, name: str) -> list[Tensor]:
    """The k-mers' rows of the embedding, and of output weights that are not tied to it."""
    ids = torch.from_numpy(tokenizers.build(STUDENTS[name].tokenizer).kmer_ids)  # type: ignore[attr-defined]
    tables = [model.get_input_embeddings().weight, model.get_output_embeddings().weight]
    return [table.detach()[ids] for table in dict.fromkeys(tables)]


def same_bits(first: Any, second: Any) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("name", STUDENTS)
def test_off_is_what_the_architecture_does(name: str) -> None:
    model = new(name)
    drawn = torch.rand(1)
    torch.manual_seed(0)
    plain = type(model)(type(model.config)(**SMALL[name]))
    assert torch.equal(torch.rand(1), drawn)  # no random number more
    assert same_bits(model, plain)


@pytest.mark.parametrize("name", STUDENTS)
def test_same_seed_same_weights(name: str) -> None:
    first, same, other = (new(name, seed, **all_of(name)) for seed in (1, 1, 2))
    assert same_bits(first, same)
    words, others = (model.get_input_embeddings().weight for model in (first, other))
    assert not torch.equal(words, others)


@pytest.mark.parametrize("name", STUDENTS)
def test_range_is_the_spread_of_linear_weights(name: str) -> None:
    layers = [m for m in new(name, range=0.3).modules() if isinstance(m, torch.nn.Linear)]
    weights = torch.cat([layer.weight.flatten() for layer in layers])
    assert weights.std().item() == pytest.approx(0.3, rel=0.1)
    assert all(not layer.bias.any() for layer in layers if layer.bias is not None)


@pytest.mark.parametrize("name", STUDENTS)
def test_a_new_student_like_another_starts_as_its_pretraining(name: str) -> None:
    pretrained = new(name, seed=3, **all_of(name))
    torch.manual_seed(3)
    tokenizer = tokenizers.build(STUDENTS[name].tokenizer)
    twin = models.new_like(pretrained, Initialisation(**all_of(name)), tokenizer)
    assert twin is not pretrained and same_bits(twin, pretrained)


@pytest.mark.parametrize("name", STUDENTS)
def test_loading_starts_nothing_anew(name: str, tmp_path: Any) -> None:
    model = new(name, **all_of(name))
    model.save_pretrained(tmp_path)
    assert same_bits(models.load(tmp_path), model)
    assert "initialisation" not in (tmp_path / "config.json").read_text()


@pytest.mark.parametrize("name", STUDENTS)
def test_networks_without_memory_can_be_counted(name: str) -> None:
    with torch.device("meta"):
        counted = models.count_parameters(new(name, **all_of(name)))
    assert counted == models.count_parameters(new(name))


@pytest.mark.parametrize("name", WITH_KMERS)
def test_composed_tables_are_sums_over_places(name: str) -> None:
    k = 6
    tables = kmer_tables(new(name, range=0.1, kmers="composed"), name)
    assert len(tables) == (1 if name == "bert" else 2)
    for table in tables:
        rows = table.double()
        assert torch.linalg.matrix_rank(rows, rtol=1e-5) == 3 * k + 1
        by_place = rows.view(*[4] * k, -1)
        # AAAAAA - CAAAAA = ATGCAT - CTGCAT: the first base adds the same, whatever follows
        first = by_place[0, 0, 0, 0, 0, 0] - by_place[1, 0, 0, 0, 0, 0]
        other = by_place[0, 3, 2, 1, 0, 3] - by_place[1, 3, 2, 1, 0, 3]
        assert torch.allclose(first, other, atol=1e-6)
    assert len(tables) == 1 or not torch.allclose(*tables)


@pytest.mark.parametrize("name", WITH_KMERS)
def test_composed_leaves_all_other_rows_and_weights(name: str) -> None:
    plain, model = new(name, range=0.1), new(name, range=0.1, kmers="composed")
    tokenizer = tokenizers.build(STUDENTS[name].tokenizer)
    others = np.setdiff1d(np.arange(tokenizer.vocab_size), tokenizer.kmer_ids)  # type: ignore[attr-defined]
    was = plain.get_input_embeddings().weight
    assert torch.equal(model.get_input_embeddings().weight[others], was[others])
    changed = [
        key for key, v in model.state_dict().items() if not torch.equal(v, plain.state_dict()[key])
    ]
    assert all("embeddings" in key or "decoder.weight" in key for key in changed)


def test_entries_of_composed_rows_have_the_range() -> None:
    torch.manual_seed(0)
    rows = composed(KmerTokenizer(3), 4000, 0.1)
    assert rows.std().item() == pytest.approx(0.1, rel=0.02)
    # k-mers that differ at m of k places: 0.1 * sqrt(2 m / k)
    by_place = rows.view(4, 4, 4, -1)
    one = by_place[0, 1, 2] - by_place[0, 1, 3]
    three = by_place[0, 1, 2] - by_place[1, 0, 3]
    assert one.std().item() == pytest.approx(0.1 * (2 / 3) ** 0.5, rel=0.05)
    assert three.std().item() == pytest.approx(0.1 * 2**0.5, rel=0.05)


def test_composed_rows_stand_at_their_kmers() -> None:
    tokenizer = KmerTokenizer(2)
    torch.manual_seed(0)
    rows = composed(tokenizer, 5, 0.1)
    torch.manual_seed(0)
    vectors = torch.randn(2, 4, 5) * 0.1 / 2**0.5
    place = {int(id): number for number, id in enumerate(tokenizer.kmer_ids)}
    for text in ("AA", "GT", "TC"):
        row = rows[place[tokenizer.encode(text)[1]]]
        first, second = ("ACGT".index(base) for base in text)
        assert torch.allclose(row, vectors[0, first] + vectors[1, second])


@pytest.mark.parametrize("name", WITH_POSITIONS)
def test_sinusoidal_positions_have_the_spread_of_the_table(name: str) -> None:
    model = new(name, range=0.1, positions="sinusoidal", longest_wave=50)
    table = model.get_position_embeddings().weight
    assert torch.equal(table, 0.1 * sinusoids(*table.shape, 50))
    assert table.square().mean().sqrt().item() == pytest.approx(0.1, rel=1e-5)


def test_a_shift_of_positions_is_one_linear_map() -> None:
    table = sinusoids(200, 16, 100.0)
    for shift in (1, 7):
        sine, cosine = (table[shift] / 2**0.5).chunk(2)
        rotation = torch.cat(
            [
                torch.cat([cosine.diag(), -sine.diag()], dim=1),
                torch.cat([sine.diag(), cosine.diag()], dim=1),
            ]
        )
        assert torch.allclose(table[:-shift] @ rotation, table[shift:], atol=1e-3)


def test_waves_run_from_two_pi_to_the_longest() -> None:
    table, half = sinusoids(1000, 8, 100.0), 4
    time = torch.arange(1000)
    assert torch.allclose(table[:, 0], 2**0.5 * torch.sin(time), atol=1e-3)
    assert torch.allclose(
        table[:, 2 * half - 1], 2**0.5 * torch.cos(time * 2 * torch.pi / 100), atol=1e-2
    )
    assert sinusoids(5, 7, 100.0).shape == (5, 7)


@pytest.mark.parametrize("name", STUDENTS)
def test_what_a_student_has_not_is_refused(name: str) -> None:
    refused = {"kmers": "composed"} if name not in WITH_KMERS else {}
    refused |= {"positions": "sinusoidal"} if name not in WITH_POSITIONS else {}
    for key, value in refused.items():
        with pytest.raises(InputError, match=rf"student\.initialisation\.{key}: {name} .*; set "):
            models.build({"architecture": name, "initialisation": {key: value}}, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({"range": 0}, r"initialisation\.range: must be above 0"),
        ({"kmers": "compose"}, "did you mean 'composed'"),
        ({"longest_wave": 2}, r"initialisation\.longest_wave: must be at least 10"),
        ({"rang": 0.1}, "unknown key 'rang'; did you mean 'range'"),
    ],
)
def test_bad_settings_name_the_mistake(start: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        models.build({"architecture": "bert", "initialisation": start}, None)  # type: ignore[arg-type]


def test_words_for_tables() -> None:
    assert Initialisation().words is None
    start = Initialisation(range=0.1, kmers="composed", positions="sinusoidal")
    said = "range 0.1, composed k-mers, sinusoidal positions (longest wave 100 tokens)"
    assert start.words == said
