"""The 18 tasks of the Nucleotide Transformer benchmark as its authors revised them for publication.

Other data than the suite `nucleotide_transformer`, also where tasks share a name: histone marks are
human (ENCODE, K562, 1,000 bp) and not of yeast, enhancers have 400 bp, and the test split holds out
chromosomes. The files are laid out as there, under
InstaDeepAI/nucleotide_transformer_downstream_tasks_revised on Hugging Face. The metric of all tasks
is MCC (Dalla-Torre et al. 2024, doi 10.1038/s41592-024-02523-z). There is no official dev split.
"""

from __future__ import annotations

from pathlib import Path

from dnastudents.benchmarks.nucleotide_transformer import write_version
from dnastudents.benchmarks.sources import Paths

SUITE = "nucleotide_transformer_revised"
_MARKS = (
    "H2AFZ",
    "H3K27ac",
    "H3K27me3",
    "H3K36me3",
    "H3K4me1",
    "H3K4me2",
    "H3K4me3",
    "H3K9ac",
    "H3K9me3",
    "H4K20me1",
)
_PROMOTERS = ("promoter_all", "promoter_no_tata", "promoter_tata")
_SPLICE_SITES = ("splice_sites_acceptors", "splice_sites_all", "splice_sites_donors")
METRICS = dict.fromkeys(
    (*_MARKS, "enhancers", "enhancers_types", *_PROMOTERS, *_SPLICE_SITES), "mcc"
)


def write(sources: Paths, task: str, output: Path, leakage: str = "report") -> None:
    """Write the task folder of one task, as `nucleotide_transformer.write` does."""
    write_version(SUITE, METRICS, sources, task, output, leakage)
