"""MTcDNA: mouse against turtle by cDNA, at four lengths (FinDNA).

Rebuilt from the released code (data/genome_process.py, cdna_classification.py), as no data were
released: Ensembl cDNA of four species, transcripts longer than 5,000 bases, cut to the task's
length, 60/20/20 as scikit-learn's `train_test_split` does with its seed. The Ensembl release is
unknown, and so is whether rows are the authors'. Both splits are made here, from a generator that
NumPy has frozen, so that no version of scikit-learn decides which rows are in test.

Of each species one cDNA file is read. Files of other kinds that Ensembl has beside it (cds, ncrna,
dna, pep) are not; two that may be the cDNA, as one file packed and unpacked, are an error.

Difference from the released code: short sequences are not filled with N here; students pad and
mask what they need. As released, the split knows no genes: transcripts of one gene, and
orthologues, stand on both sides. task.json says so.

The tasks `*_grouped` are the same transcripts split by gene: transcripts of one gene id, and of
genes with one symbol (in either case, hence orthologues of all species), stand on one side, and
each side has about the same share of each class. Paralogues, and orthologues without a symbol, are
not known to the headers and may still stand on both sides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dnastudents.benchmarks.facts import DevRule
from dnastudents.benchmarks.grouped_folds import stratified_groups
from dnastudents.benchmarks.sources import Paths, Sources, bare, one
from dnastudents.benchmarks.task import require_task, write_task
from dnastudents.errors import InputError
from dnastudents.genome.fasta import read_fasta

SUITE = "mtcdna"
LENGTHS = {"mtcdna_1k": 1024, "mtcdna_4k": 4096, "mtcdna_8k": 8192, "mtcdna_16k": 16384}
LENGTHS |= {f"{task}_grouped": length for task, length in LENGTHS.items()}
CLASSES = ("mouse", "turtle")
# The start of an Ensembl file name, in the order in which the released code reads the files.
SPECIES = {"chelonoidis": "turtle", "gopherus": "turtle", "mus_musculus": "mouse"}
SPECIES |= {"mus_spretus": "mouse"}
MINIMUM = 5000
SEED = 1
FIFTHS = 5  # three train, one is dev, one test
_GENE = re.compile(r"\sgene:(\S+)")
_SYMBOL = re.compile(r"\sgene_symbol:(\S+)")
_FASTA = (".fa", ".fasta", ".fna")
_OTHER_KIND = re.compile(r"\.(?:cds|dna|dna_rm|dna_sm|ncrna|pep)(?=\.)")  # in Ensembl's names


def write(sources: Paths, task: str, output: Path, leakage: str = "report") -> None:
    """Write the task folder of one length.

    Parameters
    ----------
    sources : path or paths
        The cDNA files, or a folder of them, named as Ensembl does (Mus_musculus.*.fa.gz).
    task : str
        mtcdna_1k, mtcdna_4k, mtcdna_8k or mtcdna_16k, or one of these with `_grouped`.
    output : Path
        The task folder.
    leakage : {'report', 'remove'}
        See `benchmarks.protocol`. Default is "report".

    Raises
    ------
    InputError
        A class has no file or no long transcript; for a grouped task also a header without a gene,
        or a class with fewer than five transcripts.
    """
    require_task(SUITE, task, LENGTHS)
    files = Sources(sources)
    table = _transcripts(files, LENGTHS[task])
    split = _grouped_split if task.endswith("_grouped") else _released_split
    splits, rule, note = split(table)
    write_task(
        output,
        SUITE,
        task,
        splits,
        CLASSES,
        "accuracy",
        source=files.origin,
        licence="Ensembl: no restrictions",
        dev_rule=rule,
        notes=[note],
        leakage=leakage,
    )


def _transcripts(files: Sources, length: int) -> pd.DataFrame:
    """Read the long transcripts of all species: sequence, label, header and file."""
    frames = []
    for prefix, species in SPECIES.items():
        for path in _cdna(files, prefix):
            rows = pd.DataFrame(long_transcripts(path, length), columns=["header", "sequence"])
            label = CLASSES.index(species)
            frames.append(rows.assign(label=label, file=path.name))
    table = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame({"label": []})
    for label, species in enumerate(CLASSES):
        if not (table["label"] == label).any():
            wanted = ", ".join(name for name, group in SPECIES.items() if group == species)
            raise InputError(
                f"{SUITE}: no transcript longer than {MINIMUM} bases for {species} in "
                f"{files.origin}; expected cDNA files whose names begin with {wanted}"
            )
    return table


def _cdna(files: Sources, prefix: str) -> list[Path]:
    """Find the cDNA file of a species, if there is one."""
    found = []
    for path in files.on_disk():
        name = bare(path.name).lower()
        if name.startswith(prefix) and name.endswith(_FASTA) and not _OTHER_KIND.search(name):
            found.append(path)
    if found:
        one([str(path) for path in found], f"files may be the cDNA of {prefix}")
    return found


def long_transcripts(path: Path, length: int) -> Iterator[tuple[str, str]]:
    """Yield header and bases of a FASTA's transcripts of over 5,000 bases, cut to `length`."""
    for header, pieces in groupby(read_fasta(path, whole_header=True), key=lambda piece: piece[0]):
        bases = b"".join(letters for _, letters in pieces)
        if len(bases) > MINIMUM:
            yield header, bases[:length].decode("ascii").upper()


