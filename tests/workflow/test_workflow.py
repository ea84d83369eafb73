"""Real runs of the whole workflow at the size of a test."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dnastudents import models
from dnastudents.genome import tokenizers
from harness import Snakemake, command, edit, environment, readme_blocks, write_tables

pytestmark = pytest.mark.slow
TINY = ("--profile", "demo", "--configfile", "tiny.yaml")
RUNS = ("had_scratch", "had", "findna")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "results/metrics.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


def assert_drawn(figures: Path, name: str) -> None:
    assert (figures / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert b"</svg>" in (figures / f"{name}.svg").read_bytes()


def assert_usable(folder: Path) -> None:
    """As the README says of a student."""
    model, tokenizer = models.load(folder), tokenizers.load(folder)
    ids = torch.tensor([tokenizer.encode("ACGTTGCAACGTNACGT")])
    output = model(ids)
    assert output.last_hidden_state.shape[:2] == ids.shape
    assert output.logits.shape[:2] == ids.shape
    assert torch.isfinite(output.logits).all()


def test_every_run_meets_every_task(tiny: Path) -> None:
    found = {(row["run"], row["seed"]) for row in rows(tiny)}
    assert {(run, seed) for run in RUNS for seed in "01"} <= found
    assert "kmer_logistic" in {row["run"] for row in rows(tiny)}
    for row in rows(tiny):
        assert 0 <= float(row["accuracy"]) <= 1
        assert row["simulated"] == "True"


def test_a_pretraining_knows_its_name(tiny: Path) -> None:
    for name in ("pretrain/had", "pretrain/findna", "teacher/small"):
        metrics = json.loads((tiny / "results" / name / "metrics.json").read_text())
        assert metrics["run"] == name.split("/")[1]


def test_the_quickstart_runs_on_these_results(tiny: Path, root: Path, tmp_path: Path) -> None:
    """The cells of the notebook, one after the other, as a script."""
    notebook = json.loads((root / "docs/quickstart.ipynb").read_text())
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    assert len(cells) >= 6
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(cells)],
        env=os.environ | {"DNASTUDENTS_RESULTS": str(tiny / "results"), "HF_HUB_OFFLINE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "accuracy 0." in done.stdout or "accuracy 1.0" in done.stdout
    assert len((tmp_path / "classes.csv").read_text().splitlines()) > 100
    assert (tmp_path / "my_classifier/model.safetensors").is_file()


def test_classifiers_are_kept(tiny: Path) -> None:
    for run in RUNS:
        folder = tiny / "results/finetune" / run / "simulated/lexicon"
        best = max(
            (json.loads(file.read_text()) for file in folder.glob("seed_*.json")),
            key=lambda row: (row["best_dev"], -row["seed"]),
        )
        kept = json.loads((folder / "classifier/provenance.json").read_text())["row"]
        assert (kept["seed"], kept["value"]) == (best["seed"], best["value"])
        assert "simulated sequences" in (folder / "classifier/README.md").read_text()


def test_probes_have_rows_of_their_own(tiny: Path) -> None:
    """One a pretraining, one a seed of a student without; none of them in metrics.csv."""
    with (tiny / "results/knn.csv").open(newline="") as handle:
        probed = list(csv.DictReader(handle))
    found = [(row["run"], row["seed"]) for row in probed if row["run"] != "kmer_logistic"]
    assert sorted(found) == sorted(
        (run, seed)
        for run in RUNS
        for seed in "01"  # max_train_sequences draws other sequences with each seed
    )
    assert all("neighbours" not in row for row in rows(tiny))


TSNE = ("tsne_simulated_lexicon", "tsne_cls_simulated_lexicon")


def test_tables_and_figures_are_there_and_say_simulated(tiny: Path) -> None:
    tables, figures = tiny / "results/tables", tiny / "results/figures"
    for name in ("simulated", "benchmarks", "comparisons", "cost", "knn_simulated"):
        for extension in ("csv", "md", "tex"):
            assert (tables / f"{name}.{extension}").stat().st_size > 100
    table = (tables / "simulated.md").read_text().lower()
    assert "simulated" in table
    for name in ("had", "findna"):
        assert name in table
    probes = (tables / "knn_simulated.md").read_text()
    assert "the vote of the 3 nearest training sequences" in probes
    assert "simulated data" in probes
    for name in ("losses", "overview_simulated", "heatmap", "comparisons", *TSNE):
        assert_drawn(figures, name)
    page = (tiny / "results/index.html").read_text()
    assert "Simulated data." in page
    assert "What pretraining changed" in page
    assert page.count("<figure>") >= 4
    assert "simulated: k-NN probe" in page


def test_a_finished_workflow_has_nothing_to_do(tiny: Path, snakemake: Snakemake) -> None:
    again = snakemake(tiny, *TINY)
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout


def test_the_report_is_made_offline(tiny: Path, snakemake: Snakemake) -> None:
    made = snakemake(tiny, *TINY, "--report", "report.zip")
    assert made.returncode == 0, made.stdout[-3000:]
    with zipfile.ZipFile(tiny / "report.zip") as archive:
        names = archive.namelist()
    assert any(name.endswith("report.html") for name in names)
    assert any(name.endswith("index.html") for name in names)


def test_runs_follow_the_config(tiny: Path, snakemake: Snakemake) -> None:
    """One run taken out, one put in: no other edit, and nothing else is computed again."""
    kept = tiny / "results/pretrain/had/metrics.json"
    before = kept.stat().st_mtime_ns

    def change(values: dict) -> None:
        del values["runs"]["findna"]
        window = {"kind": "pieces", "length": 126}
        pretraining = values["runs"]["had"]["pretraining"] | {"window": window}
        values["runs"]["logo_cm_gems"] = {"pretraining": pretraining}

    edit(tiny / "tiny.yaml", change)
    changed = snakemake(tiny, *TINY)
    assert changed.returncode == 0, changed.stdout[-3000:]
    found = {(row["run"], row["seed"]) for row in rows(tiny)}
    assert ("findna", "0") not in found
    assert {("logo_cm_gems", "0"), ("logo_cm_gems", "1")} <= found
    table = (tiny / "results/tables/simulated.csv").read_text()
    assert "findna" not in table
    assert "logo_cm_gems" in table
    assert kept.stat().st_mtime_ns == before
    assert_drawn(tiny / "results/figures", "pmi")
    assert_usable(tiny / "results/pretrain/logo_cm_gems/model")


def test_a_benchmark_is_one_block_or_one_rule(tiny: Path, snakemake: Snakemake, root: Path) -> None:
    """The blocks and the rule are those that the README shows."""
    csv_block, path, rule, rule_block = readme_blocks((root / "README.md").read_text())
    (tiny / path).write_text(rule)

    def change(values: dict) -> None:
        """One run, and the linear probe on one of the two."""
        values["suites"].update(csv_block | rule_block)
        values["runs"] = {"had": values["runs"]["had"]}
        values["probes"]["linear"] = {"epochs": 2, "suites": ["lab"]}

    edit(tiny / "tiny.yaml", change)
    write_tables(tiny / "data/mine/enhancers", "train", "dev", "test")
    write_tables(tiny / "tables", "train", "test")
    (tiny / "data/lab").mkdir()
    with zipfile.ZipFile(tiny / "data/lab/silencers.zip", "w") as archive:
        for file in sorted((tiny / "tables").iterdir()):
            archive.write(file, file.name)

    tables = [f"results/tables/{name}.md" for name in ("mine", "lab", "benchmarks", "linear_lab")]
    done = snakemake(tiny, "results/metrics.csv", *tables, *TINY)
    assert done.returncode == 0, done.stdout[-3000:]
    found = {(row["suite"], row["seed"]) for row in rows(tiny) if row["run"] == "had"}
    assert {("mine", "0"), ("mine", "1"), ("mine", "2"), ("lab", "0")} <= found
    assert "enhancers" in (tiny / "results/tables/mine.md").read_text()
    assert "silencers" in (tiny / "results/tables/lab.md").read_text()
    assert "mine" in (tiny / "results/tables/benchmarks.md").read_text()
    protocol = json.loads((tiny / "results/tasks/mine/enhancers/task.json").read_text())
    assert (protocol["dev_rule"]["origin"], protocol["n_sequences"]["dev"]) == ("official", 120)
    assert protocol["metric"] == "mcc"
    with (tiny / "results/linear.csv").open(newline="") as handle:
        linear = [row for row in csv.DictReader(handle) if row["run"] != "kmer_logistic"]
    assert [(row["run"], row["suite"], row["frozen"]) for row in linear] == [("had", "lab", "True")]
    assert all(row["frozen"] != "True" for row in rows(tiny))
    assert "frozen" in (tiny / "results/tables/linear_lab.md").read_text()


def test_students_are_used_as_the_readme_says(tiny: Path) -> None:
    for run in RUNS:
        assert_usable(tiny / f"results/pretrain/{run}/model")


def test_a_killed_run_goes_on(
    checkout: Callable[[str], Path], snakemake: Snakemake, tiny: Path
) -> None:
    folder = checkout("killed run")
    (folder / "tiny.yaml").write_text(
        (folder / "tiny.yaml").read_text().replace("steps: 6", "steps: 40")
    )
    target = "results/pretrain/findna"
    workflow = subprocess.Popen(
        command(target, *TINY),
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    states = folder / "results/state/pretrain/findna"
    while workflow.poll() is None and not list(states.glob("step_*.pt")):
        time.sleep(0.05)
    os.killpg(workflow.pid, signal.SIGKILL)
    workflow.wait()
    assert not (folder / target).exists()
    reference = folder / "results/reference/simulated/codes.npy"
    before = reference.stat().st_mtime_ns

    assert snakemake(folder, *TINY, "--unlock").returncode == 0
    done = snakemake(folder, target, *TINY)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "resumes from step" in (folder / "results/logs/pretrain/findna.log").read_text()
    assert (folder / target / "model/model.safetensors").exists()
    assert reference.stat().st_mtime_ns == before
