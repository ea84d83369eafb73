"""A teacher that only gives features: half precision on a GPU, no padding, beside the student.

- Rows with equally many tokens run together, so no attention mask is needed and no padding is
  computed. The numbers of tokens are counted while a slice of the batch is still on the CPU.
- On a GPU the teacher has a stream of its own: it is launched before the student and waited for
  where its features are used. The CPU waits for neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from dnastudents.devices import moved
from dnastudents.objectives.had.stopwatch import Stopwatch


class FrozenTeacher:
    """Runs a teacher that does not learn.

    It is not a module: not trained, not wrapped, and not part of any checkpoint.

    Parameters
    ----------
    model : PreTrainedModel
        Frozen here, and moved to where the first ids are.
    pad_id : int
        Of its tokenizer.
    """

    def __init__(self, model: Any, pad_id: int) -> None:
        self.model = model.requires_grad_(False).eval()
        self.pad_id = pad_id
        self.watch = Stopwatch()
        self._stream: Any = None  # a torch.cuda.Stream once there is a GPU

    @property
    def feature_size(self) -> int:
        """D, the width of the features."""
        return int(self.model.feature_size)

    def prepare(self, views: dict[str, Any], timed: bool) -> None:
        """Add `teacher_lengths`, the tokens of each row, to a slice that is on the CPU."""
        views["teacher_lengths"] = self.lengths(views["teacher_ids"])

    def lengths(self, ids: Tensor) -> list[int]:
        """Count the tokens of each row of ids (B, T), without padding."""
        return (ids != self.pad_id).sum(1).tolist()

    def launch(self, views: dict[str, Any], timed: bool) -> Callable[[], Tensor]:
        """Begin with a slice's features; what is returned waits for them.

        Parameters
        ----------
        views : dict
            `teacher_ids`, int64 (B, T), and `teacher_lengths` of `prepare`.
        timed : bool
            Whether `watch` measures it.

        Returns
        -------
        callable
            Gives the features, float32 (B, T, D), to the stream that is current now.
        """
        ids, lengths = views["teacher_ids"], views["teacher_lengths"]
        self._move_to(ids.device)
        watch = self.watch.running(ids.device) if timed else nullcontext()
        if self._stream is None:
            with watch:
                features = self.features(ids, lengths)
            return lambda: features
        student = torch.cuda.current_stream(ids.device)
        self._stream.wait_stream(student)  # the ids may still be on their way
        with torch.cuda.stream(self._stream), watch:
            features = self.features(ids, lengths)
        # Else the allocator may hand out their memory while the teacher still reads them.
        ids.record_stream(self._stream)  # type: ignore[no-untyped-call]

        def wait() -> Tensor:
            student.wait_stream(self._stream)  # the GPU waits, the CPU does not
            features.record_stream(student)  # type: ignore[no-untyped-call]
            return features

        return wait

    @torch.no_grad()
    def features(self, ids: Tensor, lengths: Sequence[int]) -> Tensor:
        """Compute final features, float32 (B, T, D), 0 at padding; in bf16 on a GPU.

        Parameters
        ----------
        ids : Tensor
            int64 (B, T), padded on the right.
        lengths : sequence of int
            Tokens of each row.
        """
        self._move_to(ids.device)
        on_gpu = ids.device.type == "cuda"
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=on_gpu):
            if min(lengths) == ids.shape[1]:
                return self.model.backbone(ids).float()
            features = torch.zeros(*ids.shape, self.feature_size, device=ids.device)
            for length in sorted(set(lengths)):
                chosen = [row for row, tokens in enumerate(lengths) if tokens == length]
                rows = moved(torch.tensor(chosen), ids.device)
                features[rows, :length] = self.model.backbone(ids[rows, :length]).float()
        return features

    def _move_to(self, device: torch.device) -> None:
        if self.model.device == device:
            return
        self.model.to(device)
        if device.type == "cuda":
            halve_matrices(self.model)
            self._stream = torch.cuda.Stream(device)


def halve_matrices(model: nn.Module) -> None:
    """Hold the weights of linear layers in bf16.

    Autocast gives the same numbers, but casts weights that take no gradient again at each call.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.to(torch.bfloat16)
