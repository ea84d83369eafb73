"""Where a user's own benchmarks lie: CSV files of a task, and rules of whole suites.

Free of pandas, so Snakemake parses fast.
"""

from __future__ import annotations

from pathlib import Path

# The names of each split, the usual one first, and those of tables and what separates their fields.
SPLIT_NAMES = {"train": ("train",), "test": ("test",), "dev": ("dev", "val", "valid", "validation")}
SEPARATORS = {".csv": ",", ".tsv": "\t"}
RULES = Path("workflow/rules/benchmarks")


def table_names(split: str) -> list[str]:
    """List the names without .gz that the table of a split may have."""
    return [f"{name}{ending}" for name in SPLIT_NAMES[split] for ending in SEPARATORS]


def task_tables(folder: str | Path) -> list[str]:
    """List the tables of a task of your own: train, test and, if there is one, dev.

    A table of train or test that is nowhere is listed as .csv, so that a message can name it. Of
    two tables of one split both are listed: the reader refuses them.
    """
    found = []
    for split in SPLIT_NAMES:
        names = [f"{folder}/{name}{end}" for name in table_names(split) for end in ("", ".gz")]
        there = [name for name in names if Path(name).is_file()]
        found += there or ([] if split == "dev" else names[:1])
    return found


def own_rules(root: Path) -> dict[str, str]:
    """Find the rules of a user's own suites, by suite: `workflow/rules/benchmarks/SUITE.smk`.

    They lie in the working directory; `root` is looked through too, for a workflow that is run from
    elsewhere.
    """
    folders = (root / RULES, Path.cwd() / RULES)
    return {file.stem: str(file) for folder in folders for file in sorted(folder.glob("*.smk"))}
