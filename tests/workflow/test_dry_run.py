"""What Snakemake plans, and what it says of a wrong configuration, before anything is run."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from dnastudents.config import load_config
from dnastudents.errors import InputError
from harness import Snakemake, jobs, readme_blocks, write_tables


@pytest.fixture(scope="module")
def fresh(checkout: Callable[[str], Path]) -> Path:
    return checkout("fresh clone")


def test_the_paper_is_planned_on_a_machine_without_data(fresh: Path, snakemake: Snakemake) -> None:
    count = jobs(snakemake(fresh, "-n", "--quiet", "rules"))
    assert not (fresh / "results/asked").exists()
    tasks = 18 + 8 + 28 + 22 + 8
    runs = 24
    assert count["pretrain"] == str(runs)
    assert count["finetune"] == str(runs * tasks)
    assert count["baseline"] == count["task"] == str(tasks)
    assert count["knn"] == str(runs * (8 + 28))
    assert {"download", "reference", "pmi", "download_teacher", "tsne", "table"} <= set(count)
    slurm = ("--profile", "slurm", "-j", "50")
    on_a_cluster = jobs(snakemake(fresh, "pretrained", *slurm, "-n", "--quiet", "rules"))
    assert on_a_cluster["pretrain"] == str(runs - 5)  # five learn nothing


def test_ablations_are_planned_only_when_asked_for(fresh: Path, snakemake: Snakemake) -> None:
    study = ["--configfile", "studies/had_ablations.yaml"]
    planned = snakemake(fresh, *study, "-n", "--quiet", "rules")
    count = jobs(planned)
    assert count["pretrain"] == str(10 + 2)
    assert count["download_teacher"] == "4"
    assert count["embed_teacher"] == count["tsne"] == "4"  # one teacher on each of the tasks


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


def test_what_a_mirror_is_called_is_not_run(fresh: Path, snakemake: Snakemake) -> None:
    """The shell fills in nothing, and a field of Snakemake's is refused before anything runs."""
    odd = fresh / "odd.yaml"
    odd.write_text("mirror: 'http://127.0.0.1:9/$(touch made)`touch made`; touch made'\n")
    done = snakemake(fresh, "data_check", "--configfile", "odd.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    odd.write_text(
        "mirror: 'http://127.0.0.1:9/{config[download_lock]}'\n"
        "download_lock: \"x'; touch made; echo '{output}\"\n"
    )
    done = snakemake(fresh, "data_check", "--configfile", "odd.yaml")
    assert done.returncode == 1
    assert "mirror: " in done.stdout and "braces" in done.stdout
    assert not (fresh / "made").exists()


def test_rules_say_what_they_do(fresh: Path, snakemake: Snakemake) -> None:
    listed = snakemake(fresh, "--list").stdout.splitlines()
    told = dict(line.split(" (", 1) for line in listed if line.endswith(")"))
    assert {"all", "all_tables", "all_figures", "pretrained", "data_check", "task"} <= set(told)
    assert len(told) >= len([line for line in listed if line[:1].islower()])


@pytest.mark.parametrize(
    ("target", "without"),
    [
        ("all_tables", {"tsne", "losses", "cost"}),
        ("all_figures", {"table", "cost"}),
        ("pretrained", {"finetune", "task"}),
    ],
)
def test_targets(fresh: Path, snakemake: Snakemake, target: str, without: set[str]) -> None:
    tiny = ("--profile", "demo", "--configfile", "tiny.yaml")
    planned = jobs(snakemake(fresh, target, *tiny, "-n", "--quiet", "rules"))
    assert "pretrain" in planned
    assert not without & set(planned)


def test_a_rule_of_your_own_wins_over_that_of_the_workflow(
    fresh: Path, snakemake: Snakemake, root: Path
) -> None:
    _, path, rule, _ = readme_blocks((root / "README.md").read_text())
    own = (fresh / path).with_stem("mtcdna")
    own.write_text(rule.replace("lab", "mtcdna"))
    for task in ("mtcdna_1k", "mtcdna_4k"):
        (fresh / "data/mtcdna").mkdir(parents=True, exist_ok=True)
        (fresh / f"data/mtcdna/{task}.zip").touch()
    targets = [f"results/tasks/mtcdna/{task}" for task in ("mtcdna_1k", "mtcdna_4k")]
    planned = snakemake(fresh, *targets, "results/tasks/gue/H3", "-n", "--quiet", "rules")
    own.unlink()
    count = jobs(planned)
    assert (count["mtcdna"], count["task"]) == ("2", "1")


def test_the_rule_of_the_readme_is_formatted(root: Path) -> None:
    for text in (root / "README.md", root / "docs/adding_a_benchmark.md"):
        _, _, rule, _ = readme_blocks(text.read_text())
        command = [sys.executable, "-m", "snakefmt", "--check", "-"]
        checked = subprocess.run(command, input=rule, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr


def test_missing_tables_are_one_clear_line(fresh: Path, snakemake: Snakemake) -> None:
    write_tables(fresh / "data/mine/enhancers", "train")
    (fresh / "mine.yaml").write_text(
        "extends: tiny.yaml\nsuites: {mine: {csv: data/mine, tasks: [enhancers], seeds: [0]}}\n"
    )
    refused = snakemake(fresh, "--configfile", "mine.yaml", "-n")
    assert refused.returncode != 0
    (said,) = [line for line in refused.stdout.splitlines() if "not usable" in line]
    assert "suites.mine.csv: no file 'data/mine/enhancers/test.csv'" in said
    assert "Traceback" not in refused.stdout


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  findna: {pretraining: *tiny}", "  finda: {}", "did you mean 'findna'?"),
        ("[lexicon]", "[lexikon]", "did you mean 'lexicon'?"),
        ("steps: 6", "steps: six", "steps: must be an integer, not 'six'"),
    ],
)
def test_a_typo_is_named(root: Path, old: str, new: str, message: str) -> None:
    text = (root / "tests/workflow/tiny.yaml").read_text()
    assert old in text
    with pytest.raises(InputError, match=re.escape(message)):
        load_config(root, yaml.safe_load(text.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("batch_size: 8", "batch_sise: 8", "did you mean 'batch_size'?"),
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
