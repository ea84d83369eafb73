"""A small genome with all that recipes learn from beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dnastudents.genome.reference import Reference, build
from small_students import NUCLEOTIDE_TRANSFORMER


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of a genome, its PMI table, and a random teacher."""
    from dnastudents import models, pmi  # not at the top, see small_task.py
    from dnastudents.genome import tokenizers

    folder = tmp_path_factory.mktemp("inputs")
    generator = np.random.default_rng(0)
    lines = []
    for name in ("chrA", "chrB"):
        bases = generator.choice(list("ACGT"), 9000, p=[0.4, 0.1, 0.2, 0.3])
        bases[4000:4020] = "N"
        lines += [f">{name}", "".join(bases)]
    (folder / "genome.fa").write_text("\n".join(lines) + "\n")
    build(folder / "genome.fa", folder / "reference")
    pmi.write(
        Reference.open(folder / "reference"), folder / "pmi", ["chrA"], {"threshold": "scaled"}
    )
    tokenizer = tokenizers.build("nucleotide_transformer")
    models.build(NUCLEOTIDE_TRANSFORMER, tokenizer).save_pretrained(folder / "teacher")
    tokenizer.save_pretrained(folder / "teacher")
    return {name: folder / name for name in ("reference", "pmi", "teacher")}