def gene_groups(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Find gene and group of each transcript.

    Parameters
    ----------
    table : pandas.DataFrame
        With `header`, an Ensembl header line, and `file`, for messages.

    Returns
    -------
    genes, groups : pandas.Series
        The gene's id; and its symbol in upper case, or its id where it has none.

    Raises
    ------
    InputError
        A header names no gene.
    """
    genes = table["header"].str.extract(_GENE, expand=False)
    if genes.isna().any():
        first = table[genes.isna()].iloc[0]
        raise InputError(
            f"{first['file']}: record {first['header'].split()[0]!r} has no 'gene:' in its header; "
            "give Ensembl's own cDNA file, or use the task without _grouped"
        )
    symbols = table["header"].str.extract(_SYMBOL, expand=False).str.upper()
    # A gene is never torn apart, even where only some of its headers have a symbol.
    return genes, symbols.groupby(genes).transform("first").fillna(genes)


def _rule(function: str, grouped_by: str | None = None) -> DevRule:
    """Say that dev is a fifth of all, taken as a function of scikit-learn would."""
    method = f"scikit-learn's {function}"
    return DevRule(
        origin="split", fraction=1 / FIFTHS, seed=SEED, method=method, grouped_by=grouped_by
    )


def _released_split(table: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], DevRule, str]:
    """Splits, the rule they follow, and what to know about them."""
    train, test = _held_out(np.arange(len(table)), 0.2)
    train, dev = _held_out(train, 0.25)
    rows = {"train": train, "dev": dev, "test": test}
    note = "transcripts of one gene and orthologues stand on both sides of the split"
    splits = {name: table.iloc[mine] for name, mine in rows.items()}
    return splits, _rule("train_test_split"), note


def _held_out(rows: NDArray[np.int64], share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Shuffle rows and hold out the first: the others, and a share of them, rounded up."""
    shuffled = rows[_frozen_generator().permutation(len(rows))]
    held = int(np.ceil(share * len(rows)))
    return shuffled[held:], shuffled[:held]


def _frozen_generator() -> np.random.RandomState:
    """Make the generator of the released code; NumPy promises that its stream never changes."""
    return np.random.RandomState(SEED)


def _grouped_split(table: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], DevRule, str]:
    """The same where no group of genes is torn apart."""
    genes, groups = gene_groups(table)
    if (fewest := int(table["label"].value_counts().min())) < FIFTHS:
        raise InputError(
            f"{SUITE}: a class has {fewest} long transcripts; a grouped split needs {FIFTHS}"
        )
    labels, numbers = table["label"].to_numpy(), np.unique(groups, return_inverse=True)[1]
    fold = stratified_groups(labels, numbers, FIFTHS, _frozen_generator())
    rows = {"train": fold > 1, "dev": fold == 1, "test": fold == 0}
    splits = {name: table[mine] for name, mine in rows.items()}
    rule = _rule("StratifiedGroupKFold", grouped_by="gene id or symbol")
    sizes = ", ".join(f"{name} {groups[mine].nunique():,}" for name, mine in rows.items())
    note = (
        f"split by gene: {len(table):,} transcripts of {genes.nunique():,} genes in "
        f"{groups.nunique():,} groups of one gene id or symbol ({sizes}); no group is in two splits"
    )
    return splits, rule, note
