"""Models on data of one's own: equal to the workflow's numbers, to plain twins, and strict."""

from __future__ import annotations

import gzip
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer

from dnastudents import models
from dnastudents.cli import main
from dnastudents.errors import InputError
from dnastudents.genome import tokenizers
from dnastudents.genome.codes import decode, encode, reverse_complement
from dnastudents.inference.embed import Embedder, embed
from dnastudents.inference.inputs import read_sequences
from dnastudents.inference.model import batches, windows_of
from dnastudents.inference.predict import Classifier, predict
from dnastudents.inference.scan import scan
from dnastudents.inference.score import score
from tuned import MASKED, tuned


@pytest.mark.parametrize(
    ("student", "settings"),
    [
        ("hybrid", {}),
        ("bert", {"pooling": "cls"}),
        ("bert", {"pooling": "parts", "pooling_parts": 3}),
        ("hybrid", {"reverse_complement": "conjoin"}),
        ("hybrid", {"frozen": True}),
        ("hybrid", {"grid": {"learning_rate": [1e-3, 3e-3], "batch_size": [8]}}),
    ],
)
def test_the_kept_classifier_predicts_what_the_workflow_did(
    students: dict[str, Path],
    task: Path,
    tmp_path: Path,
    student: str,
    settings: dict[str, Any],
) -> None:
    output = tuned(tmp_path, students[student], task, **settings)
    rows = [json.loads((output / f"seed_{seed}.json").read_text()) for seed in (0, 1, 2)]
    best = max(rows, key=lambda row: (row["best_dev"], -row["seed"]))
    kept = json.loads((output / "classifier/provenance.json").read_text())["row"]
    assert (kept["seed"], kept["task"], kept["value"]) == (best["seed"], "gc", best["value"])
    file = tmp_path / "p.parquet"
    predict(output / "classifier", str(task / "test.parquet"), file, long="truncate")
    found = pd.read_parquet(file)
    wanted = pd.read_parquet(output / "predictions.parquet").query(f"seed == {best['seed']}")
    np.testing.assert_allclose(found[["p_at", "p_gc"]], wanted[["p_at", "p_gc"]], atol=1e-5)
    assert found["prediction"].tolist() == [["at", "gc"][n] for n in wanted["prediction"]]
    left = list((tmp_path / "state").glob("seed_*/classifier"))
    assert [folder.parent.name for folder in left] == [f"seed_{best['seed']}"]


@pytest.mark.parametrize(
    ("keep", "names"),
    [("all", {"classifier_seed_0", "classifier_seed_1", "classifier_seed_2"}), ("none", set())],
)
def test_all_or_none_are_kept(
    students: dict[str, Path], task: Path, tmp_path: Path, keep: str, names: set[str]
) -> None:
    output = tuned(tmp_path, students["hybrid"], task, keep=keep, max_steps=2)
    assert {path.name for path in output.glob("classifier*")} == names


def test_a_classifier_that_was_removed_is_made_again(
    students: dict[str, Path], task: Path, tmp_path: Path, trained: list[int]
) -> None:
    output = tuned(tmp_path, students["hybrid"], task, max_steps=4)
    (kept,) = (tmp_path / "state").glob("seed_*/classifier")
    weights = (output / "classifier/model.safetensors").read_bytes()
    best = int(kept.parent.name.removeprefix("seed_"))
    shutil.rmtree(kept)
    tuned(tmp_path, students["hybrid"], task, max_steps=4)
    assert trained == [0, 1, 2, best]
    assert (output / "classifier/model.safetensors").read_bytes() == weights


def test_the_best_of_fewer_seeds_has_a_classifier_too(
    students: dict[str, Path], task: Path, tmp_path: Path, trained: list[int]
) -> None:
    output = tuned(tmp_path, students["hybrid"], task, max_steps=4)
    best = json.loads((output / "classifier/provenance.json").read_text())["row"]["seed"]
    rest = tuple(seed for seed in (0, 1, 2) if seed != best)
    tuned(tmp_path, students["hybrid"], task, rest, max_steps=4)
    row = json.loads((output / "classifier/provenance.json").read_text())["row"]
    assert row["seed"] in rest and trained == [0, 1, 2, row["seed"]]


