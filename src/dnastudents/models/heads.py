"""The heads that a student may have: masked tokens, classes of sequences.

Shape letters: B sequences, T tokens, D features, M positions, V tokens of the vocabulary,
C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from transformers.modeling_outputs import MaskedLMOutput, SequenceClassifierOutput

from dnastudents.errors import InputError
from dnastudents.models.pooling import POOLING
from dnastudents.models.student import StudentMixin


@dataclass
class StudentOutput(MaskedLMOutput):
    """Output of a masked-LM student: transformers' own, and the features.

    Attributes
    ----------
    loss : Tensor, shape ()
        Mean cross-entropy in nats where `labels` is not -100.
    logits : Tensor, shape (B, T, V)
        Unnormalised log-probabilities of the masked-token head.
    hidden_states : tuple of Tensor, each (B, T, D)
        See `StudentMixin.forward`.
    last_hidden_state : Tensor, shape (B, T, D)
        Features after the backbone's last layer.
    """

    last_hidden_state: Tensor | None = None


class MaskedLM(StudentMixin):
    """The head that predicts masked tokens; `lm_head` maps features (..., D) to (..., V)."""

    _keys_to_ignore_on_load_unexpected: list[str] = []  # noqa: RUF012

    def logits(
        self,
        hidden: Tensor,
        input_ids: Tensor | None,
        attention_mask: Tensor | None,
        labels: Tensor | None,
    ) -> Tensor:
        """Compute the logits (B, T, V) of `forward` from features (B, T, D)."""
        return self.lm_head(hidden)  # type: ignore[attr-defined]

    def logits_at(
        self, positions: Tensor, input_ids: Tensor, attention_mask: Tensor | None = None
    ) -> Tensor:
        """Compute logits (B, M, V) at some positions, int64 (B, M), of a batch with masks."""
        hidden = self.backbone(input_ids, attention_mask, positions=positions)
        return self.logits(hidden, input_ids, attention_mask, None)

    def forward(  # type: ignore[override]
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> Any:
        """Compute features, logits and, given labels, the loss of a batch.

        Parameters
        ----------
        input_ids, attention_mask, inputs_embeds, output_hidden_states, return_dict
            See `StudentMixin.forward`.
        labels : Tensor, int64 (B, T), optional
            The tokens to predict, -100 elsewhere.
        """
        hidden, layers = self._features(
            input_ids, attention_mask, inputs_embeds, output_hidden_states
        )
        logits = self.logits(hidden, input_ids, attention_mask, labels)
        loss = None
        if labels is not None:
            loss = self.loss_function(logits, labels, self.config.vocab_size)  # type: ignore[attr-defined]
        output = StudentOutput(
            loss=loss, logits=logits, hidden_states=layers, last_hidden_state=hidden
        )
        return self._answer(output, return_dict)


class SequenceClassification(StudentMixin):
    """A linear head over classes on pooled features; `config.pooling` says how they are pooled.

    A mean, of all or of each part, runs over a sequence's own bases: padding and special tokens are
    left out, so that a short sequence in a long batch gets the answer it gets alone.
    """

    new_head_prefix = "classifier."

    def add_head(self, config: Any) -> None:
        """Add dropout and the linear layer.

        Raises
        ------
        InputError
            For an unknown pooling, no parts, or "cls" where there is no classification token.
        """
        if config.pooling not in POOLING:
            raise InputError(f"pooling: {config.pooling!r} is not one of {', '.join(POOLING)}")
        if config.pooling == "cls" and not self.has_cls:
            raise InputError(
                f"pooling: cls needs a classification token, which {type(self).__name__} "
                "does not have; use mean"
            )
        if config.pooling_parts < 1:
            raise InputError(f"pooling_parts: must be at least 1, not {config.pooling_parts}")
        self.dropout = nn.Dropout(config.classifier_dropout or 0.0)
        self.classifier = nn.Linear(self.pooled_size, config.num_labels)

    @property
    def pooled_size(self) -> int:
        """Width of the pooled features."""
        parts = self.config.pooling_parts if self.config.pooling == "parts" else 1
        return int(self.feature_size * parts)

    def _init_weights(self, module: nn.Module) -> None:
        if module is self.classifier:
            nn.init.xavier_uniform_(module.weight)  # type: ignore[arg-type]
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        else:
            super()._init_weights(module)  # type: ignore[misc]

    def new_head(self) -> None:
        """Make a new linear layer with random weights, which follow `torch.manual_seed`."""
        self.classifier = nn.Linear(self.pooled_size, self.config.num_labels)
        self._init_weights(self.classifier)

    def forward(  # type: ignore[override]
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        pooling_mask: Tensor | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> Any:
        """Compute logits (B, C) and, given labels, the loss of a batch.

        Parameters
        ----------
        input_ids, attention_mask, inputs_embeds, output_hidden_states, return_dict
            See `StudentMixin.forward`.
        labels : Tensor, optional
            int64 (B,) of classes, or what `config.problem_type` asks for.
        pooling_mask : Tensor, bool (B, T), optional
            Positions that means run over. Default is real tokens that stand for bases.
        """
        batch = inputs_embeds if input_ids is None else input_ids
        read = None if batch is None else self.positions_read(batch)
        hidden, layers = self._features(
            input_ids, attention_mask, inputs_embeds, output_hidden_states, read
        )
        pooled = self.pool_features(hidden, input_ids, attention_mask, pooling_mask)
        logits = self.classifier(self.dropout(pooled))
        loss = None
        if labels is not None:
            loss = self.loss_function(pooled_logits=logits, labels=labels, config=self.config)  # type: ignore[attr-defined]
        output = SequenceClassifierOutput(loss=loss, logits=logits, hidden_states=layers)
        return self._answer(output, return_dict)
