"""The maskings by name, and what each may be set to.

A masking is one rule, or a curriculum of two. `mode` sets the defaults of every option in which the
authors' released code differs from what they describe; each option can still be set alone.

A rule is a class here, whose `mask` chooses the tokens; a curriculum is one that names the rule of
each step. Both are free of torch until they are used.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from pydantic import Field, model_validator

from dnastudents.registry import Registry
from dnastudents.settings import Positive, Settings, Share, Wrong

if TYPE_CHECKING:
    from torch import Tensor

    from dnastudents.masking.curriculum import Curriculum

MASKED_SHARE = 0.15  # of the tokens, what every rule aims at
Mode = Literal["as_described", "as_released"]
RankSource = Literal["token", "position"]
HighSet = Literal["top_half", "released_rule", "first_half"]
Direction = Literal["easy_to_hard", "hard_to_easy"]


class MaskingOptions(Settings, ABC):
    """What every masking has; `name` says which it is."""

    needs_ranks: ClassVar[bool] = False
    """Whether it follows a PMI ranking."""

    switches: ClassVar[bool] = False
    """Whether it goes from one stage to another at one step."""

    name: str
    mask_share: Share = Field(0.8, description="Of the chosen tokens, those that are masked.")
    random_share: Share = Field(
        0.1, description="Those that are replaced by random ones; the rest stay as they are."
    )

    @model_validator(mode="after")
    def _check_shares(self) -> MaskingOptions:
        if self.mask_share + self.random_share > 1:
            raise ValueError("mask_share + random_share is more than 1; lower one")
        return self

    @property
    def is_released(self) -> bool:
        """Whether it is as the authors released it."""
        return False

    @property
    def shows_some(self) -> bool:
        """Whether some of the chosen tokens are not hidden."""
        return self.mask_share < 1


MASKINGS: Registry[MaskingOptions] = Registry("masking", "name")


class TokenMasking(MaskingOptions):
    """Choice of tokens by one or two rules."""

    released: ClassVar[dict[str, Any]] = {"random_special": True, "validation": "current"}
    """What `mode: as_released` changes."""

    mode: Mode = Field("as_described", description="Sets the defaults of what was released.")
    random_special: bool = Field(
        False, description="Random replacements may be special tokens; default by mode."
    )
    validation: Literal["fixed", "current"] = Field(
        "fixed",
        description="Measure perplexity with one rule throughout, or with the rule that is being "
        "trained; default by mode.",
    )

    @model_validator(mode="after")
    def _as_released(self) -> TokenMasking:
        if self.is_released:
            self._preset(self.released)
        return self

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules in the order in which they are used."""
        return (self.name,)

    @property
    def is_released(self) -> bool:
        """Whether the mode says so."""
        return self.mode == "as_released"

    @abstractmethod
    def probability_of(self, rule: str, k: int) -> float:
        """Return the probability of a centre under `rule` with tokens of k bases."""

    @abstractmethod
    def curriculum(self, total_steps: int) -> Curriculum:
        """Make what names the rule of each step."""


class OneRule(TokenMasking):
    """A masking of one rule, `mask`."""

    probability: Share | None = Field(
        None, description="Of a centre; null: 15 % of the tokens, by how many a centre masks."
    )

    def probability_of(self, rule: str, k: int) -> float:
        """Return `probability`, or the default of the rule."""
        return default_probability(rule, k) if self.probability is None else self.probability

    def curriculum(self, total_steps: int) -> Curriculum:
        """Make one of this rule alone."""
        from dnastudents.masking.curriculum import Curriculum

        return Curriculum(self.name)

    @staticmethod
    @abstractmethod
    def tokens(k: int) -> float:
        """Return how many tokens of k bases a centre masks in the mean."""

    @staticmethod
    @abstractmethod
    def mask(centres: Tensor, eligible: Tensor, ranks: Any, k: int, options: Any) -> Tensor:
        """Choose what is masked.

        Parameters
        ----------
        centres, eligible : Tensor
            bool (B, T): drawn positions, and those that may be masked.
        ranks : Tensor or None
            int64 (B, T), PMI rank of each position; None where the rule does not follow one.
        k : int
            Bases of a token.
        options : TokenMasking
            The settings of the masking, which may be a curriculum that this rule is part of.

        Returns
        -------
        Tensor
            bool (B, T), within `eligible`.
        """


class Ranked(TokenMasking):
    """What follows a PMI ranking."""

    needs_ranks: ClassVar[bool] = True
    released: ClassVar[dict[str, Any]] = {**TokenMasking.released, "rank_source": "position"}

    rank_source: RankSource = Field(
        "token",
        description="The rank of a position is that of its token; or, as released, of the "
        "vocabulary's entry with the number of the position; default by mode.",
    )
    special_rank: int | None = Field(
        None,
        ge=0,
        description="Rank of tokens that are not k-mers; null: 4**k, the worst; 0, the best, for "
        "genemask as released.",
    )


