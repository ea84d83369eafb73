"""Cost: what counts, what is summed, and what nobody measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dnastudents.config import load_config
from dnastudents.errors import InputError
from dnastudents.results.costs import read_benchmark, read_costs, watts_of
from dnastudents.results.jobs import CountedJobs
from dnastudents.settings import parse
from dnastudents.tables.cost import write_cost_table

JOBS = CountedJobs(
    runs=("had", "had@1", "had_scratch"),
    tasks=("gue/H3",),
    others=("reference/hg38", "teacher/small"),
)
HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time"
WriteJob = Callable[..., None]


@pytest.fixture
def job(tmp_path: Path) -> WriteJob:
    """Write the benchmark file of a job, as Snakemake does, and JSON files of its own."""

    def write(name: str, seconds: Any = None, cpu: Any = "1", rss: Any = "512", **own: Any) -> None:
        if seconds is not None:
            file = tmp_path / "benchmarks" / f"{name}.tsv"
            file.parent.mkdir(parents=True, exist_ok=True)
            values = [seconds, "0:00:01", rss, *["2.0"] * 6, cpu]
            file.write_text(HEADER + "\n" + "\t".join(map(str, values)) + "\n")
        for stem, content in own.items():
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / name / f"{stem}.json").write_text(json.dumps(content))

    return write


def took(seconds: float, device: str = "cpu", **more: Any) -> dict[str, Any]:
    return {"wall_seconds": seconds, "device": device, **more}


@pytest.fixture
def results(tmp_path: Path, job: WriteJob) -> Path:
    """A run that was pretrained on four GPUs and once preempted, and what belongs to it."""
    h100 = "NVIDIA H100 80GB HBM3"
    job("pretrain/had", 3600, "7200", "2048", metrics=took(9000, h100, processes=4))  # resumed
    job("pretrain/had@1", 3700, "-", "-", metrics=took(3600, h100, processes=4))
    job("pretrain/had_scratch", 5, metrics={"steps": 0})  # never trained
    job("finetune/had/gue/H3", 360, seed_0=took(100, h100), failed_seed_1=took(50, h100))
    job("finetune/had_scratch/gue/H3", None, seed_0=took(720), seed_1=took(720))  # no benchmark
    job("baseline/gue/H3", 36)
    job("baseline/kmer_logistic/gue/H3", None, seed_0=took(30))
    job("reference/hg38", 36)
    job("metrics", 18)
    for name in ("pretrain/findna", "finetune/had/gue/H4", "tasks/gue/H4", "reference/mm10"):
        job(name, 1e6)  # of an earlier configuration
    return tmp_path


def test_hours_of_jobs(results: Path) -> None:
    costs = read_costs(results, JOBS).fillna({"run": "", "task": ""})
    found = costs.set_index(["rule", "run", "task"]).sort_index()
    assert len(found) == 8
    assert found.loc[("pretrain", "had", ""), "wall_seconds"].tolist() == [9000, 3700]
    assert found.loc[("pretrain", "had", ""), "device_seconds"].tolist() == [36000, 14800]
    assert found.loc[("pretrain", "had", ""), "cpu_seconds"].isna().tolist() == [False, True]
    assert pd.isna(found.loc[("pretrain", "had_scratch", ""), "device"])
    assert found.loc[("finetune", "had", "gue/H3"), "wall_seconds"] == 360
    assert found.loc[("finetune", "had_scratch", "gue/H3"), "wall_seconds"] == 1440
    assert found.loc[("baseline", "kmer_logistic", "gue/H3"), "wall_seconds"] == 36
    assert pd.isna(found.loc[("metrics", "", ""), "device_seconds"])


def test_tables(results: Path) -> None:
    frame = write_cost_table(results, JOBS, results / "tables/cost.csv")
    assert "kwh" not in pd.read_csv(results / "tables/cost.csv")
    assert frame["jobs"].sum() == 8
    text = (results / "tables/cost.md").read_text()
    had = "| had | 3 | 3.63 | 14.2 | NVIDIA H100 80GB HBM3 | 2 | 2 |"
    assert had in text
    assert "| had_scratch | 2 | 0.401 | 0.4 | cpu | 0.000278 | 0.5 |" in text
    assert "| **total** | **8** | **4.05** |" in text
    assert "| shared by runs | 2 | 0.015 | \u2013 | \u2013 |" in text
    assert "| pretrain | 3 |" in text
    assert "| run | gue/H3 | total |" in text
    assert "kWh" not in text


def test_energy_only_where_watts_are_given(results: Path) -> None:
    settings = {"runs": JOBS.runs, "tasks": JOBS.tasks, "watts": {"NVIDIA H100": 700}}
    frame = write_cost_table(results, settings, results / "tables/cost")
    gpu = frame["device"].str.startswith("NVIDIA", na=False)
    hours = (36000 + 14800 + 360) / 3600
    assert frame.loc[gpu, "kwh"].sum() == pytest.approx(hours * 0.7, abs=1e-5)
    assert frame.loc[~gpu, "kwh"].isna().all()
    text = (results / "tables/cost.md").read_text()
    assert "NVIDIA H100: 700 W" in text
    assert "**\u2265 9.95** |" in text  # the CPU's is not known
    assert watts_of("NVIDIA H100 80GB", {"h100": 1, "H100 80GB": 2, "A100": 3}) == 2


def test_cells_of_a_grid_that_were_not_chosen_cost_too(tmp_path: Path, job: WriteJob) -> None:
    job("finetune/had/gue/H3", 10, seed_0=took(100))
    grid = pd.DataFrame({"wall_seconds": [90.0, 40.0], "chosen": [True, False]})
    grid.to_csv(tmp_path / "finetune/had/gue/H3/grid.csv", index=False)
    assert read_costs(tmp_path, JOBS)["wall_seconds"].tolist() == [140]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pretrain/had@1", ("had", None)),
        ("knn/had/gue/H3", ("had", "gue/H3")),
        ("embed/teacher/small/gue/H3", (None, "gue/H3")),
        ("embed/teacher/large/gue/H3", None),
        ("tsne_cls/gue/H3", (None, "gue/H3")),
        ("knn_table/gue", (None, None)),
        ("knn_table/mtcdna", None),
        ("pmi", (None, None)),
        ("simulate/hg38", (None, None)),
        ("download/gue/GUE.zip", None),
        ("finetune/had@2/gue/H3", None),
    ],
)
def test_which_jobs_are_ours(name: str, expected: Any) -> None:
    assert JOBS.run_and_task(name) == expected


def test_broken_and_absent_files_are_named(tmp_path: Path, job: WriteJob) -> None:
    with pytest.raises(InputError, match="no job has left"):
        read_costs(tmp_path, JOBS)
    job("metrics", "0.1", cpu="NA", rss="-")
    found = read_benchmark(tmp_path / "benchmarks/metrics.tsv")
    assert found["wall_seconds"] == 0.1
    assert pd.isna(found["cpu_seconds"])
    (tmp_path / "benchmarks/metrics.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(InputError, match=r"metrics\.tsv: no benchmark of Snakemake"):
        read_costs(tmp_path, JOBS)
    with pytest.raises(InputError, match="cost: unknown key 'task'; did you mean 'tasks'"):
        parse(CountedJobs, {"runs": [], "task": []}, "cost")


def test_the_configuration_names_its_jobs(root: Path) -> None:
    jobs = load_config(root).cost_settings()
    assert parse(CountedJobs, json.loads(json.dumps(jobs.as_json())), "cost") == jobs
    assert jobs.watts == {}
    assert jobs.run_and_task("download/reference/hg38.fa.gz") == (None, None)
    assert jobs.run_and_task("teacher/nt_v2_500m") == (None, None)
    assert jobs.run_and_task("teacher/nt_v2_50m") is None
    assert jobs.run_and_task("finetune/had/gue/H3") == ("had", "gue/H3")
    assert jobs.run_and_task("finetune/had/gue/H9") is None
    with pytest.raises(InputError, match=r"cost\.watts"):
        load_config(root, {"cost": {"watts": {"cpu": -1}}})
