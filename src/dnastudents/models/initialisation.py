"""How the weights of a new network start where a student's settings say so.

The range is the architecture's business: its `_init_weights` takes it from the config, as
`initializer_range`, the standard deviation of normal weights (biases are 0, norms 1). Here are the
tables that do not start as independent normal numbers. They are starting values only; every weight
is as free as before, and a network that is loaded does not come here.

Shape letters: P positions, D features, k bases of a k-mer.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor

from dnastudents.genome.tokenizers import KmerVocabulary, Tokenizer
from dnastudents.models.options import Initialisation


@torch.no_grad()
def initialised(model: Any, options: Initialisation, tokenizer: Tokenizer) -> Any:
    """Start the tables of a new network as the settings say, and return it.

    With `kmers: composed` the row of each k-mer in the embedding becomes

        row(b_1 ... b_k) = v(1, b_1) + ... + v(k, b_k),

    where the 4 k vectors v (D,) are normal with standard deviation range / sqrt(k), so that each
    entry of a row has that of the range, as alone. Rows of two k-mers that differ at m places are
    apart by a vector whose entries have the standard deviation range * sqrt(2 m / k). Output
    weights that are not tied to the embedding become the same with vectors of their own. Rows of
    special tokens, of single letters and of unknown k-mers stay.

    With `positions: sinusoidal` the position table becomes `range * sinusoids(P, D)`.

    Parameters
    ----------
    model : PreTrainedModel
        Of this package; it is changed in place. Without memory for its weights it stays as it is.
    options : Initialisation
        Where nothing is asked for, no weight changes and no random number is drawn.
    tokenizer : Tokenizer
        Lists the k-mers.
    """
    if model.device.type == "meta":
        return model
    if options.kmers == "composed":
        kmers, spread = cast(KmerVocabulary, tokenizer), model.config.initializer_range
        for table in _token_tables(model):
            table[torch.from_numpy(kmers.kmer_ids)] = composed(kmers, table.shape[1], spread)
    if options.positions == "sinusoidal":
        table = model.get_position_embeddings().weight
        waves = sinusoids(*table.shape, options.longest_wave)
        table.copy_(model.config.initializer_range * waves)
    return model


def _token_tables(model: Any) -> list[Tensor]:
    """List the embedding of the tokens (V, D), and the output weights where they are others."""
    tables = [model.get_input_embeddings().weight]
    head = model.get_output_embeddings()
    if head is not None and head.weight is not tables[0]:
        tables.append(head.weight)
    return tables


def composed(tokenizer: KmerVocabulary, width: int, spread: float) -> Tensor:
    """Draw the rows (4**k, D) of all k-mers, in the order of `kmer_ids`, see `initialised`."""
    k, bases = tokenizer.k, torch.from_numpy(tokenizer.kmer_bases)
    vectors = torch.randn(k, 4, width) * (spread / math.sqrt(k))
    return vectors[torch.arange(k), bases].sum(1)


def sinusoids(positions: int, width: int, longest_wave: float) -> Tensor:
    """Compute sines and cosines of the positions, (P, D), of which the mean square is 1.

    Frequency i of h = ceil(D / 2) falls geometrically from 1 to 2 pi / longest_wave radians per
    token; column i is sqrt(2) sin(t f_i), column h + i is sqrt(2) cos(t f_i), without the last
    cosine where D is odd. So a shift by some tokens is a rotation of each pair of columns, a linear
    map that is the same everywhere. (Vaswani et al. 2017, section 3.5, have pairs side by side and
    a longest wave of 62,832 tokens.)
    """
    half = -(-width // 2)
    frequencies = (2 * math.pi / longest_wave) ** torch.linspace(0, 1, half)
    angles = torch.outer(torch.arange(positions, dtype=torch.float32), frequencies)
    return math.sqrt(2) * torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]
