"""docs/adding_a_method.md is true: its code, put where it says, makes methods that work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BLOCK = re.compile(r"```python\n# (src/\S+?)( \(at its end\))?\n(.*?)```", re.S)

# Trains a run of all that is new, stopped and resumed, and asks the configuration, the schema and
# the plan about it. Prints a line for each.
SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np, torch
from dnastudents.config import export, load_config
from dnastudents.genome.reference import build
from dnastudents.training import loop
from dnastudents.training.pretrain import pretrain
from safetensors.torch import load_file

root, folder = Path(sys.argv[1]), Path(sys.argv[2])
generator = np.random.default_rng(0)
lines = [f">chr{n}\\n" + "".join(generator.choice(list("ACGT"), 4000)) for n in "ABC"]
(folder / "genome.fa").write_text("\\n".join(lines) + "\\n")
build(folder / "genome.fa", folder / "reference")

block = {
    "steps": 4, "batch_size": 4, "window": {"kind": "first", "length": 60},
    "optimizer": {"learning_rate": 0.001}, "checkpoint_every": 2, "evaluate_every": 2,
    "validation_sequences": 4,
}
changes = {
    "genome": "mine",
    "references": {"mine": {"fasta": str(folder / "genome.fa"),
                            "splits": {"train": ["chrA", "chrB"], "validation": ["chrC"]}}},
    "students": {"convolution": {"architecture": "convolution", "hidden_size": 16}},
    "runs": {"new": {"student": "convolution", "objective": {"name": "smoothed"},
                     "masking": {"name": "pairs"}, "pretraining": block},
             "new_scratch": {"student": "convolution", "objective": {"name": "none"}}},
    "suites": {"gue": {}}, "figures": {"tsne": {"tasks": []}},
}
config = load_config(root, changes)
settings = config.pretrain_settings("new")
print("method", settings.method, "control", config.comparisons())

def train(name):
    given = {"output": folder / name, "state": folder / f"state_{name}"}
    pretrain(settings, reference=folder / "reference", **given)
    return load_file(folder / name / "model/model.safetensors")

advance = loop.Trainer.advance

def killed_at_the_last_step(trainer):
    if trainer.step == 3:
        raise KeyboardInterrupt
    advance(trainer)

whole = train("whole")
loop.Trainer.advance = killed_at_the_last_step
try:
    train("resumed")
except KeyboardInterrupt:
    loop.Trainer.advance = advance
resumed = train("resumed")
assert all(torch.equal(whole[key], resumed[key]) for key in whole)
assert "dna_convolution" in (folder / "whole/model/config.json").read_text()
print("trained and resumed", len(whole) > 0)

text = json.dumps(export.json_schema())
print("schema", all(word in text for word in ("smoothing", "pairs", "first", "kernel_size")))

from dnastudents.plan import plan
planned = plan(config, device="H100")
print("planned", [job.run for job in planned.jobs if job.kind == "pretrain"])
"""


@pytest.fixture(scope="module")
def extended(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with all that the page adds."""
    copy = tmp_path_factory.mktemp("extended")
    shutil.copytree(root / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    blocks = BLOCK.findall((root / "docs/adding_a_method.md").read_text())
    assert len(blocks) == 9
    for name, appended, code in blocks:
        path = copy / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(path.read_text() + "\n\n" + code if appended else code)
    return copy


def test_what_the_page_adds_is_trained_planned_and_known(
    extended: Path, root: Path, tmp_path: Path
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(extended / "src")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(root), str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "method smoothed control [('new', 'new_scratch')]" in done.stdout
    assert "trained and resumed True" in done.stdout
    assert "schema True" in done.stdout
    assert "planned ['new']" in done.stdout
