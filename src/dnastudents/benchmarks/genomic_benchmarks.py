"""Genomic Benchmarks (Gresova et al. 2023, doi 10.1186/s12863-023-01123-8): nine tasks, three ways.

From coordinates: `<task>/{train,test}/<class>.csv.gz` (id, region, start, end, strand; 0-based,
half open, an empty strand is +) and the reference genome, or two of them where a task compares
species or transcripts. From sequences: the official archive, with one file a sequence,
`<task>/{train,test}/<class>/<id>.txt`. From tables: `<task>/{train,test}.csv`, one sequence a row,
with the columns seq and class (or label), as others share them. All give the same rows.

Upstream numbers classes in the order of the file system; here names are sorted. The papers' "8
datasets" leave out drosophila_enhancers_stark. There is no official dev split.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from dnastudents.benchmarks.sources import Paths, Sources
from dnastudents.benchmarks.task import number_labels, require_task, write_task
from dnastudents.errors import InputError
from dnastudents.reference import Reference
from dnastudents.sequence import decode, reverse_complement

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

    Raises
    ------
    InputError
        Files, a reference, or an interval are missing.
    """
    require_task(SUITE, task, TASKS)
    paths = [Path(path) for path in ([sources] if isinstance(sources, str | Path) else sources)]
    folders = [path for path in paths if (path / "reference.json").is_file()]
    genomes = Genomes([*references, *map(Reference.open, folders)])
    files = Sources([path for path in paths if path not in folders])
    frames = {split: _read_split(files, task, split, genomes) for split in ("train", "test")}
    splits, classes = number_labels(frames, f"{SUITE}/{task}")
    notes = []
    for split, frame in splits.items():
        missing = frame["sequence"].isna()
        if missing.any() and not skip_missing:
            row = frame[missing].iloc[0]
            place = f"{row.region}:{row.start}-{row.end}"
            raise InputError(f"{SUITE}/{task} {split}: no reference holds {place}")
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
        source=files.origin,
        licence=LICENCE,
        sha256=files.sha256,
        notes=notes,
    )


class Genomes:
    """Genomes looked up by the region names of the coordinates.

    The coordinates say chr1 and chrMT and leave out the version of a transcript; UCSC says chrM,
    Ensembl says 1 and ENST00000371014.8. A name as it stands wins over any such alias.
    """

    def __init__(self, references: Sequence[Reference]) -> None:
        self._places: dict[str, tuple[Reference, str]] = {}
        known = [(r, name.rsplit(":", 1)[0]) for r in references for name in r.names]
        for reference, name in known:
            self._places.setdefault(name, (reference, name))
        for reference, name in known:
            for alias in (f"chr{name}", name.split(".")[0], "chrMT" if name == "chrM" else name):
                self._places.setdefault(alias, (reference, name))

    def __len__(self) -> int:
        return len(self._places)

    def fetch(self, region: str, start: int, end: int, strand: str) -> str | None:
        """The bases of an interval on its strand; None where no genome holds it."""
        if region not in self._places:
            return None
        reference, name = self._places[region]
        try:
            codes = reference.fetch(name, start, end)
        except InputError:
            return None
        return decode(reverse_complement(codes) if strand == "-" else codes)


def read_sequences(files: Sources, task: str, split: str) -> pd.DataFrame | None:
    """A split of the sequence archive, label being the class's name; None if it is not there."""
    texts = [name for name in files.names(f"{task}/{split}") if name.endswith(".txt")]
    if not texts:
        return None
    sequences = [files.read(name).decode("ascii", "replace").strip() for name in texts]
    return pd.DataFrame(
        {"sequence": sequences, "label": [PurePosixPath(name).parent.name for name in texts]}
    )


def _read_split(files: Sources, task: str, split: str, genomes: Genomes) -> pd.DataFrame:
    """All classes of one split: sequence (None where missing) and label (the class's name)."""
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
    if not len(genomes):
        raise InputError(f"{SUITE}/{task}: coordinates need a reference; name its folder too")
    return pd.concat([_read_class(files, name, genomes) for name in tables], ignore_index=True)


def _read_rows(files: Sources, name: str) -> pd.DataFrame:
    """A table of sequences; the names of classes win over their numbers."""
    table = files.table(name)
    labels = [column for column in ("class", "label") if column in table.columns]
    if "seq" not in table.columns or not labels:
        found = ", ".join(map(str, table.columns))
        raise InputError(f"{name}: expected the columns seq and class (or label), found {found}")
    return pd.DataFrame({"sequence": table["seq"], "label": table[labels[0]]})


def _read_class(files: Sources, name: str, genomes: Genomes) -> pd.DataFrame:
    table = files.table(name)
    columns = ["region", "start", "end", "strand"]
    if missing := [column for column in columns if column not in table.columns]:
        raise InputError(f"{name}: no column {missing[0]!r}; expected id, {', '.join(columns)}")
    places = zip(*(table[column].tolist() for column in columns), strict=True)
    table["sequence"] = [genomes.fetch(str(r), s, e, strand) for r, s, e, strand in places]
    table["label"] = PurePosixPath(name).name.removesuffix(".gz").removesuffix(".csv")
    return table
