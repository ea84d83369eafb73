"""What Snakemake plans, and what it says of a wrong configuration, before anything is run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness import Snakemake


@pytest.fixture(scope="module")
def fresh(checkout: Callable[[str], Path]) -> Path:
    return checkout("fresh clone")


@pytest.mark.parametrize("arguments", [[], ["--profile", "slurm", "-j", "50"]])
def test_the_paper_is_planned_on_a_machine_without_data(
    fresh: Path, snakemake: Snakemake, arguments: list[str]
) -> None:
    planned = snakemake(fresh, *arguments, "-n", "--quiet", "rules")
    assert planned.returncode == 0, planned.stdout[-3000:]
    jobs = {line.split()[0]: line.split()[-1] for line in planned.stdout.splitlines() if line}
    tasks = 18 + 8 + 28 + 20 + 8
    runs = 22
    assert jobs["pretrain"] == str(runs)
    assert jobs["finetune"] == str(runs * tasks)
    assert jobs["baseline"] == str(tasks)
    assert jobs["knn"] == str(runs * (8 + 28))
    assert {"download", "reference", "pmi", "download_teacher", "tsne", "table"} <= set(jobs)


def test_ablations_are_planned_only_when_asked_for(fresh: Path, snakemake: Snakemake) -> None:
    study = ["--configfile", "studies/had_ablations.yaml"]
    planned = snakemake(fresh, *study, "-n", "--quiet", "rules")
    assert planned.returncode == 0, planned.stdout[-3000:]
    jobs = {line.split()[0]: line.split()[-1] for line in planned.stdout.splitlines() if line}
    assert jobs["pretrain"] == str(10 + 2)
    assert jobs["download_teacher"] == "4"
    assert jobs["embed_teacher"] == jobs["tsne"] == "4"  # one teacher on each of the tasks


def test_data_check_names_missing_files_and_stops_at_a_wrong_one(
    fresh: Path, snakemake: Snakemake
) -> None:
    absent = snakemake(fresh, "data_check")
    assert absent.returncode == 0, absent.stdout[-3000:]
    assert "-o results/downloads/reference/hg38.fa.gz https://hgdownload" in absent.stdout
    wrong = fresh / "results/downloads/reference/hg38.fa.gz"
    wrong.parent.mkdir(parents=True)
    wrong.write_text("<html>busy</html>")
    found = snakemake(fresh, "data_check")
    wrong.unlink()
    assert found.returncode != 0
    assert "1 wrong" in found.stdout


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("batch_size: 8", "batch_sise: 8", "did you mean 'batch_size'?"),
        ("  findna: {pretraining: *tiny}", "  finda: {}", "did you mean 'findna'?"),
        ("[species]", "[spesies]", "did you mean 'species'?"),
        ("steps: 6", "steps: six", "'six' is not of type 'integer'"),
        (
            "simulate: {seed: 7,",
            "fasta: x.fa, simulate: {seed: 7,",
            "nothing at 'x.fa'",
        ),
    ],
)
def test_a_typo_is_one_clear_line(
    fresh: Path, snakemake: Snakemake, old: str, new: str, message: str
) -> None:
    text = (fresh / "tiny.yaml").read_text()
    assert old in text
    (fresh / "typo.yaml").write_text(text.replace(old, new))
    refused = snakemake(fresh, "--profile", "demo", "--configfile", "typo.yaml", "-n")
    assert refused.returncode != 0
    said = [line for line in refused.stdout.splitlines() if "not usable" in line]
    assert len(said) == 1
    assert message in said[0]
    assert "Traceback" not in refused.stdout
