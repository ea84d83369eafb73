"""HAD's two models against others of their size: the student's step, the teacher's forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from timing import Row, always, interleaved
from torch import Tensor, nn
from transformers import EsmConfig, EsmModel

from dnastudents.genome import tokenizers
from dnastudents.models import (
    HybridConfig,
    HybridForMaskedLM,
    NucleotideTransformerConfig,
    NucleotideTransformerForMaskedLM,
    count_parameters,
)
from dnastudents.objectives.had.group_masking import GroupMasking
from dnastudents.objectives.had.objective import HAD
from dnastudents.training.optimizer import adamw

LIMIT = 30.0  # seconds a length, after which no other turn begins


class PlainTransformer(nn.Module):
    """torch's own encoder (SDPA, pre-norm, no positions) over the student's vocabulary and width.

    Five layers with a feed-forward of 4.5 widths have the default student's number of weights.
    """

    def __init__(self, config: HybridConfig) -> None:
        super().__init__()
        width = config.hidden_size
        layer = nn.TransformerEncoderLayer(
            width,
            config.attention_heads,
            9 * width // 2,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.embedding = nn.Embedding(config.vocab_size, width)
        self.encoder = nn.TransformerEncoder(layer, 5, enable_nested_tensor=False)
        self.lm_head = nn.Linear(width, config.vocab_size, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids (B, T) to logits (B, T, V)."""
        return self.lm_head(self.encoder(self.embedding(ids)))


