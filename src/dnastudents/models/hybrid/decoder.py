"""HAD's reconstruction head: masked positions ask the visible ones what they hold.

Known, from reviews of arXiv 2505.20836, is the cross-attention from masked queries to visible keys
and values; depth and norms are our default. The query is the student's output at the masked
position, which carries its place, unlike a bare mask token.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from dnastudents.models.layers import take_positions


class CrossAttentionDecoder(nn.Module):
    """One pre-norm cross-attention block and a linear layer over the vocabulary.

    Parameters
    ----------
    width : int
        Features D of the student.
    symbols : int
        Classes V.
    heads : int
        Attention heads; must divide `width`. Default is 4.
    """

    def __init__(self, width: int, symbols: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.final_norm = nn.LayerNorm(width)
        self.classify = nn.Linear(width, symbols)

    def forward(self, hidden: Tensor, queries: Tensor, visible: Tensor) -> Tensor:
        """Compute logits (B, M, V) at the queried positions.

        Parameters
        ----------
        hidden : Tensor
            Student's output (B, L, D).
        queries : Tensor
            Positions to predict, int64 (B, M).
        visible : Tensor
            Positions that may be looked at, bool (B, L).
        """
        asking = take_positions(hidden, queries)
        key, value = self.key_value(self.norm(hidden)).chunk(2, dim=-1)
        query = self.query(self.norm(asking))
        query, key, value = (
            x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in (query, key, value)
        )
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=visible[:, None, None])
        answer = asking + self.out(seen.transpose(1, 2).flatten(2))
        return self.classify(self.final_norm(answer))
