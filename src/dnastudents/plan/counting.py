"""What a network computes in a batch: its operators, counted on tensors without memory.

FLOP are those of `torch.utils.flop_counter`; bytes are what an operator reads and writes, as if
nothing stayed in a cache. A device needs for each operator the longer of the two: products of wide
layers are bound by FLOP, all others, and the many small products of the gated delta rule, by bytes.

Fake tensors of the CPU stand for those of a GPU: both round to half precision at the same places,
and attention is one fused operator on both. Dropout is left out, which a GPU fuses too. The gated
delta rule is the PyTorch form; flash-linear-attention's kernel moves fewer bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils import flop_counter
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dnastudents import models
from dnastudents.genome import tokenizers
from dnastudents.models.chordmixer.model import shift_rows
from dnastudents.plan.networks import Network

MASKED = 7  # every seventh token is predicted, about the share that is masked
# They start no kernel.
_FREE = ("aten::detach", "aten::empty", "aten::empty_like", "aten::_unsafe_view")
_FORMULAS: dict[Any, Callable[..., int]] = {
    **flop_counter.flop_registry,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: (
        lambda q, k, v, *_, **__: flop_counter.sdpa_flop_count(q.shape, k.shape, v.shape)
    ),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: (
        lambda grad, q, k, v, *_, **__: flop_counter.sdpa_backward_flop_count(
            grad.shape, q.shape, k.shape, v.shape
        )
    ),
    torch.ops.aten.linalg_solve_triangular: (
        lambda a, b, **_: b.numel() * a.shape[-1]  # half of a product's
    ),
}


@dataclass(frozen=True)
class Operation:
    """FLOP and bytes of one operator, and whether it multiplies in half precision."""

    flops: float
    bytes: float
    half: bool


@dataclass(frozen=True)
class Count:
    """What a batch takes.

    Attributes
    ----------
    tokens : int
    forward, backward : list of Operation
        `backward` is empty for a network that only reads.
    kept : float
        Bytes that a token keeps in memory for the backward pass.
    """

    tokens: int
    forward: list[Operation]
    backward: list[Operation]
    kept: float


class _Counter(TorchDispatchMode):
    """Notes every operator that starts a kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if not (func.is_view or func.namespace == "prim" or func._schema.name in _FREE):
            tensors = [x for x in tree_leaves((args, kwargs, result)) if isinstance(x, Tensor)]
            formula = _FORMULAS.get(func._overloadpacket)
            self.operations.append(
                Operation(
                    flops=formula(*args, **kwargs, out_val=result) if formula else 0,
                    bytes=sum(x.nbytes for x in tensors),
                    half=any(x.element_size() == 2 for x in tensors),
                )
            )
        return result


def loss_of(model: Any, ids: Tensor) -> Tensor:
    """Compute a loss of some tokens of ids, int64 (B, T): a scalar."""
    positions = torch.arange(0, ids.shape[1], MASKED, device=ids.device).expand(len(ids), -1)
    logits = model.lm_head(model.backbone(ids, positions=positions))
    return F.cross_entropy(logits.float().flatten(0, 1), ids[:, ::MASKED].flatten())


def new_model(network: Network) -> Any:
    """Build a network with random weights."""
    return models.build(network.settings, tokenizers.build(network.settings.tokenizer))


def count(network: Network) -> Count:
    """Count a batch of a network's pretraining, in its precision."""
    rows, tokens = network.batch
    half = network.block is None or network.block.precision != "no"
    counter, kept = _Counter(), dict[int, int]()

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        return tensor

    # What a student has kept of earlier, real batches may come in; what it keeps now must go.
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = new_model(network).eval().requires_grad_(network.learns)
        ids = torch.zeros(rows, tokens, dtype=torch.int64)
        hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
        with counter:
            with hooks, torch.autocast("cpu", torch.bfloat16, enabled=half):
                loss = loss_of(model, ids)
            split = len(counter.operations)
            if network.learns:
                loss.backward()  # type: ignore[no-untyped-call]
        for parameter in model.parameters():
            kept.pop(parameter.untyped_storage()._cdata, None)
    shift_rows.cache_clear()
    found = counter.operations
    return Count(rows * tokens, found[:split], found[split:], sum(kept.values()) / (rows * tokens))
