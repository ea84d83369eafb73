"""A masked batch: positions chosen by the rule of the step, replaced, and labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

import torch
from torch import Tensor

from dnastudents.errors import InputError
from dnastudents.genome.tokenizers import NO_LABEL, Tokenizer
from dnastudents.masking import rules
from dnastudents.masking.options import MASKINGS, OneRule, Ranked, TokenMasking


@dataclass(frozen=True)
class Masked:
    """A masked batch.

    Attributes
    ----------
    input_ids : Tensor
        int64 (B, T), what the model sees.
    labels : Tensor
        int64 (B, T), the true ids at masked positions, -100 elsewhere.
    mask : Tensor
        bool (B, T).
    """

    input_ids: Tensor
    labels: Tensor
    mask: Tensor

    @classmethod
    def join(cls, batches: Sequence[Masked]) -> Masked:
        """Join all rows of `batches` into one batch, in their order."""
        return cls(*(torch.cat([getattr(b, f.name) for b in batches]) for f in fields(cls)))


class Masking:
    """Masks batches by a curriculum of rules.

    Parameters
    ----------
    settings : TokenMasking
        Which rules, and how.
    tokenizer : Tokenizer
        Whose ids the batches hold.
    ranks : Tensor or None
        int64 (vocab_size,), PMI rank of each id; only PMI rules need it.
    total_steps : int
        Length of the training, for cm_step.

    Raises
    ------
    InputError
        A PMI rule without ranks.
    """

    def __init__(
        self,
        settings: TokenMasking,
        tokenizer: Tokenizer,
        ranks: Tensor | None,
        total_steps: int,
    ) -> None:
        self.settings = settings
        self.tokenizer = tokenizer
        self.total_steps = total_steps
        self.curriculum = settings.curriculum(total_steps)
        # Tokens that cover one base; those of a Nucleotide Transformer do not overlap.
        self._span = tokenizer.k if tokenizer.overlaps else 1
        self._is_eligible = torch.ones(tokenizer.vocab_size, dtype=torch.bool)
        self._is_eligible[list(tokenizer.special_ids)] = False
        known = range(tokenizer.vocab_size) if settings.random_special else tokenizer.base_ids
        self._choices = torch.tensor(known)
        self._ranks: Tensor | None = None
        if settings.needs_ranks:
            self._ranks = _complete_ranks(settings, tokenizer, ranks)

    def __call__(self, input_ids: Tensor, generator: torch.Generator, step: int) -> Masked:
        """Mask a batch.

        Parameters
        ----------
        input_ids : Tensor
            int64 (B, T), padded.
        generator : torch.Generator
            On the device of `input_ids`; the only source of chance.
        step : int
            Of the training, from 0.
        """
        eligible = _look_up(self._is_eligible, input_ids)
        rule = self.curriculum.pick(step, generator)
        probability = self.settings.probability_of(rule, self._span)
        centres = rules.draw_centres(eligible, probability, generator)
        mask = self._apply(rule, centres, eligible, input_ids)
        settings = self.settings
        masked_ids = rules.replace(
            input_ids,
            mask,
            self.tokenizer.mask_id,
            self._choices.to(input_ids.device),
            generator,
            settings.mask_share,
            settings.random_share,
        )
        return Masked(masked_ids, torch.where(mask, input_ids, NO_LABEL), mask)

    def validation(self) -> Masking:
        """Return the masking by which perplexity is measured.

        By default one rule that never changes (spans for overlapping k-mers, else single tokens),
        so that a change of perplexity means learning and not a change of masks; with the setting
        `validation: current`, this masking itself.
        """
        if self.settings.validation == "current":
            return self
        rule = "random_span" if self._span > 1 else "bernoulli"
        same = ["mask_share", "random_share", "random_special"]
        if self.settings.name == rule:
            same.append("probability")
        values = {key: getattr(self.settings, key) for key in same}
        settings = cast(TokenMasking, MASKINGS.parse({"name": rule, **values}))
        return Masking(settings, self.tokenizer, None, self.total_steps)

    def _apply(self, rule: str, centres: Tensor, eligible: Tensor, input_ids: Tensor) -> Tensor:
        kind = cast(type[OneRule], MASKINGS[rule])
        ranks = self._ranks_at(input_ids) if kind.needs_ranks else None
        return kind.mask(centres, eligible, ranks, self._span, self.settings)

    def _ranks_at(self, input_ids: Tensor) -> Tensor:
        """Return PMI rank of each position, int64 (B, T)."""
        assert self._ranks is not None
        if cast(Ranked, self.settings).rank_source == "token":
            return _look_up(self._ranks, input_ids)
        position = torch.arange(input_ids.shape[1], device=input_ids.device) % len(self._ranks)
        return _look_up(self._ranks, position).expand_as(input_ids)


def _look_up(table: Tensor, ids: Tensor) -> Tensor:
    """Look up ids in a table on their device; index_select is much faster than brackets."""
    return table.to(ids.device).index_select(0, ids.flatten()).view_as(ids)


def _complete_ranks(settings: Any, tokenizer: Tokenizer, ranks: Tensor | None) -> Tensor:
    """Give `special_rank` to every id that is not a k-mer."""
    if ranks is None:
        raise InputError(f"masking {settings.name} needs a PMI table; run `dnastudents pmi` first")
    if ranks.shape != (tokenizer.vocab_size,):
        raise InputError(
            f"masking {settings.name}: PMI ranks of {len(ranks)} tokens for a vocabulary of "
            f"{tokenizer.vocab_size}; make the PMI table with k = {tokenizer.k}"
        )
    given = cast(Ranked, settings).special_rank
    special = 4**tokenizer.k if given is None else given
    complete = torch.full_like(ranks, special)
    known = torch.tensor(tokenizer.base_ids)
    complete[known] = ranks[known]
    return complete


def build(
    settings: Mapping[str, Any] | TokenMasking,
    tokenizer: Tokenizer,
    ranks: Tensor | None,
    total_steps: int,
) -> Masking:
    """Make a masking from a block of the configuration.

    Parameters
    ----------
    settings : mapping or TokenMasking
        `name`, and what the class of that name in `masking.options` may be set to.
    tokenizer : Tokenizer
        Of the student.
    ranks : Tensor or None
        int64 (vocab_size,), from `dnastudents.pmi.load_ranks`; only PMI rules need it.
    total_steps : int
        Of the training.

    Raises
    ------
    InputError
        An unknown key or name, an impossible number, or a PMI rule without ranks.
    """
    options = MASKINGS.parse(settings)
    if not isinstance(options, TokenMasking):
        raise InputError(f"masking.name: '{options.name}' does not mask single tokens")
    return Masking(options, tokenizer, ranks, total_steps)
