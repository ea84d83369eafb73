"""A Nucleotide Transformer v2 as a teacher: loaded strictly, from the hub's files or from ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import transformers
from safetensors import SafetensorError, safe_open

from dnastudents import models
from dnastudents.errors import InputError
from dnastudents.files import atomic_directory, reading, sha256
from dnastudents.genome.tokenizers import FILE_NAME, NucleotideTransformerTokenizer
from dnastudents.models import NucleotideTransformerForMaskedLM, model_folder
from dnastudents.provenance import LEARNING, write_provenance

PRECISIONS = ("F64", "F32", "F16", "BF16")  # as safetensors calls them
WEIGHTS = "model.safetensors"
FILES = ("config.json", WEIGHTS, "vocab.txt")


def load_teacher(
    folder: Path, must_be_finite: bool = True
) -> tuple[Any, NucleotideTransformerTokenizer]:
    """Load a teacher and its tokenizer.

    Parameters
    ----------
    folder : Path
        What `import_teacher` or `dnastudents pretrain` wrote, or a folder as the hub has it:
        config.json, model.safetensors and vocab.txt.
    must_be_finite : bool
        Refuse weights that are not. Default is True.

    Returns
    -------
    NucleotideTransformerForMaskedLM, NucleotideTransformerTokenizer
        The model in evaluation mode.

    Raises
    ------
    InputError
        Weights that are not exactly the model's or not finite, a checkpoint without its head,
        another model, or another vocabulary than that of Nucleotide Transformer v2.
    """
    transformers.utils.logging.disable_progress_bar()  # it would fill the log
    folder = model_folder(folder)
    _require_one_file(folder)
    _check_head(folder / WEIGHTS)
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
    if must_be_finite:
        _check_finite(folder / WEIGHTS, model)
    return model, tokenizer


def import_teacher(paths: Sequence[Path], output: Path) -> None:
    """Load the hub's files strictly and write a checkpoint of this package, once for all jobs.

    Parameters
    ----------
    paths : sequence of Path
        A folder as the hub has it; or its files, which lie in one folder. Those in `FILES` are
        read, others are passed over.
    output : Path
        Folder with `model/`, as `dnastudents pretrain` writes one.

    Raises
    ------
    InputError
        Files of several folders or a missing one, or what `load_teacher` refuses.
    """
    folder = _one_folder(paths)
    model, tokenizer = load_teacher(folder)
    with atomic_directory(output, "model") as partial:
        model.save_pretrained(partial / "model")
        tokenizer.save_pretrained(partial / "model")
        hashes = {name: sha256(folder / name) for name in FILES if (folder / name).is_file()}
        write_provenance(partial / "model", *LEARNING, sha256=hashes)
    print(f"{folder.resolve().name}: {models.count_parameters(model):,} parameters")


def _one_folder(paths: Sequence[Path]) -> Path:
    """Find the folder of a teacher's files, and check that they are all there."""
    folders = {path if path.is_dir() else path.parent for path in paths}
    if len(folders) != 1:
        raise InputError(f"teacher files lie in {len(folders)} folders; they belong into one")
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; name the folder of {FILES[0]}")
    folder = model_folder(folders.pop())
    for name in FILES:
        is_ours = name == "vocab.txt" and (folder / FILE_NAME).is_file()
        if (folder / name).is_file() or is_ours:
            continue
        if name == WEIGHTS:
            _require_one_file(folder)
        raise InputError(
            f"{folder / name}: no such file; put it there, a teacher is {', '.join(FILES)}"
        )
    return folder


def _require_one_file(folder: Path) -> None:
    """Refuse weights in another form than the one file whose hash tells a teacher from another."""
    if (folder / WEIGHTS).is_file():
        return
    shards = sorted(folder.glob("model-*-of-*.safetensors"))
    pickles = sorted(folder.glob("pytorch_model*.bin"))
    if shards:
        raise InputError(
            f"{shards[0]}: weights in {len(shards)} parts are not read; load the model with "
            f"transformers and save it with `max_shard_size='100GB'`, which gives one {WEIGHTS}"
        )
    if pickles:
        raise InputError(
            f"{pickles[0]}: pickles are not read; take {WEIGHTS} of the same model "
            "(nucleotide-transformer-v2-250m has it in its pull request 2)"
        )


def _check_finite(file: Path, model: Any) -> None:
    """Refuse weights that are not numbers; half precision overflows beyond 65,504."""
    for name, weight in model.state_dict().items():
        if bad := int((~weight.isfinite()).sum()):
            raise InputError(
                f"{file}: {name} holds {bad:,} of {weight.numel():,} weights that are not finite; "
                "download it again, or take a checkpoint of float32"
            )


def _check_head(file: Path) -> None:
    """Say of a broken file, an encoder saved alone and quantised weights what they are.

    All else that is wrong shows when it is loaded.
    """
    try:
        with safe_open(file, "pt") as handle:
            names = list(handle.keys())
            kinds = {name: handle.get_slice(name).get_dtype() for name in names}
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{file}: no safetensors file, or a part of one ({error}); download it again"
        ) from None
    if not any(name.startswith("lm_head.") for name in names):
        raise InputError(
            f"{file}: has no lm_head, so it cannot predict masked tokens: an encoder saved alone; "
            "take the checkpoint of the masked language model"
        )
    for name, kind in kinds.items():
        if name.endswith((".weight", ".bias")) and kind not in PRECISIONS:
            raise InputError(
                f"{file}: {name} is of type {kind}; take a checkpoint of {', '.join(PRECISIONS)}"
            )


def _check_vocabulary(file: Path) -> None:
    """Refuse another order of tokens: our ids are fixed, so the features would be of other DNA."""
    if not file.is_file():
        return
    with reading(file):
        tokens = file.read_text(encoding="utf-8").split()
    vocabulary = NucleotideTransformerTokenizer().vocabulary
    if len(tokens) != len(vocabulary):
        raise InputError(
            f"{file}: {len(tokens)} tokens, but Nucleotide Transformer v2 has "
            f"{len(vocabulary)}; download it again"
        )
    for number, (found, known) in enumerate(zip(tokens, vocabulary, strict=True)):
        if found != known:
            raise InputError(
                f"{file}: token {number} is {found}, but {known} in Nucleotide Transformer v2; "
                "download it again"
            )