def test_transformers_reads_the_classifier(classifier: Path, task: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(classifier)
    assert model.config.id2label == {0: "at", 1: "gc"}
    tokenizer = AutoTokenizer.from_pretrained(classifier)
    texts = pd.read_parquet(task / "test.parquet")["sequence"].tolist()
    with torch.inference_mode():
        found = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits.softmax(-1)
    wanted = Classifier(classifier).probabilities([encode(text) for text in texts])
    np.testing.assert_allclose(found, wanted, atol=1e-5)


FORMATS = {
    "fasta": b">one first\nACGT\nACGT\n>002\nGGGG\n",
    "fasta.gz": gzip.compress(b">one first\nACGT\nACGT\n>002\nGGGG\n"),
    "csv": b"id,sequence\none,ACGTacgt\n002,GGGG\n",
    "tsv": b"sequence\tid\r\nACGUACGU\tone\r\nGGGG\t002\r\n",
    "a blank line first": b"\nid,sequence\none,ACGTACGT\n002,GGGG\n",
    "with a BOM": b"\xef\xbb\xbfname,sequence\none,ACGTACGT\n002,GGGG\n",
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_keeps_ids_as_text(name: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(FORMATS[name])
    found = [(one.name, decode(one.codes)) for one in read_sequences(str(tmp_path / "x"))]
    assert found == [("one", "ACGTACGT"), ("002", "GGGG")]


def test_lines_parquet_and_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"id": ["NA", "1"], "dna": ["ACGT", "TTTT"], "label": [1, 0]})
    frame.to_parquet(tmp_path / "x")
    found = [(one.name, one.label) for one in read_sequences(str(tmp_path / "x"), column="dna")]
    assert found == [("NA", 1), ("1", 0)]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"ACGT\nTTTT\n")))
    assert [one.name for one in read_sequences("-")] == ["0", "1"]


def test_windows() -> None:
    assert windows_of(10, None, 0.5) == windows_of(10, 12, 0.5) == [(0, 10)]
    assert windows_of(10, 4, 0.5) == [(0, 4), (2, 6), (4, 8), (6, 10)]
    assert windows_of(11, 4, 0.0) == [(0, 4), (4, 8), (7, 11)]


def test_long_sequences_make_small_batches() -> None:
    lengths = np.array([10, 5000, 1024, 20, 1025, 90_000])
    found = [rows.tolist() for rows in batches(lengths, 4)]
    assert found == [[0, 3, 2], [4], [1], [5]]  # 4 * 1,024 tokens at most
    assert [rows.tolist() for rows in batches(np.array([3, 1, 2]), 2)] == [[1, 2], [0]]


def test_so_many_sequences_and_bases_are_tokenised_together(
    monkeypatch: pytest.MonkeyPatch, classifier: Path
) -> None:
    monkeypatch.setattr("dnastudents.inference.model.CHUNK", 3)
    monkeypatch.setattr("dnastudents.inference.model.BASES", 100)
    sizes = [30, 30, 30, 30, 120, 10, 95, 1]
    seen: list[list[int]] = []

    def compute(codes: list[np.ndarray]) -> np.ndarray:
        seen.append([len(row) for row in codes])
        return np.zeros(len(codes))

    items = ((n, np.zeros(size, dtype=np.uint8)) for n, size in enumerate(sizes))
    assert [key for key, _ in Classifier(classifier).over(items, compute)] == list(range(8))
    assert seen == [[30, 30, 30], [30, 120], [10, 95], [1]]


def test_a_model_that_reads_any_length_is_given_32768_bases(
    classifier: Path, pretrained: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "x").write_text("ACGT" * 20_000 + "\n")
    seen: list[int] = []

    def compute(self: Classifier, codes: list[np.ndarray]) -> np.ndarray:
        seen.extend(map(len, codes))
        return np.full((len(codes), 2), 0.5, dtype=np.float32)

    monkeypatch.setattr(Classifier, "probabilities", compute)
    predict(classifier, str(tmp_path / "x"), tmp_path / "p.csv")
    assert seen == [1 << 15] * 4  # half of each is read again
    longest = {name: Embedder(folder).longest for name, folder in pretrained.items()}
    assert longest.pop("bert") == 515 and set(longest.values()) == {None}
    with pytest.raises(InputError, match=r"--window: .*bert reads 515 bases at most, not 600"):
        embed(pretrained["bert"], str(tmp_path / "x"), window=600)


