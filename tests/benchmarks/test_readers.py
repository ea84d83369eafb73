"""Each reader on generated files of the official layout: every base and label is as written."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from generated import random_bases, rows_of, table

from dnastudents.benchmarks import (
    gue,
    mtcdna,
    nucleotide_transformer,
    nucleotide_transformer_revised,
    write_task,
)
from dnastudents.benchmarks.nucleotide_transformer import parse_fna
from dnastudents.benchmarks.rows import LINE
from dnastudents.benchmarks.task import load_task
from dnastudents.errors import InputError

REVISED = nucleotide_transformer_revised.SUITE

# ---- GUE


@pytest.mark.parametrize("layout", ["archive", "mirror"])
@pytest.mark.parametrize(("task", "classes"), [("H3", 2), ("tf_0", 2), ("covid", 9)])
def test_gue(tmp_path: Path, layout: str, task: str, classes: int) -> None:
    folder = gue.TASKS[task][layout == "mirror"]
    splits = {
        name: table(27, 30, seed, classes) for seed, name in enumerate(("train", "dev", "test"))
    }
    with zipfile.ZipFile(tmp_path / "GUE.zip", "w") as archive:
        for name, frame in splits.items():
            archive.writestr(f"GUE/{folder}/{name}.csv", frame.to_csv(index=False))
    write_task("gue", task, [tmp_path / "GUE.zip"], tmp_path / "t")
    read = load_task(tmp_path / "t")
    for name, frame in splits.items():
        pd.testing.assert_frame_equal(read.split(name), frame)
    assert read.classes == [str(index) for index in range(classes)]
    assert read.metric == ("f1_macro" if task == "covid" else "mcc")


def test_gue_names_are_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no task 'tf_9'; did you mean 'tf_"):
        gue.write(tmp_path, "tf_9", tmp_path / "t")
    with pytest.raises(InputError, match=r"no tf/0/train\.csv or human_tf_0/train\.csv in"):
        gue.write(tmp_path, "tf_0", tmp_path / "t")


@pytest.mark.parametrize(
    ("split", "text", "message"),
    [
        (
            "test",
            "sequence,label\nACGT,7\n",
            r"tf/0/test\.csv, line 2: label '7' is not in train; known: 0, 1",
        ),
        (
            "dev",
            "seq,label\nACGT,1\n",
            r"0/dev\.csv: no column 'sequence'; the columns are seq, label$",
        ),
        (
            "train",
            "sequence,label\nACGT,0\nAC",
            r"0/train\.csv, line 3: no label; the file may be cut short",
        ),
        ("train", "sequence,label\nACGT,0\nCCC,0\n", "train: '0' is the only class"),
        (
            "test",
            "sequence,label\nACXT,1\n",
            r"test\.csv, line 2: letter 3 of the sequence is 'X', which no nucleotide has",
        ),
        ("test", "", "GUE/tf/0/test.csv: not a table"),
    ],
)
def test_gue_tables_that_are_wrong(tmp_path: Path, split: str, text: str, message: str) -> None:
    with zipfile.ZipFile(tmp_path / "GUE.zip", "w") as archive:
        for seed, name in enumerate(("train", "dev", "test")):
            good = table(9, 30, seed).to_csv(index=False)
            archive.writestr(f"GUE/tf/0/{name}.csv", text if name == split else good)
    with pytest.raises(InputError, match=message):
        write_task("gue", "tf_0", [tmp_path / "GUE.zip"], tmp_path / "t")
    assert [path.name for path in tmp_path.iterdir()] == ["GUE.zip"]


# ---- Nucleotide Transformer


@pytest.mark.parametrize("layout", ["parquet", "fna"])
def test_nucleotide_transformer(tmp_path: Path, layout: str) -> None:
    folder = tmp_path / "data" / "enhancers_types"
    folder.mkdir(parents=True)
    splits = {"train": table(60, 200, 0, 3), "test": table(9, 200, 1, 3)}
    for name, frame in splits.items():
        if layout == "parquet":
            named = frame.assign(name=[f"n{i}" for i in range(len(frame))])
            named.to_parquet(folder / f"{name}.parquet")
        else:
            # lines of 60, blanks in names, and names that repeat
            text = "".join(
                f">chr1 {i % 5}|x|{row.label}\n{row.sequence[:60]}\n{row.sequence[60:]}\n"
                for i, row in enumerate(frame.itertuples())
            )
            (folder / f"{name}.fna").write_text(text)
    nucleotide_transformer.write(tmp_path / "data", "enhancers_types", tmp_path / "t")
    read = load_task(tmp_path / "t")
    assert rows_of(pd.concat([read.train, read.dev])) == rows_of(splits["train"])
    assert len(read.dev) == 6
    assert rows_of(read.test) == rows_of(splits["test"])
    assert (read.classes, read.metric) == (["0", "1", "2"], "mcc")


def test_the_revised_nucleotide_transformer(tmp_path: Path) -> None:
    """One reader, another suite: a task of the same name has its own metric."""
    splits = {"train": table(60, 300, 0), "test": table(9, 300, 1)}
    files = [tmp_path / f"revised/promoter_all/{name}.parquet" for name in splits]
    files[0].parent.mkdir(parents=True)
    for path, frame in zip(files, splits.values(), strict=True):
        frame.assign(name="chr20:1-2|1", task="promoter_all").to_parquet(path)
    for suite, metric in (("nucleotide_transformer", "f1"), (REVISED, "mcc")):
        write_task(suite, "promoter_all", files, tmp_path / suite)
        read = load_task(tmp_path / suite)
        assert (read.suite, read.metric) == (suite, metric)
        assert rows_of(read.test) == rows_of(splits["test"])
        assert list(read.train.columns) == ["sequence", "label"]
    with pytest.raises(InputError, match=f"{REVISED}: no task 'H4ac'"):
        write_task(REVISED, "H4ac", files, tmp_path / "t")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><html>Sign in</html>", "a web page, not what its name says"),
        (b"PAR1 cut short", "not a parquet file .*download it again"),
    ],
)
def test_parquet_files_that_are_none(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "H3").mkdir()
    (tmp_path / "H3/train.parquet").write_bytes(content)
    with pytest.raises(InputError, match=rf"H3/train\.parquet: {message}"):
        nucleotide_transformer.write(tmp_path, "H3", tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_nucleotide_transformer_headers_need_labels(tmp_path: Path) -> None:
    (tmp_path / "H3").mkdir()
    text = "\ufeff>a|0\rAC\rGT\r>b|1\rGG\r"
    table = parse_fna(text, "x")
    assert table[["sequence", "label"]].values.tolist() == [["ACGT", "0"], ["GG", "1"]]
    assert table[LINE].tolist() == [1, 4]
    (tmp_path / "H3" / "train.fna").write_text(">one\nACGT\n")
    with pytest.raises(InputError, match=r"H3/train\.fna, line 1: header 'one' has no label"):
        nucleotide_transformer.write(tmp_path, "H3", tmp_path / "t")


# ---- MTcDNA


def test_mtcdna(tmp_path: Path) -> None:
    names = ("Chelonoidis_abingdonii.A.cdna.all.fa", "Gopherus_agassizii.A.cdna.all.fa")
    names += ("Mus_musculus.G.cdna.all.fa", "Mus_spretus.S.cdna.all.fa")
    for seed, name in enumerate(names):
        long = random_bases(5, 5001, seed)
        text = "".join(f">T{seed}{i} cdna gene:G\n{bases}\n" for i, bases in enumerate(long))
        (tmp_path / name).write_text(f"{text}>short\n{'A' * 5000}\n")
    mtcdna.write(tmp_path, "mtcdna_1k", tmp_path / "t")
    read = load_task(tmp_path / "t")
    assert read.protocol.n_sequences == {"train": 12, "dev": 4, "test": 4}
    everything = pd.concat([read.train, read.dev, read.test])
    assert set(everything["sequence"].str.len()) == {1024}
    turtles = {bases[:1024] for seed in (0, 1) for bases in random_bases(5, 5001, seed)}
    assert set(everything["sequence"][everything["label"] == 1]) == turtles
    (tmp_path / names[2]).unlink()
    (tmp_path / names[3]).unlink()
    with pytest.raises(InputError, match="no transcript longer than 5000 bases for mouse"):
        mtcdna.write(tmp_path, "mtcdna_1k", tmp_path / "t")


def write_ensembl(folder: Path, genes: dict[str, list[tuple[str, str]]]) -> None:
    """Ensembl-style cDNA: each file has its (gene, symbol); gene n has 1 + n % 3 transcripts.

    A symbol may be empty. The bases of a transcript are random but for its first 24, which spell
    its gene and its symbol in upper case, so that a split can be checked without the reader.
    """
    generator = np.random.default_rng(0)
    for name, rows in genes.items():
        lines = []
        for number, (gene, symbol) in enumerate(rows):
            for isoform in range(1 + number % 3):
                header = f">{gene}T{isoform}.1 cdna chromosome:X:1:9000:1 gene:{gene}.1"
                header += " gene_biotype:protein_coding transcript_biotype:protein_coding"
                header += f" gene_symbol:{symbol}" if symbol else ""
                header += " description:a protein [Source:gene:none gene_symbols]"
                for tag in (gene, symbol.upper()):
                    TAGS.setdefault(tag, random_bases(1, 12, len(TAGS))[0])
                bases = TAGS[gene] + TAGS[symbol.upper() or gene]
                bases += "".join(generator.choice(list("ACGT"), 5100))
                lines += [header, bases[:3000], bases[3000:]]
        (folder / name).write_text("\n".join(lines) + "\n")


TAGS: dict[str, str] = {}


def test_grouped_mtcdna_keeps_genes_and_symbols_on_one_side(tmp_path: Path) -> None:
    def genes(species: str, symbol: str) -> list[tuple[str, str]]:
        named = [(f"{species}G{i}", symbol.format(i)) for i in range(20)]
        return named + [(f"{species}G{i}", "") for i in range(20, 30)]

    write_ensembl(
        tmp_path,
        {
            "Chelonoidis_abingdonii.A.cdna.all.fa": genes("CA", "GENE{}"),
            "Gopherus_agassizii.A.cdna.all.fa": genes("GA", "gene{}"),
            "Mus_musculus.G.cdna.all.fa": [*genes("MM", "Gene{}"), ("MMG30", "Gene3")],
            "Mus_spretus.S.cdna.all.fa": genes("MS", "Other{}"),
        },
    )
    write_task("mtcdna", "mtcdna_1k_grouped", [tmp_path], tmp_path / "t")
    read = load_task(tmp_path / "t")
    sizes = read.protocol.n_sequences
    total = sum(sizes.values())
    assert total == 4 * 60 + 1
    assert sizes["train"] / total == pytest.approx(0.6, abs=0.05)
    assert sizes["test"] / total == pytest.approx(0.2, abs=0.05)
    seen: dict[str, set[str]] = {}
    for name in ("train", "dev", "test"):
        frame = read.split(name)
        assert frame["label"].mean() == pytest.approx(120 / 241, abs=0.05)
        for start in (0, 12):  # the gene's tag and the symbol's
            for tag in frame["sequence"].str[start : start + 12]:
                seen.setdefault(tag, set()).add(name)
    assert len(seen) == 121 + 20 + 20  # genes, GENE*, OTHER*; a gene without a symbol is its own
    assert all(len(splits) == 1 for splits in seen.values())
    assert "241 transcripts of 121 genes in 80 groups" in read.protocol.notes[0]
    rule = read.protocol.dev_rule
    assert (rule.origin, rule.fraction, rule.seed) == ("split", 0.2, 1)
    assert "StratifiedGroupKFold, seed 1; no gene id or symbol in two splits" in str(rule)
    write_task("mtcdna", "mtcdna_1k", [tmp_path], tmp_path / "released")
    released = load_task(tmp_path / "released")
    assert rows_of(pd.concat([released.train, released.dev, released.test])) == rows_of(
        pd.concat([read.train, read.dev, read.test])
    )
    write_task("mtcdna", "mtcdna_1k_grouped", [tmp_path], tmp_path / "again")
    pd.testing.assert_frame_equal(load_task(tmp_path / "again").test, read.test)


def test_a_gene_with_two_kinds_of_headers_is_one_group() -> None:
    headers = ["T1 gene:G1 gene_symbol:a", "T2 gene:G1", "T3 gene:G2 gene_symbol:A", "T4 gene:G3"]
    genes, groups = mtcdna.gene_groups(pd.DataFrame({"header": headers, "file": "f"}))
    assert genes.tolist() == ["G1", "G1", "G2", "G3"]
    assert groups.tolist() == ["A", "A", "A", "G3"]


def test_grouped_mtcdna_needs_genes_and_enough_transcripts(tmp_path: Path) -> None:
    for name, species in (("Chelonoidis.fa", "CA"), ("Mus_musculus.fa", "MM")):
        write_ensembl(tmp_path, {name: [(f"{species}G{i}", "") for i in range(2)]})
    with pytest.raises(InputError, match="a class has 3 long transcripts; a grouped split needs 5"):
        mtcdna.write(tmp_path, "mtcdna_1k_grouped", tmp_path / "t")
    path = tmp_path / "Mus_musculus.fa"
    path.write_text(path.read_text().replace(" gene:MMG1.1", ""))
    with pytest.raises(InputError, match=r"Mus_musculus\.fa: record 'MMG1T0\.1' has no 'gene:'"):
        mtcdna.write(tmp_path, "mtcdna_1k_grouped", tmp_path / "t")


def test_real_cdna_without_genes_is_refused(tmp_path: Path, shared: Path) -> None:
    """The chromosome 21 file at hand has bare names; the released split does not mind."""
    for name in ("Chelonoidis.fa.gz", "Mus_musculus.fa.gz"):
        (tmp_path / name).symlink_to(shared / "data/cdna/human_cdna_chr21.fa.gz")
    with pytest.raises(InputError, match="has no 'gene:' in its header; give Ensembl's own cDNA"):
        mtcdna.write(tmp_path, "mtcdna_1k_grouped", tmp_path / "t")
    mtcdna.write(tmp_path, "mtcdna_1k", tmp_path / "t")
    assert load_task(tmp_path / "t").max_length == 1024
