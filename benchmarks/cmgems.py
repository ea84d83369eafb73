"""How fast the CM-GEMS recipe is: masks, data, training step and tokenizer, in one table.

Masks are held against the plain rules of `tests/masking/plain.py`, the training step of LOGO
against transformers' own `BertForMaskedLM` with the same weights on the same batch (its loss and
gradients must be equal), and tokenisation against transformers' BERT tokenizer in Python.

On a CPU a whole step of 250 sequences takes minutes, so the model is timed on `--rows` of them and
its time is scaled to the batch; the rows of the table say so.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import inputs
import torch
from step import Step, step_rows
from timing import Row, always, hardware, interleaved, report
from torch import Tensor

from dnastudents import masking
from dnastudents.genome import codes as sequence
from dnastudents.genome import tokenizers
from dnastudents.genome.reference import Reference
from dnastudents.genome.tokenizers import Tokenizer
from dnastudents.genome.windows.pieces import Pieces
from dnastudents.randomness import torch_generator

sys.path.insert(0, str(inputs.ROOT / "tests/masking"))
from plain import plain_genemask, plain_global, plain_masking, plain_span

CPU = torch.device("cpu")
SHORT = 0.01  # seconds that a turn of a short call lasts at least
TOKENS = 510  # columns of a full batch of masks: DNABERT's blocks

# Name to probability of a centre [cmgems], batched rule, plain twin; all take centres, eligible
# places, ranks and k.
RULES: dict[str, tuple[float, Callable[..., Tensor], Callable[..., set[int]]]] = {
    "random_span": (
        0.025,
        lambda centres, eligible, _, k: masking.random_span(centres, eligible, k),
        lambda centres, eligible, _, k: plain_span(centres, eligible, (k - 1) // 2, k // 2),
    ),
    "genemask": (
        0.0176,
        lambda centres, eligible, ranks, k: masking.genemask(
            centres, eligible, ranks, "top_half", k
        ),
        lambda centres, eligible, ranks, k: plain_genemask(centres, eligible, ranks, "top_half", k),
    ),
    "global_pmi": (0.0136, masking.global_pmi, plain_global),
}


def mask_rows(folder: Path, batch: int, turns: int) -> list[Row]:
    """Each batched rule against its plain twin: the same batch, as tensors and as lists of rows."""
    tokenizer, ids = _ids(folder, batch)
    k = tokenizer.k
    eligible = ~torch.isin(ids, torch.tensor(tokenizer.special_ids))
    rank = inputs.ranks(tokenizer)[ids]
    eligible_rows, rank_rows = eligible.tolist(), rank.tolist()
    rows = []
    for name, (probability, batched, twin) in RULES.items():
        centres = masking.draw_centres(eligible, probability, torch_generator(0, name))
        each = list(zip(centres.tolist(), eligible_rows, rank_rows, strict=True))
        ours = partial(batched, centres, eligible, rank, k)
        twins = partial(_each_row, twin, each, k)
        assert ours().tolist() == twins(), name
        time = interleaved(
            {"ours": always(ours), "twin": always(twins)}, turns, CPU, shortest=SHORT
        )
        what = f"mask {name}, {batch} x {ids.shape[1]} tokens, against plain Python"
        mine, other = 1e3 * time["ours"], 1e3 * time["twin"]
        rows.append(Row(what, mine, other, other / mine, ">= 20", "ms"))
    return rows


def masked_batch_rows(folder: Path, batch: int, turns: int) -> list[Row]:
    """From ids to masked ids and labels: centres, rule and replacement, against the plain way."""
    tokenizer, ids = _ids(folder, batch)
    table = inputs.ranks(tokenizer)
    lists, ranks = ids.tolist(), table.tolist()
    rows = []
    for name, (probability, _, twin) in RULES.items():
        masks = masking.build({"name": name}, tokenizer, table, total_steps=1)
        ours = partial(masks, ids, torch_generator(0, name), 0)
        plain = partial(plain_masking, twin, probability, tokenizer, ranks, lists, random.Random(0))
        time = interleaved(
            {"ours": always(ours), "plain": always(plain)}, turns, CPU, shortest=SHORT
        )
        what = f"masked batch {name}, {batch} x {ids.shape[1]} tokens, against plain Python"
        mine, other = 1e3 * time["ours"], 1e3 * time["plain"]
        rows.append(Row(what, mine, other, other / mine, "", "ms"))
    return rows


def _ids(folder: Path, batch: int) -> tuple[Tokenizer, Tensor]:
    """Token ids of a batch of pieces as long as DNABERT's blocks, int64 (batch, TOKENS)."""
    tokenizer = tokenizers.build("kmer6")
    length = TOKENS - 2 + tokenizer.k - 1
    pieces = Pieces(Reference.open(folder), ["all"], max_length=length)
    return tokenizer, torch.from_numpy(tokenizer.encode_batch(pieces.batch(0, 0, batch)))


