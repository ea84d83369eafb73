"""What every student has in common: one forward pass, one output, one strict way of loading.

A student gives `embed` (token ids to embeddings), `encode` (embeddings to features) and `lm_head`
(features to logits). Everything else is here, once:

- `backbone` is `encode(embed(...))`, and `forward` is `lm_head(backbone(...))`. Objectives that
  need logits at a few positions call the last two themselves, so the head is computed only where a
  loss is taken.
- `from_pretrained` refuses a checkpoint whose weights are not exactly the model's, where
  transformers would warn and continue with random numbers, and it never reads a pickle.

Shape letters: B sequences, T tokens, D features, V tokens of the vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from dnastudents.errors import InputError


@dataclass
class StudentOutput(ModelOutput):
    """Output of every student.

    Attributes
    ----------
    last_hidden_state : Tensor, shape (B, T, D)
        Features after the backbone's last layer.
    logits : Tensor, shape (B, T, V)
        Unnormalised log-probabilities of the masked-token head.
    """

    last_hidden_state: Tensor | None = None
    logits: Tensor | None = None


class StudentMixin:
    """Forward pass and strict loading of a masked-LM student; mixed into a PreTrainedModel."""

    config: Any

    @property
    def has_cls(self) -> bool:
        """Whether sequences start with a classification token, so that `pool_cls` has a meaning."""
        return bool(self.config.options.has_cls)

    @property
    def feature_size(self) -> int:
        """D, the width of `last_hidden_state`."""
        return int(self.config.hidden_size)

    def embed(self, input_ids: Tensor) -> Tensor:
        """Map token ids (B, T) to the embeddings (B, T, D) that `inputs_embeds` stands for."""
        raise NotImplementedError

    def encode(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Compute features (B, T, D) of embeddings `x` (B, T, D); the mask is `forward`'s."""
        raise NotImplementedError

    def backbone(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> Tensor:
        """Compute features (B, T, D) of a batch; the arguments are those of `forward`."""
        if (input_ids is None) == (inputs_embeds is None):
            raise InputError("give the model input_ids or inputs_embeds: one of them, not both")
        x = inputs_embeds if input_ids is None else self.embed(input_ids)
        return self.encode(x, attention_mask)  # type: ignore[arg-type]

    def pool_cls(self, hidden: Tensor) -> Tensor:
        """Pool features (B, T, D) to one vector per sequence (B, D): that of the first token."""
        return hidden[:, 0]

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> StudentOutput:
        """Compute features and logits of a batch.

        Parameters
        ----------
        input_ids : Tensor, int64 (B, T), optional
            Token ids, padded on the right. Either this or `inputs_embeds`.
        attention_mask : Tensor, bool or int (B, T), optional
            True (1) at real tokens. Default is all of them.
        inputs_embeds : Tensor, (B, T, D), optional
            Embeddings in place of ids, as made by `embed`.
        """
        hidden = self.backbone(input_ids, attention_mask, inputs_embeds)
        return StudentOutput(last_hidden_state=hidden, logits=self.lm_head(hidden))  # type: ignore[attr-defined]

    @classmethod
    def from_pretrained(cls, folder: str | Path, *args: Any, **kwargs: Any) -> Any:
        """Load a checkpoint folder (config.json, model.safetensors); its keys must match exactly.

        Weights become float32 unless `dtype` says otherwise: by its own rule transformers takes the
        precision of the file, and a model of half precision is another one on a CPU.

        Raises
        ------
        InputError
            If the folder holds no such checkpoint, or if a weight is missing, left over or of
            another shape. `_keys_to_ignore_on_load_unexpected` lists what may be left over.
        """
        wants_info = kwargs.pop("output_loading_info", False)
        kwargs.setdefault("use_safetensors", True)
        kwargs.setdefault("dtype", torch.float32)
        try:
            model, info = super().from_pretrained(  # type: ignore[misc]
                folder, *args, output_loading_info=True, **kwargs
            )
        except (OSError, RuntimeError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"{folder}: no checkpoint of a {cls.__name__}: {reason}") from error
        problems = [
            f"{name.removesuffix('_keys')}: {', '.join(sorted(map(str, info[name]))[:5])}"
            f" ({len(info[name])} in all)"
            for name in ("missing_keys", "unexpected_keys", "mismatched_keys")
            if info[name]
        ]
        if problems:
            raise InputError(
                f"{folder}: its weights are not those of the {cls.__name__} in its config.json; "
                f"{'; '.join(problems)}. Check hidden sizes and layers, or download it again"
            )
        return (model, info) if wants_info else model


def count_parameters(model: torch.nn.Module) -> int:
    """Number of weights, tied ones counted once, frozen ones too."""
    return sum(parameter.numel() for parameter in model.parameters())


class Student(StudentMixin, PreTrainedModel):  # type: ignore[misc]
    """Base of the students that are not a transformers model already."""

    _supports_sdpa = True  # the only attention there is
