"""ChordMixer, the student of FinDNA: attention-free, 12.65 M parameters in FinDNA's setting.

A layer is `x + shift(mlp(x))`. The channels are cut into tracks; track 0 stays, track k >= 1 is
rolled by 2 ** (k - 1) positions, around the sequence (padding stays where it is, unlike in the
released network, so a sequence's features do not depend on the batch). The strides sum to at least
length - 1, so the ceil(log2(max_length)) layers of a block see every position from every other.
No norm, no positions: as in FinDNA's released network (wiedersehne/FinDNA @e3e72f1,
models/SwanDNA.py), whose weight names these are. ChordMixer is Khalitov et al. 2023
(arXiv 2206.05852); it normalises after every layer, which is `norm: post` here.

Design decisions
----------------
- Input are ids of the symbols A C G N T (0..4). Any other id (mask, CLS, pad, -1) and every
  position outside the attention mask is the all-zero symbol, which embeds as the bias.
- The shift is a permutation of rows (position, track), so it is one `index_select`, and its
  gradient is one too, with the inverse permutation. For B 4, L 1010, D 308 on one thread it takes
  0.42 ms of CPU time where a copy takes 0.40 and split-roll-concatenate 1.6. The residual is added
  in place to what it gave: 0.77 ms for both, where adding slices track by track takes 1.3, and
  1.8 the twin. A whole layer as one autograd function was no faster.
- A row is as wide as the largest number that divides a track and all channels. That is a track,
  unless the last track is smaller than the others (`width`), as in FinDNA's fine-tuning.
- `hidden_size` is the width of the MLP, as in FinDNA's settings; features are `channels` wide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import gcd

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from dnastudents.models.chordmixer.config import SYMBOLS, ChordMixerConfig
from dnastudents.models.heads import MaskedLM, SequenceClassification
from dnastudents.models.layers import permute_rows
from dnastudents.models.student import Student


@lru_cache(maxsize=8)
def shift_rows(
    batch: int, length: int, channels: int, track_size: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Make the shift as a permutation of (batch * length * pieces) rows, and its inverse.

    Piece u of a position is in track k; row (b, t, u) of the result is row
    (b, (t + s_k) mod length, u), s = 0, 1, 2, 4, ... Without a smaller last track a piece is a
    track.
    """
    # a cached tensor that was born in inference mode could not serve training
    with torch.inference_mode(False):
        lengths = torch.full((batch,), length, device=device)
        return _permutations(lengths, length, channels, track_size)


