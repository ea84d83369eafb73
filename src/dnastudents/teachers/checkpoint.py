"""A Nucleotide Transformer v2 as a teacher: loaded strictly, from the hub's files or from ours."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import transformers
from safetensors import SafetensorError, safe_open

from dnastudents import models
from dnastudents.errors import InputError
from dnastudents.files import atomic_directory, sha256
from dnastudents.genome.tokenizers import NucleotideTransformerTokenizer
from dnastudents.models import NucleotideTransformerForMaskedLM, model_folder
from dnastudents.provenance import LEARNING, write_provenance

VOCABULARY = (
    "<unk>",
    "<pad>",
    "<mask>",
    "<cls>",
    "<eos>",
    "<bos>",
    *map("".join, itertools.product("ATCG", repeat=6)),
    "A",
    "T",
    "C",
    "G",
    "N",
)


def load_teacher(folder: Path) -> tuple[Any, NucleotideTransformerTokenizer]:
    """Load a teacher and its tokenizer.

    Parameters
    ----------
    folder : Path
        What `import_teacher` or `dnastudents pretrain` wrote, or a folder as the hub has it:
        config.json, model.safetensors and vocab.txt.

    Returns
    -------
    NucleotideTransformerForMaskedLM, NucleotideTransformerTokenizer
        The model in evaluation mode.

    Raises
    ------
    InputError
        Weights that are not exactly the model's, a checkpoint without its head, another model, or
        another vocabulary than that of Nucleotide Transformer v2.
    """
    transformers.utils.logging.disable_progress_bar()  # it would fill the log
    folder = model_folder(folder)
    _check_head(folder / "model.safetensors")
    model = models.load(folder)
    if not isinstance(model, NucleotideTransformerForMaskedLM):
        raise InputError(f"{folder}: a {model.config.model_type}, not a Nucleotide Transformer v2")
    tokenizer = NucleotideTransformerTokenizer()
    if model.config.vocab_size != tokenizer.vocab_size:
        raise InputError(
            f"{folder}: {model.config.vocab_size} tokens, but Nucleotide Transformer v2 has "
            f"{tokenizer.vocab_size}; use a nucleotide-transformer-v2 checkpoint"
        )
    _check_vocabulary(folder / "vocab.txt")
    return model, tokenizer


def import_teacher(files: Sequence[Path], output: Path) -> None:
    """Load the hub's files strictly and write a checkpoint of this package, once for all jobs.

    Parameters
    ----------
    files : sequence of Path
        config.json, model.safetensors and vocab.txt, in one folder.
    output : Path
        Folder with `model/`, as `dnastudents pretrain` writes one.

    Raises
    ------
    InputError
        Files of several folders, or what `load_teacher` refuses.
    """
    folders = {file.parent for file in files}
    if len(folders) != 1:
        raise InputError(f"teacher files lie in {len(folders)} folders; they belong into one")
    folder = folders.pop()
    model, tokenizer = load_teacher(folder)
    with atomic_directory(output, "model") as partial:
        model.save_pretrained(partial / "model")
        tokenizer.save_pretrained(partial / "model")
        hashes = {file.name: sha256(file) for file in sorted(files)}
        write_provenance(partial / "model", *LEARNING, sha256=hashes)
    print(f"{folder.name}: {models.count_parameters(model):,} parameters")


def _check_head(file: Path) -> None:
    """Say of an encoder saved alone what it is; all else that is wrong shows when it is loaded."""
    try:
        with safe_open(file, "pt") as handle:
            has_head = any(name.startswith("lm_head.") for name in handle.keys())  # noqa: SIM118
    except (OSError, SafetensorError):
        return
    if not has_head:
        raise InputError(
            f"{file}: has no lm_head, so it cannot predict masked tokens: an encoder saved alone; "
            "take the checkpoint of the masked language model"
        )


def _check_vocabulary(file: Path) -> None:
    """Refuse another order of tokens: our ids are fixed, so the features would be of other DNA."""
    if not file.is_file():
        return
    tokens = file.read_text(encoding="utf-8").split()
    if len(tokens) != len(VOCABULARY):
        raise InputError(
            f"{file}: {len(tokens)} tokens, but Nucleotide Transformer v2 has "
            f"{len(VOCABULARY)}; download it again"
        )
    for number, (found, known) in enumerate(zip(tokens, VOCABULARY, strict=True)):
        if found != known:
            raise InputError(
                f"{file}: token {number} is {found}, but {known} in Nucleotide Transformer v2; "
                "download it again"
            )
