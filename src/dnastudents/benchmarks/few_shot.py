"""Few-shot tasks of GeneMask (ECAI 2023) and CM-GEMS (ECAI 2024): k training sequences a class.

The released tables hold overlapping 6-mers, with quotes in the train files and without in the test
files; both become bases again.

Draws: some train files (Splice-40, silencer) hold ten draws of k a class, pooled, and the order of
the draws is lost; the others hold one draw. The task folder holds the whole file as `train`, and
`shots` in its task.json is k. Seed s, of fine-tuning as of the baseline, takes draw s: k sequences
a class without replacement (`benchmarks.draws`). Of a file with one draw every draw is that file,
and task.json says so under `notes`.

Dev: none was released, and the folder has none. The published protocol tests the last epoch
(`finetuning.selection: last`), and all shots train. With `best_dev` one tenth of each class of the
draw, at least one sequence, is dev and does not train.

Tests: the official ones. Those of Cohn-enh and Prom-300 are in the authors' repository, although
partial copies of it lack them, as they lack train files of 1000 shots. Earlier versions of this
reader took substitutes, which remain by name: route `substitutes`. task.json says so then, under
`notes`:

- Cohn-enh: the official test split of Genomic Benchmarks' human_enhancers_cohn (CSV or archive);
- Prom-300: the test split of GUE's prom_300_all, without the sequences of any Prom-300 train file.

Which metric the papers tabulate is not known; accuracy is used, as the classes are balanced, and
every row has all the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from dnastudents.benchmarks.draws import draw_shots
from dnastudents.benchmarks.genomic_benchmarks import read_sequences
from dnastudents.benchmarks.labels import number_labels
from dnastudents.benchmarks.rows import FILE
from dnastudents.benchmarks.sources import Paths, Sources
from dnastudents.benchmarks.task import require_task, write_task
from dnastudents.errors import InputError

SUITE = "few_shot"
ROUTES = ("tables", "substitutes")
LICENCE = "GPL-3.0"
SHOTS = {
    "prom_core": (10, 50, 100, 500, 1000),
    "prom_300": (10, 50, 100, 500, 1000),
    "cohn_enh": (10, 50, 100, 500, 1000),
    "splice_40": (10, 50, 100, 500, 1000),
    "silencer": (10, 50),
}
TASKS = {f"{name}_{shot}": (name, shot) for name, shots in SHOTS.items() for shot in shots}
FOLDERS = {
    "prom_core": "Prom-core",
    "prom_300": "Prom-300",
    "cohn_enh": "Cohn-enh",
    "splice_40": "Splice-40",
    "silencer": "silencer",
}
OFFICIAL_TESTS = {
    "silencer": ["silencer/50/dev.tsv", "silencer/10/dev.tsv"],
    "splice_40": ["Splice-40/test.tsv", "Splice-40/full-dataset/test.tsv"],
}
SUBSTITUTE_TESTS = {
    "cohn_enh": ["test_human_enhancers_cohn.csv", "human_enhancers_cohn/test.csv"],
    "prom_300": ["prom/prom_300_all/test.csv", "prom_300_all/test.csv"],
}
SUBSTITUTE_NAMES = {
    "cohn_enh": "Genomic Benchmarks human_enhancers_cohn, test",
    "prom_300": "GUE prom_300_all, test",
}


def write(
    sources: Paths, task: str, output: Path, leakage: str = "report", route: str | None = None
) -> None:
    """Write the task folder of one dataset and number of shots.

    Parameters
    ----------
    sources : path or paths
        The folders of the released tables; with substitutes also the file, folder or archive that
        holds them.
    task : str
        Such as prom_core_10 or silencer_50.
    output : Path
        The task folder.
    leakage : {'report', 'remove'}
        See `benchmarks.protocol`. Default is "report".
    route : {'tables', 'substitutes'}
        'substitutes' takes those where the module's text names one. Default is 'tables'.

    Raises
    ------
    InputError
        The route is unknown, or a file is missing, holds no k-mers, or has fewer than k sequences
        of a class.
    """
    require_task(SUITE, task, TASKS)
    if route not in (None, *ROUTES):
        raise InputError(f"{SUITE}: no route '{route}'; it has {', '.join(ROUTES)}")
    name, shots = TASKS[task]
    files = Sources(sources)
    pool = _train_file(files, name, shots)
    test, notes = _test(files, name, route)
    splits, classes = number_labels({"train": pool, "test": test}, f"{SUITE}/{task}")
    _require_one_copy(splits, FOLDERS[name])
    labels = splits["train"]["label"].to_numpy()
    if len(draw_shots(labels, shots, 0, f"{SUITE}/{task}")) == len(labels):
        notes = [*notes, "the file holds one draw, so every seed draws the same sequences"]
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
        shots=shots,
        notes=notes,
        leakage=leakage,
    )


def join_kmers(text: str) -> str:
    """Turn overlapping k-mers ("ACG CGT GTT") back into bases ("ACGTT").

    Raises
    ------
    ValueError
        The words are not of one length or do not overlap by all but one base.
    """
    words = text.split()
    if not words:
        raise ValueError("no k-mers")
    k = len(words[0])
    bases = words[0] + "".join(word[-1] for word in words[1:])
    if any(bases[start : start + k] != word for start, word in enumerate(words)):
        raise ValueError(f"words do not overlap as k-mers do: {text[:40]!r}")
    return bases


def _kmer_table(files: Sources, name: str) -> pd.DataFrame:
    table = files.table(name, separator="\t")
    if "sequence" in table.columns:
        try:
            table["sequence"] = [join_kmers(text) for text in table["sequence"]]
        except ValueError as error:
            raise InputError(f"{name}: {error}; expected overlapping k-mers") from None
    return table


def _train_file(files: Sources, name: str, shots: int) -> pd.DataFrame:
    stem = f"{FOLDERS[name]}/{shots}/train"
    endings = [f"{stem}.tsv", f"{stem}_{name.replace('_', '')}_{shots}.tsv"]
    return _kmer_table(files, files.require(endings))


def _test(files: Sources, name: str, route: str | None) -> tuple[pd.DataFrame, list[str]]:
    """Return the test split that the route asks for, and what to say about it."""
    if route == "substitutes" and name in SUBSTITUTE_TESTS:
        return _substitute_test(files, name)
    return _official_test(files, name), []


def _official_test(files: Sources, name: str) -> pd.DataFrame:
    """Return the released test split."""
    official = OFFICIAL_TESTS.get(name, [f"{FOLDERS[name]}/test.tsv"])
    found = files.find(official)
    if found is None and name in SUBSTITUTE_TESTS:
        raise InputError(
            f"no {official[0]} in {files.origin}; download it (few_shot/genemask/{official[0]}), "
            "or take a substitute: `route: substitutes` of the suite, --route of `benchmark`"
        )
    return _kmer_table(files, found or files.require(official))


def _substitute_test(files: Sources, name: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the split that stands in for the test, and what to say about it."""
    test = _substitute(files, name)
    notes = [f"substitute for the official test split: {SUBSTITUTE_NAMES[name]}"]
    if name == "prom_300":
        seen = {s for shots in SHOTS[name] for s in _train_file(files, name, shots)["sequence"]}
        shared = test["sequence"].isin(seen)
        test = test[~shared].reset_index(drop=True)
        notes.append(
            f"{shared.sum()} test sequences that are in a Prom-300 train file are left out"
        )
    return test, notes


def _require_one_copy(splits: Mapping[str, pd.DataFrame], folder: str) -> None:
    """An `InputError` unless the splits in folders of the dataset come from one of them."""
    copies = {}
    for frame in splits.values():
        file = str(frame[FILE].iloc[0])
        top, inside, _ = f"/{file}".rpartition(f"/{folder}/")
        if inside:
            copies[top] = file
    if len(copies) > 1:
        listed = " and ".join(copies.values())
        raise InputError(f"{listed} are of two copies of {folder}; give only the one that is meant")


def _substitute(files: Sources, name: str) -> pd.DataFrame:
    """Read the split that stands in for the test."""
    if name == "cohn_enh" and not files.find(SUBSTITUTE_TESTS[name]):
        test = read_sequences(files, "human_enhancers_cohn", "test")
        if test is not None:
            return test.assign(label=(test["label"] == "positive").astype(int))
    found = files.require(SUBSTITUTE_TESTS[name])
    return files.table(found).rename(columns={"seq": "sequence"})
