"""A small world: one of everything that a subcommand reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import make_results
from recipes import settings_of

from dnastudents.cli import main
from metrics_rows import metrics_row

FIXED = {"count": 8, "kind": "windows", "length": 54}


@pytest.fixture(scope="session")
def world(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Paths by what is there; results are made by the subcommands themselves."""
    folder = tmp_path_factory.mktemp("world")
    place = {
        "fasta": inputs["reference"].parent / "genome.fa",
        **{name: inputs[name] for name in ("reference", "pmi", "teacher")},
        **{
            name: folder / name
            for name in ("run", "task", "features", "results", "settings", "scored", "shown")
        },
        **{
            name: folder / f"{name}.csv"
            for name in ("train", "test", "manifest", "metrics", "many", "compared")
        },
        "intervals": folder / "folds.bed",
        "lock": folder / "lock.json",
        "embedding": folder / "x.npz",
        "configfile": folder / "my.yaml",
        "classifier": folder / "run.tuned/classifier",
        "vcf": folder / "v.vcf",
    }
    _write_files(place)
    for line in (
        "benchmark mine gc {train} {test} --output {task}",
        "pretrain had --reference {reference} --teacher {teacher} --output {run} "
        "--settings {settings}/had.json --state {run}.state",
        "teacher cache --reference {reference} --teacher {teacher} --output {features} "
        "--settings {settings}/fixed.json",
        "metrics {results} --runs had had_scratch --tasks gue/tf_0 --output {metrics}",
        "metrics {results} --runs had had_scratch run --tasks gue/tf_0 few_shot/silencer_10 mine/gc"
        " --output {many}",
        "comparisons --metrics {metrics} --pairs had:had_scratch --output {compared}",
        "embed {run} {task}/test.parquet --output {embedding}",
        "finetune had --pretrained {run} --task {task} --settings {lock} --state {run}.tuning "
        "--output {run}.tuned",
        "pmi {reference} --settings {settings}/scored.json --output {scored}",
    ):
        assert main(["--quiet", *line.format(**place).split()]) == 0, line
    return place


def _write_files(place: dict[str, Path]) -> None:
    bases = "".join(np.random.default_rng(0).choice(list("ACGT"), 3000))
    for name, count in (("train", 40), ("test", 8)):
        rows = [f"{bases[60 * n : 60 * n + 50]},{n % 2}" for n in range(count)]
        place[name].write_text("\n".join(["sequence,label", *rows]) + "\n")
    header = "id,url,alternative_urls,sha256,bytes,licence,citation,note"
    place["manifest"].write_text(f"{header}\nx.csv,http://127.0.0.1:9/x.csv,,,,,,\n")
    place["results"].mkdir()
    (place["results"] / "x.csv").write_text("a,b\n")
    place["shown"].mkdir()
    make_results(place["shown"], ["had"], {"gue": ["tf_0"]}, seeds=1)
    place["intervals"].write_text("chrA\t0\t3000\ttrain\nchrB\t0\t3000\tvalid\n")
    place["lock"].write_text("{}")
    place["vcf"].write_text("chrA\t11\t.\tN\tA\n")
    place["configfile"].write_text("{}")
    for run in ("finetune/had", "finetune/had_scratch", "finetune/run", "baseline/kmer_logistic"):
        for of_task in ("gue/tf_0", "few_shot/silencer_10", "mine/gc"):
            folder = place["results"] / run / of_task
            folder.mkdir(parents=True)
            suite, task = of_task.split("/")
            row = metrics_row(run=run.rpartition("/")[2], suite=suite, task=task)
            (folder / "seed_0.json").write_text(json.dumps(row))
    fixed = settings_of("had", steps=1, window=FIXED, reverse_complement=0.0)
    settings: dict[str, Any] = {
        "needs": {"gue/tf_0": {"datasets": ["x.csv"]}},
        "cost": {"runs": ["had"], "tasks": ["gue/tf_0"], "others": [], "watts": {}},
        "simulated": {"length": 100000, "seed": 1},
        "scored": {"threshold": 1.5},
        "short": {"epochs": 1, "selection": "last"},
        "had": settings_of("had", steps=1),
        "masked_lm": settings_of("masked_lm", steps=1),
        "fixed": {**fixed, "objective": {"name": "had", "static_masks": True}},
        "intervals": settings_of("masked_lm", steps=1),
    }
    pretraining = settings["intervals"]["pretraining"]
    pretraining["window"] = {"kind": "intervals", "length": 54}
    del pretraining["splits"]
    place["settings"].mkdir()
    for name, values in settings.items():
        (place["settings"] / f"{name}.json").write_text(json.dumps(values))