def training_step(
    model: nn.Module, logits: Callable[[Tensor], Tensor], ids: Tensor
) -> Callable[[], object]:
    """One step as in training: logits of all tokens, loss, gradients, clipping, AdamW."""
    optimizer = adamw(model, 1e-4, 0.1)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=ids.is_cuda):
            loss = F.cross_entropy(logits(ids).float().flatten(0, 1), ids.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def student_rows(device: torch.device, lengths: list[int], tokens: int, turns: int) -> list[Row]:
    """Tokens a second of the student's step and of a transformer's; where the two cross.

    Parameters
    ----------
    device : torch.device
        On a GPU products are computed in bf16, as in training.
    lengths : list of int
        Tokens of a sequence, ascending.
    tokens : int
        Of every step, whatever the length.
    turns : int
        Repetitions; fewer, but one at least, where they would take over `LIMIT` seconds.
    """
    config = HybridConfig()
    student = HybridForMaskedLM(config).to(device).train()
    plain = PlainTransformer(config).to(device).train()
    size, other = count_parameters(student), count_parameters(plain)
    assert abs(other / size - 1) < 0.05
    rows = []
    for length in lengths:
        ids = torch.randint(config.vocab_size, (tokens // length, length), device=device)
        calls = {
            "ours": always(training_step(student, lambda ids: student(ids).logits, ids)),
            "other": always(training_step(plain, plain, ids)),
        }
        time = interleaved(calls, turns, device, LIMIT)
        ours, theirs = (ids.numel() / time[side] for side in ("ours", "other"))
        name = f"student step, {len(ids)} x {length:,}, against a transformer"
        rows.append(Row(name, ours, theirs, ours / theirs, "", "tokens/s"))
    sizes = Row("weights of the student, of the transformer", size, other, size / other, "", "")
    return [sizes, *rows, crossover(lengths, [row.ratio or 0.0 for row in rows])]


def crossover(lengths: list[int], ratios: list[float]) -> Row:
    """The length from which the student is faster, interpolated between two that were measured.

    Both are logarithms: costs are powers of the length. Between neighbours where the ratio passes 1
    for the last time.
    """
    behind = [i for i, ratio in enumerate(ratios) if ratio < 1]
    if not behind:
        name, length = "student faster at every length measured, from", float(lengths[0])
    elif behind[-1] == len(lengths) - 1:
        name, length = "student not faster at the longest measured", float(lengths[-1])
    else:
        i = behind[-1]
        low, high = math.log(ratios[i]), math.log(ratios[i + 1])
        length = lengths[i] * (lengths[i + 1] / lengths[i]) ** (-low / (high - low))
        name = "student faster from here on (interpolated)"
    return Row(name, length, None, None, "", "tokens")


def views_row(batch: int, length: int, turns: int) -> Row:
    """What the CPU does for a step: for one of eight processes, against one alone."""
    student = HybridForMaskedLM(HybridConfig(hidden_size=32, num_hidden_layers=1))
    student_tokens, teacher_tokens = map(tokenizers.build, ("nucleotide", "nucleotide_transformer"))
    objective = HAD(student, GroupMasking(student_tokens, teacher_tokens), None)
    codes = np.random.default_rng(0).integers(4, size=(batch, length), dtype=np.uint8)
    time = interleaved(
        {
            count: lambda turn, count=count: objective.own_views(
                codes, 0, turn, slice(0, batch // count)
            )
            for count in (8, 1)
        },
        turns,
        torch.device("cpu"),
        shortest=0.1,
    )
    name = f"views of {batch:,} x {length:,} bases for one of 8 processes, against one alone"
    return Row(name, 1e3 * time[8], 1e3 * time[1], time[1] / time[8], "", "ms")


def teachers(
    width: int, layers: int, inner: int, device: torch.device
) -> tuple[NucleotideTransformerForMaskedLM, EsmModel]:
    """Our encoder and transformers' ESM, with the same matrix products a token.

    SwiGLU has three matrices where ESM's GELU has two, so ESM's are 1.5 times as wide.
    """
    shared = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": width // 64}
    ours = NucleotideTransformerForMaskedLM(
        NucleotideTransformerConfig(intermediate_size=inner, **shared)
    )
    config = EsmConfig(
        vocab_size=ours.config.vocab_size,
        intermediate_size=3 * inner // 2,
        position_embedding_type="rotary",
        pad_token_id=1,
        mask_token_id=2,
        token_dropout=False,
        emb_layer_norm_before=False,
        attn_implementation="sdpa",
        **shared,
    )
    esm = EsmModel(config, add_pooling_layer=False)

    def products(module: nn.Module) -> int:
        return sum(x.weight.numel() for x in module.modules() if isinstance(x, nn.Linear))

    assert products(ours.esm["encoder"]) == products(esm.encoder)
    return ours.to(device).eval(), esm.to(device).eval()


@torch.no_grad()
def teacher_rows(
    device: torch.device, sizes: tuple[int, int, int], batch: int, length: int, turns: int
) -> list[Row]:
    """Forward pass of `batch` sequences of `length` tokens, equal and unequal ones.

    `sizes` are width, layers and feed-forward width. On a GPU products are computed in bf16.
    """
    ours, esm = teachers(*sizes, device)
    ids = torch.randint(4, 4107, (batch, length), device=device)
    # Four lengths from the half to the whole; without padding each makes a batch of its own.
    spread = torch.linspace(length // 2, length, 4).long().tolist()
    real = torch.tensor([spread[i % 4] for i in range(batch)], device=device)
    mask = torch.arange(length, device=device) < real[:, None]
    groups = [(real == n, n) for n in spread]

    def padded() -> Tensor:
        return ours.backbone(ids, mask)

    def unpadded() -> list[Tensor]:
        return [ours.backbone(ids[chosen, :n]) for chosen, n in groups]

    for (chosen, n), features in zip(groups, unpadded(), strict=True):
        torch.testing.assert_close(features, padded()[chosen, :n], rtol=1e-3, atol=1e-3)
    calls = {
        "ours": always(partial(ours.backbone, ids)),
        "esm": always(partial(esm, ids)),
        "unpadded": always(unpadded),
        "padded": always(padded),
    }
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        time = interleaved(calls, turns, device)
    width, layers, _ = sizes
    what = f"teacher forward, {layers} layers of {width}, {batch} x {length}"
    pairs = [
        (f"{what}, against transformers' ESM", "ours", "esm", ids.numel()),
        ("the same of unequal lengths, unpadded against padded", "unpadded", "padded", mask.sum()),
    ]
    return [
        Row(
            name,
            float(count) / time[mine],
            float(count) / time[other],
            time[other] / time[mine],
            ">= 1",
            "tokens/s",
        )
        for name, mine, other, count in pairs
    ]
