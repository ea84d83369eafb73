"""A downloaded Nucleotide Transformer v2 as a teacher folder, checked once and for all jobs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dnastudents import models, tokenizers
from dnastudents.errors import InputError
from dnastudents.files import atomic_directory


def import_teacher(files: Sequence[Path], output: Path) -> None:
    """Load the hub's files strictly and write them as a checkpoint of ours.

    Parameters
    ----------
    files : sequence of Path
        config.json, model.safetensors and vocab.txt, in one folder.
    output : Path
        Folder with `model/`, as `dnastudents pretrain` writes one.

    Raises
    ------
    InputError
        Files of several folders, weights that are not exactly the model's, or another vocabulary
        than that of Nucleotide Transformer v2.
    """
    folders = {file.parent for file in files}
    if len(folders) != 1:
        raise InputError(f"teacher files lie in {len(folders)} folders; they belong into one")
    folder = folders.pop()
    model = models.load(folder)
    tokenizer = tokenizers.build("nucleotide_transformer")
    vocabulary = folder / "vocab.txt"
    if vocabulary.is_file():
        size = len(vocabulary.read_text(encoding="utf-8").split())
        if size != tokenizer.vocab_size:
            raise InputError(
                f"{vocabulary}: {size} tokens, but Nucleotide Transformer v2 has "
                f"{tokenizer.vocab_size}; download it again"
            )
    with atomic_directory(output) as partial:
        model.save_pretrained(partial / "model")
        tokenizer.save_pretrained(partial / "model")
    print(f"{folder.name}: {models.count_parameters(model):,} parameters")
