"""What the benchmarks run on: a genome, PMI ranks, and the runs of `config.yaml` at full size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dnastudents import models, pmi
from dnastudents.benchmarks.simulator import simulate
from dnastudents.config import load_config
from dnastudents.config.merge import merge
from dnastudents.genome import reference, tokenizers
from dnastudents.genome.tokenizers import Tokenizer
from dnastudents.objectives import Objective, Resources, build
from dnastudents.randomness import torch_generator
from dnastudents.settings import parse
from dnastudents.training.corpus import Corpus
from dnastudents.training.options import Pretraining, RunSettings

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT / "results/chr21_22"
TINY = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}  # for --quick
TINY_OF = {
    "bert": {**TINY, "intermediate_size": 64},
    "hybrid": {"hidden_size": 32, "num_hidden_layers": 1, "heads": 1, "head_size": 8},
    "chordmixer": {"max_length": 64, "track_size": 4, "hidden_size": 16, "blocks": 1},
}


@dataclass(frozen=True)
class Run:
    """A run of the configuration, ready to train."""

    name: str
    seed: int
    plan: Pretraining
    tokenizer: Tokenizer
    corpus: Corpus
    objective: Objective


def genome(folder: Path, quick: bool) -> tuple[Path, str]:
    """A reference folder and what it is: the real one where it was made, else a simulated one.

    Parameters
    ----------
    folder : Path
        Where a simulated genome goes.
    quick : bool
        Always simulate, and only 100,000 bases.
    """
    real = REAL / "reference/chr21_22"
    if not quick and real.is_dir():
        return real, "chr21 and chr22 of hg38"
    length = 100_000 if quick else 2_400_000
    simulate(folder / "simulated", {"seed": 0, "length": length})
    reference.build(folder / "simulated/genome.fa", folder / "reference", simulated=True)
    return folder / "reference", "simulated genome"


def ranks(tokenizer: Tokenizer) -> torch.Tensor:
    """PMI rank of each id, int64 (vocab_size,): of the real run, else a random permutation."""
    if (REAL / "pmi/pmi.json").is_file():
        return pmi.load_ranks(REAL / "pmi", tokenizer)
    return torch.randperm(tokenizer.vocab_size, generator=torch_generator(0, "ranks")) + 1


def run(name: str, reference_folder: Path, quick: bool, **changes: Any) -> Run:
    """Make a run of `config.yaml`, with random weights and the whole genome to learn from.

    Parameters
    ----------
    name : str
        Under `runs:`.
    reference_folder : Path
        What `genome` gave.
    quick : bool
        A tiny student.
    **changes
        Keys of the run put over those of the configuration; `objective` and `masking` replace
        theirs when they have another name.
    """
    values = merge(load_config(ROOT).pretrain_settings(name).as_json(), changes)
    if quick:
        values["student"] |= TINY_OF[values["student"]["architecture"]]
    values["pretraining"]["splits"] = {"train": ["all"], "validation": []}
    settings = parse(RunSettings, values, name)
    plan = settings.pretraining
    assert plan is not None
    tokenizer = tokenizers.build(settings.student.tokenizer)
    torch.manual_seed(settings.seed)
    student = models.build(settings.student, tokenizer)
    objective = build(
        settings.objective,
        settings.masking,
        student,
        tokenizer,
        settings.seed,
        plan.steps,
        Resources(),
    )
    corpus = Corpus(reference_folder, plan, settings.seed)
    return Run(name, settings.seed, plan, tokenizer, corpus, objective)
