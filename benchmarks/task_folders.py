"""From official files to task folders: Genomic Benchmarks' coordinates on a whole genome, and GUE.

Each task is one `python -m dnastudents benchmark`, in turn, as a workflow with one core runs them;
the start of Python counts. The genome has the names and lengths of hg38's chromosomes and random
bases, since what they are takes no time; the pages of its files are dropped from memory first.
"""

from __future__ import annotations

import csv
import gzip
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from timing import Row

from dnastudents.benchmarks.gue import TASKS as GUE
from dnastudents.files import read_json, write_json

# hg38's chromosomes in bases (UCSC hg38.chrom.sizes).
HG38 = {
    **{"chr1": 248956422, "chr2": 242193529, "chr3": 198295559, "chr4": 190214555},
    **{"chr5": 181538259, "chr6": 170805979, "chr7": 159345973, "chr8": 145138636},
    **{"chr9": 138394717, "chr10": 133797422, "chr11": 135086622, "chr12": 133275309},
    **{"chr13": 114364328, "chr14": 107043718, "chr15": 101991189, "chr16": 90338345},
    **{"chr17": 83257441, "chr18": 80373285, "chr19": 58617616, "chr20": 64444167},
    **{"chr21": 46709983, "chr22": 50818468, "chrX": 156040895, "chrY": 57227415},
    "chrM": 16569,
}
HUMAN = (  # what needs the human genome and nothing else
    "human_enhancers_cohn",
    "human_enhancers_ensembl",
    "human_ensembl_regulatory",
    "human_nontata_promoters",
    "human_ocr_ensembl",
)
BLOCK = 67_108_859  # random bases that are repeated; prime, so no chromosome begins alike


def dnastudents(*arguments: str | Path, threads: int = 1) -> None:
    """Run a subcommand in a process of its own; its output is shown where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "dnastudents", *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, arguments[:3]))}: {done.stderr}")


def seconds_of_tasks(suite: str, tasks: Sequence[str], sources: list[Path], output: Path) -> float:
    """Seconds to write the task folders, one process after the other."""
    began = time.perf_counter()
    for task in tasks:
        dnastudents("benchmark", suite, task, *sources, "--output", output / task)
    return time.perf_counter() - began


def genome_rows(data: Path, folder: Path) -> list[Row]:
    """Coordinates to the task folders of all human Genomic Benchmarks."""
    coordinates = data / "genomic_benchmarks/coordinates"
    if not coordinates.is_dir():
        print(f"no {coordinates}: coordinates are not timed", file=sys.stderr)
        return []
    genome, output = folder / "hg38", folder / "tasks"
    whole_genome(genome)
    try:
        seconds = seconds_of_tasks("genomic_benchmarks", HUMAN, [coordinates, genome], output)
        found = [
            sum(read_json(output / task / "task.json")["n_sequences"].values()) for task in HUMAN
        ]
        assert found == [intervals(coordinates / task) for task in HUMAN]
    finally:
        shutil.rmtree(genome)
    name = f"{sum(found):,} intervals of {len(HUMAN)} human tasks on {_bases():,} bases to folders"
    return [Row(name, seconds, None, seconds, "< 120", "s")]


def whole_genome(folder: Path) -> None:
    """Write a reference folder as large as hg38, 3 GB, and leave it on disk."""
    folder.mkdir(parents=True)
    total = _bases()
    block = np.random.default_rng(0).integers(4, size=BLOCK, dtype=np.uint8).tobytes()
    header = {"descr": np.dtype(np.uint8).str, "fortran_order": False, "shape": (total,)}
    with (folder / "codes.npy").open("wb") as handle:
        np.lib.format.write_array_header_1_0(handle, header)
        for start in range(0, total, BLOCK):
            handle.write(block[: total - start])
        handle.flush()
        os.fsync(handle.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    lengths = list(HG38.values())
    index = {
        "names": list(HG38),
        "lengths": lengths,
        "offsets": [0, *np.cumsum(lengths).tolist()[:-1]],
        "source": "random bases, hg38's lengths",
        "simulated": True,
        "sha256": "",
    }
    write_json(folder / "reference.json", index)


def intervals(task: Path) -> int:
    """Rows of all coordinate files of a task."""
    count = 0
    for file in task.glob("*/*.csv.gz"):
        with gzip.open(file, "rt", newline="") as handle:
            count += sum(1 for _ in csv.DictReader(handle))
    return count


def gue_rows(data: Path, folder: Path, quick: bool) -> list[Row]:
    """GUE's archive to the folders of all tasks that it holds in full; of one with `quick`."""
    archive = data / "gue/GUE.zip"
    if not archive.is_file():
        print(f"no {archive}: it is not timed", file=sys.stderr)
        return []
    with zipfile.ZipFile(archive) as opened:
        held = set(opened.namelist())
    tasks = [task for task, (place, _) in GUE.items() if f"GUE/{place}/train.csv" in held]
    tasks = tasks[:1] if quick else tasks
    seconds = seconds_of_tasks("gue", tasks, [archive], folder / "gue")
    name = f"GUE.zip to the folders of {len(tasks)} whole tasks"
    return [Row(name, seconds, None, seconds, "< 30", "s")]


def _bases() -> int:
    return sum(HG38.values())
