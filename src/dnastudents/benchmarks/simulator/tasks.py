"""Four tasks from the annotation of a simulated genome, split by chromosome."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from dnastudents.benchmarks.facts import DevRule
from dnastudents.benchmarks.task import require_task, write_task
from dnastudents.files import read_json, reading, sha256
from dnastudents.genome.codes import decode, encode, reverse_complement
from dnastudents.genome.fasta import read_fasta

# The classes of a task are kinds of the annotation.
TASKS = {
    "promoter": ("promoter", "promoter_decoy"),
    "splice_site": ("splice_acceptor", "splice_decoy", "splice_donor"),
    "enhancer": ("enhancer", "enhancer_decoy"),
    "species": ("foreign", "host"),
}


def simulate_tasks(
    folder: str | Path, task: str, output: str | Path, leakage: str = "report"
) -> None:
    """Write one task folder.

    Parameters
    ----------
    folder : path
        What `simulate` wrote: genome.fa, annotation.tsv, truth.json.
    task : str
        promoter, splice_site, enhancer or species.
    output : path
        The task folder.
    leakage : {'report', 'remove'}
        See `benchmarks.protocol`. Default is "report".

    Raises
    ------
    InputError
        For an unknown task or a folder that is not a simulated genome.
    """
    require_task("simulated", task, TASKS)
    folder = Path(folder)
    truth = read_json(folder / "truth.json")
    table = _windows(folder, TASKS[task])
    write_task(
        output,
        "simulated",
        task,
        {name: table[table["chrom"].isin(held)] for name, held in truth["splits"].items()},
        TASKS[task],
        "accuracy",
        source=f"simulated genome, seed {truth['seed']}",
        licence="MIT",
        sha256=sha256(folder / "genome.fa"),
        simulated=True,
        dev_rule=DevRule(origin="split", chromosomes=tuple(truth["splits"]["dev"])),
        leakage=leakage,
    )


def _windows(folder: Path, classes: Sequence[str]) -> pd.DataFrame:
    """Read the annotated windows of these kinds: sequence, label and chrom."""
    with reading(folder / "annotation.tsv"):
        annotation = pd.read_csv(folder / "annotation.tsv", sep="\t")
    windows = annotation[annotation["kind"].isin(classes)]
    intervals = windows[["chrom", "start", "end", "strand"]].itertuples(index=False, name=None)
    genome = _genome(folder / "genome.fa")
    return pd.DataFrame(
        {
            "sequence": [_oriented(genome, *interval) for interval in intervals],
            "label": windows["kind"].map({name: i for i, name in enumerate(classes)}),
            "chrom": windows["chrom"],
        }
    )


def _genome(path: Path) -> dict[str, str]:
    pieces: dict[str, list[bytes]] = {}
    for name, letters in read_fasta(path):
        pieces.setdefault(name, []).append(letters)
    return {name: b"".join(parts).decode("ascii") for name, parts in pieces.items()}


def _oriented(genome: dict[str, str], chrom: str, start: int, end: int, strand: str) -> str:
    """Read the window on its strand."""
    bases = genome[chrom][start:end]
    return decode(reverse_complement(encode(bases))) if strand == "-" else bases
