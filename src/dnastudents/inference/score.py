"""Variants scored by a masked language model: alternative against reference.

Every token is hidden that holds a base in which the two differ, and the model says how much
likelier the alternative is than the reference, as a log-likelihood ratio in nats: negative where
the reference fits better. A base that k tokens hold is told of k times, and so their ratios are
added up and divided by how often a base is told of on average. Both strands are read, each by
itself.

Substitutions of one or more bases have a score; other variants get a row that says why not.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dnastudents.errors import InputError
from dnastudents.finetune.data import TokenSplit, ragged
from dnastudents.genome.codes import decode, encode, reverse_complement
from dnastudents.inference.genome_file import GenomeFile
from dnastudents.inference.inputs import read_text
from dnastudents.inference.model import Model
from dnastudents.inference.outputs import check_output, write_rows

logger = logging.getLogger(__name__)

WINDOW = 512  # bases around a variant
_BASES = re.compile("[ACGT]+")
_UNREAD = "longer than the window, or in no token without N"


@dataclass(frozen=True)
class Variant:
    """One alternative of a line of a VCF; `position` counts from 1, as there."""

    line: int
    chromosome: str
    position: int
    name: str
    reference: str
    alternative: str

    @property
    def problem(self) -> str:
        """Why it has no score; empty where it has one."""
        if not _BASES.fullmatch(self.reference):
            return "reference is not A, C, G, T"
        if not _BASES.fullmatch(self.alternative):
            return "alternative is not A, C, G, T"
        if len(self.reference) != len(self.alternative):
            return "insertion or deletion"
        return "" if self.reference != self.alternative else "alternative is the reference"


def read_variants(vcf: Path) -> Iterator[Variant]:
    """Yield the variants of a VCF, an alternative at a time.

    Raises
    ------
    InputError
        The file is absent or damaged, has no variant, or a line has not five columns or no
        position.
    """
    found = False
    for number, text in read_text(vcf):
        if text.startswith("#") or not text.strip():
            continue
        fields = text.rstrip("\r\n").split("\t")
        if len(fields) < 5 or not fields[1].isdecimal() or int(fields[1]) < 1:
            raise InputError(
                f"{vcf}: line {number}: not a variant; give CHROM, POS, ID, REF and ALT, separated "
                "by tabs"
            )
        chromosome, position, name, reference, alternatives = fields[:5]
        for alternative in alternatives.split(","):
            found = True
            yield Variant(
                number,
                chromosome,
                int(position),
                name,
                reference.upper(),
                alternative.upper(),
            )
    if not found:
        raise InputError(f"{vcf}: no variant in it; give CHROM, POS, ID, REF and ALT, a line each")


@dataclass(frozen=True)
class Masked:
    """What the model reads of a variant on one strand, and what it is asked.

    Attributes
    ----------
    ids : numpy.ndarray
        int64 (T,), the tokens of the variant hidden.
    positions, reference, alternative : numpy.ndarray
        int64 (M,), where they stand and which tokens they are.
    times : float
        How often a base that differs is in one of them, on average.
    """

    ids: np.ndarray
    positions: np.ndarray
    reference: np.ndarray
    alternative: np.ndarray
    times: float


class Scorer(Model):
    """A masked language model that compares two tokens at hidden positions."""

    def __init__(self, folder: Path, batch_size: int = 64) -> None:
        super().__init__(folder, "masked", batch_size)

    def masked(self, reference: np.ndarray, alternative: np.ndarray) -> Masked:
        """Hide the tokens in which two sequences of codes, uint8 (L,), differ."""
        there, other = (self.tokenizer.encode_codes(codes) for codes in (reference, alternative))
        positions = np.flatnonzero(there != other)
        ids = there.copy()
        ids[positions] = self.tokenizer.mask_id
        told = np.zeros(len(reference), dtype=np.int64)
        for start, end in self.tokenizer.batch_spans(reference[None])[0][positions]:
            told[start:end] += 1
        told = told[(reference != alternative) & (told > 0)]
        times = told.mean() if len(told) else np.nan  # in no token: no score
        return Masked(ids, positions, there[positions], other[positions], float(times))

    def ratios(self, asked: list[Masked]) -> np.ndarray:
        """Compute log-likelihood ratios (nats), float32 (n,)."""
        most = max(len(one.positions) for one in asked)
        rows = np.zeros((len(asked), 3, most), dtype=np.int64)
        for row, one in zip(rows, asked, strict=True):
            for place, values in zip(
                row, (one.positions, one.reference, one.alternative), strict=True
            ):
                place[: len(values)] = values
        counts = np.array([len(one.positions) for one in asked])
        times = torch.tensor([one.times for one in asked])
        table = torch.from_numpy(rows), torch.from_numpy(counts), times
        ids, nothing = ragged([one.ids for one in asked]), np.zeros(len(asked), dtype=np.int64)
        split = _Numbered(ids, nothing, nothing.astype(bool), None, self.tokenizer.pad_id)
        return self.run(split, lambda inputs: self._ratios(inputs, *table))

    def _ratios(
        self, inputs: dict[str, Tensor], rows: Tensor, counts: Tensor, times: Tensor
    ) -> Tensor:
        number = inputs.pop("number").cpu()
        positions, reference, alternative = rows[number].to(self.device).unbind(1)
        found = self.network.logits_at(positions, **inputs).float().log_softmax(-1)
        # An id outside of what the model predicts is not asked for: padding of the table.
        last = found.shape[-1] - 1
        told = [
            found.gather(-1, ids.clamp(max=last).unsqueeze(-1)).squeeze(-1)
            for ids in (alternative, reference)
        ]
        width = counts[number].to(self.device)
        is_asked = torch.arange(positions.shape[1], device=self.device) < width[:, None]
        return torch.where(is_asked, told[0] - told[1], 0).sum(1) / times[number].to(self.device)


class _Numbered(TokenSplit):
    """A split whose batches know which rows they are."""

    def inputs(self, rows: np.ndarray) -> dict[str, Tensor]:
        return super().inputs(rows) | {"number": torch.from_numpy(rows)}


def score(
    model: Path,
    variants: Path,
    fasta: Path,
    output: Path | None = None,
    *,
    window: int | None = None,
    batch_size: int = 64,
) -> None:
    """Write a log-likelihood ratio for each variant of a VCF.

    Parameters
    ----------
    model : Path
        Folder of a pretrained model with its masked-token head.
    variants : Path
        VCF, plain or gzipped; its first five columns are read.
    fasta : Path
        The genome that the VCF speaks of.
    output : Path, optional
        Gets `chrom`, `pos`, `id`, `ref`, `alt`, `llr` (the mean of both strands), `llr_forward`,
        `llr_reverse` and `note`, a row per alternative. Default is standard output.
    window : int, optional
        Bases around a variant that the model reads, fewer at the ends of a chromosome. Default is
        512, or what the model reads at most.
    batch_size : int
        Default is 64.

    Raises
    ------
    InputError
        Bad input; a sequence that the FASTA lacks, a position beyond its end, or a reference that
        differs, each with its line.
    """
    check_output(output)
    scorer = Scorer(model, batch_size)
    window = scorer.window(window, WINDOW)
    with GenomeFile(fasta) as genome:
        asked = (
            (variant, _read_around(scorer, variant, variants, genome, window))
            for variant in read_variants(variants)
        )
        count = write_rows(_rows(scorer, asked), output)
    logger.info(f"{count:,} variants")


def _read_around(
    scorer: Scorer, variant: Variant, vcf: Path, genome: GenomeFile, window: int
) -> list[Masked]:
    """What is asked on both strands; nothing where the variant has no score."""
    where = f"{vcf}: line {variant.line}"
    length = genome.length(variant.chromosome, where)
    first, size = variant.position - 1, len(variant.reference)
    if first + size > length:
        raise InputError(
            f"{where}: position {variant.position} is beyond the end of {variant.chromosome} "
            f"({length:,} bases in {genome.fasta}); is it another assembly?"
        )
    there = decode(genome.codes(variant.chromosome, first, first + size))
    if _BASES.fullmatch(variant.reference) and there != variant.reference:
        raise InputError(
            f"{where}: REF is {variant.reference}, but {genome.fasta} has {there} at "
            f"{variant.chromosome}:{variant.position}; is it another assembly?"
        )
    if variant.problem or size > window:
        return []
    start = max(0, min(first - (window - size) // 2, length - window))
    reference = genome.codes(variant.chromosome, start, min(start + window, length))
    alternative = reference.copy()
    alternative[first - start : first - start + size] = encode(variant.alternative)
    strands = (reference, alternative), tuple(map(reverse_complement, (reference, alternative)))
    return [scorer.masked(*strand) for strand in strands]


def _size(strands: list[Masked]) -> int:
    return sum(len(one.ids) for one in strands)


def _rows(
    scorer: Scorer, asked: Iterator[tuple[Variant, list[Masked]]]
) -> Iterator[dict[str, Any]]:
    def compute(chunk: list[list[Masked]]) -> np.ndarray:
        flat = [one for strands in chunk for one in strands]
        ratios = iter(scorer.ratios(flat) if flat else ())
        missing = np.full(2, np.nan, dtype=np.float32)
        rows = [np.array([next(ratios), next(ratios)]) if strands else missing for strands in chunk]
        return np.stack(rows)

    for variant, (forward, reverse) in scorer.over(asked, compute, _size):
        yield {
            "chrom": variant.chromosome,
            "pos": variant.position,
            "id": variant.name,
            "ref": variant.reference,
            "alt": variant.alternative,
            "llr": (float(forward) + float(reverse)) / 2,
            "llr_forward": float(forward),
            "llr_reverse": float(reverse),
            "note": variant.problem or ("" if np.isfinite(forward) else _UNREAD),
        }
