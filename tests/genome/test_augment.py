from itertools import pairwise

import numpy as np
import pytest
import torch

from dnastudents.errors import InputError
from dnastudents.genome import augment
from dnastudents.genome.augment import NEW, Augmented
from dnastudents.genome.augmentations import AUGMENTATIONS
from dnastudents.genome.codes import PAD, reverse_complement, reverse_complement_padded
from dnastudents.randomness import torch_generator

MOVES = [name for name in AUGMENTATIONS if name != "mutation"]


def batch(rows: int = 400, length: int = 90, pad: bool = True) -> torch.Tensor:
    """Random codes with some N; the rows of every second are shorter."""
    codes = torch.randint(0, 5, (rows, length), generator=torch_generator(0, "b")).to(torch.uint8)
    if pad:
        short = torch.randint(0, length, (rows // 2, 1), generator=torch_generator(0, "l"))
        codes[::2][torch.arange(length) >= short] = PAD
    return codes


def draw(name: str, codes: torch.Tensor, seed: int = 0, **options: float) -> Augmented:
    chain = augment.build([{"name": name, **options}])
    return chain(Augmented.of(codes), torch_generator(seed, "augment"))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_lengths_padding_and_chance(name):
    codes = batch()
    view = draw(name, codes)
    assert view.codes.dtype == torch.uint8
    assert ((view.codes == PAD) == (codes == PAD)).all()
    assert (view.codes != codes).any()
    assert torch.equal(view.codes, draw(name, codes).codes)
    assert not torch.equal(view.codes, draw(name, codes, seed=1).codes)


@pytest.mark.parametrize("name", MOVES)
def test_every_base_is_where_its_source_says(name):
    codes = batch()
    view = draw(name, codes)
    kept = view.source != NEW
    came = codes.gather(1, view.source.clamp(min=0))
    same = view.codes == came
    flipped = view.codes == torch.where(came < 4, 3 - came, came)
    assert (same | flipped)[kept].all()
    if name in ("translocation", "deletion", "insertion"):
        assert same[kept].all()
    assert torch.equal(view.targets, view.codes)
    assert (view.codes[~kept] < 4).all()


def test_translocation_rotates():
    codes = batch(pad=False)
    view = draw("translocation", codes, most=3)
    shifts = {tuple(row.tolist()) for row in view.source}
    expected = {tuple(np.roll(np.arange(90), shift).tolist()) for shift in range(-3, 4)}
    assert shifts == expected
    assert torch.equal(view.codes.sort(1).values, codes.sort(1).values)


def test_deletion_and_insertion_keep_the_order_and_draw_every_size():
    codes = batch(rows=3000, pad=False)
    for name in ("deletion", "insertion"):
        view = draw(name, codes, most=4)
        counts = torch.bincount((view.source == NEW).sum(1), minlength=5)
        assert len(counts) == 5
        assert abs(counts[1:4] / 3000 - 0.2).max() < 4 * np.sqrt(0.16 / 3000)
        for source in view.source[:50].tolist():
            kept = [place for place in source if place != NEW]
            assert kept == sorted(kept)
            gaps = [b - a - 1 for a, b in pairwise(kept) if b - a > 1]
            # at most one stretch is missing inside; what an insertion loses is at the end
            assert len(gaps) <= (name == "deletion")


def test_inversion_is_the_reverse_complement_of_one_stretch():
    codes = batch(pad=False)
    view = draw("inversion", codes, most=20)
    sizes = set()
    for before, after, source in zip(codes, view.codes, view.source, strict=True):
        moved = (source != torch.arange(90)).nonzero()[:, 0]
        if not len(moved):
            continue
        first, last = int(moved[0]), int(moved[-1]) + 1
        sizes.add(last - first)
        assert torch.equal(after[first:last], reverse_complement(before[first:last]))
    assert max(sizes) == 20


def test_reverse_complement_twice_is_the_identity_and_comes_at_its_rate():
    codes = batch()
    once = draw("reverse_complement", codes, probability=1.0)
    assert torch.equal(once.codes, reverse_complement_padded(codes))
    twice = augment.reverse_complement(once, torch_generator(1, "a"), probability=1.0)
    assert torch.equal(twice.codes, codes)
    assert torch.equal(twice.source, Augmented.of(codes).source)
    some = draw("reverse_complement", batch(4000, pad=False), probability=0.3)
    rate = (some.source[:, 0] != 0).float().mean().item()
    assert abs(rate - 0.3) < 4 * np.sqrt(0.21 / 4000)


def test_mutation_changes_known_bases_at_its_rate_and_leaves_targets():
    codes = batch()
    view = draw("mutation", codes, rate=0.1)
    changed = view.codes != codes
    known = codes < 4
    assert not changed[~known].any()
    assert torch.equal(view.targets, codes)
    rate = changed[known].float().mean().item()
    assert abs(rate - 0.1) < 4 * np.sqrt(0.09 / int(known.sum()))
    others = torch.bincount(((view.codes - codes) % 4)[changed].long(), minlength=4)
    assert others[0] == 0
    assert others[1:].min() > 0.8 * others[1:].max()


EVERYTHING = [
    {"name": "insertion", "most": 5},
    {"name": "inversion", "most": 12},
    {"name": "translocation", "most": 9},
    {"name": "deletion", "most": 5},
    {"name": "mutation", "rate": 0.2},
    {"name": "reverse_complement", "probability": 0.5},
]


def test_a_chain_says_where_every_base_came_from():
    codes = batch(pad=False)
    chain = augment.build([each for each in EVERYTHING if each["name"] != "inversion"])
    view = chain(Augmented.of(codes), torch_generator(0, "chain"))
    kept = view.source != NEW
    assert (~kept).any()
    came = codes.gather(1, view.source.clamp(min=0))
    turned = (view.targets != came).logical_and(kept).any(1, keepdim=True)
    came = torch.where(turned & (came < 4), 3 - came, came)
    assert torch.equal(came[kept], view.targets[kept])
    assert 0.4 < turned.float().mean() < 0.6
    assert (view.codes != view.targets).any()


def test_a_chain_keeps_lengths_and_padding():
    codes = batch()
    view = augment.build(EVERYTHING)(Augmented.of(codes), torch_generator(0, "chain"))
    for result in (view.codes, view.targets):
        assert result.dtype == torch.uint8
        assert torch.equal(result == PAD, codes == PAD)
    # no base comes from padding, and none comes twice
    is_base = codes != PAD
    for source, base in zip(view.source, is_base, strict=True):
        kept = source[base & (source != NEW)]
        assert base[kept].all()
        assert len(kept.unique()) == len(kept)


def test_a_chain_is_its_parts_one_after_the_other():
    codes = batch()
    whole, parts = torch_generator(0, "chain"), torch_generator(0, "chain")
    view = Augmented.of(codes)
    for each in EVERYTHING:
        view = augment.build([each])(view, parts)
    assert torch.equal(view.codes, augment.build(EVERYTHING)(Augmented.of(codes), whole).codes)


def test_padding_changes_no_row_beside_it():
    """A short row has the same moves whether the batch is wide or just as long as it."""
    codes = batch(rows=30, length=40, pad=False)
    wide = torch.nn.functional.pad(codes, (0, 13), value=PAD)
    for name in ("translocation", "reverse_complement", "inversion"):
        narrow = draw(name, codes)
        assert torch.equal(draw(name, wide).codes[:, :40], narrow.codes), name


def test_translocations_are_equally_likely_to_either_side():
    source = draw("translocation", batch(5000, pad=False), most=3).source
    shift = (-source[:, 0] + 3) % 90  # 0 .. 6 for -3 .. 3
    counts = torch.bincount(shift, minlength=7)
    assert len(counts) == 7
    assert abs(counts / 5000 - 1 / 7).max() < 4 * np.sqrt(6 / 49 / 5000)


def test_inversions_have_every_size_equally_often():
    view = draw("inversion", batch(6000, pad=False), most=5)
    moved = (view.source != torch.arange(90)).sum(1)
    # an odd stretch keeps its middle in place: sizes 0 and 1 move 0, 2 and 3 move 2, 4 and 5 move 4
    rates = torch.bincount(moved, minlength=5)[[0, 2, 4]] / 6000
    assert abs(rates - 1 / 3).max() < 4 * np.sqrt(2 / 9 / 6000)


def test_no_augmentation_and_a_batch_of_padding_stay():
    codes = batch()
    assert augment.build([])(Augmented.of(codes), torch_generator(0, "x")).codes is codes
    empty = torch.full((3, 5), PAD, dtype=torch.uint8)
    for name in AUGMENTATIONS:
        assert torch.equal(draw(name, empty).codes, empty)


def test_noise_has_its_scale():
    noise = augment.noise((50, 40, 30), torch_generator(0, "noise"), scale=0.2)
    assert abs(noise.mean().item()) < 4 * 0.2 / np.sqrt(60_000)
    assert noise.std().item() == pytest.approx(0.2, rel=0.02)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "translocations"}, "did you mean 'translocation'"),
        ({"most": 3}, "augmentation: 'name' is missing; add it"),
        ({"name": "mutation", "rat": 0.1}, "did you mean 'rate'"),
        ({"name": "mutation", "rate": 1.1}, "rate: must be at most 1, not 1.1"),
        ({"name": "mutation", "rate": "high"}, "rate: must be a number, not 'high'"),
        ({"name": "deletion", "most": -1}, "most: must be at least 0, not -1"),
        ({"name": "deletion", "most": 2.5}, "most: must be an integer, not 2.5"),
    ],
)
def test_bad_settings_are_clear_errors(settings, message):
    with pytest.raises(InputError, match=message):
        augment.build([settings])
