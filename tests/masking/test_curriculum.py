import json

import pytest
import torch

from dnastudents import masking
from dnastudents.errors import InputError
from dnastudents.genome import tokenizers
from dnastudents.masking.options import MASKINGS, default_probability
from dnastudents.randomness import torch_generator

KMERS = tokenizers.build("kmer6")
RANKS = torch.arange(KMERS.vocab_size)


def build(tokenizer=KMERS, total_steps=1000, **settings):
    ranks = RANKS if tokenizer is KMERS else None
    return masking.build(settings, tokenizer, ranks, total_steps)


def batch(tokenizer=KMERS, rows: int = 16, tokens: int = 200) -> torch.Tensor:
    bases = torch.tensor(tokenizer.base_ids)
    picks = torch.randint(len(bases), (rows, tokens), generator=torch_generator(0, "batch"))
    ids = bases[picks]
    ids[:, -20:] = tokenizer.pad_id
    if tokenizer.sep_id is not None:
        ids[:, 0], ids[:, -21] = tokenizer.cls_id, tokenizer.sep_id
    return ids


NAMES = ["bernoulli", "random_span", "genemask", "global_pmi", "cm_step", "cm_gems"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", ["as_described", "as_released"])
def test_masked_batches_are_consistent(name, mode):
    ids = batch()
    masks = build(name=name, mode=mode)
    masked = masks(ids, torch_generator(0, "mask", 5), 5)
    special = torch.isin(ids, torch.tensor(KMERS.special_ids))
    assert masked.mask.any()
    assert not masked.mask[special].any()
    assert torch.equal(masked.labels[masked.mask], ids[masked.mask])
    assert (masked.labels[~masked.mask] == -100).all()
    assert torch.equal(masked.input_ids[~masked.mask], ids[~masked.mask])
    again = build(name=name, mode=mode)(ids, torch_generator(0, "mask", 5), 5)
    assert torch.equal(masked.input_ids, again.input_ids)


@pytest.mark.parametrize("name", ["nucleotide", "chordmixer", "nucleotide_transformer"])
def test_bernoulli_masks_any_tokens_at_its_rate(name):
    tokenizer = tokenizers.build(name)
    ids = batch(tokenizer, rows=200)
    masks = build(tokenizer, name="bernoulli", probability=0.3)
    mask = masks(ids, torch_generator(0, "mask"), 0).mask
    eligible = ~torch.isin(ids, torch.tensor(tokenizer.special_ids))
    count = int(eligible.sum())
    assert abs(int(mask.sum()) / count - 0.3) < 4 * (0.21 / count) ** 0.5


def test_a_span_of_tokens_that_do_not_overlap_is_one():
    tokenizer = tokenizers.build("nucleotide_transformer")
    ids = batch(tokenizer, rows=200)
    spans, singles = (
        build(tokenizer, name=name)(ids, torch_generator(0, "mask"), 0)
        for name in ("random_span", "bernoulli")
    )
    assert torch.equal(spans.mask, singles.mask)


def test_probabilities_are_the_authors():
    rules = ("random_span", "genemask", "global_pmi", "bernoulli")
    assert [default_probability(rule, 6) for rule in rules] == [0.025, 0.0176, 0.0136, 0.15]
    settings = MASKINGS.parse({"name": "cm_gems", "probability": {"global_pmi": 0.02}})
    assert settings.probability_of("global_pmi", 6) == 0.02
    assert settings.probability_of("genemask", 6) == 0.0176


def test_cm_gems_switches_once_and_for_ever():
    curriculum = build(name="cm_gems", threshold=1.0).curriculum
    for step, perplexity in ((100, 900.0), (200, 700.0), (300, 698.5), (400, 697.5)):
        assert curriculum.stage(step) == "genemask"
        curriculum.observe(perplexity, step)
    # A change of exactly 1.0 is not below the threshold.
    assert curriculum.stage(400) == "genemask"
    curriculum.observe(697.0, 500)
    assert curriculum.stage(500) == "global_pmi"
    assert curriculum.state()["switched_at"] == 500
    curriculum.observe(400.0, 600)
    assert curriculum.stage(600) == "global_pmi"


def test_an_undefined_perplexity_switches_nothing():
    curriculum = build(name="cm_gems").curriculum
    for step, perplexity in ((1, float("nan")), (2, float("nan")), (3, float("inf"))):
        curriculum.observe(perplexity, step)
    assert curriculum.stage(3) == "genemask"


def test_the_stage_decides_the_masks():
    ids, masks = batch(rows=300), build(name="cm_gems", switch_step=10)
    first, second = (masks(ids, torch_generator(0, "mask"), step).mask for step in (9, 10))
    genemask = build(name="genemask")(ids, torch_generator(0, "mask"), 9).mask
    global_pmi = build(name="global_pmi")(ids, torch_generator(0, "mask"), 10).mask
    assert torch.equal(first, genemask)
    assert torch.equal(second, global_pmi)
    assert not torch.equal(first, second)


def test_hard_to_easy_and_a_fixed_step():
    curriculum = build(name="cm_gems", direction="hard_to_easy", switch_step=7).curriculum
    curriculum.observe(5.0, 1)
    curriculum.observe(5.0, 2)  # the perplexity has no say
    stages = [curriculum.stage(step) for step in (0, 6, 7)]
    assert stages == ["global_pmi", "global_pmi", "genemask"]


def test_hard_to_easy_by_perplexity():
    curriculum = build(name="cm_gems", direction="hard_to_easy").curriculum
    curriculum.observe(5.0, 10)
    assert curriculum.stage(10) == "global_pmi"
    curriculum.observe(4.5, 20)
    assert curriculum.stage(20) == "genemask"


def test_a_resumed_run_never_switches_back():
    curriculum = build(name="cm_gems").curriculum
    for step, perplexity in ((10, 900.0), (20, 899.5), (30, 500.0)):
        curriculum.observe(perplexity, step)
    resumed = build(name="cm_gems").curriculum
    resumed.load_state(json.loads(json.dumps(curriculum.state())))
    resumed.observe(100.0, 40)
    assert resumed.stage(40) == "global_pmi"
    assert resumed.state()["switched_at"] == 20
    assert resumed.state()["history"][-2:] == [[30, 500.0], [40, 100.0]]


def test_the_state_is_json_and_goes_on():
    curriculum = build(name="cm_gems").curriculum
    curriculum.observe(10.0, 100)
    resumed = build(name="cm_gems").curriculum
    resumed.load_state(json.loads(json.dumps(curriculum.state())))
    for each in (curriculum, resumed):
        each.observe(9.5, 200)
    assert resumed.stage(200) == "global_pmi"
    assert resumed.state() == curriculum.state()
    assert build(name="genemask").curriculum.state() == {}


@pytest.mark.parametrize(
    ("total", "step", "share"),
    [
        (10_000, 0, 0.0),
        (10_000, 99, 0.0),
        (10_000, 100, 0.01),
        (10_000, 5555, 0.55),
        (10_000, 20_000, 1.0),
        (50, 25, 0.5),
        (0, 0, 0.0),
    ],
)
def test_cm_step_grows_by_one_percent(total, step, share):
    curriculum = build(name="cm_step", total_steps=total).curriculum
    assert curriculum.share(step) == share
    assert curriculum.stage(step) == f"global_pmi {share:.0%}"


def test_cm_step_draws_its_rule_for_each_batch():
    curriculum = build(name="cm_step", total_steps=100).curriculum
    generator = torch_generator(0, "rule")
    picks = [curriculum.pick(30, generator) for _ in range(2000)]
    share = picks.count("global_pmi") / 2000
    assert set(picks) == {"global_pmi", "random_span"}
    assert abs(share - 0.3) < 4 * (0.21 / 2000) ** 0.5


def test_validation_masks_by_one_rule_whatever_the_stage():
    masks = build(name="cm_gems", switch_step=5)
    fixed = masks.validation()
    assert fixed.curriculum.stage(0) == fixed.curriculum.stage(100) == "random_span"
    assert masks.validation().settings.probability_of("random_span", 6) == 0.025
    assert build(name="cm_gems", mode="as_released").validation().curriculum.stage(0) == "genemask"
    nucleotides = build(tokenizers.build("chordmixer"), name="bernoulli", probability=0.3)
    assert nucleotides.validation().curriculum.stage(0) == "bernoulli"
    assert nucleotides.validation().settings.probability == 0.3


@pytest.mark.parametrize(
    ("name", "high_set"),
    [("cm_gems", "first_half"), ("genemask", "released_rule")],
)
def test_the_released_high_set_goes_by_name(name, high_set):
    assert MASKINGS.parse({"name": name}).high_set == "top_half"
    assert MASKINGS.parse({"name": name, "mode": "as_released"}).high_set == high_set
    given = {"name": name, "mode": "as_released", "high_set": "top_half"}
    assert MASKINGS.parse(given).high_set == "top_half"


def test_joined_batches_are_the_rows_of_all():
    ids, masks = batch(), build(name="genemask")
    parts = [masks(part, torch_generator(0, "mask"), 0) for part in ids.split(5)]
    joined = masking.Masked.join(parts)
    assert torch.equal(torch.where(joined.mask, joined.labels, joined.input_ids), ids)
    assert torch.equal(joined.input_ids[5:10], parts[1].input_ids)


def test_position_ranks_do_not_depend_on_the_sequence():
    masks = build(name="global_pmi", rank_source="position", probability=0.05)
    mask = masks(batch(rows=200), torch_generator(0, "mask"), 0).mask
    # ids rise with rank, so the first positions are always preferred
    assert mask[:, 5].float().mean() > 0.95
    assert mask[:, 120:].float().mean() < 0.01


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "masking: 'name' is missing; add it"),
        ({"name": "gene_mask"}, "did you mean 'genemask'"),
        ({"name": "cm_gems", "treshold": 1}, "did you mean 'threshold'"),
        ({"name": "genemask", "rank_source": "tokens"}, "did you mean 'token'"),
        (
            {"name": "genemask", "probability": 1.5},
            "masking.probability: must be at most 1, not 1.5",
        ),
        ({"name": "genemask", "mask_share": 0.9, "random_share": 0.2}, "mask_share \\+ random"),
        ({"name": "cm_gems", "probability": 0.1}, "masking.probability: must be keys and values"),
        ({"name": "cm_gems", "probability": {"random_span": 0.1}}, "unknown rule 'random_span'"),
        ({"name": "cm_gems", "threshold": 0}, "masking.threshold: must be above 0, not 0"),
        ({"name": "cm_gems", "threshold": "low"}, "masking.threshold: must be a number, not 'low'"),
    ],
)
def test_bad_settings_are_clear_errors(settings, message):
    with pytest.raises(InputError, match=message):
        masking.build(settings, KMERS, RANKS, 10)


def test_pmi_rules_need_ranks_that_fit():
    with pytest.raises(InputError, match="needs a PMI table"):
        masking.build({"name": "cm_gems"}, KMERS, None, 10)
    with pytest.raises(InputError, match="PMI ranks of 9 tokens"):
        masking.build({"name": "genemask"}, KMERS, torch.arange(9), 10)