def test_long_sequences_are_means_over_windows(classifier: Path, tmp_path: Path) -> None:
    text = "ACGTTGCATTGACCGATTAC" * 3
    (tmp_path / "x.fa").write_text(f">long\n{text}\n>short\nACGT\n")
    predict(classifier, str(tmp_path / "x.fa"), tmp_path / "x.tsv", window=20, overlap=0.5)
    found = pd.read_csv(tmp_path / "x.tsv", sep="\t")
    model = Classifier(classifier)
    pieces = [encode(text[start : start + 20]) for start in range(0, 41, 10)]
    alone = np.stack([model.probabilities([piece])[0] for piece in pieces])
    assert found["windows"].tolist() == [5, 1]
    np.testing.assert_allclose(
        found.loc[0, ["p_at", "p_gc"]].astype(float), alone.mean(0), atol=1e-5
    )


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize("layer", [None, 0, 1])
def test_embeddings_are_means_of_a_layer(
    name: str, layer: int | None, pretrained: dict[str, Path], tmp_path: Path
) -> None:
    texts = ["ACGTACGTACGTACGTACTT", "TTGACATTGACC"] * 3
    (tmp_path / "x").write_text("".join(f"{text}\n" for text in texts))
    embed(pretrained[name], str(tmp_path / "x"), tmp_path / "e.npz", layer=layer)
    found = np.load(tmp_path / "e.npz", allow_pickle=False)
    model, tokenizer = models.load(pretrained[name]), tokenizers.load(pretrained[name])
    for vector, text in zip(found["embeddings"], texts, strict=True):
        ids = torch.tensor([tokenizer.encode(text)])
        with torch.inference_mode():
            hidden = model(ids, output_hidden_states=True).hidden_states[
                -1 if layer is None else layer
            ]
        real = ~torch.isin(ids[0], torch.tensor(tokenizer.special_ids))
        np.testing.assert_allclose(vector, hidden[0, real].mean(0), atol=1e-5)
    with pytest.raises(InputError, match="has layers 0 to"):
        embed(pretrained[name], str(tmp_path / "x"), layer=99)


@pytest.mark.parametrize("name", MASKED)
def test_embeddings_of_parts_keep_place(
    name: str, pretrained: dict[str, Path], tmp_path: Path
) -> None:
    """Of sequences of two lengths in one batch, with N, and one without a token of its own."""
    texts = ["ACGTACGTACGTACGTACTT", "TTGACANTGACCA", "NNN"]
    (tmp_path / "x").write_text("".join(f"{text}\n" for text in texts))
    source, output = str(tmp_path / "x"), tmp_path / "e.npz"
    options = f"--output {output} --pooling parts --parts 3".split()
    assert main(["embed", str(pretrained[name]), source, *options]) == 0
    found = np.load(output, allow_pickle=False)
    assert str(found["pooling"]) == "3 parts"
    model, tokenizer = models.load(pretrained[name]), tokenizers.load(pretrained[name])
    for vector, text in zip(found["embeddings"], texts, strict=True):
        ids = torch.tensor([tokenizer.encode(text)])
        with torch.inference_mode():
            hidden = model(ids).last_hidden_state[0]
        own = hidden[~torch.isin(ids[0], torch.tensor(tokenizer.special_ids))]
        expected = torch.zeros(3 * hidden.shape[1])
        if len(own):
            expected = torch.nn.functional.adaptive_avg_pool1d(own.T[None], 3)[0].T.flatten()
        np.testing.assert_allclose(vector, expected, atol=1e-5)


GENOME = "TTGACATTGACCGATTACAGATTACAGGGCATCGATCGATTTACGGCATTCAGCATCAGCATCAGACTACGACGGA"
VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\n"


def variants(folder: Path, *lines: str) -> tuple[Path, Path]:
    (folder / "v.vcf").write_text(VCF + "".join(f"{line}\t.\n" for line in lines))
    (folder / "g.fa").write_text(f">chr1\n{GENOME[:40]}\n{GENOME[40:]}\n>chr2\nACGTNACGT\n")
    return folder / "v.vcf", folder / "g.fa"


def plain_ratio(folder: Path, reference: str, alternative: str) -> float:
    """The plain twin: hide every token that differs, ask transformers for both tokens."""
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    there, other = tokenizer(reference)["input_ids"], tokenizer(alternative)["input_ids"]
    ids = [tokenizer.mask_token_id if a != b else a for a, b in zip(there, other, strict=True)]
    with torch.inference_mode():
        told = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    ratios = [
        float(told[n, b] - told[n, a])
        for n, (a, b) in enumerate(zip(there, other, strict=True))
        if a != b
    ]
    if not tokenizer.dna.overlaps:
        return sum(ratios)
    # Token n holds bases n - 1 to n + 4: each tells of those that differ in it.
    differs = [n for n, (a, b) in enumerate(zip(reference, alternative, strict=True)) if a != b]
    told = [n for n, (a, b) in enumerate(zip(there, other, strict=True)) if a != b]
    pairs = sum(n - 1 <= place < n + 5 for n in told for place in differs)
    return sum(ratios) * len(differs) / pairs


