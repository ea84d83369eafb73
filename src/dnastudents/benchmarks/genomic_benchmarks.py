"""Genomic Benchmarks (Gresova et al. 2023, doi 10.1186/s12863-023-01123-8): nine tasks, three ways.

From coordinates: `<task>/{train,test}/<class>.csv.gz` (see `benchmarks.coordinates`) and the
reference genome, or two of them where a task compares species or transcripts. From sequences: the
official archive, with one file per sequence, `<task>/{train,test}/<class>/<id>.txt`. From tables:
`<task>/{train,test}.csv`, one sequence a row, with the columns seq and class (or label), as others
share them. All give the same rows.

Upstream numbers classes in the order of the file system; here names are sorted. The papers' "8
datasets" leave out drosophila_enhancers_stark. There is no official dev split.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from dnastudents.benchmarks.coordinates import Genomes, read_intervals
from dnastudents.benchmarks.sources import Paths, Sources
from dnastudents.benchmarks.task import number_labels, require_task, write_task
from dnastudents.errors import InputError
from dnastudents.genome.reference import Reference

SUITE = "genomic_benchmarks"
LICENCE = "Apache-2.0"
TASKS = (
    "demo_coding_vs_intergenomic_seqs",
    "demo_human_or_worm",
    "drosophila_enhancers_stark",
    "dummy_mouse_enhancers_ensembl",
    "human_enhancers_cohn",
    "human_enhancers_ensembl",
    "human_ensembl_regulatory",
    "human_nontata_promoters",
    "human_ocr_ensembl",
)


def write(
    sources: Paths,
    task: str,
    output: Path,
    references: Sequence[Reference] = (),
    skip_missing: bool = False,
    leakage: str = "report",
) -> None:
    """Write the task folder of one task.

    Parameters
    ----------
    sources : path or paths
        The coordinates, the sequence archive or tables of sequences; folders that
        `dnastudents reference` wrote are taken as references.
    task : str
        Such as human_enhancers_cohn.
    output : Path
        The task folder.
    references : sequence of Reference
        Genomes for coordinates, besides those in `sources`.
    skip_missing : bool
        Leave out intervals that no reference holds and say how many, for tests on a part of a
        genome. Default is False: the first one is an error.
    leakage : {'report', 'remove'}
        See `benchmarks.protocol`. Default is "report".

    Raises
    ------
    InputError
        Files, a reference, or an interval are missing.
    """
    require_task(SUITE, task, TASKS)
    paths = [Path(path) for path in ([sources] if isinstance(sources, str | Path) else sources)]
    folders = [path for path in paths if (path / "reference.json").is_file()]
    genomes = [*references, *map(Reference.open, folders)]
    files = Sources([path for path in paths if path not in folders])
    frames = {
        split: _read_split(files, task, split, genomes, skip_missing) for split in ("train", "test")
    }
    splits, classes = number_labels(frames, f"{SUITE}/{task}")
    source, notes = files.origin, []
    if any("region" in frame.columns for frame in frames.values()):
        source += f" on {', '.join(f'{g.source} (sha256 {g.sha256})' for g in genomes)}"
    for split, frame in splits.items():
        missing = frame["sequence"].isna()
        if missing.any():
            notes.append(f"{split}: {missing.sum()} intervals are not in the reference; left out")
        splits[split] = frame[~missing]
    write_task(
        output,
        suite=SUITE,
        task=task,
        splits=splits,
        classes=classes,
        metric="accuracy",
        source=source,
        licence=LICENCE,
        sha256=files.sha256,
        notes=notes,
        leakage=leakage,
    )


def read_sequences(files: Sources, task: str, split: str) -> pd.DataFrame | None:
    """Read a split of the sequence archive, label being the class's name; None if it is absent."""
    texts = [name for name in files.names(f"{task}/{split}") if name.endswith(".txt")]
    if not texts:
        return None
    sequences = [files.read(name).decode("ascii", "replace").strip() for name in texts]
    return pd.DataFrame(
        {"sequence": sequences, "label": [PurePosixPath(name).parent.name for name in texts]}
    )


def _read_split(
    files: Sources, task: str, split: str, genomes: Sequence[Reference], skip_missing: bool
) -> pd.DataFrame:
    """Read all classes of a split: sequence (None where missing) and label (the class's name)."""
    sequences = read_sequences(files, task, split)
    if sequences is not None:
        return sequences
    if (name := files.find([f"{task}/{split}.csv"])) is not None:
        return _read_rows(files, name)
    names = files.names(f"{task}/{split}")
    tables = [name for name in names if name.removesuffix(".gz").endswith(".csv")]
    if not tables:
        raise InputError(
            f"{SUITE}: no {task}/{split}/<class>.csv.gz or .txt in {files.origin}; "
            "download the coordinates or the archive"
        )
    if not genomes:
        raise InputError(f"{SUITE}/{task}: coordinates need a reference; name its folder too")
    genome = Genomes(genomes)
    classes = []
    for name in tables:
        table = files.table(name)
        table["sequence"] = read_intervals(table, name, genome, skip_missing)
        table["label"] = PurePosixPath(name).name.removesuffix(".gz").removesuffix(".csv")
        classes.append(table)
    return pd.concat(classes, ignore_index=True)


def _read_rows(files: Sources, name: str) -> pd.DataFrame:
    """Read a table of sequences; the names of classes win over their numbers."""
    table = files.table(name)
    labels = [column for column in ("class", "label") if column in table.columns]
    if "seq" not in table.columns or not labels:
        found = ", ".join(map(str, table.columns))
        raise InputError(f"{name}: expected the columns seq and class (or label), found {found}")
    return pd.DataFrame({"sequence": table["seq"], "label": table[labels[0]]})
