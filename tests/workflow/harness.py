"""How the workflow tests run Snakemake."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml

Snakemake = Callable[..., subprocess.CompletedProcess[str]]


def command(*arguments: str) -> list[str]:
    """Snakemake of this environment as a command."""
    return [sys.executable, "-m", "snakemake", *arguments]


def environment() -> dict[str, str]:
    """What jobs inherit: nothing of ours, and the tools of this environment first."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return kept


def edit(path: Path, change: Callable[[dict], None]) -> None:
    """Change a YAML file in place."""
    values = yaml.safe_load(path.read_text())
    change(values)
    path.write_text(yaml.safe_dump(values))


def jobs(planned: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Number of jobs of each rule in what `snakemake -n --quiet rules` printed."""
    assert planned.returncode == 0, planned.stdout[-3000:]
    words = [line.split() for line in planned.stdout.splitlines()]
    return {line[0]: line[1] for line in words if len(line) == 2 and line[1].isdigit()}


def readme_blocks(readme: str) -> tuple[dict, str, str, dict]:
    """What the README shows for benchmarks: block of CSV files, path, text and block of a rule."""
    csv, other = re.findall(r"```yaml\n# config.yaml, under suites:\n(.*?)```", readme, re.S)
    rule = re.search(r"```python\n(# (workflow/rules/benchmarks/lab.smk).*?)```", readme, re.S)
    assert rule is not None
    return yaml.safe_load(csv), rule[2], rule[1], yaml.safe_load(other)


def write_tables(folder: Path, *splits: str) -> None:
    """A task of two classes that differ in their letters, 60 sequences each."""
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for split in splits:
        lines = [
            "".join(generator.choice(list(letters), 60)) + "," + label
            for label, letters in (("open", "ACGTGC"), ("closed", "ACGTAT"))
            for _ in range(60)
        ]
        (folder / f"{split}.csv").write_text("\n".join(["sequence,label", *lines]) + "\n")
