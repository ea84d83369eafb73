"""A result that is not what is asked is made again, also where Snakemake has no records left."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from harness import Snakemake

CONFIG = {
    "extends": "demo/demo.yaml",
    "results": "results",
    "genome": "mine",
    "references": {
        "mine": {"fasta": "genome.fa", "splits": {"train": ["a", "b"], "validation": ["c"]}}
    },
    "pmi": {"sequences": ["a"], "k": 3, "max_n": None, "threshold": 2.0},
    "runs": {"logo_random": {}},
    "suites": {"gue": {"tasks": ["H3"]}},
    "figures": {"tsne": {"tasks": []}},
}


def write_genome(path: Path, seed: int) -> None:
    letters = np.random.default_rng(seed).choice(list("ACGT"), (3, 3000))
    records = [
        f">{name}\n{''.join(row)}\n" for name, row in zip("abc", letters.tolist(), strict=True)
    ]
    path.write_text("".join(records))


def hash_of(folder: Path) -> str:
    return json.loads((folder / "results/reference/mine/reference.json").read_text())["sha256"]


@pytest.mark.slow
def test_results_follow_files_and_settings_without_records(
    checkout: Callable[[str], Path], snakemake: Snakemake
) -> None:
    folder = checkout("stale")
    write_genome(folder / "genome.fa", 0)

    def make(**changes: object) -> str:
        (folder / "mine.yaml").write_text(yaml.safe_dump(CONFIG | changes))
        shutil.rmtree(folder / ".snakemake", ignore_errors=True)  # the records are lost
        target = f"{changes.get('results', 'results')}/pmi"
        done = snakemake(folder, target, "--profile", "demo", "--configfile", "mine.yaml")
        assert done.returncode == 0, done.stdout[-3000:]
        return done.stdout

    make()
    first = hash_of(folder)
    assert "Nothing to be done" in make()

    write_genome(folder / "older.fa", 1)
    os.utime(folder / "older.fa", ns=(10**18, 10**18))
    (folder / "older.fa").replace(folder / "genome.fa")  # as of `cp -p`
    assert "rule reference" in make()
    assert hash_of(folder) != first
    assert "Nothing to be done" in make()

    changed = {"pmi": {**CONFIG["pmi"], "k": 2}}
    text = make(**changed)
    assert "rule pmi" in text
    assert "rule reference" not in text
    assert json.loads((folder / "results/pmi/pmi.json").read_text())["k"] == 2

    (folder / "results").rename(folder / "moved")
    assert "Nothing to be done" in make(**changed, results="moved")
    assert yaml.safe_load((folder / "moved/config.resolved.yaml").read_text())["pmi"]["k"] == 2
