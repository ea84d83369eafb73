"""The 18 tasks of the Nucleotide Transformer benchmark, in the version that the papers used.

Read are both layouts of InstaDeepAI/nucleotide_transformer_downstream_tasks on Hugging Face:
`<task>/{train,test}.parquet` (sequence, name, label, task; of several tasks in one file the rows of
the asked one) and `<task>/{train,test}.fna` (headers `>name|label`). A folder of the other version
of the benchmark, told by the name of its repository, is never read. Dalla-Torre et al. 2024,
doi 10.1038/s41592-024-02523-z; metrics by task as in Caduceus (arXiv 2403.03234). There is no
official dev split.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from dnastudents.benchmarks.labels import number_labels
from dnastudents.benchmarks.rows import placed
from dnastudents.benchmarks.sources import Paths, Sources, one
from dnastudents.benchmarks.task import require_task, write_task
from dnastudents.errors import SHOWN, InputError

logger = logging.getLogger(__name__)

SUITE = "nucleotide_transformer"
LICENCE = "not stated by the publisher"
ENDINGS = (".parquet", ".fna")
# The folder of a repository: as cloned, as the hub's cache or an archive of a branch names it, or
# as workflow/resources/datasets.csv does.
_REPOSITORY = re.compile(
    r"(?:datasets--InstaDeepAI--)?nucleotide_transformer(?:_downstream_tasks)?(?P<revised>_revised)?"
    r"(?:-[0-9a-z]+)?"
)
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
    folder = _folder(files, suite, task)
    frames = {split: _split(files, folder, split, task) for split in ("train", "test")}
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


def _folder(files: Sources, suite: str, task: str) -> str:
    """Find the folder of the task in this version of the benchmark."""
    names = [f"{split}{end}" for end in ENDINGS for split in ("train", "test")]
    found = files.folders([task], names)
    mine = [folder for folder in found if version(folder) in (None, suite)]
    if not mine:
        other = f"; {found[0]} is of {version(found[0])}" if found else ""
        raise InputError(
            f"no {task}/train.parquet or {task}/train.fna of {suite} in {files.searched}{other}; "
            "download it, or name its folder"
        )
    return one(mine, f"folders match {suite}/{task}", files.describe)


def version(folder: str) -> str | None:
    """Tell the suite of a folder by the name of its repository, or of its copy in a mirror."""
    named = (_REPOSITORY.fullmatch(part) for part in reversed(Path(folder).absolute().parts))
    found = next(filter(None, named), None)
    return None if found is None else f"nucleotide_transformer{found['revised'] or ''}"


def _split(files: Sources, folder: str, split: str, task: str) -> pd.DataFrame:
    """Read a split: from Parquet where the folder has both, for they are the same rows."""
    picked = (files.pick(folder, [f"{split}{end}"]) for end in ENDINGS)
    name = next(filter(None, picked), None)
    if name is None:
        raise InputError(
            f"no {split}.parquet or {split}.fna in {files.describe(folder)}; download it again"
        )
    content = files.read(name)
    if not name.endswith(".parquet"):
        return parse_fna(content.decode("utf-8", "replace"), name)
    try:
        table = placed(pd.read_parquet(io.BytesIO(content)), name)
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: not a parquet file ({error}); download it again") from None
    return _of_task(table, task, name)


def _of_task(table: pd.DataFrame, task: str, name: str) -> pd.DataFrame:
    """Keep the rows of one task, where a table says of which task each row is."""
    if "task" not in table.columns:
        return table
    rows = table[table["task"] == task]
    if rows.empty:
        there = ", ".join(map(str, table["task"].unique()[:SHOWN]))
        raise InputError(f"{name}: no row of the task {task!r}; its column 'task' has {there}")
    if len(rows) < len(table):
        logger.info(f"{name}: {len(rows):,} of {len(table):,} rows are of the task {task!r}")
    return rows.reset_index(drop=True)


def parse_fna(text: str, name: str) -> pd.DataFrame:
    """Read records with headers `>name|label` as a frame of sequence and label.

    Names may repeat here, unlike in a genome, so the FASTA reader of references does not serve.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    records = text.lstrip()
    rows, lines, line = [], [], 1 + text[: len(text) - len(records)].count("\n")
    for record in records.removeprefix(">").split("\n>"):
        header, _, body = record.partition("\n")
        title, bar, label = header.strip().rpartition("|")
        if not bar or not label:
            raise InputError(
                f"{name}, line {line}: header {header[:40]!r} has no label; expected '>name|label'"
            )
        rows.append({"sequence": "".join(body.split()), "name": title, "label": label})
        lines.append(line)
        line += record.count("\n") + 1
    return placed(pd.DataFrame(rows), name, lines)
