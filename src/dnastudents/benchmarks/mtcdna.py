"""MTcDNA: mouse against turtle by cDNA, at four lengths (FinDNA).

Rebuilt from the released code (data/genome_process.py, cdna_classification.py), as no data were
released: Ensembl cDNA of four species, transcripts longer than 5,000 bases, cut to the task's
length, 60/20/20 by scikit-learn's `train_test_split` with its seed. The Ensembl release is unknown,
and so is whether rows are the authors'.

Difference from the released code: short sequences are not filled with N here; students pad and
mask what they need. As released, the split knows no genes: transcripts of one gene, and
orthologues, stand on both sides. task.json says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pandas as pd
from sklearn.model_selection import train_test_split

from dnastudents.benchmarks.sources import Paths, Sources
from dnastudents.benchmarks.task import require_task, write_task
from dnastudents.errors import InputError
from dnastudents.fasta import read_fasta

SUITE = "mtcdna"
LENGTHS = {"mtcdna_1k": 1024, "mtcdna_4k": 4096, "mtcdna_8k": 8192, "mtcdna_16k": 16384}
CLASSES = ("mouse", "turtle")
# The start of an Ensembl file name, in the order in which the released code reads the files.
SPECIES = {"chelonoidis": "turtle", "gopherus": "turtle", "mus_musculus": "mouse"}
SPECIES |= {"mus_spretus": "mouse"}
MINIMUM = 5000
SEED = 1


def write(sources: Paths, task: str, output: Path) -> None:
    """Write the task folder of one length.

    Parameters
    ----------
    sources : path or paths
        The cDNA files, or a folder of them, named as Ensembl does (Mus_musculus.*.fa.gz).
    task : str
        mtcdna_1k, mtcdna_4k, mtcdna_8k or mtcdna_16k.
    output : Path
        The task folder.

    Raises
    ------
    InputError
        A class has no file or no long transcript.
    """
    require_task(SUITE, task, LENGTHS)
    files = Sources(sources)
    rows = []
    for prefix, species in SPECIES.items():
        for path in files.files(prefix):
            rows += [(bases, species) for bases in long_transcripts(path, LENGTHS[task])]
    table = pd.DataFrame(rows, columns=["sequence", "label"])
    for species in CLASSES:
        if not (table["label"] == species).any():
            wanted = ", ".join(name for name, group in SPECIES.items() if group == species)
            raise InputError(
                f"{SUITE}: no transcript longer than {MINIMUM} bases for {species} in "
                f"{files.origin}; expected files whose names begin with {wanted}"
            )
    table["label"] = table["label"].map({name: index for index, name in enumerate(CLASSES)})
    train, test = train_test_split(table, test_size=0.2, random_state=SEED)
    train, dev = train_test_split(train, test_size=0.25, random_state=SEED)
    rule = f"60/20/20 by scikit-learn's train_test_split, random_state {SEED}, as released"
    write_task(
        output,
        suite=SUITE,
        task=task,
        splits={"train": train, "dev": dev, "test": test},
        classes=CLASSES,
        metric="accuracy",
        source=files.origin,
        licence="Ensembl: no restrictions",
        dev_rule=rule,
        notes=["transcripts of one gene and orthologues stand on both sides of the split"],
    )


def long_transcripts(path: Path, length: int) -> Iterator[str]:
    """The transcripts longer than 5,000 bases of one FASTA, cut to `length`."""
    for _, pieces in groupby(read_fasta(path), key=lambda piece: piece[0]):
        bases = b"".join(letters for _, letters in pieces)
        if len(bases) > MINIMUM:
            yield bases[:length].decode("ascii").upper()
