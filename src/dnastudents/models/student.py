"""What every student has in common: one forward pass for each use, one strict way of loading.

A student gives `add_backbone`, `embed` (token ids to embeddings), `encode` (embeddings to features)
and `hidden_layers`. The rest is here, once for all of them; `backbone` is `encode(embed(...))`:

- `Student` is what transformers' AutoModel makes; `heads.MaskedLM` and
  `heads.SequenceClassification` are mixed into it. Their weights have the same names, so one
  checkpoint serves all three.
- Objectives that need logits at a few positions call `backbone` and `lm_head` themselves, so the
  head is computed only where a loss is taken.
- `from_pretrained` refuses a checkpoint whose weights are not exactly the model's, where
  transformers would warn and continue with random numbers, and it never reads a pickle. What a use
  does not need (the head of another use) may be left over; a new classification head may be absent.

Shape letters: B sequences, T tokens, D features.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from dnastudents.errors import InputError
from dnastudents.genome import tokenizers
from dnastudents.models.layers import take_positions
from dnastudents.models.pooling import content_mask, mean_pool, part_pool


class StudentMixin:
    """The backbone's forward pass and strict loading; mixed into a PreTrainedModel."""

    new_head_prefix: ClassVar[str] = ""
    """Prefix of the weights that a checkpoint of another use may lack."""

    config: Any

    @property
    def has_cls(self) -> bool:
        """Whether sequences start with a classification token, so that `pool_cls` has a meaning."""
        return bool(self.config.options.has_cls)

    @property
    def feature_size(self) -> int:
        """D, the width of `last_hidden_state`."""
        return int(self.config.hidden_size)

    @cached_property
    def special_ids(self) -> tuple[int, ...]:
        """Ids of tokens that stand for no base, which no mean runs over."""
        return tokenizers.build(self.config.options.tokenizer).special_ids

    def embed(self, input_ids: Tensor) -> Tensor:
        """Map token ids (B, T) to the embeddings (B, T, D) that `inputs_embeds` stands for."""
        raise NotImplementedError

    def encode(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Compute features (B, T, D) of embeddings `x` (B, T, D); the mask is `forward`'s."""
        raise NotImplementedError

    def encode_at(self, x: Tensor, attention_mask: Tensor | None, positions: Tensor) -> Tensor:
        """Compute what `encode` gives at some positions, int64 (B, M): features (B, M, D)."""
        return take_positions(self.encode(x, attention_mask), positions)

    def backbone(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Compute features (B, T, D) of a batch; the arguments are those of `forward`.

        With `positions`, int64 (B, M), only the features there, (B, M, D).
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise InputError("give the model input_ids or inputs_embeds: one of them, not both")
        x = inputs_embeds if input_ids is None else self.embed(input_ids)
        if positions is not None:
            return self.encode_at(x, attention_mask, positions)  # type: ignore[arg-type]
        return self.encode(x, attention_mask)  # type: ignore[arg-type]

    def hidden_layers(self) -> Sequence[nn.Module]:
        """List the layers of the backbone in their order; each maps features to features."""
        raise NotImplementedError

    def computed_by(self, device: torch.device, half: bool) -> dict[str, str]:
        """Say what computes each part that has several forms, by the name of the part.

        `half` says whether products are in half precision.
        """
        return {}

    def pool_cls(self, hidden: Tensor) -> Tensor:
        """Pool features (B, T, D) to one vector per sequence (B, D): that of the first token."""
        return hidden[:, 0]

    def pool(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        pooling_mask: Tensor | None = None,
        pooling: str | None = None,
        parts: int | None = None,
    ) -> Tensor:
        """Compute one vector per sequence, (B, D), or (B, P D) of P parts.

        Parameters
        ----------
        input_ids, attention_mask
            See `forward`.
        pooling_mask : Tensor, bool (B, T), optional
            Positions that means run over. Default is real tokens that stand for bases.
        pooling : {"mean", "cls", "parts"}
            Mean over bases, the classification token, or means over parts of the sequence, one
            behind the other (`pooling.part_pool`). Default is the config's: "mean" but for
            classifiers that were trained otherwise.
        parts : int
            P. Default is the config's, 7 but for such classifiers.
        """
        read = self.positions_read(input_ids, pooling)
        hidden = self.backbone(input_ids, attention_mask, positions=read)
        return self.pool_features(hidden, input_ids, attention_mask, pooling_mask, pooling, parts)

    def positions_read(self, batch: Tensor, pooling: str | None = None) -> Tensor | None:
        """Find the one token that a pooling reads, int64 (B, 1); None where it reads all."""
        if (pooling or self.config.pooling) != "cls":
            return None
        return torch.zeros(len(batch), 1, dtype=torch.int64, device=batch.device)

    def pool_features(
        self,
        hidden: Tensor,
        input_ids: Tensor | None,
        attention_mask: Tensor | None = None,
        pooling_mask: Tensor | None = None,
        pooling: str | None = None,
        parts: int | None = None,
    ) -> Tensor:
        """Pool features (B, T, D) that are there already; the rest is as for `pool`."""
        pooling = pooling or self.config.pooling
        if pooling == "cls":
            return self.pool_cls(hidden)
        if pooling_mask is None:
            ids = hidden.new_full(hidden.shape[:2], -1) if input_ids is None else input_ids
            pooling_mask = content_mask(ids, attention_mask, self.special_ids)
        if pooling == "parts":
            return part_pool(hidden, pooling_mask, parts or self.config.pooling_parts)
        return mean_pool(hidden, pooling_mask)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> Any:
        """Compute the features of a batch.

        Parameters
        ----------
        input_ids : Tensor, int64 (B, T), optional
            Token ids, padded on the right. Either this or `inputs_embeds`.
        attention_mask : Tensor, bool or int (B, T), optional
            True (1) at real tokens. Default is all of them.
        inputs_embeds : Tensor, (B, T, D), optional
            Embeddings in place of ids, as made by `embed`.
        output_hidden_states : bool, optional
            Whether to return `hidden_states`: what the first layer gets, then what each layer
            gives; the last is `last_hidden_state`. Default is the config's, which is False.
        return_dict : bool, optional
            False gives a tuple. Default is the config's, which is True.
        """
        hidden, layers = self._features(
            input_ids, attention_mask, inputs_embeds, output_hidden_states
        )
        return self._answer(
            BaseModelOutput(last_hidden_state=hidden, hidden_states=layers), return_dict
        )

    def _features(
        self,
        input_ids: Tensor | None,
        attention_mask: Tensor | None,
        inputs_embeds: Tensor | None,
        output_hidden_states: bool | None,
        positions: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, ...] | None]:
        """Run the backbone; collect what goes through its layers, at all positions, if asked to."""
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        if not output_hidden_states:
            return self.backbone(input_ids, attention_mask, inputs_embeds, positions), None
        layers = self.hidden_layers()
        seen: list[Tensor] = []
        hooks = [layers[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))]
        for layer in layers:
            hooks.append(layer.register_forward_hook(lambda _, __, out: seen.append(_first(out))))
        try:
            hidden = self.backbone(input_ids, attention_mask, inputs_embeds)
        finally:
            for hook in hooks:
                hook.remove()
        return hidden, (*seen[:-1], hidden)

    def _answer(self, output: Any, return_dict: bool | None) -> Any:
        wants_dict = self.config.return_dict if return_dict is None else return_dict
        return output if wants_dict else output.to_tuple()

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
                folder, *args, output_loading_info=True, ignore_mismatched_sizes=True, **kwargs
            )
        except (OSError, RuntimeError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"{folder}: no checkpoint of a {cls.__name__}: {reason}") from error
        missing = list(info["missing_keys"])
        if cls.new_head_prefix and cls.__name__ not in (model.config.architectures or ()):
            missing = [name for name in missing if not name.startswith(cls.new_head_prefix)]
        wrong = {
            "missing": missing,
            "unexpected": info["unexpected_keys"],
            "mismatched": info["mismatched_keys"],
        }
        problems = [
            f"{what}: {', '.join(sorted(map(str, names))[:5])} ({len(names)} in all)"
            for what, names in wrong.items()
            if names
        ]
        if problems:
            raise InputError(
                f"{folder}: its weights are not those of the {cls.__name__} in its config.json; "
                f"{'; '.join(problems)}. Check hidden sizes and layers, or download it again"
            )
        return (model, info) if wants_info else model


def _first(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple) else output


class Student(StudentMixin, PreTrainedModel):  # type: ignore[misc]
    """Base of the students that are not a transformers model already."""

    _supports_sdpa = True  # the only attention there is
    supports_gradient_checkpointing = True
    _keys_to_ignore_on_load_unexpected = [r"^lm_head\.", r"^classifier\."]  # noqa: RUF012

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.add_backbone(config)
        self.add_head(config)
        self.post_init()  # after the head, so that a seed gives one network its weights in one go

    def add_backbone(self, config: Any) -> None:
        """Add the modules of the backbone."""
        raise NotImplementedError

    def add_head(self, config: Any) -> None:
        """Add the modules of the head: none where there is none."""


def count_parameters(model: torch.nn.Module) -> int:
    """Number of weights, tied ones counted once, frozen ones too."""
    return sum(parameter.numel() for parameter in model.parameters())
