"""Loading a teacher: from the hub's files or from ours, strictly; what is said of others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hub_vocabulary import VOCABULARY
from safetensors.torch import load_file, save_file

from dnastudents import models
from dnastudents.benchmarks.task import load_task, write_task
from dnastudents.errors import InputError
from dnastudents.genome import tokenizers
from dnastudents.inference.embed import embed
from dnastudents.teachers.checkpoint import import_teacher, load_teacher

FILES = ("config.json", "model.safetensors", "vocab.txt")


TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """A folder with the files that the hub has; random weights."""
    folder = tmp_path / "nt_v2_tiny"
    settings = {"architecture": "nucleotide_transformer", "intermediate_size": 16, **TINY}
    torch.manual_seed(0)
    models.build(settings, tokenizers.build("nucleotide_transformer")).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    return folder


def test_the_vocabulary_is_that_of_the_tokenizer() -> None:
    tokenizer = tokenizers.build("nucleotide_transformer")
    assert tokenizer.vocabulary == list(VOCABULARY)
    for number in (6, 7, 1234, 4101, 4102, 4103, 4104, 4105, 4106):
        assert tokenizer.encode(VOCABULARY[number]) == [3, number]
    assert [VOCABULARY[i] for i in (tokenizer.unk_id, tokenizer.pad_id, tokenizer.mask_id)] == [
        "<unk>",
        "<pad>",
        "<mask>",
    ]


def test_hub_files_and_imported_ones_are_the_same_teacher(hub: Path, tmp_path: Path) -> None:
    import_teacher([hub / name for name in FILES], tmp_path / "ours")
    from_hub, _ = load_teacher(hub)
    ours, tokenizer = load_teacher(tmp_path / "ours")
    ids = torch.tensor([tokenizer.encode("ACGTACGTNNACGT")])
    with torch.inference_mode():
        assert torch.equal(from_hub(ids).logits, ours(ids).logits)


def test_what_is_no_teacher_is_refused(hub: Path, tmp_path: Path) -> None:
    words = (hub / "vocab.txt").read_text().split()
    for changed, message in (
        (words[:-1], "4106 tokens, but Nucleotide Transformer v2 has 4107"),
        ([*words[:6], words[7], words[6], *words[8:]], "token 6 is AAAAAT, but AAAAAA in"),
    ):
        (hub / "vocab.txt").write_text("\n".join(changed))
        with pytest.raises(InputError, match=message):
            import_teacher([hub / name for name in FILES], tmp_path / "ours")
        assert not (tmp_path / "ours").exists()
    with pytest.raises(InputError, match="2 folders"):
        import_teacher([hub / "config.json", tmp_path / "vocab.txt"], tmp_path / "ours")
    student = models.build({"architecture": "hybrid"}, tokenizers.build("nucleotide"))
    student.save_pretrained(tmp_path / "student")
    with pytest.raises(InputError, match="student: a dna_hybrid, not a Nucleotide Transformer v2"):
        load_teacher(tmp_path / "student")


def test_an_encoder_without_its_head_is_named_as_such(hub: Path) -> None:
    file = hub / "model.safetensors"
    kept = {name: x for name, x in load_file(file).items() if not name.startswith("lm_head.")}
    save_file(kept, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"model\.safetensors: has no lm_head"):
        load_teacher(hub)


def test_a_teachers_embeddings_are_means_over_tokens_of_bases(hub: Path, tmp_path: Path) -> None:
    """Neither <cls> nor padding is pooled; rows of unequal length are padded in a batch."""
    import_teacher([hub / name for name in FILES], tmp_path / "ours")
    sequences = ["ACGTACGTACGTA", "TTGACANGGC", "GATTACAGATTACAGATTACA"] * 10
    frame = pd.DataFrame({"sequence": sequences, "label": np.arange(30) % 2})
    task = tmp_path / "task"
    write_task(task, "made", "three", {"train": frame, "test": frame}, ["a", "b"], "mcc")
    embed(tmp_path / "ours", str(task / "test.parquet"), tmp_path / "e.npz")
    found = np.load(tmp_path / "e.npz")
    model, tokenizer = load_teacher(tmp_path / "ours")
    for vector, text in zip(found["embeddings"], load_task(task).test["sequence"], strict=True):
        with torch.inference_mode():
            hidden = model(torch.tensor([tokenizer.encode(text)])).last_hidden_state[0]
        np.testing.assert_allclose(vector, hidden[1:].mean(0), atol=1e-5)