class TwoRules(Ranked):
    """A curriculum of two rules, of which one follows the ranking."""

    pair: ClassVar[tuple[str, str]]

    probability: dict[str, Share] | None = Field(
        None, description="Of a centre, by rule; those left out are as for that rule alone."
    )
    direction: Direction = Field("easy_to_hard", description="Which of the two rules is first.")

    @model_validator(mode="after")
    def _check_rules(self) -> TwoRules:
        for rule in self.probability or {}:
            if rule not in self.pair:
                raise Wrong("probability", f"unknown rule '{rule}'; known: {', '.join(self.pair)}")
        return self

    @property
    def in_order(self) -> tuple[str, str]:
        """The pair, in the order of `direction`."""
        first, second = self.pair
        return (first, second) if self.direction == "easy_to_hard" else (second, first)

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules in the order in which they are used."""
        return self.in_order

    def probability_of(self, rule: str, k: int) -> float:
        """Return what `probability` gives for the rule, or its default."""
        return (self.probability or {}).get(rule, default_probability(rule, k))


@MASKINGS.add
class Bernoulli(OneRule):
    """Single tokens, independently of one another."""

    name: Literal["bernoulli"]

    @staticmethod
    def tokens(k: int) -> float:
        """Return how many tokens a centre masks: itself."""
        return 1.0

    @staticmethod
    def mask(centres: Tensor, eligible: Tensor, ranks: Any, k: int, options: Any) -> Tensor:
        """Mask by `rules.bernoulli`."""
        from dnastudents.masking import rules

        return rules.bernoulli(centres, eligible)


@MASKINGS.add
class RandomSpan(OneRule):
    """The k tokens around each centre, as DNABERT does."""

    name: Literal["random_span"]

    @staticmethod
    def tokens(k: int) -> float:
        """Return how many tokens a centre masks: those that cover one base."""
        return float(k)

    @staticmethod
    def mask(centres: Tensor, eligible: Tensor, ranks: Any, k: int, options: Any) -> Tensor:
        """Mask by `rules.random_span`."""
        from dnastudents.masking import rules

        return rules.random_span(centres, eligible, k)


@MASKINGS.add
class GeneMask(OneRule, Ranked):
    """Longer spans around centres with a k-mer of high PMI near them (GeneMask, ECAI 2023)."""

    released: ClassVar[dict[str, Any]] = {
        **Ranked.released,
        "high_set": "released_rule",
        "special_rank": 0,
    }

    name: Literal["genemask"]
    high_set: HighSet = Field(
        "top_half", description="Which centres lose more, see `rules.genemask`; default by mode."
    )

    @staticmethod
    def tokens(k: int) -> float:
        """Return how many tokens a centre masks: k, or, every other one, 2 k - 1."""
        return (k + 2 * k - 1) / 2

    @staticmethod
    def mask(centres: Tensor, eligible: Tensor, ranks: Any, k: int, options: Any) -> Tensor:
        """Mask by `rules.genemask`."""
        from dnastudents.masking import rules

        return rules.genemask(centres, eligible, ranks, options.high_set, k)


@MASKINGS.add
class GlobalPMI(OneRule, Ranked):
    """Around each centre, the token of the highest PMI with its whole k-mer (CM-GEMS)."""

    name: Literal["global_pmi"]

    @staticmethod
    def tokens(k: int) -> float:
        """Return how many tokens a centre masks: all that share a base with it."""
        return 2.0 * k - 1

    @staticmethod
    def mask(centres: Tensor, eligible: Tensor, ranks: Any, k: int, options: Any) -> Tensor:
        """Mask by `rules.global_pmi`."""
        from dnastudents.masking import rules

        return rules.global_pmi(centres, eligible, ranks, k)


@MASKINGS.add
class CMStep(TwoRules):
    """CM-STEP: random spans, and step by step more batches by global PMI."""

    pair: ClassVar[tuple[str, str]] = ("random_span", "global_pmi")

    name: Literal["cm_step"]

    def curriculum(self, total_steps: int) -> Curriculum:
        """Make one that moves from the first rule to the second."""
        from dnastudents.masking.curriculum import Gradual

        return Gradual(*self.in_order, total_steps)


@MASKINGS.add
class CMGems(TwoRules):
    """CM-GEMS: GeneMask, then global PMI, once the validation perplexity hardly changes."""

    pair: ClassVar[tuple[str, str]] = ("genemask", "global_pmi")
    switches: ClassVar[bool] = True
    released: ClassVar[dict[str, Any]] = {**Ranked.released, "high_set": "first_half"}

    name: Literal["cm_gems"]
    high_set: HighSet = Field(
        "top_half", description="Which centres lose more, see `rules.genemask`; default by mode."
    )
    threshold: Positive = Field(
        1.0, description="Change of perplexity below which the second rule begins [cmgems]."
    )
    switch_step: int | None = Field(
        None, ge=0, description="Begin the second rule at this step instead."
    )

    def curriculum(self, total_steps: int) -> Curriculum:
        """Make one that switches once."""
        from dnastudents.masking.curriculum import Switch

        return Switch(*self.in_order, self.threshold, self.switch_step)


def default_probability(rule: str, k: int) -> float:
    """Return the share to mask over the tokens a centre masks, rounded as the authors do.

    For k = 6: random_span 0.025, genemask 0.0176, global_pmi 0.0136.
    """
    return round(MASKED_SHARE / cast(type[OneRule], MASKINGS[rule]).tokens(k), 4)
