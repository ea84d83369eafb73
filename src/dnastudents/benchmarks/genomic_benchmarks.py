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

from dnastudents.benchmarks.class_genomes import Named, references_of
from dnastudents.benchmarks.coordinates import check_intervals, read_intervals
from dnastudents.benchmarks.labels import number_labels
from dnastudents.benchmarks.rows import FILE, LINE, placed
from dnastudents.benchmarks.sources import Paths, Sources, bare, one
from dnastudents.benchmarks.task import require_task, write_task
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
        Coordinates, the sequence archive, or tables; folders of `reference` are genomes.
    task : str
        Such as human_enhancers_cohn.
    output : Path
    references : sequence of Reference
        Genomes besides those in `sources`.
    skip_missing : bool
        Leave out intervals that no reference holds, and say how many. Default is False: an error.
    leakage : {'report', 'remove'}
        See `benchmarks.protocol`. Default is "report".

    Raises
    ------
    InputError
        Files, a reference or an interval is missing, or there are several.
    """
    require_task(SUITE, task, TASKS)
    files, genomes = _open(sources, references)
    folder = files.task_folder([task], ["train", "test", "train.csv", "test.csv"])
    frames = _read_splits(files, folder, task, genomes, skip_missing)
    splits, classes = number_labels(frames, f"{SUITE}/{task}")
    splits, notes = _without_missing(splits)
    write_task(
        output,
        SUITE,
        task,
        splits,
        classes,
        "accuracy",
        source=_origin(files, genomes, frames["train"]),
        licence=LICENCE,
        sha256=files.sha256,
        notes=notes,
        leakage=leakage,
    )


def _open(sources: Paths, references: Sequence[Reference]) -> tuple[Sources, list[Named]]:
    """Tell the folders of references from the files of the benchmark."""
    paths = [Path(path) for path in ([sources] if isinstance(sources, str | Path) else sources)]
    folders = [path for path in paths if (path / "reference.json").is_file()]
    genomes = [Named(reference, reference.source) for reference in references]
    for folder in folders:
        reference = Reference.open(folder)
        genomes.append(Named(reference, f"{folder.absolute().name} {reference.source}"))
    return Sources([path for path in paths if path not in folders]), genomes


def _origin(files: Sources, genomes: Sequence[Named], train: pd.DataFrame) -> str:
    """Name the sources and, of coordinates, the references that they were given with."""
    if "region" not in train.columns:
        return files.origin
    on = (f"{genome.source} (sha256 {genome.sha256})" for genome, _ in genomes)
    return f"{files.origin} on {', '.join(on)}"


def _without_missing(splits: dict[str, pd.DataFrame]) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Leave out the rows that no reference holds, and say how many they are."""
    missing = {split: int(frame["sequence"].isna().sum()) for split, frame in splits.items()}
    kept = {split: frame[frame["sequence"].notna()] for split, frame in splits.items()}
    return kept, [
        f"{split}: {count} intervals are not in the reference; left out"
        for split, count in missing.items()
        if count
    ]


def read_sequences(files: Sources, task: str, split: str) -> pd.DataFrame | None:
    """Read a split of the sequence archive, label being the class's name; None if it is absent."""
    folders = files.folders([task], [split])
    if not folders:
        return None
    folder = one(folders, f"folders match {task}/{split}", files.describe)
    texts = _texts(files, f"{folder}/{split}")
    return _read_texts(files, texts) if texts else None


def _texts(files: Sources, folder: str) -> list[str]:
    """List `<class>/<id>.txt` in the folder of a split."""
    return [
        name
        for name in files.inside(folder)
        if name.endswith(".txt") and name.removeprefix(f"{folder}/").count("/") == 1
    ]


def _read_texts(files: Sources, names: Sequence[str]) -> pd.DataFrame:
    sequences = [files.read(name).decode("ascii", "replace").strip() for name in names]
    labels = [PurePosixPath(name).parent.name for name in names]
    return placed(pd.DataFrame({"sequence": sequences, "label": labels}), names, 1)


def _read_splits(
    files: Sources, folder: str, task: str, genomes: Sequence[Named], skip_missing: bool
) -> dict[str, pd.DataFrame]:
    """Read train and test, which have the same classes."""
    frames = {
        split: _read_split(files, f"{folder}/{split}", task, genomes, skip_missing)
        for split in ("train", "test")
    }
    train, test = (set(frame["label"]) for frame in frames.values())
    if train != test:
        raise InputError(
            f"{folder}: {', '.join(sorted(map(str, train ^ test)))} is a class of one split only; "
            "take away what is not of the benchmark, or complete it"
        )
    return frames


def _read_split(
    files: Sources, place: str, task: str, genomes: Sequence[Named], skip_missing: bool
) -> pd.DataFrame:
    """Read all classes of a split: sequence (None where missing) and label (the class's name).

    `place` is `<task>/<split>`: a folder, or without .csv a table of sequences.
    """
    folder, _, split = place.rpartition("/")
    whole, texts = files.pick(folder, [f"{split}.csv"]), _texts(files, place)
    tables = [
        name
        for name in files.inside(place)
        if bare(name).endswith(".csv") and "/" not in name.removeprefix(f"{place}/")
    ]
    found = [names[0] for names in (texts, tables, [whole] if whole else []) if names]
    if not found:
        raise InputError(
            f"{SUITE}: no {split}/<class>.csv.gz or {split}/<class>/<id>.txt in "
            f"{files.describe(folder)}; download the coordinates or the archive"
        )
    one(found, f"forms of {task}/{split} are there")
    if texts:
        return _read_texts(files, texts)
    if whole:
        return _read_rows(files, whole)
    return _read_tables(files, tables, task, genomes, skip_missing)


def _read_tables(
    files: Sources, names: Sequence[str], task: str, genomes: Sequence[Named], skip_missing: bool
) -> pd.DataFrame:
    """Read the coordinates of each class from the genome that they are of."""
    if not genomes:
        raise InputError(f"{SUITE}/{task}: coordinates need a reference; name its folder too")
    classes = []
    for name in names:
        table, label = files.table(name), PurePosixPath(bare(name)).name.removesuffix(".csv")
        check_intervals(table, name)
        genome = references_of(genomes, task, label, table["region"])
        table["sequence"] = read_intervals(table, name, genome, skip_missing)
        table["label"] = label
        classes.append(table)
    return pd.concat(classes, ignore_index=True)


def _read_rows(files: Sources, name: str) -> pd.DataFrame:
    """Read a table of sequences; the names of classes win over their numbers."""
    table = files.table(name)
    labels = [column for column in ("class", "label") if column in table.columns]
    if "seq" not in table.columns or not labels:
        shown = (str(column) for column in table.columns if column not in (FILE, LINE))
        raise InputError(
            f"{name}: expected the columns seq and class (or label), found {', '.join(shown)}"
        )
    return table.assign(sequence=table["seq"], label=table[labels[0]])[
        ["sequence", "label", FILE, LINE]
    ]
