"""The plain twin of ChordMixer's shift, for its tests and its benchmark."""

from __future__ import annotations

import torch
from torch import Tensor


def split_roll_cat(x: Tensor, track_size: int) -> Tensor:
    """Each track of x (B, T, D) rolled on its own, as in the released code."""
    tracks = x.split(track_size, dim=-1)
    rolled = [torch.roll(track, -(2**k), dims=1) for k, track in enumerate(tracks[1:])]
    return torch.cat([tracks[0], *rolled], dim=-1)
