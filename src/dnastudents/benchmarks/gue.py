"""GUE, the 28 tasks of DNABERT-2 (Zhou et al. 2024, arXiv 2306.15006).

The archive has `GUE/<group>/<name>/{train,dev,test}.csv` with the header `sequence,label`; the
Hugging Face mirror has the same files under `<config>/`. Both are read. The metric is MCC, and
macro-F1 for covid, as in the paper's Table 4. All splits are official.
"""

from __future__ import annotations

from pathlib import Path

from dnastudents.benchmarks.labels import number_labels
from dnastudents.benchmarks.sources import Paths, Sources
from dnastudents.benchmarks.task import SPLITS, require_task, write_task
from dnastudents.errors import InputError

SUITE = "gue"
LICENCE = "Apache-2.0"
_MARKS = ("H3", "H3K14ac", "H3K36me3", "H3K4me1", "H3K4me2", "H3K4me3", "H3K79me3", "H3K9ac")
_PROMOTERS = [
    f"prom_{part}_{kind}" for part in ("core", "300") for kind in ("all", "notata", "tata")
]

# Task to its folders: in the archive, then in the mirror.
TASKS: dict[str, tuple[str, str]] = {
    **{mark: (f"EMP/{mark}", f"emp_{mark}") for mark in (*_MARKS, "H4", "H4ac")},
    **{name: (f"prom/{name}", name) for name in _PROMOTERS},
    **{f"tf_{index}": (f"tf/{index}", f"human_tf_{index}") for index in range(5)},
    **{f"mouse_{index}": (f"mouse/{index}", f"mouse_{index}") for index in range(5)},
    "splice_reconstructed": ("splice/reconstructed", "splice_reconstructed"),
    "covid": ("virus/covid", "virus_covid"),
}


def write(sources: Paths, task: str, output: Path, leakage: str = "report") -> None:
    """Write the task folder of one GUE task.

    Parameters
    ----------
    sources : path or paths
        GUE.zip, the folder it unpacks to, or a copy of the mirror.
    task : str
        Such as H3, tf_0, mouse_2, prom_core_tata, splice_reconstructed or covid.
    output : Path
        The task folder.
    leakage : {'report', 'remove'}
        See `benchmarks.protocol`. Default is "report".
    """
    require_task(SUITE, task, TASKS)
    files = Sources(sources)
    folder = files.task_folder(TASKS[task], [f"{split}.csv" for split in SPLITS])
    frames = {}
    for split in SPLITS:
        name = files.pick(folder, [f"{split}.csv"])
        if name is None:
            raise InputError(f"no {split}.csv in {files.describe(folder)}; download it again")
        frames[split] = files.table(name)
    splits, classes = number_labels(frames, f"{SUITE}/{task}")
    write_task(
        output,
        suite=SUITE,
        task=task,
        splits=splits,
        classes=classes,
        metric="f1_macro" if task == "covid" else "mcc",
        source=files.origin,
        licence=LICENCE,
        sha256=files.sha256,
        leakage=leakage,
    )
