"""What cannot be read is refused in one line that names it, and nothing is written."""

from __future__ import annotations

import gzip
import io
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from safetensors.torch import load_file, save_file

from dnastudents import models
from dnastudents.cli import main
from dnastudents.errors import InputError
from dnastudents.inference.inputs import read_sequences
from dnastudents.inference.predict import predict
from dnastudents.inference.scan import scan
from dnastudents.inference.score import score

PROTEIN = "MKVDAAGHVGSCAKAYNNDSNRRTSTKHWY"  # its letters are all nucleotides' too
GENOME = "TTGACATTGACCGATTACAGATTACAGGGCATCGATCGATTTACGGCATTCAGCATCAGCATCAGACTACGACGGA"
VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\n"

BAD = {
    "nothing": (b"", "is empty; give at least one sequence"),
    "protein": (b">p\nMKVLEFPQ\n", "not a nucleotide letter|protein"),
    "protein table": (b"id,sequence\np,MKVLEF\n", "row 1 .id p. holds 'L', .*protein; give DNA"),
    "protein of nucleotide letters": (f"sequence\n{PROTEIN}\n".encode(), "is protein; give DNA"),
    "no row": (b"id,sequence\n", "holds a header and no row"),
    "two records of one name": (b">a\nACGT\n>a\nCC\n", "two records are named 'a'; rename or rem"),
    "no text": (bytes(range(256)), "is not in UTF-8"),
    "no column": (b"id,sequenze\np,ACGT\n", "no column 'sequence'; did you mean 'sequenze'"),
    "an empty cell": (b"id,sequence\np,\n", r"row 1 \(id p\) is empty"),
    "longer rows": (b"sequence,mutant\nACGT,TTTT,\nGGGG,CCCC,\n", "not a table .*line 2, saw 3"),
    "two columns of one name": (b"sequence,sequence\nACGT,TTTT\n", "two columns are named 'seq"),
    "cut gzip": (gzip.compress(b">a\nACGT\n" * 99)[:-9], "damaged|cannot be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line(
    name: str, classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, message = BAD[name]
    (tmp_path / "x").write_bytes(content)
    output = tmp_path / "out.csv"
    assert main(["predict", str(classifier), str(tmp_path / "x"), "--output", str(output)]) == 1
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("dnastudents predict: error: ") and re.search(message, line)
    assert not output.exists()


def test_a_missing_cell_of_parquet_is_empty(tmp_path: Path) -> None:
    """And not the DNA `nan`."""
    pd.DataFrame({"sequence": ["ACGT", None], "id": ["a", "b"]}).to_parquet(tmp_path / "x")
    with pytest.raises(InputError, match=r"row 2 \(id b\) is empty"):
        list(read_sequences(str(tmp_path / "x")))
    pd.DataFrame({"sequence": ["ACGT", "CC"], "id": ["a", None], "label": ["x", None]}).to_parquet(
        tmp_path / "x"
    )
    found = [(one.name, one.label) for one in read_sequences(str(tmp_path / "x"))]
    assert found == [("a", "x"), ("", "")]


def test_messages_of_standard_input_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b">a\nMKVLEF\n", b"sequence\nMKVLEF\n"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        with pytest.raises(InputError, match=r"^standard input: .* holds 'L'"):
            list(read_sequences("-"))


@pytest.mark.parametrize(
    ("content", "index", "message"),
    [
        ("ACGT", "", r"g\.fa\.fai: not the index of a FASTA; remove it"),
        ("ACGT", "chr1\t4\n", r"g\.fa\.fai: not the index of a FASTA; remove it"),
        ("MKVLEFPQ", None, "chr1:0-8 holds 'L', which is not a nucleotide letter"),
    ],
)
def test_a_genome_that_cannot_be_read_by_region(
    content: str, index: str | None, message: str, classifier: Path, tmp_path: Path
) -> None:
    (tmp_path / "g.fa").write_text(f">chr1\n{content}\n")
    if index is not None:
        (tmp_path / "g.fa.fai").write_text(index)
    with pytest.raises(InputError, match=message):
        scan(classifier, tmp_path / "g.fa", output=tmp_path / "s.bedgraph")
    assert not (tmp_path / "s.bedgraph").exists()


def test_a_byte_order_mark_is_no_letter(
    pretrained: dict[str, Path], classifier: Path, tmp_path: Path
) -> None:
    (tmp_path / "g.fa").write_text(f">chr1\n{GENOME}\n")
    (tmp_path / "v.vcf").write_text(f"\ufeff{VCF}chr1\t21\t.\tA\tG\n", encoding="utf-8")
    score(pretrained["hybrid"], tmp_path / "v.vcf", tmp_path / "g.fa", tmp_path / "s.csv")
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 2
    (tmp_path / "r.bed").write_text("\ufeffchr1\t0\t40\n", encoding="utf-8")
    scan(classifier, tmp_path / "g.fa", bed=tmp_path / "r.bed", output=tmp_path / "s.bedgraph")


def test_models_for_another_use_are_refused(
    pretrained: dict[str, Path], classifier: Path, tmp_path: Path
) -> None:
    (tmp_path / "x.fa").write_text(">a\nACGT\n")
    with pytest.raises(InputError, match="is not a classifier; give the folder `classifier`"):
        predict(pretrained["bert"], str(tmp_path / "x.fa"))
    with pytest.raises(InputError, match="is a classifier, without a masked-token head; give the"):
        score(classifier, tmp_path / "x.vcf", tmp_path / "x.fa")
    with pytest.raises(InputError, match=r"must end with one of \.csv, \.tsv, \.parquet, \.npz"):
        predict(classifier, str(tmp_path / "x.fa"), tmp_path / "x.txt")


def test_a_classifier_without_its_head_is_refused(classifier: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((classifier / "config.json").read_bytes())
    weights = load_file(classifier / "model.safetensors")
    kept = {k: v for k, v in weights.items() if not k.startswith("classifier.")}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"missing: classifier\.bias, classifier\.weight"):
        models.load(tmp_path, "classes")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            "truncated",
            r"model\.safetensors: damaged: its SHA-256 is not .*; make it again, or copy",
        ),
        ("truncated, of others", r"no checkpoint of a HybridForSequenceClassification: .*metadata"),
        ("no weights", r"no checkpoint of a HybridForSequenceClassification: .*no file named"),
        ("wrong tokenizer", "is the tokenizer 'kmer6', but the model reads 'nucleotide'; copy the"),
        ("no tokenizer", r"has no dna_tokenizer\.json; give a model folder"),
        ("no model", r"has no config\.json; give a model folder"),
    ],
)
def test_damaged_models(
    damage: str, message: str, classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "m"
    shutil.copytree(classifier, folder)
    weights = folder / "model.safetensors"
    if damage.startswith("truncated"):
        weights.write_bytes(weights.read_bytes()[:-100])
    if damage == "truncated, of others":
        (folder / "provenance.json").unlink()
    if damage == "no weights":
        weights.unlink()
    if damage == "wrong tokenizer":
        (folder / "dna_tokenizer.json").write_text('{"tokenizer": "kmer6"}')
    if damage == "no tokenizer":
        (folder / "dna_tokenizer.json").unlink()
    if damage == "no model":
        (folder / "config.json").unlink()
    (tmp_path / "x.fa").write_text(">a\nACGT\n")
    assert main(["predict", str(folder), str(tmp_path / "x.fa")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr1\t21\t.\tC\tG", "line 4: REF is C, but .*g.fa has A at chr1:21; is it another assem"),
        ("1\t21\t.\tA\tG", "line 4: no sequence '1' in .*; it has 'chr1'"),
        ("chr3\t21\t.\tA\tG", "line 4: no sequence 'chr3' in .*; did you mean"),
        ("chr1\t210\t.\tA\tG", r"line 4: position 210 is beyond the end of chr1 \(76 bases"),
        ("chr1 21 . A G", "line 4: not a variant; give CHROM, POS"),
    ],
)
def test_variants_of_another_assembly_name_their_line(
    line: str, message: str, pretrained: dict[str, Path], tmp_path: Path
) -> None:
    vcf, fasta = tmp_path / "v.vcf", tmp_path / "g.fa"
    vcf.write_text(f"{VCF}chr1\t21\t.\tA\tG\n{line}\n")
    fasta.write_text(f">chr1\n{GENOME}\n>chr2\nACGTNACGT\n")
    with pytest.raises(InputError, match=message):
        score(pretrained["hybrid"], vcf, fasta, tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()


def test_a_vcf_or_a_bed_without_a_line(
    pretrained: dict[str, Path], classifier: Path, tmp_path: Path
) -> None:
    (tmp_path / "g.fa").write_text(f">chr1\n{GENOME}\n")
    (tmp_path / "v.vcf").write_text(VCF)
    with pytest.raises(InputError, match=r"v\.vcf: no variant in it; give CHROM"):
        score(pretrained["hybrid"], tmp_path / "v.vcf", tmp_path / "g.fa", tmp_path / "s.npz")
    (tmp_path / "r.bed").write_text("# none\n")
    with pytest.raises(InputError, match=r"r\.bed: no region in it; give sequence, start and end"):
        scan(classifier, tmp_path / "g.fa", bed=tmp_path / "r.bed")