def _each_row(twin: Callable[..., set[int]], each: list[Any], k: int) -> list[list[bool]]:
    """The mask of each row by the rule's twin on Python sets."""
    masks = []
    for centres, eligible, ranks in each:
        chosen = twin(_positions(centres), _positions(eligible), ranks, k)
        masks.append([place in chosen for place in range(len(ranks))])
    return masks


def _positions(row: list[bool]) -> set[int]:
    return {place for place, marked in enumerate(row) if marked}


def data_rows(run: inputs.Run, turns: int, folder: Path) -> list[Row]:
    """Tokenisation on the fly, and how many pieces a second the corpus gives."""
    tokenizer, codes = run.tokenizer, run.corpus.batch(0)
    tokens = int((tokenizer.encode_batch(codes) != tokenizer.pad_id).sum())
    texts = [sequence.decode(row) for row in codes]
    slow = _slow_tokenizer(folder)

    def spell(text: str) -> list[int]:
        kmers = [text[i : i + tokenizer.k] for i in range(len(text) - tokenizer.k + 1)]
        return slow(" ".join(kmers))["input_ids"]

    calls: dict[str, Callable[[int], object]] = {
        "encode": lambda _: tokenizer.encode_batch(codes),
    }
    if slow is not None:
        assert [spell(text) for text in texts[:9]] == [tokenizer.encode(t) for t in texts[:9]]
        calls["slow"] = lambda _: [spell(text) for text in texts]
    time = interleaved(calls, turns, CPU, shortest=SHORT)
    # Another batch each time, as in training; the same one again would be in the cache.
    many = range(20)
    cut = interleaved(
        {"corpus": lambda turn: [run.corpus.batch(len(many) * turn + i) for i in many]}, turns, CPU
    )["corpus"]
    mine = tokens / time["encode"]
    other = None if slow is None else tokens / time["slow"]
    ratio = None if other is None else mine / other
    name = "6-mer tokenisation, against transformers' tokenizer in Python"
    return [
        Row(name, mine, other, ratio, "", "tokens/s"),
        Row("pieces cut from the genome", len(many) * len(codes) / cut, None, None, "", "pieces/s"),
    ]


def _slow_tokenizer(folder: Path) -> Any:
    """transformers' BERT tokenizer in Python with DNABERT's words; None where it has gone."""
    try:
        from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy
    except ImportError:
        return None
    vocabulary = tokenizers.build("kmer6")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *[""] * 4096]
    for number, place in enumerate(vocabulary.kmer_ids):  # type: ignore[attr-defined]
        words[place] = "".join("ACGT"[number >> 2 * shift & 3] for shift in range(5, -1, -1))
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    return BertTokenizerLegacy(str(folder / "vocab.txt"), do_lower_case=False)


def measure(device: torch.device, quick: bool, turns: int, count: int) -> tuple[str, list[Row]]:
    """All rows, and what they were measured on.

    Parameters
    ----------
    device : torch.device
        Of the training step; masks and data are always made on the CPU.
    quick : bool
        Tiny sizes.
    turns : int
        Repetitions of the step; what is short is repeated four times as often.
    count : int
        Sequences of the step's micro-batch.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        where, what = inputs.genome(folder, quick)
        batch = 12 if quick else 250
        logo = inputs.run("logo_random", where, quick, pretraining={"batch_size": batch})
        rows = mask_rows(where, batch, 4 * turns)
        rows += masked_batch_rows(where, batch, 4 * turns)
        rows += data_rows(logo, 4 * turns, folder)
        rows += step_rows(Step(logo, min(count, batch // 2), device), batch, turns)
    return f"{what}, --quick: too small to tell" if quick else what, rows


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file to write")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rows", type=int, default=25, help="sequences of a micro-batch")
    parser.add_argument("--turns", type=int, default=5, help="repetitions of the step")
    parser.add_argument("--quick", action="store_true", help="seconds, tiny, says nothing on speed")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.exit("cmgems.py: no CUDA device is visible; use --device cpu")
    machine = hardware(device)
    turns = 1 if options.quick else options.turns
    what, rows = measure(device, options.quick, turns, options.rows)
    report(f"CM-GEMS on {device.type}, {what}", rows, machine, options.json)


if __name__ == "__main__":
    main()
