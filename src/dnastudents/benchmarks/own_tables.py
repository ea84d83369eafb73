"""Where a user's own benchmarks lie: CSV files of a task, and rules of whole suites.

Free of pandas, so Snakemake parses fast.
"""

from __future__ import annotations

from pathlib import Path

ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
RULES = Path("workflow/rules/benchmarks")


def task_tables(folder: str | Path) -> list[str]:
    """List the tables of a task of your own: train, test and, if there is one, dev.

    A table of train or test that is nowhere is listed as .csv, so that a message can name it.
    """
    found = []
    for split in ("train", "test", "dev"):
        names = [f"{folder}/{split}{ending}" for ending in ENDINGS]
        there = [name for name in names if Path(name).is_file()]
        found += there[:1] or ([] if split == "dev" else names[:1])
    return found


def own_rules(root: Path) -> dict[str, str]:
    """Find the rules of a user's own suites, by suite: `workflow/rules/benchmarks/SUITE.smk`.

    They lie in the working directory; `root` is looked through too, for a workflow that is run from
    elsewhere.
    """
    folders = (root / RULES, Path.cwd() / RULES)
    return {file.stem: str(file) for folder in folders for file in sorted(folder.glob("*.smk"))}
