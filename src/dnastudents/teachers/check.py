"""Is a teacher usable? Its masked 6-mers against a model that knows only how frequent they are.

Windows without N are cut from a genome, 15 % of their 6-mers are masked, and the probabilities that
the teacher gives are scored beside the frequencies of 6-mers in other windows of the same genome.
Wrong weights, a wrong vocabulary or too little training give a perplexity that is not below that
of frequencies. A window is the unit of all intervals, since 6-mers of one are alike.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dnastudents.devices import choose_device
from dnastudents.errors import InputError
from dnastudents.genome.codes import kmer_codes
from dnastudents.genome.reference import Reference, build
from dnastudents.genome.tokenizers import NucleotideTransformerTokenizer
from dnastudents.genome.windows.base import valid_runs
from dnastudents.models import count_parameters
from dnastudents.models.layers import take_positions
from dnastudents.randomness import numpy_generator, torch_generator
from dnastudents.results.statistics import Estimate, mean_interval
from dnastudents.teachers.checkpoint import load_teacher

K = NucleotideTransformerTokenizer.k
MASKED_SHARE = 0.15  # as in HAD, and in the pretraining of Nucleotide Transformer
BACKGROUND = 4096  # windows, at most, in which 6-mers are counted
LIKE = b'{\\s*"teacher":.*"parameters":'  # how `TeacherCheck.as_json` begins
MARGIN = 0.95  # the ratio of perplexities must be below; what 6-mer counts err by is less than 5 %
BATCH = 16
FORMATS = ("{:,.1f}", "{:.2%}", "{:.1%}")  # of perplexity, accuracy, accuracy of bases

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
_DIGITS = (np.arange(4**K)[:, None] >> 2 * np.arange(K)[::-1]) & 3  # (4096, 6), A C G T
_BASES = np.eye(4)[_DIGITS].reshape(4**K, 4 * K)


@dataclass(frozen=True)
class Scores:
    """How well masked 6-mers were predicted, one value per window, float64 (windows,).

    Attributes
    ----------
    log_loss : numpy.ndarray
        -log of the probability of the right 6-mer, in nats.
    accuracy, base_accuracy : numpy.ndarray
        Share of 6-mers, and of their bases, whose most probable value is right.
    """

    log_loss: Floats
    accuracy: Floats
    base_accuracy: Floats

    @classmethod
    def join(cls, parts: Sequence[Scores]) -> Scores:
        """Join the scores of all windows, in the order of the parts."""
        names = (field.name for field in fields(cls))
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def estimates(self) -> dict[str, list[float]]:
        """Estimate `perplexity`, `accuracy`, `base_accuracy`: mean, ends of the 95 % interval."""
        return {
            "perplexity": _interval(mean_interval(self.log_loss.tolist()), _exp),
            "accuracy": _interval(mean_interval(self.accuracy.tolist())),
            "base_accuracy": _interval(mean_interval(self.base_accuracy.tolist())),
        }


@dataclass(frozen=True)
class TeacherCheck:
    """What `check_teacher` found.

    Attributes
    ----------
    facts : dict
        Of the teacher (`teacher`, `parameters`, `layers`, `width`) and of the windows (`fasta`,
        `sha256`, `windows`, `length`, `masked_a_window`, `seed`).
    finite : bool
        Whether all features and predictions are numbers.
    teacher, frequencies : Scores
        Of the same masked 6-mers.
    """

    facts: dict[str, Any]
    finite: bool
    teacher: Scores
    frequencies: Scores

    @property
    def ratio(self) -> list[float]:
        """Perplexity of the teacher over that of frequencies, and its interval, paired."""
        gains = self.teacher.log_loss - self.frequencies.log_loss
        return _interval(mean_interval(gains.tolist()), _exp)

    @property
    def usable(self) -> bool:
        """Whether the whole interval of the ratio is below `MARGIN`."""
        return self.finite and self.ratio[2] < MARGIN

    @property
    def verdict(self) -> str:
        """The answer and its reason in one line."""
        if not self.finite:
            return "not usable: its features are not finite"
        mean, low, high = self.ratio
        found = (
            f"perplexity is {mean:.3f} ({low:.3f} to {high:.3f}) times that of 6-mer frequencies"
        )
        if self.usable:
            return f"usable: {found}"
        return f"not usable: {found}; all of the interval must be below {MARGIN}"

    def as_json(self) -> dict[str, Any]:
        """Return facts, estimates as [mean, low, high] (null: not a number) and verdict."""
        return {
            **self.facts,
            "teacher_scores": {k: _nulls(v) for k, v in self.teacher.estimates().items()},
            "frequency_scores": {k: _nulls(v) for k, v in self.frequencies.estimates().items()},
            "perplexity_ratio": _nulls(self.ratio),
            "finite": self.finite,
            "usable": self.usable,
            "verdict": self.verdict,
        }

    def __str__(self) -> str:
        facts = self.facts
        rows = {
            "teacher": self.teacher.estimates(),
            "6-mer frequencies": self.frequencies.estimates(),
            "uniform": {"perplexity": [4.0**K], "accuracy": [4.0**-K], "base_accuracy": [0.25]},
        }
        lines = [
            "{teacher}: {parameters:,} parameters, {layers} layers, width {width}",
            "{windows} windows of {length:,} bases without N of {fasta}, {masked_a_window} 6-mers "
            "masked in each, seed {seed}; mean (95 % interval)",
        ]
        return "\n".join(
            [
                *(line.format(**facts) for line in lines),
                _row("", "perplexity", "6-mers right", "their bases right"),
                *(_row(name, *map(_cell, row.values(), FORMATS)) for name, row in rows.items()),
                f"features: {'finite' if self.finite else 'not finite'}",
                self.verdict,
            ]
        )


def check_teacher(
    folder: Path, fasta: Path, sequences: int = 64, length: int = 1020, seed: int = 0
) -> TeacherCheck:
    """Score a teacher on masked 6-mers of a genome.

    Parameters
    ----------
    folder : Path
        A teacher, see `load_teacher`.
    fasta : Path
        FASTA, FASTA.gz, or a folder of `dnastudents reference`.
    sequences : int
        Windows that are scored. Default is 64.
    length : int
        Bases of a window. Default is 1020, 170 tokens.
    seed : int
        Of the windows and the masks. Default is 0.

    Raises
    ------
    InputError
        What cannot be loaded, or too few windows without N in the genome.
    """
    if sequences < 2 or length < 2 * K:
        raise InputError(
            f"{sequences} sequences of {length} bases: an interval needs 2 sequences, "
            f"each at least {2 * K} bases"
        )
    model, tokenizer = load_teacher(folder, must_be_finite=False)  # which is what the check tells
    with tempfile.TemporaryDirectory() as temporary:
        is_built = fasta.is_dir()
        reference = Reference.open(fasta) if is_built else build(fasta, Path(temporary) / "built")
        windows, others = draw_windows(reference, sequences, length, seed)
    masked = _draw_masked(sequences, length // K, seed)
    teacher, finite = _score_teacher(model, tokenizer, windows, masked)
    log_frequencies = np.log(frequencies(others))
    facts = {
        "teacher": folder.resolve().name,
        "parameters": count_parameters(model),
        "layers": model.config.num_hidden_layers,
        "width": model.config.hidden_size,
        "fasta": reference.source,
        "sha256": reference.sha256,
        "windows": sequences,
        "length": length,
        "masked_a_window": masked.shape[1],
        "seed": seed,
    }
    truth = np.take_along_axis(_kmers(windows), masked, axis=1)
    return TeacherCheck(facts, finite, teacher, score(log_frequencies[None, None], truth))


def _draw_masked(sequences: int, tokens: int, seed: int) -> Integers:
    """Number the 6-mers that are masked in each window, (W, M).

    As many in each, so that the mean over windows is the mean over 6-mers.
    """
    count = max(1, round(MASKED_SHARE * tokens))
    order = torch.rand(sequences, tokens, generator=torch_generator(seed, "teacher check: mask"))
    return order.argsort(1)[:, :count].numpy()


def draw_windows(
    reference: Reference, sequences: int, length: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw windows without N, and others that share no base with them or with each other.

    Returns
    -------
    numpy.ndarray
        uint8 (sequences, length).
    numpy.ndarray
        uint8 (others, length), from as many as `sequences` up to `BACKGROUND`.

    Raises
    ------
    InputError
        The genome holds fewer than twice `sequences`.
    """
    spans = [reference.span(interval) for interval in reference.intervals(["all"])]
    runs = np.concatenate([valid_runs(reference.codes, *span, length) for span in spans])
    starts = np.concatenate(
        [np.arange(first, last, length) for first, last in runs] or [np.arange(0)]
    )
    if len(starts) < 2 * sequences:
        raise InputError(
            f"{reference.source}: {len(starts)} windows of {length:,} bases without N, where "
            f"{2 * sequences} are needed; give a longer FASTA, or lower --sequences or --length"
        )
    starts = numpy_generator(seed, "teacher check: windows").permutation(starts)
    chosen = starts[: sequences + BACKGROUND]
    windows = np.lib.stride_tricks.sliding_window_view(reference.codes, length)[chosen]
    return windows[:sequences], windows[sequences:]


