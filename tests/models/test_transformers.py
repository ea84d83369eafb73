"""After `import dnastudents`, transformers treats a student's folder as one of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    pipeline,
)

from dnastudents import models
from dnastudents.genome import tokenizers
from small_students import BERT, CHORDMIXER, HYBRID, NUCLEOTIDE_TRANSFORMER

STUDENTS = (HYBRID, CHORDMIXER, BERT, NUCLEOTIDE_TRANSFORMER)
TEXTS = ["ACGTAACGTTTGACAACGTGACCACATGACAT", "GATTACAGATTACAGATT"]


def written(student: dict[str, Any], folder: Path) -> Path:
    """A new student and its tokenizer in a folder."""
    tokenizer = tokenizers.build(models.tokenizer_name(student))
    torch.manual_seed(0)
    models.build(student, tokenizer).save_pretrained(folder)
    models.DNATokenizer(name=tokenizer.name).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=STUDENTS, ids=lambda student: student["architecture"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(request.param, tmp_path_factory.mktemp("student"))


def test_importing_the_package_is_enough(tmp_path: Path) -> None:
    """In a new process; and the import alone does not bring transformers or torch."""
    folders = [str(written(student, tmp_path / str(n))) for n, student in enumerate(STUDENTS)]
    code = (
        "import sys, dnastudents\n"
        "assert not {'transformers', 'torch', 'pydantic'} & set(sys.modules)\n"
        "from transformers import AutoTokenizer, AutoModel, pipeline\n"
        f"for folder in {folders!r}:\n"
        "    AutoTokenizer.from_pretrained(folder)\n"
        "    AutoModel.from_pretrained(folder)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_tokens_are_those_of_the_fast_path(folder: Path) -> None:
    tokenizer, fast = AutoTokenizer.from_pretrained(folder), tokenizers.load(folder)
    for text in (*TEXTS, "acguNNacgtacg", "ACGTNACGTACG"):
        assert tokenizer(text)["input_ids"] == fast.encode(text)
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    codes = [np.array(fast.encode(text)) for text in TEXTS]
    for ids, mask, wanted in zip(batch["input_ids"], batch["attention_mask"], codes, strict=True):
        assert ids[: len(wanted)].tolist() == wanted.tolist()
        assert (ids[len(wanted) :] == fast.pad_id).all()
        assert mask.tolist() == [1] * len(wanted) + [0] * (len(ids) - len(wanted))
    for text, ids in zip(TEXTS, codes, strict=True):
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert tokenizer.mask_token_id == fast.mask_id
    assert len(tokenizer.get_vocab()) == len(tokenizer) == fast.vocab_size
    is_special = tokenizer.get_special_tokens_mask(codes[0].tolist(), None, True)
    assert is_special == np.isin(codes[0], fast.special_ids).astype(int).tolist()


def test_what_transformers_asks_of_a_model(folder: Path, tmp_path: Path) -> None:
    config, tokenizer = AutoConfig.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    masked = AutoModelForMaskedLM.from_pretrained(folder).eval()
    plain = AutoModel.from_pretrained(folder).eval()
    classifier = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3)
    for model in (masked, plain, classifier):
        assert type(model.config) is type(config)
        assert model.get_input_embeddings().weight.numel()
        model.tie_weights()
    assert masked.get_output_embeddings() is not None
    with torch.inference_mode():
        told = masked(**batch, labels=labels, output_hidden_states=True)
        loss = torch.nn.functional.cross_entropy(told.logits.flatten(0, 1), labels.flatten())
        torch.testing.assert_close(told.loss, loss)
        assert len(told.hidden_states) == len(masked.hidden_layers()) + 1
        assert torch.equal(told.hidden_states[-1], told.last_hidden_state)
        features = plain(**batch).last_hidden_state
        assert torch.equal(features, told.last_hidden_state)
        assert torch.equal(plain(**batch, return_dict=False)[0], features)
    assert classifier(**batch, labels=torch.tensor([0, 2])).loss.isfinite()
    classifier.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert torch.equal(again.classifier.weight, classifier.classifier.weight)
    assert (
        AutoTokenizer.from_pretrained(tmp_path)(TEXTS)["input_ids"] == tokenizer(TEXTS)["input_ids"]
    )


def test_gradient_checkpointing_changes_no_gradient(folder: Path) -> None:
    batch = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    gradients = []
    for checkpointing in (False, True):
        model = AutoModelForMaskedLM.from_pretrained(folder).train()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        model.config.attention_probs_dropout_prob = 0.0
        if checkpointing:
            model.gradient_checkpointing_enable()
        model(**batch).last_hidden_state.square().mean().backward()
        gradients.append(model.get_input_embeddings().weight.grad)
    torch.testing.assert_close(*gradients)


def test_pipelines(folder: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = pipeline("fill-mask", str(folder))(f"ACGTACGTACGT{tokenizer.mask_token}ACGTACGTACGT")
    assert len(found) == 5 and all(0 <= guess["score"] <= 1 for guess in found)
    features = np.array(pipeline("feature-extraction", str(folder))(TEXTS[0]))
    assert features.shape[:2] == (1, len(tokenizer(TEXTS[0])["input_ids"]))
    AutoModelForSequenceClassification.from_pretrained(
        folder, id2label={0: "no", 1: "yes"}, label2id={"no": 0, "yes": 1}
    ).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    classes = pipeline("text-classification", str(tmp_path))(TEXTS)
    assert {guess["label"] for guess in classes} <= {"no", "yes"}


def test_a_trainer_fine_tunes(folder: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows: list[dict[str, Any]] = []
    for number in range(64):
        letters = generator.choice(list("AT" if number % 2 else "GC"), 18 + number % 5)
        rows.append({**tokenizer("".join(letters)), "labels": number % 2})
    torch.manual_seed(0)
    trainer = Trainer(
        AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2),
        TrainingArguments(
            str(tmp_path),
            num_train_epochs=8,
            learning_rate=3e-2,
            per_device_train_batch_size=16,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            use_cpu=True,
        ),
        train_dataset=rows,
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
    )
    before = trainer.evaluate(rows)["eval_loss"]
    trainer.train()
    assert trainer.evaluate(rows)["eval_loss"] < 0.7 * before
    trainer.save_model(str(tmp_path / "kept"))
    AutoTokenizer.from_pretrained(tmp_path / "kept")
    AutoModelForSequenceClassification.from_pretrained(tmp_path / "kept")