def _permutations(
    lengths: Tensor, columns: int, channels: int, track_size: int
) -> tuple[Tensor, Tensor]:
    """Do as `shift_rows`, where sequence b has lengths[b] real positions, all on the left."""
    width = gcd(channels, track_size)
    piece = torch.arange(channels // width, device=lengths.device)
    track = piece * width // track_size
    stride = torch.where(track == 0, 0, 2 ** (track - 1).clamp(min=0))
    position = torch.arange(columns, device=lengths.device)[:, None]
    real = lengths.clamp(min=1)[:, None, None]
    first = torch.arange(len(lengths), device=lengths.device)[:, None, None] * columns
    forward = torch.where(position < real, (position + stride) % real, position)
    backward = torch.where(position < real, (position - stride) % real, position)
    return (
        ((first + forward) * len(piece) + piece).flatten(),
        ((first + backward) * len(piece) + piece).flatten(),
    )


def _rows(x: Tensor, track_size: int, attention_mask: Tensor | None) -> tuple[Tensor, Tensor]:
    batch, length, channels = x.shape
    if attention_mask is None:
        return shift_rows(batch, length, channels, track_size, x.device)
    return _permutations(attention_mask.bool().sum(1), length, channels, track_size)


def shift(x: Tensor, track_size: int, attention_mask: Tensor | None = None) -> Tensor:
    """Roll track k >= 1 of x (B, T, D) by 2 ** (k - 1) positions towards the start, circularly.

    Each sequence rolls over its own positions, those in `attention_mask` (B, T).
    """
    rows = _rows(x, track_size, attention_mask)
    return permute_rows(_pieces(x, track_size), *rows).view_as(x)


def add_shifted(x: Tensor, mixed: Tensor, track_size: int, rows: tuple[Tensor, Tensor]) -> Tensor:
    """Compute x + shift(mixed) of (B, T, D), with the permutations `rows` of `shift_rows`."""
    shifted, flat = permute_rows(_pieces(mixed, track_size), *rows), _pieces(x, track_size)
    # In place saves a pass over memory; under autocast the sum is wider than what was shifted.
    total = shifted.add_(flat) if shifted.dtype == flat.dtype else shifted + flat
    return total.view_as(x)


def _pieces(x: Tensor, track_size: int) -> Tensor:
    return x.reshape(-1, gcd(x.shape[-1], track_size))


class ChordMixerMLP(nn.Module):
    """Linear, GELU, linear over the channels; dropout after each linear layer."""

    def __init__(self, channels: int, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden_size)
        self.fc2 = nn.Linear(hidden_size, channels)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.dropout(F.gelu(self.fc1(x)), self.dropout, self.training)
        return F.dropout(self.fc2(hidden), self.dropout, self.training)


class ChordMixerLayer(GradientCheckpointingLayer):
    """x + shift(mlp(x)), with a norm before or after where there is one."""

    def __init__(self, config: ChordMixerConfig) -> None:
        super().__init__()
        self.mlp = ChordMixerMLP(config.channels, config.hidden_size, config.mlp_dropout)
        self.track_size = config.track_size
        self.dropout = config.layer_dropout
        self.norm_position = config.norm
        if self.norm_position != "none":
            self.norm = nn.LayerNorm(config.channels)

    def forward(self, x: Tensor, rows: tuple[Tensor, Tensor]) -> Tensor:
        mixed = self.mlp(self.norm(x) if self.norm_position == "pre" else x)
        mixed = F.dropout(mixed, self.dropout, self.training)
        x = add_shifted(x, mixed, self.track_size, rows)
        return self.norm(x) if self.norm_position == "post" else x


class ChordMixerBlock(nn.Module):
    """The layers after which every position has seen every other."""

    def __init__(self, config: ChordMixerConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(ChordMixerLayer(config) for _ in range(config.layers_per_block))

    def forward(self, x: Tensor, rows: tuple[Tensor, Tensor]) -> Tensor:
        for layer in self.layer:
            x = layer(x, rows)
        return x


class ChordMixerModel(Student):
    """ChordMixer without a head."""

    config_class = ChordMixerConfig
    _keys_to_ignore_on_load_unexpected = [r"^linear\.", r"^classifier\."]  # noqa: RUF012

    def add_backbone(self, config: ChordMixerConfig) -> None:
        """Add the embedding and the blocks."""
        self.embedding = nn.Linear(SYMBOLS, config.channels)
        self.block = nn.ModuleList(ChordMixerBlock(config) for _ in range(config.blocks))

    def get_input_embeddings(self) -> nn.Module:
        """Return the linear map from one-hot symbols to features."""
        return self.embedding

    def hidden_layers(self) -> Sequence[nn.Module]:
        """List the layers of all blocks."""
        return [layer for block in self.block for layer in block.layer]  # type: ignore[union-attr]

    def _init_weights(self, module: nn.Module) -> None:
        """Keep torch's initialisation, as the released code does, unless there is a range."""
        if hasattr(self.config, "initializer_range"):
            super()._init_weights(module)

    @property
    def feature_size(self) -> int:
        """D, the number of channels."""
        return self.config.channels

    def embed(self, input_ids: Tensor) -> Tensor:
        """Map symbols (B, T) to embeddings (B, T, D).

        Noise on the symbols themselves: call `embedding` on (B, T, 5) instead.
        """
        symbols = torch.arange(SYMBOLS, device=input_ids.device)
        one_hot = input_ids.unsqueeze(-1) == symbols
        return self.embedding(one_hot.to(self.embedding.weight.dtype))

    def encode(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Compute features (B, T, D); outside `attention_mask` is the all-zero symbol."""
        # Dozens of additions without a norm between them: float32, whatever autocast says.
        x = x.to(self.embedding.weight.dtype)
        if attention_mask is not None:
            x = torch.where(attention_mask.bool().unsqueeze(-1), x, self.embedding.bias)
        rows = _rows(x, self.config.track_size, attention_mask)
        for block in self.block:
            x = block(x, rows)
        return x


class ChordMixerForMaskedLM(MaskedLM, ChordMixerModel):  # type: ignore[misc]
    """ChordMixer with a linear head over A C G N T."""

    def add_head(self, config: ChordMixerConfig) -> None:
        """Add the linear layer."""
        self.linear = nn.Linear(config.channels, config.vocab_size)

    def get_output_embeddings(self) -> nn.Module:
        """Return the linear layer to the symbols."""
        return self.linear

    def logits(
        self,
        hidden: Tensor,
        input_ids: Tensor | None,
        attention_mask: Tensor | None,
        labels: Tensor | None,
    ) -> Tensor:
        """Compute logits (B, T, 5), divided by the temperature of the config."""
        return (
            super().logits(hidden, input_ids, attention_mask, labels)
            / self.config.masked_temperature
        )

    def lm_head(self, hidden: Tensor) -> Tensor:
        """Map features (..., D) to logits (..., 5) over A C G N T in full precision."""
        with torch.autocast(hidden.device.type, enabled=False):
            return self.linear(hidden.to(self.linear.weight.dtype))


class ChordMixerForSequenceClassification(SequenceClassification, ChordMixerModel):  # type: ignore[misc]
    """ChordMixer with a classification head."""


def resized(
    student: ChordMixerForMaskedLM, max_length: int, track_size: int, blocks: int
) -> tuple[ChordMixerForMaskedLM, int]:
    """Make a new network with the weights that still fit: FinDNA's released way to fine-tune.

    Width and everything else stay. Another track size gives the same channels other strides, and
    another length or number of blocks drops layers or adds random ones (`torch.manual_seed`).

    Parameters
    ----------
    student : ChordMixerForMaskedLM
        The pretrained one; it is left as it is.
    max_length, track_size, blocks : int
        Of the new one.

    Returns
    -------
    new, taken
        The new student, and how many of its backbone's tensors come from the old one.
    """
    fields = student.config.to_dict() | {"width": student.config.channels}
    fields |= {"max_length": max_length, "track_size": track_size, "blocks": blocks}
    new = ChordMixerForMaskedLM(ChordMixerConfig.from_dict(fields))
    values, weights = new.state_dict(), student.state_dict()
    common = {name: weights[name] for name in values if name in weights}
    new.load_state_dict({**values, **common})
    return new, len(backbone_tensors(common))


def backbone_tensors(names: Iterable[str]) -> list[str]:
    """Return the names of a ChordMixer's weights that a classifier uses: not the masked head's."""
    return [name for name in names if not name.startswith("linear.")]
