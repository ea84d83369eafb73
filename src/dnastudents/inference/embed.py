"""Frozen features of sequences, one vector each, by any model of this package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor

from dnastudents.benchmarks.draws import draw_some
from dnastudents.errors import InputError
from dnastudents.files import read_json
from dnastudents.finetune.data import ragged
from dnastudents.inference.inputs import SEQUENCE_COLUMN, Sequence, read_sequences
from dnastudents.inference.model import Model, windows_of
from dnastudents.inference.outputs import check_output, write_rows
from dnastudents.models import ChordMixerForMaskedLM, settings_file
from dnastudents.objectives.findna.options import FinDNAOptions
from dnastudents.randomness import numpy_generator
from dnastudents.settings import parse
from dnastudents.training.options import RunSettings

Pooling = Literal["mean", "cls", "parts", "cls_tokens"]


class Embedder(Model):
    """A model whose features are pooled.

    Parameters
    ----------
    folder : Path
        Of a model.
    pooling : {"mean", "cls", "parts", "cls_tokens"}
        The mean over a sequence's own bases; the classification token; the means over parts of the
        sequence, one behind the other (`models.pooling.part_pool`); or, for a ChordMixer, CLS
        tokens appended as in FinDNA's pretraining, their features one behind the other.
    layer : int, optional
        Which of the hidden states, from 0 (what the first layer gets) to the last, or backwards
        from -1. Default is the last.
    batch_size : int
        Default is 64.
    parts : int, optional
        Of the pooling `parts`. Default is 7, or what the classifier that the folder holds has.

    Raises
    ------
    InputError
        The model has no such pooling or layer.
    """

    def __init__(
        self,
        folder: Path,
        pooling: Pooling = "mean",
        layer: int | None = None,
        batch_size: int = 64,
        parts: int | None = None,
    ) -> None:
        super().__init__(folder, "masked" if pooling == "cls_tokens" else "features", batch_size)
        self.pooling, self.layer = pooling, layer
        self.parts: int = parts or self.network.config.pooling_parts
        layers = len(self.network.hidden_layers())
        if layer is not None and not -layers - 1 <= layer <= layers:
            raise InputError(f"--layer: {folder} has layers 0 to {layers}, not {layer}")
        if pooling == "cls" and not self.network.has_cls:
            raise InputError(f"--pooling: {folder} has no classification token; use mean")
        self.appended = np.zeros(0, dtype=np.int64)
        if pooling == "cls_tokens":
            if not isinstance(self.network, ChordMixerForMaskedLM):
                raise InputError(f"--pooling: CLS tokens are a ChordMixer's; {folder} is none")
            self.appended = np.full(_cls_tokens(folder), self.tokenizer.cls_id)

    @property
    def name_of_pooling(self) -> str:
        """What tells this pooling from others."""
        return f"{self.parts} parts" if self.pooling == "parts" else self.pooling

    def embeddings(self, codes: list[np.ndarray]) -> np.ndarray:
        """Compute one vector per sequence, float32 (n, D), or (n, P D) of P parts."""
        split = self.tokens(codes)
        if len(self.appended):
            ids = ragged([np.append(row, self.appended) for row in split.values])
            split = replace(split, values=ids)
        return self.run(split, self._pool)

    def _pool(self, inputs: dict[str, Tensor]) -> Tensor:
        if self.layer is None:
            hidden = self.network.backbone(**inputs)
        else:
            hidden = self.network(**inputs, output_hidden_states=True).hidden_states[self.layer]
        if self.pooling == "cls_tokens":
            ids = inputs["input_ids"]
            return hidden[ids == self.tokenizer.cls_id].reshape(len(ids), -1)
        pooled: Tensor = self.network.pool_features(
            hidden, **inputs, pooling=self.pooling, parts=self.parts
        )
        return pooled


def _cls_tokens(folder: Path) -> int:
    """How many CLS tokens a ChordMixer was pretrained with, else FinDNA's number."""
    file, count = settings_file(folder), 0
    if file is not None:
        count = parse(RunSettings, read_json(file), str(file)).objective.cls_positions
    return count or FinDNAOptions().cls_positions


def embed(
    model: Path,
    source: str,
    output: Path | None = None,
    *,
    column: str = SEQUENCE_COLUMN,
    pooling: Pooling = "mean",
    layer: int | None = None,
    sample: int | None = None,
    window: int | None = None,
    overlap: float = 0.0,
    batch_size: int = 64,
    parts: int | None = None,
) -> None:
    """Write one vector for each sequence of a file.

    Parameters
    ----------
    model : Path
        Folder of a model.
    source : str
        See `read_sequences`.
    output : Path, optional
        Gets `id`, `index` (row of the file from 0), `label` where the file has one, and
        `embedding`, a column per feature; in npz `id`, `index`, `labels`, `embeddings` float32
        (n, D) and `pooling`, which is "7 parts" for seven parts. Default is standard output.
    column : str
        Of a table's sequences. Default is "sequence".
    pooling, layer, parts
        See `Embedder`.
    sample : int, optional
        A fixed draw of so many sequences, the same for every model, with some of each class where
        there are labels. Default is all.
    window : int, optional
        Bases of a window. Default is the longest sequence that the model reads, or 32,768; of
        longer ones the mean over windows is written, weighted by their bases; parts are parts of a
        window.
    overlap : float
        Share of a window that the next one reads again. Default is 0.
    batch_size : int
        Default is 64.

    Raises
    ------
    InputError
        Bad input, or a pooling or layer that the model has not.
    """
    check_output(output)
    embedder = Embedder(model, pooling, layer, batch_size, parts)
    sequences: Iterator[tuple[int, Sequence]] = enumerate(read_sequences(source, column))
    if sample is not None:
        sequences = _drawn(sequences, sample)
    rows = _rows(embedder, sequences, embedder.window(window), overlap)
    write_rows(rows, output, pooling=embedder.name_of_pooling)


def _drawn(
    sequences: Iterator[tuple[int, Sequence]], sample: int
) -> Iterator[tuple[int, Sequence]]:
    listed = list(sequences)
    if sample >= len(listed):
        return iter(listed)
    labels = [sequence.label for _, sequence in listed]
    classes = np.unique([str(label) for label in labels], return_inverse=True)[1]
    chosen = draw_some(classes, sample, numpy_generator(0, "embed"), "--sample")
    return iter([listed[number] for number in chosen])


def _rows(
    embedder: Embedder,
    sequences: Iterator[tuple[int, Sequence]],
    window: int,
    overlap: float,
) -> Iterator[dict[str, Any]]:
    pieces = (
        ((number, sequence, end - start), sequence.codes[start:end])
        for number, sequence in sequences
        for start, end in windows_of(len(sequence.codes), window, overlap)
    )
    for (number, sequence), group in groupby(
        embedder.over(pieces, embedder.embeddings), key=lambda item: item[0][:2]
    ):
        total, length = np.zeros(1), 0
        for (_, _, bases), row in group:
            total = total + bases * row.astype(np.float64)
            length += bases
        vector = (total / length).astype(np.float32)
        label = {} if sequence.label is None else {"label": sequence.label}
        yield {"id": sequence.name, "index": number, **label, "embedding": vector}
