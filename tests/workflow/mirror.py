"""Lay out real data as a mirror: `python tests/workflow/mirror.py ../shared/data FOLDER`.

Most files lie there under the names of workflow/resources/datasets.csv already. Made are those that
have no published hash: chromosomes of hg38, each record a region of one; GUE's tables, from its
archive; and archives of Genomic Benchmarks, of the rows inside those regions, with the complete
official test splits of two tasks. So what is fetched from it is checked as always.
"""

from __future__ import annotations

import gzip
import sys
import zipfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

import pandas as pd

CLASSES = {0: "negative", 1: "positive"}  # of the official test splits


def make_mirror(data: Path, folder: Path) -> Path:
    """Write the mirror of what `data` holds; return `folder`."""
    for part in ("few_shot", "gue", "genomic_benchmarks/coordinates"):
        for file in filter(Path.is_file, (data / part).rglob("*")):
            target = folder / file.relative_to(data)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(file.resolve())
    _split_genome(data / "reference/hg38_mini.fa.gz", folder / "reference/hg38")
    _unpack_gue(data / "gue/GUE.zip", folder / "gue")
    for source in sorted((data / "genomic_benchmarks/hg38_mini").iterdir()):
        _pack_sequences(source, data / "genomic_benchmarks/official_test", folder)
    return folder


def _split_genome(fasta: Path, folder: Path) -> None:
    """Write the records of each chromosome to a file of its own."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        files: dict[str, TextIO] = {}
        for line in stack.enter_context(gzip.open(fasta, "rt")):
            if line.startswith(">"):
                chromosome = line[1:].partition(":")[0]
                if chromosome not in files:
                    files[chromosome] = stack.enter_context(
                        gzip.open(folder / f"{chromosome}.fa.gz", "wt", compresslevel=1)
                    )
            files[chromosome].write(line)


def _unpack_gue(archive: Path, folder: Path) -> None:
    """Write GUE/<group>/<name>/<split>.csv as <config>/<split>.csv."""
    configs = {"EMP": "emp_{}", "tf": "human_tf_{}", "mouse": "mouse_{}", "prom": "{}"}
    with zipfile.ZipFile(archive) as packed:
        for member in packed.namelist():
            _, group, name, split = member.split("/")
            target = folder / configs.get(group, f"{group}_{{}}").format(name) / split
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(packed.read(member))


def _pack_sequences(source: Path, official: Path, folder: Path) -> None:
    """Write <task>_v0.zip with one file a sequence."""
    task = source.name
    with zipfile.ZipFile(folder / f"genomic_benchmarks/{task}_v0.zip", "w") as archive:
        for split in ("train", "test"):
            rows = pd.read_csv(source / f"{split}.csv.gz")
            complete = official / f"test_{task}.csv.gz"
            if split == "test" and complete.is_file():
                rows = pd.read_csv(complete)
                rows["class"] = rows["label"].map(CLASSES)
            for number, (name, sequence) in enumerate(_pairs(rows)):
                archive.writestr(f"{task}/{split}/{name}/{number}.txt", sequence)


def _pairs(rows: pd.DataFrame) -> Iterable[tuple[str, str]]:
    return zip(rows["class"], rows["seq"], strict=True)


if __name__ == "__main__":
    make_mirror(*map(Path, sys.argv[1:3]))