def frequencies(windows: np.ndarray) -> Floats:
    """Compute the frequency of each 6-mer in the windows (n, L), float64 (4096,), never 0."""
    counts = np.bincount(kmer_codes(windows, K).ravel(), minlength=4**K) + 1.0
    return counts / counts.sum()


def score(log_probabilities: Floats, truth: Integers) -> Scores:
    """Score predictions of 6-mers.

    Parameters
    ----------
    log_probabilities : numpy.ndarray
        float64 (W, M, 4096) of the 6-mers in the order of `kmer_codes`, or what broadcasts to it.
    truth : numpy.ndarray
        int64 (W, M), the right ones of W windows.
    """
    shape = (*truth.shape, 4**K)
    right = np.take_along_axis(np.broadcast_to(log_probabilities, shape), truth[..., None], -1)
    # a base's probability is that of all 6-mers that have it there
    of_bases = (np.exp(log_probabilities) @ _BASES).reshape(*log_probabilities.shape[:-1], K, 4)
    return Scores(
        -right[..., 0].mean(1),
        (log_probabilities.argmax(-1) == truth).mean(1),
        (of_bases.argmax(-1) == _DIGITS[truth]).mean((1, 2)),
    )


@torch.inference_mode()
def _score_teacher(
    model: Any,
    tokenizer: NucleotideTransformerTokenizer,
    windows: np.ndarray,
    masked: Integers,
) -> tuple[Scores, bool]:
    """Score the teacher, and check that all features and predictions are finite.

    `masked` (W, M) numbers the masked 6-mers of each window; <cls> stands before the first.
    """
    device = choose_device()
    model = model.to(device)
    kmers, ids = _kmers(windows), tokenizer.encode_batch(windows)
    np.put_along_axis(ids, masked + 1, tokenizer.mask_id, axis=1)
    parts, finite = [], True
    for rows in np.split(np.arange(len(ids)), range(BATCH, len(ids), BATCH)):
        hidden = model.backbone(torch.from_numpy(ids[rows]).to(device)).float()
        at_masks = torch.from_numpy(masked[rows] + 1).to(device)
        logits = model.lm_head(take_positions(hidden, at_masks))
        finite &= bool(hidden.isfinite().all() and logits.isfinite().all())
        # what goes to tokens that are not 6-mers is lost, as it should be
        log_p = logits.double().log_softmax(-1).cpu().numpy()[..., tokenizer.kmer_ids]
        parts.append(score(log_p, np.take_along_axis(kmers[rows], masked[rows], axis=1)))
    return Scores.join(parts), finite


def _kmers(windows: np.ndarray) -> Integers:
    """Cut windows (W, L) without N into 6-mers, int64 (W, L // 6)."""
    return kmer_codes(windows, K)[:, ::K].astype(np.int64)


def _interval(estimate: Estimate, scale: Callable[[float], float] = float) -> list[float]:
    """Compute the mean, and both ends of the interval."""
    ends = (estimate.mean, estimate.mean - estimate.half_width, estimate.mean + estimate.half_width)
    return [scale(value) for value in ends]


def _exp(value: float) -> float:
    """Compute the exponential; what weights of another model lose may be beyond any float."""
    return math.exp(value) if value < 700 else math.inf


def _nulls(values: list[float]) -> list[float | None]:
    """Replace infinities and NaN, which JSON does not have, by None."""
    return [value if math.isfinite(value) else None for value in values]


def _cell(values: list[float], form: str) -> str:
    mean, *ends = (form.format(value) for value in values)
    return f"{mean} ({' to '.join(ends)})" if ends else mean


def _row(name: str, *cells: str) -> str:
    return f"{name:<18}" + "".join(f"{cell:>32}" for cell in cells)
