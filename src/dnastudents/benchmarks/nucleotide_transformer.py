"""The 18 tasks of the Nucleotide Transformer benchmark, in the version that the papers used.

Read are both layouts of InstaDeepAI/nucleotide_transformer_downstream_tasks on Hugging Face:
`<task>/{train,test}.parquet` (sequence, name, label) and `<task>/{train,test}.fna` (headers
`>name|label`). Dalla-Torre et al. 2024, doi 10.1038/s41592-024-02523-z; metrics by task as in
Caduceus (arXiv 2403.03234). There is no official dev split.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from dnastudents.benchmarks.sources import Paths, Sources
from dnastudents.benchmarks.task import number_labels, require_task, write_task
from dnastudents.errors import InputError

SUITE = "nucleotide_transformer"
LICENCE = "not stated by the publisher"
_MARKS = ("H3", "H3K14ac", "H3K36me3", "H3K4me1", "H3K4me2", "H3K4me3", "H3K79me3", "H3K9ac")
METRICS = {
    **dict.fromkeys((*_MARKS, "H4", "H4ac", "enhancers", "enhancers_types"), "mcc"),
    **dict.fromkeys(("promoter_all", "promoter_no_tata", "promoter_tata"), "f1"),
    **dict.fromkeys(("splice_sites_acceptors", "splice_sites_donors"), "f1"),
    "splice_sites_all": "accuracy",
}


def write(sources: Paths, task: str, output: Path, leakage: str = "report") -> None:
    """Write the task folder of one task.

    Parameters
    ----------
    sources : path or paths
        A copy of the dataset repository, or the files of the task.
    task : str
        Such as H3, enhancers_types or splice_sites_all.
    output : Path
        The task folder.
    leakage : {'report', 'remove'}
        See `benchmarks.protocol`. Default is "report".
    """
    write_version(SUITE, METRICS, sources, task, output, leakage)


def write_version(
    suite: str,
    metrics: Mapping[str, str],
    sources: Paths,
    task: str,
    output: Path,
    leakage: str = "report",
) -> None:
    """Write a task of a version of the benchmark: its name as a suite, the metric of each task."""
    require_task(suite, task, metrics)
    files = Sources(sources)
    frames = {split: _split(files, f"{task}/{split}") for split in ("train", "test")}
    splits, classes = number_labels(frames, f"{suite}/{task}")
    write_task(
        output,
        suite=suite,
        task=task,
        splits=splits,
        classes=classes,
        metric=metrics[task],
        source=files.origin,
        licence=LICENCE,
        sha256=files.sha256,
        leakage=leakage,
    )


def _split(files: Sources, stem: str) -> pd.DataFrame:
    name = files.require([f"{stem}.parquet", f"{stem}.fna"])
    content = files.read(name)
    if name.endswith(".parquet"):
        try:
            return pd.read_parquet(io.BytesIO(content))
        except (OSError, ValueError) as error:
            raise InputError(f"{name}: not a parquet file ({error}); download it again") from None
    return parse_fna(content.decode("utf-8", "replace"), name)


def parse_fna(text: str, name: str) -> pd.DataFrame:
    """Read records with headers `>name|label` as a frame of sequence and label.

    Names may repeat here, unlike in a genome, so the FASTA reader of references does not serve.
    """
    rows = []
    for record in text.lstrip().removeprefix(">").split("\n>"):
        header, _, body = record.partition("\n")
        title, bar, label = header.strip().rpartition("|")
        if not bar or not label:
            raise InputError(f"{name}: header {header[:40]!r} has no label; expected '>name|label'")
        rows.append({"sequence": "".join(body.split()), "name": title, "label": label})
    return pd.DataFrame(rows)
