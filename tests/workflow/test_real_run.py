"""The real run and the studies: from the manifest alone, and from a mirror of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from mirror import make_mirror

from dnastudents.config import read_config
from dnastudents.files import read_json
from dnastudents.genome.reference import Reference
from harness import Snakemake, jobs

REAL = "demo/chr21_22.yaml"
FILES = [REAL, *(f"studies/{name}.yaml" for name in ("all_tasks", "cmgems", "findna", "had"))]
CHROMOSOMES = [f"reference/hg38/chr{number}.fa.gz" for number in (21, 22)]
OUTSIDE = re.compile(r"\bshared/(?:data|golden|papers|published)|\bpapers/\w+\.md|\bDESIGN\.md")
SHIPPED = ("demo", "docs", "profiles", "slurm", "src", "studies", "workflow")


@pytest.fixture(scope="module")
def fresh(checkout: Callable[[str], Path]) -> Path:
    return checkout("real run")


@pytest.fixture(scope="module")
def mirror(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cut chromosomes and complete tables, under the names of the manifest."""
    return make_mirror(shared / "data", tmp_path_factory.mktemp("mirror"))


def test_nothing_shipped_names_what_a_clone_lacks(root: Path) -> None:
    files = [root / "config.yaml", root / "README.md"]
    files += [path for part in SHIPPED for path in (root / part).rglob("*")]
    texts = [path for path in files if path.suffix in {".md", ".py", ".yaml", ".smk", ".csv"}]
    assert len(texts) > 200
    found = {str(path): match[0] for path in texts if (match := OUTSIDE.search(path.read_text()))}
    assert not found


@pytest.mark.parametrize("name", FILES)
def test_all_data_are_downloads(root: Path, name: str) -> None:
    data = read_config([root / name]).data()
    assert data["reference/chr21_22"] == {"datasets": CHROMOSOMES}
    assert not [key for key, origin in data.items() if origin.get("files")]
    assert {key for key, origin in data.items() if not origin} <= {"teacher/small"}


@pytest.mark.parametrize("name", FILES)
def test_it_is_planned_on_a_machine_without_data(
    fresh: Path, snakemake: Snakemake, name: str
) -> None:
    planned = jobs(snakemake(fresh, "--configfile", name, "-n", "--quiet", "rules"))
    assert planned["reference"] == "1"
    assert int(planned["download"]) > len(CHROMOSOMES)


def test_a_mirror_gives_the_genome_and_the_tasks(
    fresh: Path, snakemake: Snakemake, mirror: Path
) -> None:
    """A file with a published hash is held against it, the first of another is put on record."""
    suites = {"gue": {}, "few_shot": {}}
    suites |= {"genomic_benchmarks": {"tasks": ["human_nontata_promoters"]}}
    given = ["--configfile", REAL, "--config", f"mirror={mirror}", f"suites={json.dumps(suites)}"]
    checked = snakemake(fresh, "data_check", "-j", "1", *given)
    assert checked.returncode == 0, checked.stdout[-3000:]
    assert re.search(r"(\d+) files: \1 present, 0 missing, 0 wrong", checked.stdout)
    rows = {"gue/prom_core_tata": 613, "few_shot/prom_core_100": 5920}
    rows |= {"genomic_benchmarks/human_nontata_promoters": 9034}
    results = fresh / "results/chr21_22"
    targets = ["reference/chr21_22", "pmi", *(f"tasks/{task}" for task in rows)]
    made = [f"results/chr21_22/{target}" for target in targets]
    done = snakemake(fresh, "-j", "2", *given, "--", *made)
    assert done.returncode == 0, done.stdout[-3000:]
    reference = Reference.open(results / "reference/chr21_22")
    assert {name.partition(":")[0] for name in reference.names} == {"chr21", "chr22"}
    assert sum(reference.lengths) == 1_000_001 + 6_286_970
    for task, count in rows.items():
        assert len(pd.read_parquet(results / "tasks" / task / "test.parquet")) == count
    locked = read_json(results / "downloads/download-lock.json")
    assert {*CHROMOSOMES, "gue/prom_core_tata/train.csv"} <= set(locked)
    assert not [name for name in locked if name.startswith("few_shot/")]
