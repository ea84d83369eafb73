"""The settings of a masking, checked where they come in.

`mode` sets the defaults of every option in which the authors' released code differs from what they
describe; each option can still be set alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from dnastudents.errors import InputError, nearest

RULES = ("bernoulli", "random_span", "genemask", "global_pmi")
CURRICULA = {
    "cm_gems": ("genemask", "global_pmi"),
    "cm_step": ("random_span", "global_pmi"),
}
RANKED = ("genemask", "global_pmi")
MASKED_SHARE = 0.15  # of the tokens, what every rule aims at
_CHOICES = {
    "name": (*RULES, *CURRICULA),
    "mode": ("as_described", "as_released"),
    "rank_source": ("token", "position"),
    "high_set": ("top_half", "released_rule", "first_half"),
    "direction": ("easy_to_hard", "hard_to_easy"),
    "validation": ("fixed", "current"),
}


@dataclass(frozen=True)
class MaskingSettings:
    """One masking by name.

    Attributes
    ----------
    name : str
        A rule (bernoulli, random_span, genemask, global_pmi) or a curriculum (cm_gems, cm_step).
    mode : {"as_described", "as_released"}
        Default is "as_described".
    probability : float, mapping of rule to float, or None
        Of a centre; a curriculum takes a mapping. Default is None: `default_probability`.
    rank_source : {"token", "position"}
        A position's PMI rank is that of its token; or, as released, of the vocabulary's entry with
        the number of the position. Default is by mode.
    high_set : {"top_half", "released_rule", "first_half"}
        See `dnastudents.masking.genemask`. Default is by mode: "top_half" as described; as
        released "first_half" for cm_gems, else "released_rule".
    special_rank : int
        Rank of tokens that are no k-mer. Default is 4**k, the worst; 0, the best, for genemask as
        released.
    random_special : bool
        Random replacements may be special tokens. Default is by mode: not as described.
    mask_share, random_share : float
        See `dnastudents.masking.replace`. Default is 0.8 and 0.1.
    threshold : float
        Of cm_gems: the change of validation perplexity below which the second stage begins.
        Default is 1.0, the released code's.
    switch_step : int or None
        Of cm_gems: begin the second stage at this step instead. Default is None.
    direction : {"easy_to_hard", "hard_to_easy"}
        Of cm_gems and cm_step: which of its two rules comes first. Default is "easy_to_hard".
    validation : {"fixed", "current"}
        Measure perplexity with one rule for ever; or, as released, with the rule that is being
        trained. Default is by mode.
    """

    name: str
    mode: str = "as_described"
    probability: float | Mapping[str, float] | None = None
    rank_source: str = "token"
    high_set: str = "top_half"
    special_rank: int | None = None
    random_special: bool = False
    mask_share: float = 0.8
    random_share: float = 0.1
    threshold: float = 1.0
    switch_step: int | None = None
    direction: str = "easy_to_hard"
    validation: str = "fixed"

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules in the order in which they are used."""
        rules = CURRICULA.get(self.name, (self.name,))
        return rules if self.direction == "easy_to_hard" else rules[::-1]

    def probability_of(self, rule: str, k: int) -> float:
        """Probability of a centre under `rule` with tokens of k bases."""
        if isinstance(self.probability, Mapping):
            return self.probability.get(rule, default_probability(rule, k))
        return default_probability(rule, k) if self.probability is None else self.probability


_AS_RELEASED: dict[str, Any] = {
    "rank_source": "position",
    "high_set": "released_rule",
    "random_special": True,
    "validation": "current",
}


def default_probability(rule: str, k: int) -> float:
    """The share to mask, divided by the tokens that a centre masks, rounded as the authors do.

    For k = 6: random_span 0.025, genemask 0.0176, global_pmi 0.0136.
    """
    tokens = {
        "bernoulli": 1.0,
        "random_span": float(k),
        "genemask": (k + 2 * k - 1) / 2,
        "global_pmi": 2.0 * k - 1,
    }
    return round(MASKED_SHARE / tokens[rule], 4)


def parse_settings(values: Mapping[str, Any]) -> MaskingSettings:
    """Check a block of settings; a mistake is an `InputError` that names the key."""
    known = [field.name for field in fields(MaskingSettings)]
    for key in values:
        if key not in known:
            raise InputError(f"masking: unknown key '{key}'; {nearest(key, known)}")
    if "name" not in values:
        raise InputError(f"masking: 'name' is missing; give one of {', '.join(_CHOICES['name'])}")
    for key, choices in _CHOICES.items():
        if key in values and values[key] not in choices:
            raise InputError(
                f"masking.{key}: no such name '{values[key]}'; {nearest(values[key], choices)}"
            )
    released = values.get("mode") == "as_released"
    defaults = dict(_AS_RELEASED) if released else {}
    if released and values["name"] == "genemask":
        defaults["special_rank"] = 0
    if released and values["name"] == "cm_gems":
        defaults["high_set"] = "first_half"
    settings = MaskingSettings(**{**defaults, **values})
    _check_numbers(settings)
    return settings


def _check_numbers(settings: MaskingSettings) -> None:
    given = settings.probability
    if isinstance(given, Mapping):
        for rule in given:
            if rule not in settings.rules:
                raise InputError(
                    f"masking.probability: unknown rule '{rule}'; {nearest(rule, settings.rules)}"
                )
        shares = dict(given)
    else:
        if given is not None and len(settings.rules) > 1:
            raise InputError(
                f"masking.probability: {settings.name} has two rules; give "
                f"{{{settings.rules[0]}: ..., {settings.rules[1]}: ...}}"
            )
        shares = {"probability": given} if given is not None else {}
    shares |= {"mask_share": settings.mask_share, "random_share": settings.random_share}
    for key, value in shares.items():
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise InputError(f"masking: {key} is {value}; give a number from 0 to 1")
    if settings.mask_share + settings.random_share > 1:
        raise InputError("masking: mask_share + random_share is more than 1; lower one")
    if not isinstance(settings.threshold, int | float) or settings.threshold <= 0:
        raise InputError(f"masking.threshold is {settings.threshold}; give a number above 0")
