"""What Snakemake is given, from wherever it is called, reaches the workflow and its jobs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from harness import Snakemake, command, environment, jobs

OTHER = """
runs:
  logo_cm_gems: {masking: {name: random_span}}
finetuning: {batch_size: 16}
"""
MAIN = """
rule own:
    output:
        "own.txt",
    shell:
        "echo ${{DNASTUDENTS_COMMIT:-unset}} > {output}"


module dnastudents:
    snakefile:
        "SNAKEFILE"
    config:
        config


use rule * from dnastudents as dnastudents_*
"""


@pytest.fixture(scope="module")
def fresh(checkout: Callable[[str], Path]) -> Path:
    return checkout("configurations")


def test_files_and_arguments_mean_what_one_file_means(fresh: Path, snakemake: Snakemake) -> None:
    """In the process that plans, and in that of a job, which is given them again."""
    (fresh / "other.yaml").write_text(OTHER)
    given = ["--configfile", "tiny.yaml", "other.yaml"]
    given += ["--config", 'finetuning={"epochs": 3}', "results=given", "--"]
    done = snakemake(fresh, "-j", "1", *given, "given/simulated/simulated")
    assert done.returncode == 0, done.stdout[-3000:]
    resolved = yaml.safe_load((fresh / "given/config.resolved.yaml").read_text())
    assert list(resolved["runs"]) == ["logo_cm_gems"]  # of the last file that names some
    assert resolved["runs"]["logo_cm_gems"]["masking"]["name"] == "random_span"
    assert resolved["runs"]["logo_cm_gems"]["pretraining"]["steps"] == 6  # of the first file
    epochs, batch_size = (resolved["finetuning"][key] for key in ("epochs", "batch_size"))
    assert (epochs, batch_size) == (3, 16)


def test_from_another_folder_without_a_home_in_an_ascii_locale(fresh: Path, tmp_path: Path) -> None:
    strange = {"HOME": "/dev/null/nowhere", "LC_ALL": "C", "PYTHONUTF8": "0"}
    of = ["-s", str(fresh / "Snakefile"), "--profile", str(fresh / "demo")]
    planned = subprocess.run(
        command(*of, "-n", "--quiet", "rules"),
        cwd=tmp_path,
        env=environment() | strange,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert jobs(planned)["pretrain"] == "7"


def test_jobs_are_told_the_commit(fresh: Path, snakemake: Snakemake, tmp_path: Path) -> None:
    """Also those that have no git, as in a container."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    who = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    for words in (["init", "-q"], ["add", "src"], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=fresh, check=True)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=fresh, check=True, capture_output=True, text=True
    ).stdout
    main = MAIN.replace("SNAKEFILE", str(fresh / "workflow/Snakefile"))
    (tmp_path / "Snakefile").write_text(main)
    done = snakemake(tmp_path, "-j", "1", "own.txt")
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "own.txt").read_text() == head


def test_a_job_on_bad_files_is_not_tried_again(fresh: Path, snakemake: Snakemake) -> None:
    (fresh / "data/mine/enhancers").mkdir(parents=True)
    for split in ("train", "test"):
        (fresh / f"data/mine/enhancers/{split}.csv").write_text("letters\nACGT\n")
    suite = "{csv: data/mine, tasks: [enhancers], seeds: [0]}"
    (fresh / "mine.yaml").write_text(f"extends: tiny.yaml\nsuites: {{mine: {suite}}}\n")
    target = "results/tasks/mine/enhancers"
    tried = snakemake(fresh, target, "-j", "1", "--configfile", "mine.yaml", "--retries", "2")
    assert tried.returncode != 0
    assert "train.csv" in tried.stdout
    assert "Trying to restart" not in tried.stdout
