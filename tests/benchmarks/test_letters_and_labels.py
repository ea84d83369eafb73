"""What sequences and labels may be, and what a message says of one that is not."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd
import pytest
from generated import random_bases

from dnastudents.benchmarks import write_task
from dnastudents.benchmarks.labels import class_name, is_fraction, number_labels
from dnastudents.benchmarks.task import Task, load_task
from dnastudents.errors import InputError

PROTEIN = "MKVLAAGIVGLCAKAYEEDQNRRTSPKHWY"
NO_SUCH_LETTERS = "MKVDAAGHVGSCAKAYNNDSNRRTSTKHWY"  # of protein too, though each is IUPAC's


def write(folder: Path, labels: list[str], test: list[str] | None = None, **changed: str) -> Path:
    """A user's tables with these labels; `changed` replaces whole files."""
    (folder / "mine").mkdir(parents=True)
    for seed, (split, column) in enumerate({"train": labels, "test": test or labels}.items()):
        sequences = random_bases(len(column), 60, seed)
        text = "".join(f"{bases},{label}\n" for bases, label in zip(sequences, column, strict=True))
        (folder / "mine" / f"{split}.csv").write_text(f"sequence,label\n{text}", encoding="utf-8")
    for split, text in changed.items():
        (folder / "mine" / f"{split}.csv").write_text(text, encoding="utf-8")
    return folder


def read(folder: Path) -> Task:
    write_task("suite", "mine", [folder], folder / "t")
    return load_task(folder / "t")


# ---- labels


@pytest.mark.parametrize(
    ("labels", "test", "classes"),
    [
        ([" neg", " pos", "neg", "pos "], ["pos", " neg"], ["neg", "pos"]),
        (["0.0", "1.0"], ["0", "1"], ["0", "1"]),
        (["0", "1"], ["0e0", "1.000e+00"], ["0", "1"]),
        (["-1", "+1"], ["1.0", "-1.0"], ["-1", "1"]),
        (["10", "9.0", "0"], ["0", "9", "10"], ["0", "9", "10"]),
        (
            ["001", "1", "NA", "null", "nan", "é"],
            ["1", "NA"],
            ["001", "1", "NA", "nan", "null", "é"],
        ),
        (["True", "False"], ["False", "True"], ["False", "True"]),
        (["\u200b1", "0\ufeff"], ["\u00a01", "0 \u200b"], ["0", "1"]),
    ],
)
def test_labels_that_are_one_class(
    tmp_path: Path, labels: list[str], test: list[str], classes: list[str]
) -> None:
    task = read(write(tmp_path, labels * 4, test))
    assert task.classes == classes
    expected = [classes.index(class_name(label)) for label in test]
    assert task.test["label"].tolist() == expected
    assert sum(task.protocol.class_counts["train"]) == 4 * len(labels) - len(task.dev)


def test_numbers_of_parquet_files() -> None:
    frames = {
        "train": pd.DataFrame({"sequence": ["A", "C"] * 2, "label": [0.0, 1.0] * 2}),
        "test": pd.DataFrame({"sequence": ["G"], "label": [1]}),
    }
    splits, classes = number_labels(frames, "x")
    assert classes == ["0", "1"]
    assert splits["test"]["label"].tolist() == [1]
    frames["test"]["label"] = [[1]]
    with pytest.raises(InputError, match=r"x test, row 1: label \[1\] is a list: regression/multi"):
        number_labels(frames, "x")


def test_classes_are_printed_with_their_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dnastudents")
    dev = "sequence,label\nACGTACGTNN,nan\n"
    write(tmp_path, ["0", "1"] * 10 + ["nan"], ["0", "0", "1"], dev=dev)
    read(tmp_path)
    assert caplog.messages == [
        "suite/mine: 3 classes: '0' train 10, dev 0, test 2; '1' train 10, dev 0, test 1; "
        "'nan' train 1, dev 1, test 0; 0.14% of the bases are N"
    ]


