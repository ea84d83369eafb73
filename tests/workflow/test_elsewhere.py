"""The workflow outside of its checkout: as a module of another workflow, and from a wheel."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import Snakemake, command, environment, jobs, write_tables

MAIN = """
rule everything:
    input:
        "own.txt",
        "results/tasks/mine/enhancers",


rule own:
    output:
        "own.txt",
    shell:
        "echo ${{HF_HUB_OFFLINE:-unset}} > {output}"


module dnastudents:
    snakefile:
        "SNAKEFILE"
    config:
        config


use rule * from dnastudents as dnastudents_*


onstart:
    open("began", "w").close()
"""
CONFIG = """
genome: mine
references: {mine: {fasta: genome.fa, splits: {train: [a], validation: [b]}}}
runs: {findna: {}, findna_scratch: {}}
suites: {mine: {csv: data/mine, tasks: [enhancers], seeds: [0]}}
"""


def test_as_a_module(checkout: Callable[[str], Path], snakemake: Snakemake, tmp_path: Path) -> None:
    """Paths are those of the main workflow, whose rules and default target stay its own."""
    workflow = checkout("used as a module") / "workflow/Snakefile"
    (tmp_path / "Snakefile").write_text(MAIN.replace("SNAKEFILE", str(workflow)))
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "genome.fa").write_text(">a\nACGT\n>b\nACGT\n")
    write_tables(tmp_path / "data/mine/enhancers", "train", "test")
    configured = ("-j", "2", "--configfile", "config.yaml")
    planned = jobs(snakemake(tmp_path, "dnastudents_all", *configured, "-n", "--quiet", "rules"))
    assert planned["dnastudents_pretrain"] == planned["dnastudents_finetune"] == "2"
    state = tmp_path / "results/state/finetune/findna"
    state.mkdir(parents=True)
    done = snakemake(tmp_path, *configured, "--forcerun", "dnastudents_finetune")
    assert done.returncode == 0, done.stdout[-3000:]
    assert not state.exists()  # what is forced is not taken from a state
    assert "findna:" in (tmp_path / "results/config.resolved.yaml").read_text()
    assert (tmp_path / "began").exists()
    task = json.loads((tmp_path / "results/tasks/mine/enhancers/task.json").read_text())
    assert task["n_sequences"]["test"] == 120
    assert (tmp_path / "own.txt").read_text() == "unset\n"  # jobs of others are not touched
    assert not (workflow.parents[1] / "results").exists()


@pytest.mark.slow
def test_from_a_wheel(checkout: Callable[[str], Path], root: Path, tmp_path: Path) -> None:
    """Built, installed and used for a new project, with nothing of the checkout in reach."""
    source, site, project = checkout("wheel"), tmp_path / "site", tmp_path / "a project"
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(tmp_path),
        str(source),
    ]
    subprocess.run([*pip, *build], check=True, stdout=subprocess.DEVNULL)
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(wheel)], check=True)
    shutil.rmtree(source)
    (tmp_path / "genome.fa").write_text("".join(f">chr{n}\n{'ACGT' * 25 * n}\n" for n in (1, 4, 9)))
    write_tables(tmp_path / "data/enhancers", "train", "test")
    installed = environment() | {"PYTHONPATH": str(site)}

    def run(*words: str, folder: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, cwd=folder, env=installed, capture_output=True, text=True, check=True
        )

    start = ("-m", "dnastudents", "init", project.name, "--fasta", "genome.fa", "--csv", "data")
    run(sys.executable, *start)
    planned = run(*command("-n", "--quiet", "rules"), folder=project)
    assert jobs(planned)["finetune"] == "2"
    run(*command("results/tasks/mine/enhancers", "results/reference/mine"), folder=project)
    task = json.loads((project / "results/tasks/mine/enhancers/task.json").read_text())
    assert task["source"] == "train.csv, test.csv"
    where = run(sys.executable, "-c", "import dnastudents; print(dnastudents.__file__)")
    assert where.stdout.startswith(f"{site}{os.sep}")