@pytest.mark.parametrize("name", MASKED)
def test_scores_equal_the_plain_twin(
    name: str, pretrained: dict[str, Path], tmp_path: Path
) -> None:
    far = f"chr1\t21\t.\t{GENOME[20:30]}\tC{GENOME[21:29]}T"  # no token holds both changes
    asked = (
        *("chr1\t21\trs1\tA\tC,G", "chr1\t1\t.\tTT\tGC", "chr1\t22\t.\tT\tTA"),
        *("chr2\t5\t.\tN\tA", far),
    )
    vcf, fasta = variants(tmp_path, *asked)
    score(pretrained[name], vcf, fasta, tmp_path / "s.csv", window=30)
    found = pd.read_csv(tmp_path / "s.csv", keep_default_na=False)
    assert found["alt"].tolist()[:5] == ["C", "G", "GC", "TA", "A"]
    assert found["note"].tolist()[2:] == [
        "",
        "insertion or deletion",
        "reference is not A, C, G, T",
        "",
    ]
    assert found["llr"].tolist()[3:5] == ["", ""]
    for row, start in ((0, 6), (1, 6), (2, 0), (5, 10)):
        reference = GENOME[start : start + 30]
        place = int(found["pos"][row]) - 1 - start
        size = len(found["ref"][row])
        assert reference[place : place + size] == found["ref"][row]
        alternative = reference[:place] + found["alt"][row] + reference[place + size :]
        strands = [
            (reference, alternative),
            tuple(decode(reverse_complement(encode(x))) for x in (reference, alternative)),
        ]
        forward, reverse = (plain_ratio(pretrained[name], *strand) for strand in strands)
        assert float(found["llr_forward"][row]) == pytest.approx(forward, abs=1e-4)
        assert float(found["llr_reverse"][row]) == pytest.approx(reverse, abs=1e-4)
        assert float(found["llr"][row]) == pytest.approx((forward + reverse) / 2, abs=1e-4)


def test_a_variant_that_no_token_shows_has_no_score(
    pretrained: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "g.fa").write_text(f">short\nACGT\n>n\nNNNNNNNANNNNNN\n>chr1\n{GENOME}\n")
    lines = "short\t2\t.\tC\tG\nn\t8\t.\tA\tG\nchr1\t21\t.\tA\t<DEL>,*,C\n"
    (tmp_path / "v.vcf").write_text((VCF + lines).replace("\n", "\r\n"))
    score(pretrained["bert"], tmp_path / "v.vcf", tmp_path / "g.fa", tmp_path / "s.tsv")
    found = pd.read_csv(tmp_path / "s.tsv", sep="\t", keep_default_na=False)
    unread, letters = "longer than the window, or in no token without N", "alternative is not A, C"
    assert [note[:48] for note in found["note"]][:2] == [unread] * 2
    assert [note[: len(letters)] for note in found["note"]][2:] == [letters, letters, ""]
    assert [bool(llr) for llr in found["llr"]] == [False] * 4 + [True]


def test_a_scan_is_predictions_of_windows(classifier: Path, tmp_path: Path) -> None:
    _, fasta = variants(tmp_path)
    (tmp_path / "r.bed").write_text("# mine\nchr1\t10\t30\nchr2\t4\t5\n")
    scan(classifier, fasta, tmp_path / "t.bedgraph", bed=tmp_path / "r.bed", window=20, step=8)
    head, *lines = (tmp_path / "t.bedgraph").read_text().splitlines()
    assert head == 'track type=bedGraph name="gc"'
    found = [line.split("\t") for line in lines]
    places = [tuple(map(int, row[1:3])) for row in found]
    assert places == [(10, 18), (18, 26), (26, 30), (4, 5)]
    model = Classifier(classifier)
    for (start, end), row in zip(places[:3], found, strict=False):
        left = (start + end - 20) // 2
        wanted = model.probabilities([encode(GENOME[left : left + 20])])[0, 1]
        assert float(row[3]) == pytest.approx(wanted, abs=1e-5)
    with pytest.raises(InputError, match="no class 'cg'; known: at, gc"):
        scan(classifier, fasta, class_name="cg")
    (tmp_path / "r.bed").write_text("chr1\t10\t300\n")
    with pytest.raises(InputError, match="line 1: 10-300 is not a region of chr1, which has 76"):
        scan(classifier, fasta, bed=tmp_path / "r.bed")