def test_a_word_among_numbers_is_seen_even_if_nothing_is_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dnastudents")
    write(tmp_path, ["0", "1"] * 10 + ["nan"])
    with pytest.raises(InputError, match="class 'nan' has 1 sequence, and dev needs one too"):
        read(tmp_path)
    assert "3 classes: '0' train 10, test 10; '1' train 10, test 10; 'nan' train 1" in caplog.text


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            [f"{n / 10}" for n in range(1, 20)] * 2,
            "label '0.1' is a fraction: regression/multi-label tasks are not supported; bin the v",
        ),
        (["0", "1", "1e-3"] * 5, "label '1e-3' is a fraction"),
        (
            ["0", "1", "0;3"] * 5,
            "label '0;3' is a list: regression/multi-label .* one task of each",
        ),
        (["0 1 1", "1 0 1"] * 5, "label '0 1 1' is a list"),
        (["[0]", "[0| 3]"] * 5, r"label '\[0\| 3\]' is a list"),
        (["exon", "gene", "gene|exon"] * 5, r"label 'gene\|exon' is a list"),
        ([f"{n}" for n in range(30)], "30 classes in 30 sequences .*values or names, not classes"),
        (
            [f"gene{n % 11}" for n in range(20)],
            "11 classes in 20 sequences .gene0, gene1, .*, ....",
        ),
        (["TRUE", "False", "True"] * 5, "labels 'TRUE' and 'True' differ by case only; write one"),
        (["0", '"1\n0"', "1"] * 5, r"train\.csv, row 2: the label holds a line break; close the"),
        (
            ["ACGT" * 60, "0"] * 5,
            r"label 'ACGT\w+'... has 240 letters; give its class a",
        ),
    ],
)
def test_labels_that_are_no_classes(tmp_path: Path, labels: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(write(tmp_path, labels))
    assert not (tmp_path / "t").exists()


def test_a_mark_in_a_name_is_no_list(tmp_path: Path) -> None:
    names = ["exon|intron", "A;B", "1-2", "promoter 1"]
    assert read(write(tmp_path, names * 5)).classes == sorted(names)


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("sequence,label_gc,label_tata", "'label_gc' and 'label_tata'"),
        ("sequence,label,label2", "'label' and 'label2'"),
    ],
)
def test_several_labels_are_refused(tmp_path: Path, header: str, columns: str) -> None:
    train = f"{header}\nACGT,0,1\nCCCC,1,0\n"
    with pytest.raises(InputError, match=f"columns {columns}: regression/multi-label tasks are n"):
        read(write(tmp_path, ["0", "1"], train=train))


def test_a_column_that_explains_the_label_is_passed_over(tmp_path: Path) -> None:
    text = "sequence,label,label_name\n" + "ACGT,0,no\nCCCC,1,yes\n" * 5
    assert read(write(tmp_path, ["0", "1"], train=text)).classes == ["0", "1"]


def test_what_is_a_fraction() -> None:
    names = ["0.5", "-.25", "1e-3", "0", "-7", "nan", "inf", "1.2.3", "v1.5", "001"]
    assert [name for name in names if is_fraction(class_name(name))] == ["0.5", "-.25", "1e-3"]


# ---- letters


def test_rna_is_dna_and_ambiguous_letters_are_n(tmp_path: Path) -> None:
    text = "sequence,label\nacguN,0\nUUUU,0\nRYSWKMBDHVACGTACGTAC,1\nTTTTTTTTT,1\n"
    task = read(write(tmp_path, ["0", "1"] * 2, test=["0", "1"], train=text, dev=text))
    assert task.train["sequence"].tolist() == ["ACGTN", "TTTT", "N" * 10 + "ACGTACGTAC", "T" * 9]
    assert task.protocol.n_content.iupac_letters == 20


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("ACGTA-CGT", r"train\.csv, line 4: letter 6 of the sequence is '-', a gap"),
        ("ACGT.", r"line 4: letter 5 of the sequence is '\.', a gap"),
        (PROTEIN, r"line 4: letter 4 of the sequence is 'L', of protein; give DNA or RNA"),
        ("ACGT1", r"line 4: letter 5 of the sequence is '1', which no nucleotide has"),
        ("ACß", r"line 4: letter 3 of the sequence is 'ß'"),  # in upper case it is SS
        (" acgt x", r"line 4: letter 5 of the sequence is ' '"),
        ("", r"line 4: the sequence is empty"),
    ],
)
@pytest.mark.parametrize("blank", ["", "\n\n"])
def test_the_place_of_a_letter(tmp_path: Path, bad: str, message: str, blank: str) -> None:
    text = f"sequence,label\nACGT,0\n\nCCCC,1\nACGT,0\n{blank}".replace("\nCCCC", f"\n{bad}", 1)
    write(tmp_path, ["0", "1"], train=text)
    if blank:
        (tmp_path / "mine/train.csv").write_bytes(text.replace("\n", "\r\n").encode())
    with pytest.raises(InputError, match=message):
        read(tmp_path)


def test_a_row_of_several_lines_has_a_number(tmp_path: Path) -> None:
    text = 'sequence,label,note\nACGT,0,"a\nb"\nAC-T,1,c\n'
    with pytest.raises(InputError, match=r"train\.csv, row 2: letter 3 of the sequence is '-'"):
        read(write(tmp_path, ["0", "1"], train=text))


def test_protein_of_letters_that_nucleotides_have_too(tmp_path: Path) -> None:
    text = "sequence,label\n" + f"{NO_SUCH_LETTERS},0\n{NO_SUCH_LETTERS},1\n" * 3
    message = "of the letters of this split are none of A, C, G, T, U and N, as in protein"
    with pytest.raises(InputError, match=message):
        read(write(tmp_path, ["0", "1"], train=text))
